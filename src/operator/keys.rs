//! `/v1/apikeys`: making, listing and removing API keys.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    input::Path,
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    service::{
        access::{Operator, Scope},
        keys,
    },
    storage::ApiKeyRecord,
};

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// 1 to 64 letters, digits, or any of `-` `_` `.` `@`.
    #[schema(
        max_length = 64,
        min_length = 1,
        pattern = "^[A-Za-z0-9_.@-]*[A-Za-z0-9][A-Za-z0-9_.@-]*$"
    )]
    name: String,
    /// What it may do.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// When it stops working; never if absent.
    expires_at: Option<Time>,
    /// The scope tags it is confined to; to none if absent.
    #[schema(min_items = 1, max_items = 100)]
    tags: Option<Vec<String>>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The key itself, which is shown this once.
    key: String,
}

/// All keys.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    /// By name.
    api_keys: Vec<KeyView>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// When it was made.
    created_at: Time,
    /// When it stops working; never if null.
    expires_at: Option<Time>,
    /// The scope tags it is confined to; null: to none, it sees everything.
    tags: Option<Vec<String>>,
    /// When it was used last, to a minute.
    used_at: Option<Time>,
}

impl From<ApiKeyRecord> for KeyView {
    fn from(key: ApiKeyRecord) -> Self {
        Self {
            name: key.name,
            scopes: key.scopes,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Time),
            tags: key.tags,
            used_at: key.used_at.map(Time),
        }
    }
}

/// Makes a key; the answer is the only place where it ever shows.
#[utoipa::path(
    post, path = "/v1/apikeys", tag = "access", operation_id = "create_api_key",
    request_body = NewKey,
    responses(
        (status = 201, description = "Made.", body = MadeKey),
        (status = 409, description = "The name is taken."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let new: NewKey = door.json(&headers, body).await?;
    let key = keys::NewKey {
        name: new.name.clone(),
        scopes: new.scopes.clone(),
        tags: new.tags,
        expires_at: new.expires_at.map(|at| at.0),
    };
    let key = door.keys.create(key, door.clock.now()).await?;
    tracing::info!(by = operator.name, name = new.name, "API key created");
    Ok(json_response(
        StatusCode::CREATED,
        &MadeKey {
            name: new.name,
            scopes: new.scopes,
            key: key.reveal().to_owned(),
        },
    ))
}

/// All keys, without their secrets.
#[utoipa::path(
    get, path = "/v1/apikeys", tag = "access", operation_id = "list_api_keys",
    responses((status = 200, description = "All keys.", body = KeyList)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let api_keys = door.keys.list().await?.into_iter().map(KeyView::from).collect();
    Ok(json_response(StatusCode::OK, &KeyList { api_keys }))
}

/// Removes a key; it opens nothing from the next request on.
#[utoipa::path(
    delete, path = "/v1/apikeys/{name}", tag = "access", operation_id = "remove_api_key",
    params(("name" = String, Path, description = "The key's name.")),
    responses(
        (status = 204, description = "Removed."),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    door.keys.remove(&name).await?;
    tracing::info!(by = operator.name, name, "API key removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

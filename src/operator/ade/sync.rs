//! `/v1/ade/sync`: how the sync of a token with Apple's list stands, and starting one.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::sync_view::{SyncList, SyncRunView, SyncView};
use crate::{
    operator::{
        OperatorDoor,
        input::Query,
        render::{Failure, json_response},
    },
    service::access::{Operator, Scope},
};

/// A sync to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSync {
    /// The server token's name; the default one if absent.
    token: Option<String>,
    /// All devices, and not only what has changed; once in seven days.
    #[serde(default)]
    full: bool,
}

/// A sync that was started.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedSync {
    /// The server token.
    token: String,
    /// The sync.
    running: SyncRunView,
}

/// Begins a sync, and answers at once.
///
/// `GET /v1/ade/sync` tells how far it is. An operator may ask for one every 15 minutes.
#[utoipa::path(
    post, path = "/v1/ade/sync", tag = "ade", operation_id = "start_sync",
    request_body = NewSync,
    responses(
        (status = 202, description = "It runs.", body = StartedSync),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "One runs already, or the token waits for its file."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn start(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let asked: NewSync = door.json(&headers, body).await?;
    let token = door.token_for(&operator, asked.token.as_deref()).await?;
    let started = door.ade_sync.start(&token, asked.full).await?;
    tracing::info!(
        by = operator.name,
        token = token.name,
        full = asked.full,
        "sync asked for"
    );
    let answer = StartedSync {
        token: token.name,
        running: started.into(),
    };
    Ok(json_response(StatusCode::ACCEPTED, &answer))
}

/// Whose sync.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SyncQuery {
    /// The server token's name; all if absent.
    token: Option<String>,
}

/// How the syncs of tokens with Apple's list stand.
#[utoipa::path(
    get, path = "/v1/ade/sync", tag = "ade", operation_id = "show_sync",
    params(SyncQuery),
    responses(
        (status = 200, description = "How they stand.", body = SyncList),
        (status = 404, description = "There is no such server token."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<SyncQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let tokens = match &query.token {
        Some(name) => vec![door.token_for(&operator, Some(name)).await?],
        None => {
            let sight = door.sight(&operator).await?;
            let mut tokens = door.store.ade_tokens().await?;
            tokens.retain(|token| sight.sees_token(token));
            tokens
        }
    };
    let mut syncs = Vec::new();
    for token in tokens {
        let status = door.ade_sync.status(&token).await?;
        syncs.push(SyncView::new(token, status));
    }
    Ok(json_response(StatusCode::OK, &SyncList { syncs }))
}

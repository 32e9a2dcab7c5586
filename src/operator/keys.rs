//! `/v1/apikeys`: making, listing and removing API keys.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    OperatorDoor,
    input::{Path, bad},
    render::{Failure, json_response},
};
use crate::{
    protocol::time::Timestamp,
    service::access::{Operator, Scope},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
}

/// Makes a key; the answer is the only place where it ever shows.
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let new: NewKey = door.json(&headers, body).await?;
    let mut scopes = Vec::new();
    for name in &new.scopes {
        scopes.push(Scope::parse(name).ok_or_else(|| {
            bad(
                "scopes",
                "may hold admin, audit, command, enroll, read and support",
            )
        })?);
    }
    let read =
        |text: String| Timestamp::parse_rfc3339(&text).ok_or_else(|| bad("expires_at", "is not RFC 3339"));
    let expires_at = new.expires_at.map(read).transpose()?;
    let key = door
        .keys
        .create(&new.name, &scopes, expires_at, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, name = new.name, "API key created");
    Ok(json_response(
        StatusCode::CREATED,
        &json!({ "name": new.name, "scopes": scopes_text(&scopes), "key": key.reveal() }),
    ))
}

fn scopes_text(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

/// All keys, without their secrets.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let keys: Vec<_> = door
        .keys
        .list()
        .await?
        .into_iter()
        .map(|key| {
            json!({
                "name": key.name,
                "scopes": key.scopes,
                "created_at": key.created_at.to_rfc3339(),
                "expires_at": key.expires_at.map(Timestamp::to_rfc3339),
            })
        })
        .collect();
    Ok(json_response(StatusCode::OK, &json!({ "api_keys": keys })))
}

/// Removes a key; it opens nothing from the next request on.
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.keys.remove(&name).await?;
    tracing::info!(by = operator.name, name, "API key removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

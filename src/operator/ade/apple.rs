//! Questions that are passed on to Apple: tokens for beta releases, locks, replaced devices, and where devices of people
//! with managed Apple Accounts are sent.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    operator::{
        OperatorDoor,
        input::{Params, Path},
        render::{Failure, json_response},
    },
    protocol::ids::SerialNumber,
    service::access::{Operator, Scope},
    storage::AdeTokenRecord,
};

impl OperatorDoor {
    async fn token_of(&self, query: Option<&str>) -> Result<AdeTokenRecord, Failure> {
        let params = Params::parse(query);
        Ok(self.ade_devices.token(params.get("token")).await?)
    }
}

/// Tokens for beta releases, as Apple gives them; `token`.
pub(super) async fn beta_tokens(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_of(query.as_deref()).await?;
    let answer = door.ade_devices.beta_tokens(&token, door.clock.now()).await?;
    Ok(json_response(StatusCode::OK, &answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    token: Option<String>,
    serial: SerialNumber,
    /// The hash of a bypass code, in hexadecimal.
    escrow_key: Option<String>,
    lost_message: Option<String>,
}

/// Locks a device that is not enrolled.
pub(super) async fn activation_lock(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Lock = door.json(&headers, body).await?;
    let token = door.ade_devices.token(asked.token.as_deref()).await?;
    let mut request = json!({ "device": asked.serial });
    if let Some(key) = asked.escrow_key {
        request["escrow_key"] = key.into();
    }
    if let Some(message) = asked.lost_message {
        request["lost_message"] = message.into();
    }
    let status = door
        .ade_devices
        .activation_lock(&token, &request, door.clock.now())
        .await?;
    tracing::warn!(by = operator.name, token = token.name, serial = %asked.serial, status, "activation lock");
    let answer = json!({ "serial": asked.serial, "response_status": status });
    Ok(json_response(StatusCode::OK, &answer))
}

/// Which device a device has replaced, as Apple tells it; `token`.
pub(super) async fn replacement(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_of(query.as_deref()).await?;
    let answer = door
        .ade_devices
        .replacement(&token, &serial, door.clock.now())
        .await?;
    Ok(json_response(StatusCode::OK, &answer))
}

/// Where Apple sends devices of people with managed Apple Accounts; `token`.
pub(super) async fn service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_of(query.as_deref()).await?;
    let answer = door
        .ade_devices
        .service_discovery(&token, door.clock.now())
        .await?;
    Ok(json_response(StatusCode::OK, &answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discovery {
    token: Option<String>,
    url: String,
}

/// Sets that address.
pub(super) async fn set_service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Discovery = door.json(&headers, body).await?;
    let token = door.ade_devices.token(asked.token.as_deref()).await?;
    door.ade_devices
        .set_service_discovery(&token, Some(&asked.url), door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token = token.name,
        "service discovery address set"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes it away; `token`.
pub(super) async fn remove_service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let token = door.token_of(query.as_deref()).await?;
    door.ade_devices
        .set_service_discovery(&token, None, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token = token.name,
        "service discovery address removed"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

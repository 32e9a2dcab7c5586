//! Questions that are passed on to Apple: tokens for beta releases, locks, replaced devices, and where devices of people
//! with managed Apple Accounts are sent.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TokenQuery;
use crate::{
    operator::{
        OperatorDoor,
        input::{Path, Query},
        render::{Failure, json_response},
    },
    protocol::ids::SerialNumber,
    service::{
        access::{Operator, Scope},
        ade::devices::ActivationLock,
    },
};

/// Tokens for beta releases, as Apple gives them.
#[utoipa::path(
    get, path = "/v1/ade/beta-tokens", tag = "ade", operation_id = "list_beta_tokens",
    params(TokenQuery),
    responses(
        (status = 200, description = "Apple's answer.", body = Object),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn beta_tokens(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_for(&operator, query.token.as_deref()).await?;
    let answer = door.ade_devices.beta_tokens(&token, door.clock.now()).await?;
    Ok(json_response(StatusCode::OK, &answer))
}

/// A device to be locked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewActivationLock {
    /// The server token's name; the default one if absent.
    token: Option<String>,
    /// Its serial number.
    serial: SerialNumber,
    /// The hash of a bypass code, in hexadecimal; `GET /v1/bypasscode` makes one.
    escrow_key: Option<String>,
    /// Shown on the locked device.
    #[schema(max_length = 1_000)]
    lost_message: Option<String>,
}

/// What Apple said.
#[derive(Serialize, ToSchema)]
pub(super) struct ActivationLocked {
    /// The device.
    serial: SerialNumber,
    /// Apple's word, such as `SUCCESS` or `ORG_NOT_SUPPORTED`.
    response_status: String,
}

/// Locks a device of the organisation that is not enrolled.
#[utoipa::path(
    post, path = "/v1/ade/activation-locks", tag = "ade", operation_id = "create_activation_lock",
    request_body = NewActivationLock,
    responses(
        (status = 200, description = "What Apple said.", body = ActivationLocked),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn activation_lock(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: NewActivationLock = door.json(&headers, body).await?;
    let token = door.token_for(&operator, asked.token.as_deref()).await?;
    let lock = ActivationLock {
        serial: asked.serial.clone(),
        escrow_key: asked.escrow_key,
        lost_message: asked.lost_message,
    };
    let status = door
        .ade_devices
        .activation_lock(&token, &lock, door.clock.now())
        .await?;
    tracing::warn!(by = operator.name, token = token.name, serial = %asked.serial, status, "activation lock");
    let answer = ActivationLocked {
        serial: asked.serial,
        response_status: status,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// Which device a device has replaced, as Apple tells it.
#[utoipa::path(
    get, path = "/v1/ade/replacements/{serial}", tag = "ade", operation_id = "show_replacement",
    params(("serial" = SerialNumber, Path, description = "The device's serial number."), TokenQuery),
    responses(
        (status = 200, description = "Apple's answer.", body = Object),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn replacement(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_for(&operator, query.token.as_deref()).await?;
    let answer = door
        .ade_devices
        .replacement(&token, &serial, door.clock.now())
        .await?;
    Ok(json_response(StatusCode::OK, &answer))
}

/// Where Apple sends devices of people with managed Apple Accounts.
#[utoipa::path(
    get, path = "/v1/ade/service-discovery", tag = "ade", operation_id = "show_service_discovery",
    params(TokenQuery),
    responses(
        (status = 200, description = "Apple's answer.", body = Object),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let token = door.token_for(&operator, query.token.as_deref()).await?;
    let answer = door
        .ade_devices
        .service_discovery(&token, door.clock.now())
        .await?;
    Ok(json_response(StatusCode::OK, &answer))
}

/// Where Apple is to send them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Discovery {
    /// The server token's name; the default one if absent.
    token: Option<String>,
    /// The address; Apple looks at it, this server never does.
    #[schema(example = "https://mdm.example.com/.well-known/com.apple.remotemanagement")]
    url: String,
}

/// Tells Apple where to send devices of people with managed Apple Accounts.
#[utoipa::path(
    put, path = "/v1/ade/service-discovery", tag = "ade", operation_id = "set_service_discovery",
    request_body = Discovery,
    responses(
        (status = 204, description = "Apple has taken it."),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Discovery = door.json(&headers, body).await?;
    let token = door.token_for(&operator, asked.token.as_deref()).await?;
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

/// Takes that address away.
#[utoipa::path(
    delete, path = "/v1/ade/service-discovery", tag = "ade", operation_id = "remove_service_discovery",
    params(TokenQuery),
    responses(
        (status = 204, description = "Apple has none any more."),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove_service_discovery(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let token = door.token_for(&operator, query.token.as_deref()).await?;
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

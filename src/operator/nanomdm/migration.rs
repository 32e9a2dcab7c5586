//! `/migration`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};

use crate::{
    error::{Code, Error},
    operator::{OperatorDoor, render::NanoFailure},
    protocol::mdm::decode_check_in,
    service::access::{Operator, Scope},
};

/// Takes over an enrollment of another server.
///
/// By the check-ins that it sent there: Authenticate, TokenUpdate, SetBootstrapToken, one in each request.
#[utoipa::path(
    method(put, post), path = "/migration", tag = "nanomdm", operation_id = "nanomdm_migration",
    request_body(
        content = String, content_type = "application/xml",
        description = "The check-in, as the device sent it.",
    ),
    responses(
        (status = 200, description = "Taken over."),
        (status = 409, description = "The enrollment is one of this server's own."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn migration(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require_everywhere(Scope::Admin)?;
    let body = door.body(&headers, body).await?;
    let (sender, message) =
        decode_check_in(&body).map_err(|error| Error::with(Code::BadMessage, &error).caused_by(error))?;
    door.check_ins.migrate(&sender, message, door.clock.now()).await?;
    Ok(StatusCode::OK.into_response())
}

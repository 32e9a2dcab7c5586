//! How pushes get on.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};

use super::{
    OperatorDoor,
    render::{Failure, json_response},
};
use crate::service::{
    access::{Operator, Scope},
    push::PushStatus,
};

/// How pushes get on: what waits, what is on its way, and what keeps pushes from leaving.
#[utoipa::path(
    get, path = "/v1/pushes", tag = "push", operation_id = "show_pushes",
    responses((status = 200, description = "The figures.", body = PushStatus)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn status(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    Ok(json_response(StatusCode::OK, &door.pushes.status()))
}

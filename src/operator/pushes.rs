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
use crate::service::access::{Operator, Scope};

/// What waits, what is on its way, and what keeps pushes from leaving.
pub(super) async fn status(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    Ok(json_response(StatusCode::OK, &door.pushes.status()))
}

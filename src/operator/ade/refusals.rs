//! `/v1/ade/refusals`: devices that asked for their enrollment profile and did not get it.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    operator::{
        OperatorDoor,
        input::{Limit, Query},
        render::{Failure, json_response},
        view::Time,
    },
    protocol::ids::SerialNumber,
    service::{
        access::{Operator, Scope},
        ade::door::Refused,
    },
};

/// Which refusals a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RefusalQuery {
    /// That of this device.
    serial: Option<SerialNumber>,
}

/// Refusals.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalList {
    /// The latest first.
    refusals: Vec<RefusalView>,
}

/// A device that did not get its enrollment profile.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalView {
    /// Its serial number, as it was said.
    serial: SerialNumber,
    /// The failure's name in the catalogue.
    #[schema(value_type = String)]
    code: &'static str,
    /// What exactly was wrong.
    message: String,
    /// What to do next.
    #[schema(value_type = String)]
    step: &'static str,
    /// When.
    at: Time,
}

impl From<Refused> for RefusalView {
    fn from(refused: Refused) -> Self {
        Self {
            serial: refused.serial,
            code: refused.code.as_str(),
            message: refused.message,
            step: refused.code.step(),
            at: refused.at.into(),
        }
    }
}

/// Devices that asked for their enrollment profile and did not get it.
///
/// The latest refusal of each since the server began, the latest first.
#[utoipa::path(
    get, path = "/v1/ade/refusals", tag = "ade", operation_id = "list_refusals",
    params(RefusalQuery, Limit),
    responses((status = 200, description = "The refusals.", body = RefusalList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<RefusalQuery>,
    Query(limit): Query<Limit>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let limit = limit.rows()?;
    let mut refusals: Vec<Refused> = match query.serial {
        Some(serial) => door.ade.last_refusal(&serial).into_iter().collect(),
        None => door.ade.refusals(limit),
    };
    let sight = door.sight(&operator).await?;
    if !sight.is_everything() {
        let all = std::mem::take(&mut refusals);
        for refusal in all {
            if sight.serial(&refusal.serial).await.is_ok() {
                refusals.push(refusal);
            }
        }
    }
    let refusals = refusals.into_iter().map(RefusalView::from).collect();
    Ok(json_response(StatusCode::OK, &RefusalList { refusals }))
}

//! `/v1/ade/refusals`: devices that asked for their enrollment profile and did not get it.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    operator::{
        OperatorDoor,
        input::Params,
        render::{Failure, json_response},
    },
    protocol::ids::SerialNumber,
    service::{
        access::{Operator, Scope},
        ade::door::Refused,
    },
};

/// The latest refusal of each device since the server began, the latest first; `serial`, `limit`.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let refusals = match params.get("serial") {
        Some(serial) => door
            .ade
            .last_refusal(&SerialNumber::new(serial))
            .into_iter()
            .collect(),
        None => door.ade.refusals(params.page()?.limit),
    };
    let refusals: Vec<Value> = refusals.iter().map(view).collect();
    Ok(json_response(StatusCode::OK, &json!({ "refusals": refusals })))
}

fn view(refused: &Refused) -> Value {
    json!({
        "serial": refused.serial,
        "code": refused.code.as_str(),
        "message": refused.message,
        "step": refused.code.step(),
        "at": refused.at.to_rfc3339(),
    })
}

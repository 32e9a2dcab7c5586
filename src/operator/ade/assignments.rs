//! `/v1/ade/assignments` and `/v1/ade/disownments`: what is done with devices of Apple's list.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        render::{Failure, json_response},
        view::Time,
    },
    protocol::ids::SerialNumber,
    service::{
        access::{Operator, Scope},
        ade::devices::Assigned,
    },
    storage::AdeAssignmentState,
};

/// Which devices get which profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignments {
    /// The server token's name; the default one if absent.
    token: Option<String>,
    /// The profile's name; absent or null: the default again.
    profile: Option<String>,
    /// The devices.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<String>)]
    serials: Vec<SerialNumber>,
}

/// What came of assignments.
#[derive(Serialize, ToSchema)]
pub(super) struct AssignmentOutcomes {
    /// The server token.
    token: String,
    /// The profile's name; null: the default.
    profile: Option<String>,
    /// By serial number.
    devices: BTreeMap<String, AssignmentOutcome>,
}

/// What came of the assignment of a device.
#[derive(Serialize, ToSchema)]
struct AssignmentOutcome {
    /// How it stands; `unknown_device`: the token does not have it.
    #[schema(value_type = String, example = "assigned")]
    state: OutcomeState,
    /// When Apple is asked again.
    retry_at: Option<Time>,
}

/// How it stands.
#[derive(Serialize)]
#[serde(untagged)]
enum OutcomeState {
    /// Of a device that the token has.
    Known(AdeAssignmentState),
    /// Of another.
    Unknown(&'static str),
}

impl From<Assigned> for AssignmentOutcome {
    fn from(outcome: Assigned) -> Self {
        Self {
            state: outcome
                .state
                .map_or(OutcomeState::Unknown("unknown_device"), OutcomeState::Known),
            retry_at: outcome.retry_at.map(Time),
        }
    }
}

/// Gives devices an enrollment profile, and says what came of each.
#[utoipa::path(
    post, path = "/v1/ade/assignments", tag = "ade", operation_id = "assign_profile",
    request_body = Assignments,
    responses(
        (status = 200, description = "What came of each.", body = AssignmentOutcomes),
        (status = 404, description = "There is no such server token, or no such profile."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn assign(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let asked: Assignments = door.json(&headers, body).await?;
    let token = door.token_for(&operator, asked.token.as_deref()).await?;
    let outcomes = door
        .ade_devices
        .assign(&token, asked.profile.as_deref(), &asked.serials, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token = token.name,
        profile = asked.profile,
        devices = asked.serials.len(),
        "profile assigned"
    );
    let devices = outcomes.into_iter();
    let answer = AssignmentOutcomes {
        token: token.name,
        profile: asked.profile,
        devices: devices
            .map(|(serial, outcome)| (serial.to_string(), outcome.into()))
            .collect(),
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// Which devices are given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disownments {
    /// The server token's name; the default one if absent.
    token: Option<String>,
    /// The devices.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<String>)]
    serials: Vec<SerialNumber>,
    /// Has to be true: this can't be undone.
    #[serde(default)]
    confirm: bool,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct DisownmentOutcomes {
    /// The server token.
    token: String,
    /// By serial number: Apple's word, such as `SUCCESS`.
    devices: BTreeMap<String, String>,
}

/// Gives devices up for good.
///
/// They leave the organisation, and only Apple or a reseller can bring them back.
#[utoipa::path(
    post, path = "/v1/ade/disownments", tag = "ade", operation_id = "disown_devices",
    request_body = Disownments,
    responses(
        (status = 200, description = "Apple's word for each.", body = DisownmentOutcomes),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The server token waits for its file."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn disown(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Disownments = door.json(&headers, body).await?;
    if !asked.confirm {
        let problem = format!("has to be true; it is about {} devices", asked.serials.len());
        return Err(Error::of_field(Code::AdeDisownUnconfirmed, "confirm", problem).into());
    }
    let token = door.token_for(&operator, asked.token.as_deref()).await?;
    let devices = door
        .ade_devices
        .disown(&token, &asked.serials, door.clock.now())
        .await?;
    tracing::warn!(by = operator.name, token = token.name, "devices disowned");
    let answer = DisownmentOutcomes {
        token: token.name,
        devices,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

//! `/v1/ade/devices` and what is done with them: profiles, disowning, and the question why one is as it is.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        input::{Params, Path},
        render::{Failure, json_response},
    },
    protocol::{ids::SerialNumber, time::Timestamp},
    service::{
        access::{Operator, Scope},
        ade::{devices::Assigned, why::Refusal},
    },
    storage::{AdeAssignment, AdeDeviceFilter, AdeDeviceRecord, AdeTokenRecord},
};

/// Devices; `token`, `serial` (its beginning), `profile` (or `enrollmentProfileName`), `profile_status`, `removed`,
/// `limit`, `cursor`.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let token = match params.get("token") {
        Some(name) => Some(door.ade_devices.token(Some(name)).await?.number),
        None => None,
    };
    let filter = AdeDeviceFilter {
        token,
        serial_prefix: params.get("serial").map(str::to_owned),
        profile_uuids: match params.get("profile").or(params.get("enrollmentProfileName")) {
            Some(profile) => Some(uuids(&door, token, profile).await?),
            None => None,
        },
        profile_status: params.get("profile_status").map(str::to_ascii_lowercase),
        removed: params.flag("removed")?,
        ..AdeDeviceFilter::default()
    };
    let listing = door.ade_devices.list(&filter, &params.page()?).await?;
    let tokens = door.store.ade_tokens().await?;
    let devices: Vec<Value> = listing.rows.iter().map(|device| view(device, &tokens)).collect();
    let mut answer = json!({ "devices": devices });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// The identifiers of a profile, which is named, or identified as Apple does (E18).
async fn uuids(door: &OperatorDoor, token: Option<u64>, profile: &str) -> Result<Vec<String>, Failure> {
    let mut uuids = vec![profile.to_owned()];
    for record in door.store.ade_tokens().await? {
        if token.is_some_and(|token| token != record.number) {
            continue;
        }
        if let Some(found) = door.store.ade_profile(record.number, profile).await? {
            uuids.extend(found.uuid);
            uuids.extend(found.former_uuids);
        }
    }
    Ok(uuids)
}

/// One device, of each token that has it.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let devices = door.ade_devices.show(&serial).await?;
    let tokens = door.store.ade_tokens().await?;
    let devices: Vec<Value> = devices.iter().map(|device| view(device, &tokens)).collect();
    Ok(json_response(StatusCode::OK, &json!({ "devices": devices })))
}

/// Forgets a device here.
pub(super) async fn forget(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let forgotten = door.ade_devices.forget(&serial).await?;
    tracing::info!(by = operator.name, %serial, "device of a server token forgotten");
    Ok(json_response(StatusCode::OK, &json!({ "forgotten": forgotten })))
}

/// Why a device is not here, has no profile, or did not enroll.
pub(super) async fn why(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let refusal = door.ade.last_refusal(&serial).map(|refused| Refusal {
        message: refused.message,
        step: refused.code.step().to_owned(),
        at: refused.at,
    });
    let why = door.ade_why.why(&serial, refusal, door.clock.now()).await?;
    let answer = json!({
        "serial": serial,
        "finding": why.finding.as_str(),
        "explanation": why.explanation,
        "step": why.step,
        "evidence": why.evidence,
    });
    Ok(json_response(StatusCode::OK, &answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assignments {
    token: Option<String>,
    /// Absent or null: the default again.
    profile: Option<String>,
    serials: Vec<SerialNumber>,
}

/// Gives devices a profile, and says what came of each.
pub(super) async fn assign(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let asked: Assignments = door.json(&headers, body).await?;
    let token = door.ade_devices.token(asked.token.as_deref()).await?;
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
    let devices: Map<String, Value> = outcomes
        .iter()
        .map(|(serial, outcome)| (serial.to_string(), outcome_view(outcome)))
        .collect();
    let answer = json!({ "token": token.name, "profile": asked.profile, "devices": devices });
    Ok(json_response(StatusCode::OK, &answer))
}

fn outcome_view(outcome: &Assigned) -> Value {
    json!({
        "state": outcome.state.map_or(json!("unknown_device"), |state| json!(state)),
        "retry_at": outcome.retry_at.map(Timestamp::to_rfc3339),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disownments {
    token: Option<String>,
    serials: Vec<SerialNumber>,
    #[serde(default)]
    confirm: bool,
}

/// Gives devices up for good.
pub(super) async fn disown(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Disownments = door.json(&headers, body).await?;
    if !asked.confirm {
        return Err(Error::with(
            Code::AdeDisownUnconfirmed,
            format!(
                "confirm: has to be true; it is about {} devices",
                asked.serials.len()
            ),
        )
        .into());
    }
    let token = door.ade_devices.token(asked.token.as_deref()).await?;
    let statuses = door
        .ade_devices
        .disown(&token, &asked.serials, door.clock.now())
        .await?;
    tracing::warn!(by = operator.name, token = token.name, "devices disowned");
    let answer = json!({ "token": token.name, "devices": statuses });
    Ok(json_response(StatusCode::OK, &answer))
}

fn view(device: &AdeDeviceRecord, tokens: &[AdeTokenRecord]) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    let facts = &device.facts;
    let token = tokens.iter().find(|token| token.number == device.token);
    json!({
        "token": token.map(|token| &token.name),
        "scope_tags": token.map(|token| &token.scope_tags),
        "serial": device.serial,
        "state": if device.removed_at.is_some() { "removed_from_abm" } else { "present" },
        "removed_at": time(device.removed_at),
        "model": facts.model,
        "description": facts.description,
        "color": facts.color,
        "asset_tag": facts.asset_tag,
        "device_family": facts.device_family,
        "os": facts.os,
        "profile_status": facts.profile_status,
        "profile_uuid": facts.profile_uuid,
        "profile_assign_time": time(facts.profile_assign_time),
        "profile_push_time": time(facts.profile_push_time),
        "device_assigned_date": time(facts.device_assigned_date),
        "device_assigned_by": facts.device_assigned_by,
        "mdm_migration_deadline": time(facts.mdm_migration_deadline),
        "bluetooth_mac_address": facts.bluetooth_mac_address,
        "ethernet_mac_address": facts.ethernet_mac_address,
        "wifi_mac_address": facts.wifi_mac_address,
        "eid": facts.eid,
        "imei": facts.imei,
        "meid": facts.meid,
        "is_replacement_device": facts.is_replacement_device,
        "released_by_replacement": facts.released_by_replacement,
        "op_date": time(device.op_date),
        "chosen_profile": device.chosen_profile,
        "assignment": device.assignment.as_ref().map(|assignment| assignment_view(assignment, device.due)),
        "first_seen_at": device.first_seen_at.to_rfc3339(),
        "updated_at": device.updated_at.to_rfc3339(),
    })
}

fn assignment_view(assignment: &AdeAssignment, due: Option<Timestamp>) -> Value {
    json!({
        "profile_uuid": assignment.profile_uuid,
        "state": assignment.state,
        "at": assignment.at.to_rfc3339(),
        "attempts": assignment.attempts,
        "retry_at": due.map(Timestamp::to_rfc3339),
    })
}

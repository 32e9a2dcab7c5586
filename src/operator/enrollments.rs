//! `/v1/enrollments`: the native view of enrollments, and what an operator can do to one.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, State},
    http::StatusCode,
    response::Response,
};
use plist::{Dictionary, Value as Plist};
use serde_json::{Value, json};

use super::{
    OperatorDoor,
    input::{Params, Path, bad},
    render::{Failure, json_response},
};
use crate::{
    error::{Code, Error},
    protocol::{
        ids::{EnrollmentId, SerialNumber},
        plist::to_xml,
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope},
        admission,
        commands::EnqueueOptions,
    },
    storage::{EnrollmentFilter, EnrollmentRow, Ruling},
};

/// Enrollments by id; `serial`, `enabled`, `limit`, `cursor`.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let filter = EnrollmentFilter {
        serials: params.get("serial").map(|serial| vec![SerialNumber::new(serial)]),
        enabled: params.flag("enabled")?,
        ..EnrollmentFilter::default()
    };
    let listing = door.store.enrollments(&filter, &params.page()?).await?;
    let rows: Vec<Value> = listing.rows.iter().map(summary).collect();
    let mut answer = json!({ "enrollments": rows });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// One enrollment. Escrowed secrets show only as present or not.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let row = door
        .store
        .enrollment(&id)
        .await?
        .ok_or_else(|| Error::with(Code::EnrollmentUnknown, &id))?;
    let mut answer = summary(&row);
    let record = &row.record;
    answer["identity"] = match record.identity {
        None => Value::Null,
        Some(fingerprint) => match door.store.certificate(&fingerprint).await? {
            None => json!({ "fingerprint": fingerprint }),
            Some(certificate) => json!({
                "fingerprint": fingerprint,
                "serial": certificate.serial,
                "subject": certificate.subject,
                "made_for": certificate.made_for,
                "not_before": certificate.not_before.to_rfc3339(),
                "not_after": certificate.not_after.to_rfc3339(),
            }),
        },
    };
    answer["topic"] = json!(record.push.as_ref().map(|push| &push.topic));
    answer["push_token"] = match &record.push {
        None => Value::Null,
        Some(push) => json!({
            "state": if push.refused.is_some() { "push token invalid" } else { "ok" },
            "received_at": push.received_at.map(Timestamp::to_rfc3339),
            "refused": push.refused.as_ref().map(|refusal| json!({
                "reason": refusal.reason,
                "at": refusal.at.to_rfc3339(),
            })),
        }),
    };
    answer["pending"] = json!(record.pending.as_ref().map(|pending| json!({
        "identity": pending.identity,
        "renewal": pending.renewal,
        "at": pending.at.to_rfc3339(),
    })));
    answer["allow_reenroll"] = record.allow_reenroll.into();
    answer["bootstrap_token_escrowed"] = record.bootstrap_token.is_some().into();
    answer["unlock_token_escrowed"] = record.unlock_token.is_some().into();
    answer["ade"] = json!(record.ade.as_ref().map(|ade| json!({
        "token": ade.token,
        "profile_uuid": ade.profile_uuid,
        "user": ade.user,
        "supervised": ade.supervised,
        "at": ade.at.to_rfc3339(),
    })));
    answer["release"] = json!(record.release);
    answer["url_params"] = json!(record.url_params);
    Ok(json_response(StatusCode::OK, &answer))
}

fn summary(row: &EnrollmentRow) -> Value {
    let record = &row.record;
    json!({
        "id": record.id,
        "type": record.kind,
        "state": record.state,
        "device": row.device,
        "user": record.user,
        "awaiting_configuration": record.awaiting_configuration,
        "token_update_tally": record.token_update_tally,
        "enrolled_at": record.enrolled_at.map(Timestamp::to_rfc3339),
        "last_seen": row.last_seen.map(Timestamp::to_rfc3339),
    })
}

/// Lets the next `Authenticate` take the enrollment over, whatever certificate it brings: for a device that was wiped
/// and comes back with an ordinary profile.
pub(super) async fn allow_reenroll(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Enroll)?;
    let id = id.device();
    match door
        .store
        .check_in(&id, None, Box::new(admission::allow_reenroll))
        .await?
    {
        Ruling::Refuse(_) => Err(Error::with(Code::EnrollmentUnknown, id).into()),
        Ruling::Keep | Ruling::Write(_) => {
            tracing::info!(by = operator.name, enrollment = %id, "may enroll again");
            Ok(json_response(
                StatusCode::OK,
                &json!({ "id": id, "allow_reenroll": true }),
            ))
        }
    }
}

/// Ends a device's hold in Setup Assistant at once, whatever is still queued for it.
pub(super) async fn release(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let command = door.holds.release(&id, door.clock.now()).await?;
    tracing::info!(by = operator.name, enrollment = %id, "released from Setup Assistant");
    Ok(json_response(
        StatusCode::ACCEPTED,
        &json!({ "id": id, "command_uuid": command }),
    ))
}

/// Queues the enrollment profile again, with a challenge made for this enrollment: the device gets a new identity and
/// keeps everything else.
pub(super) async fn renew_identity(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    if id.is_user_channel() {
        return Err(bad("the id", "names a user channel; the identity is the device's").into());
    }
    let now = door.clock.now();
    let profile = door.enrollments.renewal_profile(&id, now).await?;
    let command = Dictionary::from_iter([
        ("RequestType".to_owned(), Plist::from("InstallProfile")),
        ("Payload".to_owned(), Plist::Data(profile)),
    ]);
    let command = Dictionary::from_iter([
        (
            "CommandUUID".to_owned(),
            Plist::from(uuid::Uuid::new_v4().to_string()),
        ),
        ("Command".to_owned(), Plist::Dictionary(command)),
    ]);
    let command = to_xml(&command).map_err(Error::internal)?;
    let report = door
        .commands
        .enqueue(vec![id.clone()], command, EnqueueOptions::default(), now)
        .await?;
    if let Some(code) = report.targets.first().and_then(|target| target.outcome.err()) {
        return Err(Error::with(code, id).into());
    }
    tracing::info!(by = operator.name, enrollment = %id, "identity renewal queued");
    Ok(json_response(
        StatusCode::ACCEPTED,
        &json!({ "id": id, "command_uuid": report.command_uuid }),
    ))
}

//! `/v1/push-certificates`: requesting, importing, showing and trying push certificates. Keys never show.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    OperatorDoor,
    input::Path,
    render::{Failure, json_response},
};
use crate::{
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope},
        push_certificates::{PushCertificateFacts, import::Import, standing::standing},
    },
};

/// All certificates, the latest stored first, and the requests that wait for one.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let now = door.clock.now();
    let all: Vec<Value> = door
        .push_certificates
        .list()
        .await?
        .iter()
        .map(|facts| view(facts, now))
        .collect();
    let pending: Vec<Value> = door
        .push_certificates
        .pending()
        .await?
        .iter()
        .map(|request| json!({ "topic": request.topic, "created_at": request.created_at.to_rfc3339() }))
        .collect();
    Ok(json_response(
        StatusCode::OK,
        &json!({ "push_certificates": all, "pending_requests": pending }),
    ))
}

/// One certificate, with the number of devices that need it.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(topic): Path<Topic>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let facts = door.push_certificates.facts(&topic).await?;
    let mut answer = view(&facts, door.clock.now());
    answer["enrolled_devices"] = door.push_certificates.enrolled_devices(&topic).await?.into();
    Ok(json_response(StatusCode::OK, &answer))
}

fn view(facts: &PushCertificateFacts, now: Timestamp) -> Value {
    let standing = standing(facts.not_after, now);
    json!({
        "topic": facts.topic,
        "status": standing.level.status(),
        "level": standing.level.as_str(),
        "days_until_expiration": standing.days_left,
        "not_after": facts.not_after.to_rfc3339(),
        "grace_ends": standing.grace_ends.to_rfc3339(),
        "last_updated": facts.stored_at.to_rfc3339(),
        "apple_id": facts.apple_id,
        "serial_number": facts.serial,
        "new_enrollments": facts.leads,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    topic: Option<Topic>,
}

/// A request for a first certificate, or for the renewal of a topic's.
pub(super) async fn request(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let new: NewRequest = door.json(&headers, body).await?;
    let request = door
        .push_certificates
        .request(new.topic.as_ref(), door.clock.now())
        .await?;
    tracing::info!(by = operator.name, topic = ?new.topic, "push certificate requested");
    Ok(json_response(
        StatusCode::OK,
        &json!({
            "topic": request.topic,
            "created_at": request.created_at.to_rfc3339(),
            "csr": request.csr,
            "signed_request": request.signed,
            "steps": request.steps,
        }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCertificate {
    pem: String,
    apple_id: Option<String>,
    #[serde(default)]
    replace_topic: bool,
}

/// Takes a certificate into service.
pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let new: NewCertificate = door.json(&headers, body).await?;
    let now = door.clock.now();
    let import = Import {
        pem: new.pem.as_bytes(),
        apple_id: new.apple_id.as_deref(),
        replace_topic: new.replace_topic,
    };
    let imported = door.push_certificates.import(import, now).await?;
    tracing::info!(by = operator.name, topic = %imported.facts.topic, "push certificate imported");
    let mut answer = view(&imported.facts, now);
    answer["renewed"] = imported.renewed.into();
    answer["warnings"] = imported.warnings.into();
    let status = if imported.renewed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(json_response(status, &answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    enrollment: Option<EnrollmentId>,
}

/// Sends a trial push.
pub(super) async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(topic): Path<Topic>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let trial: Trial = door.json(&headers, body).await?;
    let result = door
        .pushes
        .trial(&topic, trial.enrollment.as_ref(), door.clock.now())
        .await?;
    Ok(json_response(
        StatusCode::OK,
        &json!({ "topic": topic, "enrollment": trial.enrollment, "push_result": result }),
    ))
}

//! `/v1/push-certificates`: requesting, importing, showing and trying push certificates. Keys never show.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    input::Path,
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    error::Kind,
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope},
        push_certificates::{PushCertificateFacts, import::Import, standing::standing},
    },
};

/// A push certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct PushCertificateView {
    /// Its topic.
    topic: Topic,
    /// How it stands, in words.
    #[schema(value_type = String)]
    status: &'static str,
    /// How pressing that is.
    #[schema(value_type = String)]
    level: &'static str,
    /// Days that have begun or are still to come; negative once it has expired.
    days_until_expiration: i64,
    /// End of validity.
    not_after: Time,
    /// Until when it can still be renewed, and no enrollment is lost.
    grace_ends: Time,
    /// When it was stored.
    last_updated: Time,
    /// The Apple Account that it was made with, as far as it was noted.
    apple_id: Option<String>,
    /// Its serial number, in hexadecimal.
    serial_number: String,
    /// Whether new enrollments get its topic.
    new_enrollments: bool,
}

impl PushCertificateView {
    fn new(facts: PushCertificateFacts, now: Timestamp) -> Self {
        let standing = standing(facts.not_after, now);
        Self {
            topic: facts.topic,
            status: standing.level.status(),
            level: standing.level.as_str(),
            days_until_expiration: standing.days_left,
            not_after: facts.not_after.into(),
            grace_ends: standing.grace_ends.into(),
            last_updated: facts.stored_at.into(),
            apple_id: facts.apple_id,
            serial_number: facts.serial,
            new_enrollments: facts.leads,
        }
    }
}

/// A push certificate, with the number of devices that need it.
#[derive(Serialize, ToSchema)]
pub(super) struct PushCertificateDetails {
    #[serde(flatten)]
    certificate: PushCertificateView,
    /// Devices that are enrolled with its topic.
    enrolled_devices: u64,
}

/// All push certificates.
#[derive(Serialize, ToSchema)]
pub(super) struct PushCertificateList {
    /// The latest stored first.
    push_certificates: Vec<PushCertificateView>,
    /// Requests that wait for Apple's certificate.
    pending_requests: Vec<PendingRequest>,
}

/// A request that waits for Apple's certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct PendingRequest {
    /// The topic that it renews; null: a first certificate.
    topic: Option<Topic>,
    /// When it was made.
    created_at: Time,
}

/// All push certificates, and the requests that wait for one.
#[utoipa::path(
    get, path = "/v1/push-certificates", tag = "push", operation_id = "list_push_certificates",
    responses((status = 200, description = "All of them.", body = PushCertificateList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let now = door.clock.now();
    let all = door.push_certificates.list().await?;
    let pending = door.push_certificates.pending().await?;
    let list = PushCertificateList {
        push_certificates: all
            .into_iter()
            .map(|facts| PushCertificateView::new(facts, now))
            .collect(),
        pending_requests: pending
            .into_iter()
            .map(|request| PendingRequest {
                topic: request.topic,
                created_at: request.created_at.into(),
            })
            .collect(),
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// One push certificate, with the number of devices that need it.
#[utoipa::path(
    get, path = "/v1/push-certificates/{topic}", tag = "push", operation_id = "show_push_certificate",
    params(("topic" = Topic, Path, description = "Its topic, such as `com.apple.mgmt.External.…`.")),
    responses(
        (status = 200, description = "The certificate.", body = PushCertificateDetails),
        (status = 404, description = "There is none of that topic."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(topic): Path<Topic>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let facts = door.push_certificates.facts(&topic).await?;
    let details = PushCertificateDetails {
        certificate: PushCertificateView::new(facts, door.clock.now()),
        enrolled_devices: door.push_certificates.enrolled_devices(&topic).await?,
    };
    Ok(json_response(StatusCode::OK, &details))
}

/// A request to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRequest {
    /// The topic whose certificate is to be renewed; a first certificate if absent.
    topic: Option<Topic>,
}

/// A request that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeRequest {
    /// The topic that it renews; null: a first certificate.
    topic: Option<Topic>,
    /// When it was made.
    created_at: Time,
    /// PKCS #10, as PEM. Its key never leaves the server.
    csr: String,
    /// The same as Apple's portal takes it, if an MDM vendor's certificate is configured.
    signed_request: Option<String>,
    /// What to do with it.
    steps: Vec<String>,
}

/// Makes a request for a first push certificate, or for the renewal of a topic's.
///
/// Asked again, it gives the request that waits already.
#[utoipa::path(
    post, path = "/v1/push-certificates/csr", tag = "push", operation_id = "request_push_certificate",
    request_body = NewRequest,
    responses(
        (status = 200, description = "The request, and what to do with it.", body = MadeRequest),
        (status = 404, description = "There is no push certificate of that topic."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn request(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let new: NewRequest = door.json(&headers, body).await?;
    let request = door
        .push_certificates
        .request(new.topic.as_ref(), door.clock.now())
        .await?;
    tracing::info!(by = operator.name, topic = ?new.topic, "push certificate requested");
    let made = MadeRequest {
        topic: request.topic,
        created_at: request.created_at.into(),
        csr: request.csr,
        signed_request: request.signed,
        steps: request.steps,
    };
    Ok(json_response(StatusCode::OK, &made))
}

/// A certificate to be taken into service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCertificate {
    /// The certificate as PEM, followed by its key if that was not made here.
    pem: String,
    /// The Apple Account that it was made with, as a note: only it can renew the certificate.
    apple_id: Option<String>,
    /// Takes a certificate of another topic than enrolled devices have all the same.
    #[serde(default)]
    replace_topic: bool,
}

/// A certificate that was taken into service.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportedCertificate {
    #[serde(flatten)]
    certificate: PushCertificateView,
    /// Whether it renews one that was there.
    renewed: bool,
    /// What may not be meant.
    warnings: Vec<String>,
}

/// Takes a push certificate into service. All pushes use it at once.
#[utoipa::path(
    post, path = "/v1/push-certificates", tag = "push", operation_id = "import_push_certificate",
    request_body = NewCertificate,
    responses(
        (status = 200, description = "It renews the one of its topic.", body = ImportedCertificate),
        (status = 201, description = "It is the first of its topic.", body = ImportedCertificate),
        (status = 409, description = "Enrolled devices have another topic."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let new: NewCertificate = door.json(&headers, body).await?;
    let now = door.clock.now();
    let import = Import {
        pem: new.pem.as_bytes(),
        apple_id: new.apple_id.as_deref(),
        replace_topic: new.replace_topic,
    };
    let imported = door.push_certificates.import(import, now).await;
    let imported = imported.map_err(|error| match error.kind() {
        Kind::Invalid | Kind::Malformed => error.blaming("pem"),
        _ => error,
    })?;
    tracing::info!(by = operator.name, topic = %imported.facts.topic, "push certificate imported");
    let answer = ImportedCertificate {
        certificate: PushCertificateView::new(imported.facts, now),
        renewed: imported.renewed,
        warnings: imported.warnings,
    };
    let status = if imported.renewed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(json_response(status, &answer))
}

/// How a push certificate is to be tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// Wakes this enrollment; if absent, APNs is asked about a token that does not exist.
    enrollment: Option<EnrollmentId>,
}

/// What came of a trial.
#[derive(Serialize, ToSchema)]
pub(super) struct TrialOutcome {
    /// The topic.
    topic: Topic,
    /// The enrollment that was woken.
    enrollment: Option<EnrollmentId>,
    /// What APNs said, in words, or the id that it gave the push.
    push_result: String,
}

/// Tries a push certificate with APNs.
#[utoipa::path(
    post, path = "/v1/push-certificates/{topic}/test", tag = "push", operation_id = "test_push_certificate",
    params(("topic" = Topic, Path, description = "Its topic.")),
    request_body = Trial,
    responses(
        (status = 200, description = "APNs takes it.", body = TrialOutcome),
        (status = 404, description = "There is no such certificate, or no such enrollment."),
        (status = 409, description = "This server has no push service."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(topic): Path<Topic>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Command)?;
    let trial: Trial = door.json(&headers, body).await?;
    let result = door
        .pushes
        .trial(&topic, trial.enrollment.as_ref(), door.clock.now())
        .await?;
    let outcome = TrialOutcome {
        topic,
        enrollment: trial.enrollment,
        push_result: result,
    };
    Ok(json_response(StatusCode::OK, &outcome))
}

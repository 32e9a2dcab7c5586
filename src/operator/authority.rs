//! `/v1/ca`: the authority that issues the devices' identities, and what it has issued. Keys never show.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    OperatorDoor,
    input::{PageQuery, Query},
    render::{Failure, json_response},
    view::{MadeForView, Time},
};
use crate::{
    error::{Code, Error},
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::{
        access::{Operator, Scope},
        authority::AuthorityFacts,
    },
    storage::CertificateRecord,
};

/// The authority.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthorityView {
    /// Its subject (RFC 4514).
    subject: String,
    /// Its serial number, in hexadecimal.
    serial_number: String,
    /// SHA-256 of its certificate, in hexadecimal.
    fingerprint: String,
    /// Start of validity.
    not_before: Time,
    /// End of validity: nothing is issued after it.
    not_after: Time,
    /// Its certificate, as PEM.
    certificate: String,
}

impl From<&AuthorityFacts> for AuthorityView {
    fn from(facts: &AuthorityFacts) -> Self {
        Self {
            subject: facts.subject.clone(),
            serial_number: facts.serial.clone(),
            fingerprint: facts.fingerprint.to_string(),
            not_before: facts.not_before.into(),
            not_after: facts.not_after.into(),
            certificate: facts.pem.clone(),
        }
    }
}

/// How a certificate stands. Alphabetical.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CertificateState {
    /// Its time is over.
    Expired,
    /// It opens nothing any more.
    Revoked,
    /// No enrollment has used it yet.
    Unused,
    /// It speaks for an enrollment.
    Used,
}

/// A certificate that was issued.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedView {
    /// Its serial number, in hexadecimal.
    serial_number: String,
    /// SHA-256 of it, in hexadecimal.
    fingerprint: String,
    /// Its subject (RFC 4514).
    subject: String,
    /// How it stands.
    state: CertificateState,
    /// For whom it was made.
    made_for: MadeForView,
    /// The enrollment that it speaks for.
    enrollment_id: Option<EnrollmentId>,
    /// Start of validity.
    not_before: Time,
    /// End of validity.
    not_after: Time,
    /// Since when it opens nothing any more.
    revoked_at: Option<Time>,
}

impl IssuedView {
    fn new(record: CertificateRecord, now: Timestamp) -> Self {
        let state = match &record {
            CertificateRecord {
                revoked_at: Some(_), ..
            } => CertificateState::Revoked,
            _ if record.not_after < now => CertificateState::Expired,
            CertificateRecord { enrollment: None, .. } => CertificateState::Unused,
            _ => CertificateState::Used,
        };
        Self {
            serial_number: record.serial,
            fingerprint: record.fingerprint.to_string(),
            subject: record.subject,
            state,
            made_for: record.made_for.into(),
            enrollment_id: record.enrollment,
            not_before: record.not_before.into(),
            not_after: record.not_after.into(),
            revoked_at: record.revoked_at.map(Time::from),
        }
    }
}

/// Certificates that were issued.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedList {
    /// A page of them, by fingerprint.
    certificates: Vec<IssuedView>,
    /// Continue there; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which certificates a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct IssuedQuery {
    /// Those that speak, or spoke, for this enrollment.
    enrollment: Option<EnrollmentId>,
}

/// The authority that issues the devices' identities.
///
/// Its certificate is what profiles and other programs have to trust who want to verify devices.
#[utoipa::path(
    get, path = "/v1/ca", tag = "server", operation_id = "show_ca",
    responses((status = 200, description = "The authority.", body = AuthorityView)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let authority = door.authority.as_ref();
    let authority = authority.ok_or_else(|| Error::new(Code::CaUnreadable))?;
    Ok(json_response(StatusCode::OK, &AuthorityView::from(authority)))
}

/// The certificates that it has issued, renewals included.
///
/// Which devices' identities expire first: `GET /v1/reports/expiry`.
#[utoipa::path(
    get, path = "/v1/ca/issued", tag = "server", operation_id = "list_issued_certificates",
    params(IssuedQuery, PageQuery),
    responses((status = 200, description = "A page of them.", body = IssuedList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn issued(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<IssuedQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let page = page.page()?;
    let listing = door.store.certificates(query.enrollment.as_ref(), &page).await?;
    let now = door.clock.now();
    let certificates = listing.rows.into_iter();
    let list = IssuedList {
        certificates: certificates.map(|record| IssuedView::new(record, now)).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

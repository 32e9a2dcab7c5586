//! `POST /v1/enrollments/query`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    operator::{
        OperatorDoor,
        input::{Params, bad},
        render::{NanoFailure, json_response},
    },
    protocol::ids::{EnrollmentId, EnrollmentKind, SerialNumber},
    service::access::{Operator, Scope},
    storage::{EnrollmentFilter, EnrollmentRow, EnrollmentState},
};

/// The page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Params` reads")]
pub(in crate::operator) struct NanoPageQuery {
    /// At most so many rows; 100 if absent. More than 1000 counts as 1000.
    limit: Option<usize>,
    /// Skip so many rows first; a cursor is cheaper.
    offset: Option<usize>,
    /// Continue after the page that gave this as its `next_cursor`.
    cursor: Option<String>,
}

/// Which enrollments, and what to say of them.
#[derive(Default, Deserialize, ToSchema)]
pub(in crate::operator) struct EnrollmentsQuery {
    /// Which; all if absent.
    filter: Option<QueryFilter>,
    /// What to say of them.
    options: Option<QueryOptions>,
}

/// What has to match. An empty list counts as absent.
#[derive(Default, Deserialize, ToSchema)]
struct QueryFilter {
    /// Any of these ids.
    ids: Option<Vec<EnrollmentId>>,
    /// Of any of these devices.
    serials: Option<Vec<SerialNumber>>,
    /// Of any of these users.
    user_short_names: Option<Vec<String>>,
    /// Of any of these kinds.
    types: Option<Vec<EnrollmentKind>>,
    /// `true`: those that are enrolled; `false`: the others.
    enabled: Option<bool>,
}

/// What to say of them.
#[derive(Default, Deserialize, ToSchema)]
struct QueryOptions {
    /// The identity certificates too, as PEM.
    #[serde(default)]
    include_device_cert: bool,
    /// Refused: unlock tokens do not leave this server.
    #[serde(default)]
    include_unlock_token: bool,
}

/// An enrollment.
#[derive(Serialize, ToSchema)]
struct QueryRow {
    /// Its id.
    id: EnrollmentId,
    /// Its kind.
    r#type: EnrollmentKind,
    /// Its device.
    device: QueryDevice,
    /// Its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<QueryUser>,
    /// Whether it is enrolled.
    enabled: bool,
    /// TokenUpdates since the latest Authenticate.
    token_update_tally: u32,
    /// When it last said anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

/// Its device.
#[derive(Serialize, ToSchema)]
struct QueryDevice {
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<SerialNumber>,
    /// Its identity certificate as PEM, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_cert: Option<String>,
}

/// Its user.
#[derive(Serialize, ToSchema)]
struct QueryUser {
    /// The short name, or the Managed Apple Account on a Shared iPad.
    user_short_name: Option<String>,
    /// The full name.
    user_long_name: Option<String>,
}

/// A page of enrollments.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct QueryAnswer {
    /// By id.
    enrollments: Vec<QueryRow>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Enrollments that match, as a draft of NanoMDM's has it.
#[utoipa::path(
    post, path = "/v1/enrollments/query", tag = "nanomdm", operation_id = "nanomdm_query_enrollments",
    params(NanoPageQuery),
    request_body = EnrollmentsQuery,
    responses((status = 200, description = "A page of them.", body = QueryAnswer)),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator) async fn query(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page()?;
    let EnrollmentsQuery { filter, options } = door.json(&headers, body).await?;
    let (filter, options) = (filter.unwrap_or_default(), options.unwrap_or_default());
    if options.include_unlock_token {
        // A secret that can open a device belongs in the command that uses it, not in a list.
        return Err(bad(
            "include_unlock_token",
            "is not offered: unlock tokens do not leave this server",
        )
        .into());
    }
    // An empty list filters nothing, as in the draft's reference client.
    let some = |empty: bool| !empty;
    let filter = EnrollmentFilter {
        ids: filter.ids.filter(|list| some(list.is_empty())),
        serials: filter.serials.filter(|list| some(list.is_empty())),
        user_short_names: filter.user_short_names.filter(|list| some(list.is_empty())),
        kinds: filter.types.filter(|list| some(list.is_empty())),
        enabled: filter.enabled,
        ..EnrollmentFilter::default()
    };
    let filter = door.sight(&operator).await?.narrow(filter);
    let listing = door.store.enrollments(&filter, &page).await?;
    let mut enrollments = Vec::with_capacity(listing.rows.len());
    for row in listing.rows {
        enrollments.push(door.query_row(row, options.include_device_cert).await?);
    }
    let answer = QueryAnswer {
        enrollments,
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

impl OperatorDoor {
    async fn query_row(&self, row: EnrollmentRow, with_certificate: bool) -> Result<QueryRow, NanoFailure> {
        let device_cert = match row.record.identity.filter(|_| with_certificate) {
            None => None,
            Some(identity) => self.store.certificate_der(&identity).await?.map(|der| pem(&der)),
        };
        let user = row.record.user.map(|user| QueryUser {
            user_short_name: user.short_name,
            user_long_name: user.long_name,
        });
        Ok(QueryRow {
            id: row.record.id,
            r#type: row.record.kind,
            device: QueryDevice {
                serial_number: row.device.serial,
                device_cert,
            },
            user,
            enabled: row.record.state == EnrollmentState::Enrolled,
            token_update_tally: row.record.token_update_tally,
            last_seen: row.last_seen.map(|at| at.to_rfc3339()),
        })
    }
}

/// A certificate as PEM, which is what the draft's client calls the field's content.
fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

//! `/v1/enrollments`: the native view of enrollments, and what an operator can do to one.

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
    enrollments_view::{EnrollmentList, EnrollmentSummary, EnrollmentView},
    input::{PageQuery, Path, Query},
    render::{Failure, json_response},
    view::Queued,
};
use crate::{
    error::{Code, Error},
    protocol::ids::{CommandUuid, EnrollmentId, SerialNumber},
    service::{
        access::{Operator, Scope},
        admission,
        commands::EnqueueOptions,
    },
    storage::{EnrollmentFilter, Ruling},
};

/// Which enrollments a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Those of the device with this serial number.
    serial: Option<SerialNumber>,
    /// `true`: those that are enrolled; `false`: the others.
    enabled: Option<bool>,
}

/// Enrollments, by id: devices, and users of devices.
#[utoipa::path(
    get, path = "/v1/enrollments", tag = "enrollments", operation_id = "list_enrollments",
    params(ListQuery, PageQuery),
    responses((status = 200, description = "A page of them.", body = EnrollmentList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<ListQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let filter = EnrollmentFilter {
        serials: query.serial.map(|serial| vec![serial]),
        enabled: query.enabled,
        ..EnrollmentFilter::default()
    };
    let filter = door.sight(&operator).await?.narrow(filter);
    let listing = door.store.enrollments(&filter, &page.page()?).await?;
    let list = EnrollmentList {
        enrollments: listing.rows.iter().map(EnrollmentSummary::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// One enrollment, with all that is known of it.
///
/// Escrowed secrets show only as present or not.
#[utoipa::path(
    get, path = "/v1/enrollments/{id}", tag = "enrollments", operation_id = "show_enrollment",
    params(("id" = EnrollmentId, Path, description = "The enrollment's id.")),
    responses(
        (status = 200, description = "The enrollment.", body = EnrollmentView),
        (status = 404, description = "There is none of that id."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    let row = door.store.enrollment(&id).await?;
    let row = row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, &id))?;
    let certificate = match &row.record.identity {
        None => None,
        Some(fingerprint) => door.store.certificate(fingerprint).await?,
    };
    Ok(json_response(
        StatusCode::OK,
        &EnrollmentView::new(row, certificate),
    ))
}

/// What an enrollment may do.
#[derive(Serialize, ToSchema)]
pub(super) struct Allowed {
    /// The device channel's id.
    id: EnrollmentId,
    /// Whether the next Authenticate may take it over.
    allow_reenroll: bool,
}

/// Lets the next Authenticate take the enrollment over, whatever certificate it brings.
///
/// For a device that was wiped and comes back with an ordinary profile. Of a user channel it is the device that may.
#[utoipa::path(
    post, path = "/v1/enrollments/{id}/allow-reenroll", tag = "enrollments", operation_id = "allow_reenroll",
    params(("id" = EnrollmentId, Path, description = "The enrollment's id.")),
    responses(
        (status = 200, description = "It may.", body = Allowed),
        (status = 404, description = "There is none of that id."),
    ),
    security(("bearer" = ["enroll"]))
)]
pub(super) async fn allow_reenroll(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Enroll)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    let id = id.device();
    match door
        .store
        .check_in(&id, None, Box::new(admission::allow_reenroll))
        .await?
    {
        Ruling::Refuse(_) => Err(Error::with(Code::EnrollmentUnknown, id).into()),
        Ruling::Keep | Ruling::Write(_) => {
            tracing::info!(by = operator.name, enrollment = %id, "may enroll again");
            let allowed = Allowed {
                id,
                allow_reenroll: true,
            };
            Ok(json_response(StatusCode::OK, &allowed))
        }
    }
}

/// Ends a device's hold in Setup Assistant at once, whatever is still queued for it.
///
/// Queues DeviceConfigured before everything else.
#[utoipa::path(
    post, path = "/v1/enrollments/{id}/release", tag = "enrollments", operation_id = "release_enrollment",
    params(("id" = EnrollmentId, Path, description = "The enrollment's id.")),
    responses(
        (status = 202, description = "Queued; the device leaves Setup Assistant when it fetches it.", body = Queued),
        (status = 404, description = "There is none of that id."),
        (status = 409, description = "It is not held."),
    ),
    security(("bearer" = ["support"]))
)]
pub(super) async fn release(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Support)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    let command = door.holds.release(&id, door.clock.now()).await?;
    tracing::info!(by = operator.name, enrollment = %id, "released from Setup Assistant");
    let queued = Queued {
        id,
        command_uuid: command,
    };
    Ok(json_response(StatusCode::ACCEPTED, &queued))
}

/// Has a device renew its identity certificate.
///
/// Queues its enrollment profile again, with a challenge made for it: the device gets a new identity and keeps everything
/// else.
#[utoipa::path(
    post, path = "/v1/enrollments/{id}/renew-identity", tag = "enrollments", operation_id = "renew_identity",
    params(("id" = EnrollmentId, Path, description = "The id of a device channel.")),
    responses(
        (status = 202, description = "Queued.", body = Queued),
        (status = 404, description = "There is none of that id."),
        (status = 409, description = "It has checked out."),
        (status = 422, description = "It is a user channel."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn renew_identity(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    if id.is_user_channel() {
        return Err(Error::invalid("id", "names a user channel; the identity is the device's").into());
    }
    let now = door.clock.now();
    let uuid = CommandUuid::new(uuid::Uuid::new_v4().to_string());
    let command = door.enrollments.renewal_command(&id, &uuid, now).await?;
    let report = door
        .commands
        .enqueue(
            &operator,
            vec![id.clone()],
            command,
            EnqueueOptions::default(),
            now,
        )
        .await?;
    if let Some(code) = report.targets.first().and_then(|target| target.outcome.err()) {
        return Err(Error::with(code, id).into());
    }
    tracing::info!(by = operator.name, enrollment = %id, "identity renewal queued");
    let queued = Queued {
        id,
        command_uuid: report.command_uuid,
    };
    Ok(json_response(StatusCode::ACCEPTED, &queued))
}

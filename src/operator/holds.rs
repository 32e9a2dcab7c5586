//! `/v1/holds` and `/v1/enrollments/{id}/hold`: who is held in Setup Assistant, how far each is, and trying again what has
//! failed.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    input::{PageQuery, Path, Query},
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    protocol::ids::{CommandUuid, EnrollmentId, SerialNumber},
    service::{
        access::{Operator, Scope},
        holds::progress,
    },
    storage::{HeldItem, HeldKind, HeldOrigin, HeldState, HoldRecord, ReleaseReason},
};

/// Who is held now.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldList {
    /// By enrollment id.
    holds: Vec<HoldRow>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Somebody who is held.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldRow {
    /// The device's enrollment, or its user's.
    enrollment_id: EnrollmentId,
    /// The device's serial number.
    serial: Option<SerialNumber>,
    /// The hold profile; null: the server's own terms.
    hold_profile: Option<String>,
    /// `begun`, `holding`, `releasing`; then `released` or `ended`.
    stage: &'static str,
    /// How far it is: `Device Setup`, `Applying Policies` or `Installing Apps`; null if it is held no more.
    progress: Option<&'static str>,
    /// The same, in per cent.
    percent: Option<u8>,
    /// How many things it waits for.
    waiting: usize,
    /// How many it has.
    installed: usize,
    /// How many could not be installed.
    failed: usize,
    /// When it began.
    begun_at: Time,
    /// When it will have lasted too long.
    deadline: Option<Time>,
    /// When it had.
    timed_out_at: Option<Time>,
    /// When it ended.
    ended_at: Option<Time>,
}

/// A hold, with all that the device waits for.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldView {
    /// In short.
    #[serde(flatten)]
    row: HoldRow,
    /// What the device is to get.
    items: Vec<HeldItemView>,
    /// The command that is to end the hold, or did.
    release: Option<HoldReleaseView>,
    /// Whether what has failed may be tried again.
    allow_retry: bool,
    /// Whether the device may be erased because something has failed.
    allow_reset: bool,
    /// Whether the user is to learn what has failed.
    show_error: bool,
    /// What the user is told.
    message: Option<String>,
}

/// Something that a held device is to get.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldItemView {
    /// Its name.
    name: String,
    /// `app` or `profile`.
    r#type: &'static str,
    /// `hold_profile`, or `ade_profile` for a first command of the enrollment profile.
    origin: &'static str,
    /// Whether the device is held for it.
    blocking: bool,
    /// `queued`, `not_now`, `installing`, `installed` or `failed`.
    state: &'static str,
    /// Since when.
    at: Time,
    /// How often it was tried.
    attempt: u32,
    /// The command of the latest try.
    command_uuid: CommandUuid,
    /// An app's bundle identifier, once it is known.
    bundle_id: Option<String>,
    /// Apple's word for how far an app is, or why it was rejected.
    app_state: Option<String>,
    /// What the device said when it failed, outermost first.
    errors: Vec<HeldErrorView>,
}

/// One item of a device's `ErrorChain`.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldErrorView {
    /// `ErrorCode`
    code: i64,
    /// `ErrorDomain`
    domain: String,
    /// `USEnglishDescription`, or else `LocalizedDescription`.
    text: String,
}

/// The command that ends a hold.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldReleaseView {
    /// `DeviceConfigured` or `UserConfigured`.
    command_uuid: CommandUuid,
    /// `completed`, `operator` or `timed_out`.
    reason: &'static str,
    /// When it was queued.
    at: Time,
}

/// Who is held now, by enrollment id.
#[utoipa::path(
    get, path = "/v1/holds", tag = "holds", operation_id = "list_holds",
    params(PageQuery),
    responses((status = 200, description = "Who is held now.", body = HoldList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let sight = door.sight(&operator).await?;
    let listing = door.holds.list(&page.page()?).await?;
    let ids = listing.rows.iter().map(|hold| hold.enrollment.clone());
    let seen = sight.seen_of(ids.collect()).await?;
    let mut holds = Vec::with_capacity(listing.rows.len());
    for hold in listing.rows.iter().filter(|hold| seen.contains(&hold.enrollment)) {
        holds.push(row(&door, hold).await?);
    }
    let answer = HoldList {
        holds,
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// An enrollment's hold: the present one, or the latest.
#[utoipa::path(
    get, path = "/v1/enrollments/{id}/hold", tag = "holds", operation_id = "show_hold",
    params(("id" = EnrollmentId, Path, description = "The enrollment's id.")),
    responses(
        (status = 200, description = "The hold.", body = HoldView),
        (status = 404, description = "It has not been held."),
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
    let hold = door.holds.hold(&id).await?;
    Ok(json_response(StatusCode::OK, &view(&door, hold).await?))
}

/// Queues what could not be installed once more, and nothing else.
#[utoipa::path(
    post, path = "/v1/enrollments/{id}/hold/retry", tag = "holds", operation_id = "retry_hold",
    params(("id" = EnrollmentId, Path, description = "The enrollment's id.")),
    responses(
        (status = 202, description = "Queued.", body = HoldView),
        (status = 404, description = "There is no such enrollment."),
        (status = 409, description = "It is not held, nothing has failed, or its hold profile does not allow it."),
    ),
    security(("bearer" = ["support"]))
)]
pub(super) async fn retry(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
) -> Result<Response, Failure> {
    operator.require(Scope::Support)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    let hold = door.holds.retry(&id, door.clock.now()).await?;
    tracing::info!(by = operator.name, enrollment = %id, "what has failed is tried again");
    Ok(json_response(StatusCode::ACCEPTED, &view(&door, hold).await?))
}

async fn row(door: &OperatorDoor, hold: &HoldRecord) -> Result<HoldRow, Failure> {
    let enrollment = door.store.enrollment(&hold.enrollment).await?;
    let serial = enrollment.and_then(|row| row.device.serial);
    let stage = progress(hold);
    let tracked = || hold.items.iter().filter(|item| item.tracked);
    let count = |state: HeldState| tracked().filter(|item| item.state == state).count();
    Ok(HoldRow {
        enrollment_id: hold.enrollment.clone(),
        serial,
        hold_profile: hold.profile.clone(),
        stage: hold.stage.as_str(),
        progress: stage.map(|stage| stage.label()),
        percent: stage.map(|stage| stage.percent()),
        waiting: tracked().filter(|item| !item.state.is_settled()).count(),
        installed: count(HeldState::Installed),
        failed: count(HeldState::Failed),
        begun_at: hold.begun_at.into(),
        deadline: hold.deadline.map(Time),
        timed_out_at: hold.timed_out_at.map(Time),
        ended_at: hold.ended_at.map(Time),
    })
}

async fn view(door: &OperatorDoor, hold: HoldRecord) -> Result<HoldView, Failure> {
    let row = row(door, &hold).await?;
    let terms = hold.terms.as_ref();
    Ok(HoldView {
        row,
        allow_retry: terms.is_some_and(|terms| terms.allow_retry),
        allow_reset: terms.is_some_and(|terms| terms.allow_reset),
        show_error: terms.is_some_and(|terms| terms.show_error),
        message: terms.and_then(|terms| terms.message.clone()),
        release: hold.release.as_ref().map(|release| HoldReleaseView {
            command_uuid: release.command.clone(),
            reason: match release.reason {
                ReleaseReason::Completed => "completed",
                ReleaseReason::Operator => "operator",
                ReleaseReason::TimedOut => "timed_out",
            },
            at: release.at.into(),
        }),
        items: hold.items.into_iter().map(HeldItemView::from).collect(),
    })
}

impl From<HeldItem> for HeldItemView {
    fn from(item: HeldItem) -> Self {
        let error = |error: crate::storage::ErrorItem| HeldErrorView {
            code: error.code,
            domain: error.domain,
            text: error.text,
        };
        Self {
            name: item.name,
            r#type: match item.kind {
                HeldKind::App => "app",
                HeldKind::Profile => "profile",
            },
            origin: match item.origin {
                HeldOrigin::AdeProfile => "ade_profile",
                HeldOrigin::HoldProfile => "hold_profile",
            },
            blocking: item.tracked,
            state: match item.state {
                HeldState::Failed => "failed",
                HeldState::Installed => "installed",
                HeldState::Installing => "installing",
                HeldState::NotNow => "not_now",
                HeldState::Queued => "queued",
            },
            at: item.at.into(),
            attempt: item.attempt,
            command_uuid: item.command,
            bundle_id: item.bundle_id,
            app_state: item.app_state,
            errors: item.errors.into_iter().map(error).collect(),
        }
    }
}

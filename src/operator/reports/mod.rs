//! Enrollment status: `/api/devices/enrollment-status` and `/v1/reports`, and how one device enrolled. All of it is read
//! from what the store has counted; the addresses under `/api` answer what their twins under `/v1/reports` do.

mod csv;
mod device_views;
mod views;

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::csv::csv_text;
use self::{
    csv::{Format, FormatQuery, answer},
    device_views::{Deadline, EnrollmentReport, ExpiryReport, IncompleteReport, MacList, MacView},
    views::{ActiveList, ActiveView, EndedView, FailureList, OverviewView, PlatformList, PlatformView},
};
use super::{
    OperatorDoor,
    input::{PageQuery, Path, Query},
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    error::{Code, Error},
    protocol::ids::EnrollmentId,
    service::{
        access::{Operator, Scope},
        reports::day_span,
    },
    storage::{AttemptFilter, AttemptList, EnrollmentMethod, EnrollmentSection, MacFilter, ReportPlatform},
};

/// The routes of this part.
pub(super) fn routes() -> OpenApiRouter<Arc<OperatorDoor>> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(status_active))
        .routes(routes!(status_failures))
        .routes(routes!(overview))
        .routes(routes!(by_platform))
        .routes(routes!(active))
        .routes(routes!(failures))
        .routes(routes!(failure))
        .routes(routes!(incomplete))
        .routes(routes!(expiry))
        .routes(routes!(bootstrap))
        .routes(routes!(enrollment))
}

/// Which attempts a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AttemptQuery {
    /// Those on this platform.
    #[param(inline)]
    platform: Option<ReportPlatform>,
    /// Those that came in this way.
    #[param(inline)]
    method: Option<EnrollmentMethod>,
    /// Those with a user whose name contains this, whatever its case.
    user: Option<String>,
    /// Those of the device with this serial number.
    serial: Option<String>,
    /// Those that ended (or, of active ones, began) at this time or later.
    from: Option<Time>,
    /// Those that ended (or began) before this time.
    to: Option<Time>,
}

impl AttemptQuery {
    fn filter(self, list: AttemptList, tokens: Option<Vec<u64>>) -> AttemptFilter {
        AttemptFilter {
            tokens,
            user: self.user,
            serial: self.serial,
            platform: self.platform,
            method: self.method,
            from: self.from.map(|time| time.0),
            before: self.to.map(|time| time.0),
            ..AttemptFilter::all(list)
        }
    }
}

/// Which failures a list shall hold, besides.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FailureQuery {
    /// Those with this failure's name.
    code: Option<String>,
}

/// Which enrollments a report of incomplete ones is about, besides.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct IncompleteQuery {
    /// Over so many days, today included.
    #[param(minimum = 1, maximum = 30, default = 14)]
    days: Option<u32>,
    /// Those that were left in this section.
    #[param(inline)]
    section: Option<EnrollmentSection>,
}

/// Which Macs a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MacQuery {
    /// `true`: those whose bootstrap token is escrowed; `false`: the others.
    escrowed: Option<bool>,
    /// `true`: those whose users have approved the enrollment; `false`: those that said they have not.
    user_approved: Option<bool>,
}

type Door = State<Arc<OperatorDoor>>;

/// The server tokens to whose devices an operator is confined who may read.
async fn reader(door: &OperatorDoor, operator: &Operator) -> Result<Option<Vec<u64>>, Error> {
    operator.require(Scope::Read)?;
    door.reports.tokens_of(operator).await
}

/// Where enrollments stand: enrolled, in progress, pending, failed.
#[utoipa::path(
    get, path = "/api/devices/enrollment-status", tag = "reports", operation_id = "enrollment_status",
    params(FormatQuery),
    responses(
        (status = 200, description = "The figures.", content((OverviewView = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn status(
    door: Door,
    operator: Extension<Operator>,
    format: Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    overview(door, operator, format, headers).await
}

/// Devices that enroll now, with their stage.
#[utoipa::path(
    get, path = "/api/devices/enrollment-status/active", tag = "reports", operation_id = "enrollment_status_active",
    params(AttemptQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "A page of them, the first begun first.", content((ActiveList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn status_active(
    door: Door,
    operator: Extension<Operator>,
    query: Query<AttemptQuery>,
    page: Query<PageQuery>,
    format: Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    active(door, operator, query, page, format, headers).await
}

/// Enrollments that failed, why, and what to do.
#[utoipa::path(
    get, path = "/api/devices/enrollment-status/failures", tag = "reports", operation_id = "enrollment_status_failures",
    params(AttemptQuery, FailureQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "A page of them, the latest first.", content((FailureList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn status_failures(
    door: Door,
    operator: Extension<Operator>,
    query: Query<AttemptQuery>,
    which: Query<FailureQuery>,
    page: Query<PageQuery>,
    format: Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    failures(door, operator, query, which, page, format, headers).await
}

/// Where enrollments stand: enrolled, in progress, pending, failed.
#[utoipa::path(
    get, path = "/v1/reports/overview", tag = "reports", operation_id = "report_overview",
    params(FormatQuery),
    responses(
        (status = 200, description = "The figures.", content((OverviewView = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn overview(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let now = door.clock.now();
    let overview = door.reports.overview(tokens, now).await?;
    answer(Format::of(&format, &headers), &OverviewView::new(overview, now))
}

/// Enrollments by platform: total, last seven days, success rate, average time.
#[utoipa::path(
    get, path = "/v1/reports/by-platform", tag = "reports", operation_id = "report_by_platform",
    params(FormatQuery),
    responses(
        (status = 200, description = "A line for each platform.", content((PlatformList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn by_platform(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let platforms = door.reports.platforms(tokens, door.clock.now()).await?;
    let platforms = platforms.iter().map(PlatformView::from).collect();
    answer(Format::of(&format, &headers), &PlatformList { platforms })
}

/// Devices that enroll now, with their stage.
#[utoipa::path(
    get, path = "/v1/reports/active", tag = "reports", operation_id = "report_active",
    params(AttemptQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "A page of them, the first begun first.", content((ActiveList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn active(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(query): Query<AttemptQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let filter = query.filter(AttemptList::Active, tokens);
    let listing = door.reports.attempts(&filter, &page.page()?).await?;
    let list = ActiveList {
        enrollments: listing.rows.iter().map(ActiveView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    answer(Format::of(&format, &headers), &list)
}

/// Enrollments that failed, why, and what to do.
#[utoipa::path(
    get, path = "/v1/reports/failures", tag = "reports", operation_id = "report_failures",
    params(AttemptQuery, FailureQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "A page of them, the latest first.", content((FailureList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn failures(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(query): Query<AttemptQuery>,
    Query(which): Query<FailureQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let mut filter = query.filter(AttemptList::Failed, tokens.clone());
    filter.code = which.code;
    let listing = door.reports.attempts(&filter, &page.page()?).await?;
    let reasons = door.reports.reasons(tokens, door.clock.now()).await?;
    let list = FailureList {
        failures: listing.rows.iter().map(EndedView::from).collect(),
        reasons: reasons.iter().map(Into::into).collect(),
        next_cursor: listing.next_cursor,
    };
    answer(Format::of(&format, &headers), &list)
}

/// One attempt to enroll, with what to do about it.
#[utoipa::path(
    get, path = "/v1/reports/failures/{id}", tag = "reports", operation_id = "report_failure",
    params(("id" = String, Path, description = "The attempt's `id`.")),
    responses(
        (status = 200, description = "The attempt.", body = EndedView),
        (status = 404, description = "There is none of that id."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn failure(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let number = id.parse().map_err(|_| Error::with(Code::AttemptUnknown, &id))?;
    let row = door.reports.attempt(number, &tokens).await?;
    Ok(json_response(StatusCode::OK, &EndedView::from(&row)))
}

/// Enrollments that were not completed, by day and section.
#[utoipa::path(
    get, path = "/v1/reports/incomplete", tag = "reports", operation_id = "report_incomplete",
    params(AttemptQuery, IncompleteQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "The figures, and a page of attempts, the latest first.", content((IncompleteReport = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn incomplete(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(query): Query<AttemptQuery>,
    Query(which): Query<IncompleteQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let span = day_span(which.days, tokens.clone(), door.clock.now())?;
    let mut filter = query.filter(AttemptList::Incomplete, tokens);
    filter.section = which.section;
    filter.from = filter.from.or(Some(span.from.start()));
    let listing = door.reports.attempts(&filter, &page.page()?).await?;
    let report = door
        .reports
        .incomplete(span, filter.platform, filter.section)
        .await?;
    let report = IncompleteReport::new(&report, &listing.rows, listing.next_cursor);
    answer(Format::of(&format, &headers), &report)
}

/// What expires when: identities, push certificates, server tokens.
#[utoipa::path(
    get, path = "/v1/reports/expiry", tag = "reports", operation_id = "report_expiry",
    params(PageQuery, FormatQuery),
    responses(
        (status = 200, description = "The figures, and a page of devices, the first to expire first.", content((ExpiryReport = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn expiry(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let (page, now) = (page.page()?, door.clock.now());
    let report = door.reports.expiring(tokens.clone(), now).await?;
    let listing = door.reports.expiring_enrollments(tokens.clone(), &page).await?;
    // They belong to no device.
    let push = match tokens {
        None => door.push_certificates.list().await?,
        Some(_) => Vec::new(),
    };
    let push = push
        .iter()
        .map(|certificate| Deadline::new(certificate.topic.to_string(), certificate.not_after, now));
    let seen = |number| tokens.as_ref().is_none_or(|tokens| tokens.contains(&number));
    let records = door.ade_tokens.records().await?;
    let records = records.into_iter().filter(|token| seen(token.number));
    let records = records.filter_map(|token| Some(Deadline::new(token.name, token.expires_at?, now)));
    let deadlines = (push.collect(), records.collect());
    let report = ExpiryReport::new(&report, deadlines, &listing.rows, listing.next_cursor, now);
    answer(Format::of(&format, &headers), &report)
}

/// Macs: whether their bootstrap tokens are escrowed, and their users have approved.
#[utoipa::path(
    get, path = "/v1/reports/bootstrap", tag = "reports", operation_id = "report_bootstrap",
    params(MacQuery, PageQuery, FormatQuery),
    responses(
        (status = 200, description = "A page of them, by enrollment id.", content((MacList = "application/json"), (String = "text/csv"))),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn bootstrap(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Query(query): Query<MacQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let filter = MacFilter {
        tokens: reader(&door, &operator).await?,
        escrowed: query.escrowed,
        user_approved: query.user_approved,
    };
    let listing = door.reports.macs(&filter, &page.page()?).await?;
    let list = MacList {
        macs: listing.rows.iter().map(MacView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    answer(Format::of(&format, &headers), &list)
}

/// How a device enrolled: its attempt, and what it was given then. CSV has the latter.
#[utoipa::path(
    get, path = "/v1/enrollments/{id}/enrollment", tag = "reports", operation_id = "show_enrollment_status",
    params(("id" = EnrollmentId, Path, description = "Its id; of a user channel, its device is meant."), FormatQuery),
    responses(
        (status = 200, description = "How it enrolled.", content((EnrollmentReport = "application/json"), (String = "text/csv"))),
        (status = 404, description = "There is no such enrollment."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn enrollment(
    State(door): Door,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let tokens = reader(&door, &operator).await?;
    let (row, attempt, applied) = door.reports.enrollment(&id.device(), &tokens).await?;
    let report = EnrollmentReport::new(&row, attempt.as_ref(), applied.as_ref());
    answer(Format::of(&format, &headers), &report)
}

//! `/v1/jobs`: one action for many enrollments, and how far it is.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    idempotency::{IdempotencyKey, Seed},
    input::{PageQuery, Path, Query},
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    error::Error,
    protocol::{
        catalogue::Platform,
        ids::{EnrollmentId, EnrollmentKind, SerialNumber},
    },
    service::{
        access::{Operator, Scope},
        actions::subjects::DeviceFilter,
        jobs::{JobRequest, Targets},
    },
    storage::{JobId, JobRecord, JobRefusal, JobState},
};

/// A job to be begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewJob {
    /// The verb of an action, such as `restart`.
    action: String,
    /// Its parameters, as the action itself takes them.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Map<String, Value>,
    /// Whom it concerns.
    targets: TargetsBody,
    /// For a wipe of several devices: how many they are.
    confirm_count: Option<u64>,
}

/// Whom a job concerns: one of the three.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetsBody {
    /// These enrollments. If one does not exist, nothing happens to any.
    ids: Option<Vec<EnrollmentId>>,
    /// The devices with these serial numbers. If there is none with one of them, nothing happens to any.
    serials: Option<Vec<SerialNumber>>,
    /// All devices that match.
    matching: Option<Matching>,
}

/// Devices; every field that is present must match.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    /// `true`: only those that are enrolled, `false`: only the others. Default: `true`.
    enabled: Option<bool>,
    /// `Device`, or `User Enrollment (Device)`.
    types: Option<Vec<EnrollmentKind>>,
    /// iOS (also iPadOS), macOS, tvOS, visionOS or watchOS.
    platform: Option<String>,
}

/// A job.
#[derive(Serialize, ToSchema)]
pub(super) struct JobView {
    /// Its identifier.
    id: String,
    /// What it does to each target.
    action: String,
    /// Who began it.
    by: String,
    /// `running`, `finished` or `cancelled`.
    state: JobState,
    /// How many targets it has.
    total: u64,
    /// For how many something was queued, or done.
    done: u64,
    /// How many were refused.
    refused: u64,
    /// How many are left.
    left: u64,
    /// When it began.
    created_at: Time,
    /// When its latest step was made.
    updated_at: Time,
    /// When it ended.
    ended_at: Option<Time>,
    /// It goes on then: as many devices were wiped as may be.
    waits_until: Option<Time>,
}

/// A job with the targets that it has refused.
#[derive(Serialize, ToSchema)]
pub(super) struct JobAnswer {
    /// The job.
    #[serde(flatten)]
    job: JobView,
    /// In the order of its targets.
    refusals: Vec<TargetRefusalView>,
    /// Present when there may be more of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A target that was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct TargetRefusalView {
    /// The enrollment.
    id: String,
    /// The failure's name in the catalogue.
    code: String,
    /// What happened.
    reason: String,
}

/// Jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct JobList {
    /// The latest first.
    jobs: Vec<JobView>,
    /// Present when there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<JobRecord> for JobView {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id.to_string(),
            action: job.verb,
            by: job.by,
            state: job.state,
            total: job.total,
            done: job.done,
            refused: job.refused,
            left: job.total.saturating_sub(job.next),
            created_at: job.created_at.into(),
            updated_at: job.updated_at.into(),
            ended_at: job.ended_at.map(Time),
            waits_until: job.waits_until.map(Time),
        }
    }
}

impl From<JobRefusal> for TargetRefusalView {
    fn from(refusal: JobRefusal) -> Self {
        Self {
            id: refusal.enrollment.to_string(),
            code: refusal.code,
            reason: refusal.reason,
        }
    }
}

impl TargetsBody {
    fn read(self) -> Result<Targets, Error> {
        match (self.ids, self.serials, self.matching) {
            (Some(ids), None, None) => Ok(Targets::Ids(ids)),
            (None, Some(serials), None) => Ok(Targets::Serials(serials)),
            (None, None, Some(matching)) => matching.read().map(Targets::Matching),
            _ => Err(Error::invalid(
                "targets",
                "takes one of ids, serials and matching",
            )),
        }
    }
}

impl Matching {
    fn read(self) -> Result<DeviceFilter, Error> {
        let platform = self.platform.as_ref().map(|name| {
            let known = Platform::ALL
                .into_iter()
                .find(|platform| platform.as_str().eq_ignore_ascii_case(name));
            known.ok_or_else(|| {
                Error::invalid(
                    "targets.matching.platform",
                    "is none of iOS, macOS, tvOS, visionOS and watchOS",
                )
            })
        });
        Ok(DeviceFilter {
            enabled: Some(self.enabled.unwrap_or(true)),
            kinds: self.types,
            platform: platform.transpose()?,
        })
    }
}

/// Begins a job. All of its targets must exist; it then goes on by itself, over restarts too.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "actions", operation_id = "create_job",
    params(IdempotencyKey),
    request_body = NewJob,
    responses(
        (status = 202, description = "Begun.", body = JobView),
        (status = 404, description = "There is no such action, or one of the targets does not exist; nothing happens."),
        (status = 409, description = "A request with the same Idempotency-Key is being carried out."),
        (status = 422, description = "A field can't be used, or the number of devices to be wiped was not confirmed."),
    ),
    security(("bearer" = ["support"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    seed: Seed,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Support)?;
    let asked: NewJob = door.json(&headers, body).await?;
    let request = JobRequest {
        verb: asked.action,
        parameters: asked.parameters.into(),
        targets: asked.targets.read()?,
        confirm_count: asked.confirm_count,
    };
    let job = door
        .jobs
        .create(&operator, request, seed.0, door.clock.now())
        .await?;
    Ok(json_response(StatusCode::ACCEPTED, &JobView::from(job)))
}

/// All jobs, the latest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "actions", operation_id = "list_jobs",
    params(PageQuery),
    responses((status = 200, description = "Jobs.", body = JobList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = page.page()?;
    let listing = door.jobs.list(&operator, &page).await?;
    let answer = JobList {
        jobs: listing.rows.into_iter().map(JobView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// One job, and the targets that it has refused, page by page.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "actions", operation_id = "show_job",
    params(("id" = String, Path, description = "The job's id."), PageQuery),
    responses(
        (status = 200, description = "The job.", body = JobAnswer),
        (status = 404, description = "There is no such job."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = page.page()?;
    let job = door.jobs.job(&operator, &JobId::new(id)).await?;
    let mut listing = door.store.job_refusals(&job.id, &page).await?;
    // What was this operator's when the job began may be somebody else's by now.
    let ids = listing.rows.iter().map(|refusal| refusal.enrollment.clone());
    let seen = door.sight(&operator).await?.seen_of(ids.collect()).await?;
    listing.rows.retain(|refusal| seen.contains(&refusal.enrollment));
    let answer = JobAnswer {
        job: job.into(),
        refusals: listing.rows.into_iter().map(TargetRefusalView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// Ends a job. What it has queued stays queued.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "actions", operation_id = "cancel_job",
    params(("id" = String, Path, description = "The job.")),
    responses(
        (status = 200, description = "Ended.", body = JobView),
        (status = 404, description = "There is no such job."),
        (status = 409, description = "It has ended before."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let job = door
        .jobs
        .cancel(&operator, &JobId::new(id), door.clock.now())
        .await?;
    Ok(json_response(StatusCode::OK, &JobView::from(job)))
}

//! `/v1/jobs`: one action for many enrollments, and how far it is.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    idempotency::Seed,
    input::{Params, Path},
    openapi::Problem,
    render::{Failure, json_response},
};
use crate::{
    error::{Code, Error, FieldProblem},
    protocol::{
        catalogue::Platform,
        ids::{EnrollmentId, EnrollmentKind, SerialNumber},
        time::Timestamp,
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
    #[schema(value_type = Object)]
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
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<EnrollmentId>>,
    /// The devices with these serial numbers. If there is none with one of them, nothing happens to any.
    #[schema(value_type = Option<Vec<String>>)]
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
    #[schema(value_type = Option<Vec<String>>)]
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
    #[schema(value_type = String)]
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
    #[schema(format = DateTime)]
    created_at: String,
    /// When its latest step was made.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// It goes on then: as many devices were wiped as may be.
    #[schema(format = DateTime)]
    waits_until: Option<String>,
}

/// A job with the targets that it has refused.
#[derive(Serialize, ToSchema)]
pub(super) struct JobAnswer {
    /// The job.
    #[serde(flatten)]
    job: JobView,
    /// In the order of its targets.
    refusals: Vec<RefusalView>,
    /// Present when there may be more of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A target that was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalView {
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
            created_at: job.created_at.to_rfc3339(),
            updated_at: job.updated_at.to_rfc3339(),
            ended_at: job.ended_at.map(Timestamp::to_rfc3339),
            waits_until: job.waits_until.map(Timestamp::to_rfc3339),
        }
    }
}

impl From<JobRefusal> for RefusalView {
    fn from(refusal: JobRefusal) -> Self {
        Self {
            id: refusal.enrollment.to_string(),
            code: refusal.code,
            reason: refusal.reason,
        }
    }
}

fn invalid(field: &str, problem: &str) -> Error {
    let fields = vec![field.to_owned()];
    let problem = problem.to_owned();
    Error::of_fields(Code::JobInvalid, vec![FieldProblem { fields, problem }])
}

impl TargetsBody {
    fn read(self) -> Result<Targets, Error> {
        match (self.ids, self.serials, self.matching) {
            (Some(ids), None, None) => Ok(Targets::Ids(ids)),
            (None, Some(serials), None) => Ok(Targets::Serials(serials)),
            (None, None, Some(matching)) => matching.read().map(Targets::Matching),
            _ => Err(invalid("targets", "takes one of ids, serials and matching")),
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
                invalid(
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
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats the answer to the same request.")),
    request_body = NewJob,
    responses(
        (status = 202, description = "Begun.", body = JobView),
        (status = 404, description = "There is no such action, or one of the targets does not exist; nothing happens.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A request with the same Idempotency-Key is being carried out.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field can't be used, or the number of devices to be wiped was not confirmed.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("basic" = ["support"]), ("bearer" = ["support"]))
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
    let job = door.jobs.create(&operator, request, seed.0, door.clock.now()).await?;
    Ok(json_response(StatusCode::ACCEPTED, &JobView::from(job)))
}

/// All jobs, the latest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "actions", operation_id = "list_jobs",
    params(
        ("limit" = Option<usize>, Query, description = "At most so many."),
        ("cursor" = Option<String>, Query, description = "Continues after the page that gave it."),
    ),
    responses((status = 200, description = "Jobs.", body = JobList)),
    security(("basic" = ["read"]), ("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page()?;
    let listing = door.store.jobs(&page).await?;
    let answer = JobList {
        jobs: listing.rows.into_iter().map(JobView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// One job, and the targets that it has refused, page by page.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "actions", operation_id = "show_job",
    params(
        ("id" = String, Path, description = "The job."),
        ("limit" = Option<usize>, Query, description = "At most so many refused targets."),
        ("cursor" = Option<String>, Query, description = "Continues after the page that gave it."),
    ),
    responses(
        (status = 200, description = "The job.", body = JobAnswer),
        (status = 404, description = "There is no such job.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("basic" = ["read"]), ("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page()?;
    let job = door.jobs.job(&JobId::new(id)).await?;
    let listing = door.store.job_refusals(&job.id, &page).await?;
    let answer = JobAnswer {
        job: job.into(),
        refusals: listing.rows.into_iter().map(RefusalView::from).collect(),
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
        (status = 404, description = "There is no such job.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended before.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("basic" = ["command"]), ("bearer" = ["command"]))
)]
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let job = door.jobs.cancel(&operator, &JobId::new(id), door.clock.now()).await?;
    Ok(json_response(StatusCode::OK, &JobView::from(job)))
}

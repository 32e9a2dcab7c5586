//! Jobs: one action for many enrollments, carried out step by step.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Batch, Listing, Page, Sealed, StoreResult};
use crate::protocol::{ids::EnrollmentId, time::Timestamp};

/// A job's identifier: a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// Wraps an identifier.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// An operator has ended it; what was done stays done.
    Cancelled,
    /// Every target was looked at.
    Finished,
    /// Targets are left.
    Running,
}

/// A job, without its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its identifier.
    pub id: JobId,
    /// Its place in the order of all jobs; the store gives it.
    pub number: u64,
    /// What it does to each target.
    pub verb: String,
    /// The operator.
    pub by: String,
    /// How that was known, as the audit log has it.
    #[serde(default)]
    pub by_kind: String,
    /// Where it stands.
    pub state: JobState,
    /// How many targets it has.
    pub total: u64,
    /// How many were looked at: the index of the next one.
    pub next: u64,
    /// For how many something was queued, or done.
    pub done: u64,
    /// How many were refused.
    pub refused: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its latest step was made.
    pub updated_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// It goes on then: as many were wiped as may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
}

/// A job that is to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its identifier, which no other job has.
    pub id: JobId,
    /// What it does to each target.
    pub verb: String,
    /// The parameters of the verb; they may hold secrets.
    pub parameters: Sealed,
    /// The operator.
    pub by: String,
    /// How that is known, as the audit log has it.
    pub by_kind: String,
    /// Whom it concerns, each once.
    pub targets: Vec<EnrollmentId>,
    /// When it was made.
    pub at: Timestamp,
}

/// A target to which a job does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRefusal {
    /// Its index among the targets.
    pub index: u64,
    /// Who.
    pub enrollment: EnrollmentId,
    /// The failure's name in the catalogue.
    pub code: String,
    /// What happened.
    pub reason: String,
}

/// The next targets of a job, and what becomes of them.
#[derive(Clone, Debug)]
pub struct JobStep {
    /// Which job.
    pub id: JobId,
    /// The index of the first target: the job's `next`.
    pub from: u64,
    /// The targets.
    pub targets: Vec<EnrollmentId>,
    /// Commands for them.
    pub batch: Batch,
    /// Those that are refused.
    pub refused: Vec<JobRefusal>,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`JobStep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAdvance {
    /// Done: how the job stands now, and for whom commands were queued.
    Done(JobRecord, Vec<EnrollmentId>),
    /// Commands are bounded, and no more are allowed at present. Nothing was done; the job's record says until when it
    /// waits.
    OverLimit(JobRecord),
    /// The job has gone on without this step, has ended, or does not exist. Nothing was done.
    Stale,
}

/// Jobs.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Stores a job with its targets: whole, or (to whoever looks) not at all.
    async fn add_job(&self, job: NewJob) -> StoreResult<JobRecord>;

    /// One job.
    async fn job(&self, id: &JobId) -> StoreResult<Option<JobRecord>>;

    /// The parameters of a job.
    async fn job_parameters(&self, id: &JobId) -> StoreResult<Option<Sealed>>;

    /// All jobs, the latest first.
    async fn jobs(&self, page: &Page) -> StoreResult<Listing<JobRecord>>;

    /// The jobs that are [`JobState::Running`], the earliest first.
    async fn running_jobs(&self) -> StoreResult<Vec<JobRecord>>;

    /// The targets of a job from an index on, at most `limit`.
    async fn job_targets(&self, id: &JobId, from: u64, limit: usize) -> StoreResult<Vec<EnrollmentId>>;

    /// Carries out a step: its commands are queued, and the job goes on, in one step. A target counts as refused if it
    /// is named so, or if none of its commands could be queued, and as done otherwise.
    async fn advance_job(&self, step: JobStep) -> StoreResult<JobAdvance>;

    /// The refused targets of a job, in their order.
    async fn job_refusals(&self, id: &JobId, page: &Page) -> StoreResult<Listing<JobRefusal>>;

    /// Ends a job if it is running. Returns how it stands then; `None`: no such job.
    async fn cancel_job(&self, id: &JobId, at: Timestamp) -> StoreResult<Option<JobRecord>>;

    /// Forgets jobs that ended before `before`, and what is left of jobs that were never whole; removes at most about
    /// `limit` keys, and says how many.
    async fn purge_jobs(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;
}

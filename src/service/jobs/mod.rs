//! Jobs: one action for many enrollments.
//!
//! A job's targets are found, and looked at as a whole, before it is stored: if one of them does not exist, nothing
//! happens to any (trust.md K-W2). `run` then takes them a few at a time; each step's commands and the job's progress
//! are stored together ([`JobStore::advance_job`](crate::storage::JobStore::advance_job)), so that an interruption
//! neither loses nor doubles anything.

mod run;
mod step;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    pki::seal::Sealer,
    protocol::{
        actions::Action,
        ids::{EnrollmentId, SerialNumber},
        time::Timestamp,
    },
    service::{
        access::{Operator, visibility::Sight},
        actions::{
            Actions, Ready, scope,
            subjects::{self, DeviceFilter},
            trail,
        },
        commands::{Commands, guard},
    },
    storage::{JobId, JobRecord, JobState, Listing, NewJob, Page, Sealed, Storage},
};

/// A job has no more targets than this.
pub const MAX_TARGETS: usize = 200_000;

/// The parameters of a job are no longer than this, as JSON: they are sent to every one of its targets.
const MAX_PARAMETERS: usize = 2 * 1024 * 1024;

/// So many jobs' parameters are kept in memory.
const MAX_KEPT: usize = 16;

/// Whom a job concerns.
#[derive(Clone, Debug)]
pub enum Targets {
    /// These enrollments.
    Ids(Vec<EnrollmentId>),
    /// All devices that match.
    Matching(DeviceFilter),
    /// The devices with these serial numbers.
    Serials(Vec<SerialNumber>),
}

/// A job as an operator asks for it.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The verb.
    pub verb: String,
    /// Its parameters, an object.
    pub parameters: Value,
    /// Whom it concerns.
    pub targets: Targets,
    /// How many devices the operator believes that are, for a wipe.
    pub confirm_count: Option<u64>,
}

/// Stores jobs, and carries them out.
pub struct Jobs {
    store: Arc<dyn Storage>,
    actions: Arc<Actions>,
    commands: Arc<Commands>,
    sealer: Arc<Sealer>,
    stirred: Notify,
    /// What running jobs do, as it was read.
    ready: Mutex<HashMap<JobId, Arc<Ready>>>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jobs")
    }
}

/// Whoever is confined to some devices sees their own jobs only: others' name devices that are hidden.
fn sees(operator: &Operator, job: &JobRecord) -> bool {
    operator.tags.is_none() || (job.by == operator.name && job.by_kind == operator.kind.as_str())
}

/// What is wrong with an action, as part of a job: that its parameters can't be read is a rule that this job breaks.
fn unfit(error: Error) -> Error {
    let error = error.within("parameters");
    match error.code() {
        Code::ActionUnknown => error.blaming("action"),
        Code::BadBody => Error::of_fields(Code::FieldInvalid, error.blaming("parameters").fields().to_vec()),
        _ => error,
    }
}

fn purpose(id: &JobId) -> String {
    format!("job:{id}")
}

fn invalid<T>(field: &str, problem: impl Into<String>) -> Result<T> {
    Err(Error::invalid(field, problem))
}

impl Jobs {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        actions: Arc<Actions>,
        commands: Arc<Commands>,
        sealer: Arc<Sealer>,
    ) -> Self {
        Self {
            store,
            actions,
            commands,
            sealer,
            stirred: Notify::new(),
            ready: Mutex::default(),
        }
    }

    /// Stores a job, which then begins. The same `seed` again is the same job.
    pub async fn create(
        &self,
        operator: &Operator,
        request: JobRequest,
        seed: Uuid,
        now: Timestamp,
    ) -> Result<JobRecord> {
        let parameters = json!({ "verb": request.verb, "parameters": request.parameters });
        let ready = Ready::read(&request.verb, request.parameters);
        let ready = ready.map_err(unfit)?;
        operator.require(scope(ready.action()))?;
        let parameters = parameters.to_string();
        if parameters.len() > MAX_PARAMETERS {
            return invalid("parameters", "are larger than 2 MiB");
        }
        let id = JobId::new(seed.to_string());
        if let Some(job) = self.store.job(&id).await? {
            return Ok(job);
        }
        let targets = self.targets(operator, &request.targets).await?;
        if let Action::Wipe(_) = ready.action() {
            guard::confirm(operator, targets.len(), request.confirm_count)?;
            self.commands.check_wipes(targets.len() as u64, now).await?;
        }
        let sealed = self
            .sealer
            .seal(&purpose(&id), parameters.as_bytes())
            .map_err(Error::internal)?;
        let job = self
            .store
            .add_job(NewJob {
                id,
                verb: request.verb,
                parameters: Sealed::new(sealed),
                by: operator.name.clone(),
                by_kind: operator.kind.as_str().to_owned(),
                targets,
                at: now,
            })
            .await?;
        trail::job(operator, "began", &job.verb, job.id.as_str(), job.total);
        self.stirred.notify_one();
        Ok(job)
    }

    /// Jobs that an operator sees, the latest first. A page may have fewer rows than asked for.
    pub async fn list(&self, operator: &Operator, page: &Page) -> Result<Listing<JobRecord>> {
        let mut listing = self.store.jobs(page).await?;
        listing.rows.retain(|job| sees(operator, job));
        Ok(listing)
    }

    /// One job.
    pub async fn job(&self, operator: &Operator, id: &JobId) -> Result<JobRecord> {
        let job = self.store.job(id).await?;
        job.filter(|job| sees(operator, job))
            .ok_or_else(|| Error::with(Code::JobUnknown, id))
    }

    /// Ends a job. What it has queued stays queued.
    pub async fn cancel(&self, operator: &Operator, id: &JobId, now: Timestamp) -> Result<JobRecord> {
        let before = self.job(operator, id).await?;
        if before.state != JobState::Running {
            return Err(Error::with(Code::JobEnded, id));
        }
        let job = self.store.cancel_job(id, now).await?;
        let job = job.ok_or_else(|| Error::with(Code::JobUnknown, id))?;
        if job.state != JobState::Cancelled {
            return Err(Error::with(Code::JobEnded, id));
        }
        trail::job(operator, "cancelled", &job.verb, job.id.as_str(), job.total);
        Ok(job)
    }

    async fn targets(&self, operator: &Operator, targets: &Targets) -> Result<Vec<EnrollmentId>> {
        let store = self.store.as_ref();
        let sight = &Sight::of(operator, &self.store).await?;
        let (field, named) = match targets {
            Targets::Ids(ids) => ("targets.ids", Some(ids.len())),
            Targets::Matching(_) => ("targets.matching", None),
            Targets::Serials(serials) => ("targets.serials", Some(serials.len())),
        };
        if named.is_some_and(|named| named > MAX_TARGETS) {
            return invalid(field, format!("names more than {MAX_TARGETS} devices"));
        }
        let found = match targets {
            Targets::Ids(ids) => subjects::all(store, sight, ids).await?,
            Targets::Matching(filter) => subjects::matching(store, sight, filter).await?,
            Targets::Serials(serials) => subjects::by_serial(store, sight, serials).await?,
        };
        match found.len() {
            0 => invalid(field, "comes to no device at all"),
            many if many > MAX_TARGETS => invalid(field, format!("comes to more than {MAX_TARGETS} devices")),
            _ => Ok(found),
        }
    }

    /// What a job does.
    async fn ready(&self, id: &JobId) -> Result<Arc<Ready>> {
        let kept = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        if let Some(ready) = kept {
            return Ok(ready);
        }
        let sealed = self.store.job_parameters(id).await?;
        let sealed = sealed.ok_or_else(|| Error::with(Code::JobUnknown, id))?;
        let plain = self
            .sealer
            .open(&purpose(id), sealed.as_bytes())
            .map_err(Error::internal)?;
        let mut asked: Value = serde_json::from_slice(&plain).map_err(Error::internal)?;
        let parameters = asked["parameters"].take();
        let ready = Arc::new(Ready::read(
            asked["verb"].as_str().unwrap_or_default(),
            parameters,
        )?);
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(id.clone(), Arc::clone(&ready));
        Ok(ready)
    }
}

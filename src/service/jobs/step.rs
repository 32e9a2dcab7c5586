//! One step of a job: a few targets, their commands, and those that are refused.

use uuid::Uuid;

use super::Jobs;
use crate::{
    error::{Code, Error, Result},
    protocol::{
        actions::{Action, Pin},
        command::Draft,
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    service::actions::{Prepared, Ready},
    storage::{
        AuditActor, AuditOutcome, JobAdvance, JobRecord, JobRefusal, JobStep, NewAudit, NewCommand,
        SecretRecord,
    },
};

/// So many targets in one step: few enough that devices hardly wait behind it.
const TARGETS: usize = 100;

/// The commands of a step. Targets that get the same one share it.
#[derive(Default)]
struct Orders {
    shared: Vec<(Draft, Vec<EnrollmentId>)>,
    secrets: Vec<(usize, EnrollmentId, Pin)>,
    /// For whom something was done without a command of the step's.
    direct: Vec<EnrollmentId>,
}

impl Orders {
    /// The commands of one target.
    fn take(&mut self, prepared: Prepared, id: &EnrollmentId) {
        let mut pin = prepared.pin;
        for draft in prepared.drafts {
            let at = self.add(draft, id);
            if let Some(pin) = pin.take() {
                self.secrets.push((at, id.clone(), pin));
            }
        }
    }

    fn add(&mut self, draft: Draft, id: &EnrollmentId) -> usize {
        let known = self.shared.iter().position(|(known, _)| *known == draft);
        let at = known.unwrap_or_else(|| {
            self.shared.push((draft, Vec::new()));
            self.shared.len() - 1
        });
        if let Some((_, ids)) = self.shared.get_mut(at) {
            ids.push(id.clone());
        }
        at
    }
}

impl Jobs {
    /// Takes the next targets of a job. `false`: it can't go on now.
    pub(super) async fn step(&self, job: &JobRecord, now: Timestamp) -> Result<bool> {
        let ready = self.ready(&job.id).await?;
        // A wipe at a time, so that as many go as are allowed.
        let limit = if matches!(ready.action(), Action::Wipe(_)) {
            1
        } else {
            TARGETS
        };
        let targets = self.store.job_targets(&job.id, job.next, limit).await?;
        if targets.is_empty() {
            return Err(Error::internal("a running job has no target left"));
        }
        let mut orders = Orders::default();
        let mut refused = Vec::new();
        for (index, id) in (job.next..).zip(&targets) {
            match self.target(&ready, id, &mut orders, now).await {
                Ok(()) => {}
                // Its turn comes again, with those of the whole step.
                Err(error) if error.code() == Code::StoreUnavailable => return Err(error),
                Err(error) => refused.push(JobRefusal {
                    index,
                    enrollment: id.clone(),
                    code: error.code().as_str().to_owned(),
                    reason: error.message(),
                }),
            }
        }
        if !orders.direct.is_empty() {
            let entry = entry(job, std::mem::take(&mut orders.direct), now);
            self.store.append_audit(entry).await?;
        }
        let (commands, secrets) = self.commands(job, orders, now)?;
        let step = JobStep {
            id: job.id.clone(),
            from: job.next,
            targets,
            batch: self.commands.batch(commands, secrets),
            refused,
            at: now,
        };
        match self.store.advance_job(step).await? {
            JobAdvance::Done(_, queued) => {
                self.commands.wake(&queued, now);
                Ok(true)
            }
            JobAdvance::OverLimit(_) => Ok(false),
            JobAdvance::Stale => Ok(true),
        }
    }

    /// What the job does to one target.
    async fn target(
        &self,
        ready: &Ready,
        id: &EnrollmentId,
        orders: &mut Orders,
        now: Timestamp,
    ) -> Result<()> {
        let row = self.store.enrollment(id).await?;
        let row = match (row, ready.action()) {
            (Some(row), _) => row,
            // It was there when the job was made: an earlier attempt at this step has removed it.
            (None, Action::Delete(_)) => return Ok(()),
            (None, _) => return Err(Error::with(Code::EnrollmentUnknown, id)),
        };
        let prepared = self.actions.prepare(ready, &row)?;
        match ready.action() {
            Action::Delete(asked) => self.actions.delete(id, asked.force, now).await?,
            Action::Release => self.actions.release(id, now).await?,
            _ => {
                orders.take(prepared, id);
                return Ok(());
            }
        }
        orders.direct.push(id.clone());
        Ok(())
    }

    fn commands(
        &self,
        job: &JobRecord,
        orders: Orders,
        now: Timestamp,
    ) -> Result<(Vec<NewCommand>, Vec<SecretRecord>)> {
        let seed = Uuid::parse_str(job.id.as_str()).unwrap_or(Uuid::NAMESPACE_OID);
        let uuid = |index: usize| {
            let words = format!("{}/{index}", job.next);
            let uuid = Uuid::new_v5(&seed, words.as_bytes());
            CommandUuid::new(uuid.to_string().to_uppercase())
        };
        let secrets = orders
            .secrets
            .iter()
            .map(|(index, id, pin)| self.actions.kept_pin(id, pin, &uuid(*index), now))
            .collect::<Result<_>>()?;
        let mut commands = Vec::with_capacity(orders.shared.len());
        for (index, (draft, ids)) in orders.shared.into_iter().enumerate() {
            let uuid = uuid(index);
            let plist = draft.to_plist(&uuid).map_err(Error::internal)?;
            let mut command = self.commands.command(uuid, draft.request_type, plist, ids, now)?;
            command.audit = Some(entry(job, Vec::new(), now));
            commands.push(command);
        }
        Ok((commands, secrets))
    }
}

/// What the audit log is told of a step: that it was the operator who began the job. With a command the store names the
/// targets.
fn entry(job: &JobRecord, done: Vec<EnrollmentId>, now: Timestamp) -> NewAudit {
    NewAudit {
        at: now,
        actor: AuditActor {
            operator: job.by.clone(),
            kind: job.by_kind.clone(),
            scope: None,
            address: None,
            request: None,
        },
        operation: job.verb.replace('-', "_"),
        outcome: AuditOutcome::Done,
        of: None,
        targets: done.iter().map(|id| format!("enrollment:{id}")).collect(),
        details: [("job".to_owned(), job.id.to_string())].into(),
    }
}

//! Several commands for one enrollment, or one for several, in one step.

use super::{Commands, guard};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    service::push::PushOutcome,
    storage::{Batch, BatchOutcome, EnqueueOutcome, Enqueued, NewCommand, SecretRecord},
};

/// Commands that were built for one enrollment.
#[derive(Debug)]
pub(in crate::service) struct Ordered {
    /// In the order of delivery.
    pub(in crate::service) commands: Vec<(CommandUuid, &'static str, Vec<u8>)>,
    /// What is to be kept of what they hold.
    pub(in crate::service) secrets: Vec<SecretRecord>,
}

impl Commands {
    /// Queues commands for one enrollment, all or none. Says what became of its push. A command that was queued under
    /// the same UUID before is not queued again.
    pub(in crate::service) async fn order(
        &self,
        id: &EnrollmentId,
        ordered: Ordered,
        now: Timestamp,
    ) -> Result<Option<PushOutcome>> {
        let mut commands = Vec::with_capacity(ordered.commands.len());
        for (uuid, request_type, payload) in ordered.commands {
            commands.push(self.command(uuid, request_type, payload, vec![id.clone()], now)?);
        }
        let outcomes = self.queue_all(commands, ordered.secrets, now).await?;
        for outcome in outcomes {
            if let EnqueueOutcome::Done(targets) = outcome {
                for (_, outcome) in targets {
                    refused(outcome).map_or(Ok(()), |code| Err(Error::with(code, id)))?;
                }
            }
        }
        let pushes = self.pushes.queued(std::slice::from_ref(id), now, now).await;
        Ok(pushes.into_iter().next())
    }

    /// A command that wakes its targets, sealed if it holds a secret.
    pub(in crate::service) fn command(
        &self,
        uuid: CommandUuid,
        request_type: &str,
        payload: Vec<u8>,
        targets: Vec<EnrollmentId>,
        now: Timestamp,
    ) -> Result<NewCommand> {
        let mut command = NewCommand {
            uuid,
            request_type: request_type.to_owned(),
            payload,
            targets,
            priority: 0,
            not_before: None,
            expires_at: None,
            wake: self.pushes.configured(),
            at: now,
            audit: None,
        };
        self.secrecy.seal(&mut command)?;
        Ok(command)
    }

    /// What bounds these commands.
    pub(in crate::service) fn batch(&self, commands: Vec<NewCommand>, secrets: Vec<SecretRecord>) -> Batch {
        let mut limits = commands
            .iter()
            .filter_map(|command| guard::limit(&command.request_type, self.max_wipes_per_hour));
        let limit = limits.next();
        Batch {
            commands,
            secrets,
            limit,
        }
    }

    /// Queues commands in one step.
    pub(super) async fn queue_all(
        &self,
        commands: Vec<NewCommand>,
        secrets: Vec<SecretRecord>,
        now: Timestamp,
    ) -> Result<Vec<EnqueueOutcome>> {
        let batch = self.batch(commands, secrets);
        match self.store.enqueue_all(batch).await? {
            BatchOutcome::Done(outcomes) => Ok(outcomes),
            BatchOutcome::OverLimit { retry_at } => {
                Err(guard::over_limit(self.max_wipes_per_hour, retry_at, now))
            }
        }
    }

    /// Refuses if so many wipes are not allowed now.
    pub(in crate::service) async fn check_wipes(&self, devices: u64, now: Timestamp) -> Result<()> {
        let Some(limit) = guard::limit(guard::ERASE_DEVICE, self.max_wipes_per_hour) else {
            return Ok(());
        };
        let recent = self
            .store
            .recent_targets(&limit.request_type, limit.window, now)
            .await?;
        if recent.saturating_add(devices) <= limit.max {
            return Ok(());
        }
        // Nothing is reserved by asking, so that it says no more than when all of the hour's will be free again.
        Err(guard::over_limit(
            self.max_wipes_per_hour,
            now.plus(limit.window),
            now,
        ))
    }

    /// Wakes these, without waiting for what becomes of it.
    pub(in crate::service) fn wake(&self, ids: &[EnrollmentId], now: Timestamp) {
        self.pushes.wake(ids, now);
    }
}

/// Why a command is in no queue.
pub(super) fn refused(outcome: Enqueued) -> Option<Code> {
    match outcome {
        Enqueued::CheckedOut => Some(Code::EnrollmentLeft),
        Enqueued::Queued => None,
        Enqueued::Unknown => Some(Code::EnrollmentUnknown),
    }
}

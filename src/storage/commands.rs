//! The command queue of each enrollment, and the results.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::{
    Batch, BatchOutcome, CommandRecord, CommandState, CommandStatus, HoldRule, Listing, NewCommand, NewEvent,
    Page, ReportStatus, StoreResult,
};
use crate::protocol::{
    ids::{CommandUuid, EnrollmentId},
    time::Timestamp,
};

/// What became of an enqueue for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// In its queue.
    Queued,
    /// No such enrollment.
    Unknown,
    /// It has checked out.
    CheckedOut,
}

/// What became of an enqueue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnqueueOutcome {
    /// The UUID is taken; nothing was stored.
    Duplicate,
    /// Each target with its outcome, in the order given. If none was queued, nothing was stored.
    Done(Vec<(EnrollmentId, Enqueued)>),
}

/// A command on its way to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its identifier.
    pub uuid: CommandUuid,
    /// The plist, as enqueued.
    pub payload: Vec<u8>,
}

/// A device's answer to a command.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who answers.
    pub enrollment: EnrollmentId,
    /// Which command.
    pub uuid: CommandUuid,
    /// What it says.
    pub status: ReportStatus,
    /// The plist, as received.
    pub payload: Vec<u8>,
    /// When it came.
    pub at: Timestamp,
    /// The event that tells of it, if anyone wants to know.
    pub event: Option<Arc<NewEvent>>,
    /// What it means to the hold of who answers, if that is held.
    pub hold: Option<HoldRule>,
}

/// What became of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Stored.
    Stored,
    /// The command was finished before; what is stored stays.
    AlreadyFinished,
    /// This enrollment never had such a command, or it has been purged.
    Unknown,
}

/// Commands that were closed without an answer: how many of each request type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedCommands(pub BTreeMap<String, usize>);

impl ClosedCommands {
    /// How many.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// One more of this type.
    pub fn add(&mut self, request_type: &str) {
        *self.0.entry(request_type.to_owned()).or_default() += 1;
    }
}

/// A queued command in a list.
#[derive(Clone, Debug)]
pub struct QueuedCommand {
    /// What it is.
    pub record: CommandRecord,
    /// [`CommandState::Queued`] or [`CommandState::NotNow`].
    pub state: CommandState,
    /// Its place in the order of all commands.
    pub sequence: u64,
    /// The plist.
    pub payload: Vec<u8>,
}

/// The command queue of each enrollment, and the results.
///
/// Order: higher priority first, then the order of enqueueing (a sequence number, never a clock). A command leaves
/// its queue when it is finished; what a device's next command costs to find does not depend on its history.
#[async_trait]
pub trait CommandStore: Send + Sync {
    /// Queues one command for all its targets, in one step. Its audit entry is stored in the same step, with the targets
    /// that were queued; also where nothing else is stored, and then as refused.
    async fn enqueue(&self, command: NewCommand) -> StoreResult<EnqueueOutcome>;

    /// Queues several commands, each for all its targets, in one step, unless that would exceed their limit.
    async fn enqueue_all(&self, batch: Batch) -> StoreResult<BatchOutcome>;

    /// How many targets commands of a [`COUNTED`](super::COUNTED) request type had over the `window` before `now`.
    async fn recent_targets(
        &self,
        request_type: &str,
        window: std::time::Duration,
        now: Timestamp,
    ) -> StoreResult<u64>;

    /// The command to offer now: the first in order whose `not_before` has come and whose `expires_at` has not,
    /// and which has not been answered `NotNow` if `skip_not_now`. Changes nothing: the same command is offered
    /// until it is answered.
    async fn next_command(
        &self,
        id: &EnrollmentId,
        skip_not_now: bool,
        now: Timestamp,
    ) -> StoreResult<Option<Delivery>>;

    /// Stores a device's answer and finds the next command, in one step. `NotNow` marks the command (a stored
    /// result is never overwritten by it) and the next one is then looked for among the unmarked only. Its event is
    /// stored in the same step, but for [`Recorded::AlreadyFinished`]: that has been told. If it is
    /// [`Recorded::Stored`], its hold's rule is carried out before the next command is looked for.
    async fn report_and_next(&self, report: Report) -> StoreResult<(Recorded, Option<Delivery>)>;

    /// The unfinished commands of one enrollment, in the order in which they will be offered.
    async fn queue(&self, id: &EnrollmentId, page: &Page) -> StoreResult<Listing<QueuedCommand>>;

    /// Closes all unfinished commands of one enrollment as cancelled; says which. `None`: no such enrollment.
    async fn clear_queue(&self, id: &EnrollmentId, at: Timestamp) -> StoreResult<Option<ClosedCommands>>;

    /// Closes one unfinished command of one enrollment as cancelled. `false`: there was none.
    async fn cancel(&self, uuid: &CommandUuid, id: &EnrollmentId, at: Timestamp) -> StoreResult<bool>;

    /// One command, unless it was purged.
    async fn command(&self, uuid: &CommandUuid) -> StoreResult<Option<CommandRecord>>;

    /// One command's plist, as enqueued, unless it was purged.
    async fn command_payload(&self, uuid: &CommandUuid) -> StoreResult<Option<Vec<u8>>>;

    /// Where one command stands, by enrollment id (bytes).
    async fn command_statuses(&self, uuid: &CommandUuid, page: &Page) -> StoreResult<Listing<CommandStatus>>;

    /// The latest answer of one enrollment to one command (the plist, as received): a result, or a `NotNow`.
    async fn command_result(&self, uuid: &CommandUuid, id: &EnrollmentId) -> StoreResult<Option<Vec<u8>>>;

    /// Closes the commands whose `expires_at` has come as expired, at most `limit`; says which.
    async fn expire_commands(&self, now: Timestamp, limit: usize) -> StoreResult<ClosedCommands>;

    /// Forgets what was finished before `before`, at most `limit` results; a command goes with the last of its
    /// targets. Says how many results went.
    async fn purge_results(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;
}

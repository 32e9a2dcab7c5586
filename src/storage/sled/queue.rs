//! The command queue: what goes in, what is next, what goes out.
//!
//! A command's record and payload are stored once for all its targets. For each target there is a [`Target`], which
//! stays until the result is purged, and while it is unfinished an [`Entry`] in the enrollment's queue, whose keys are
//! in the order of delivery. Finding the next command therefore never meets a finished one.

mod contents;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub(super) use contents::{has_unanswered, listed, next, next_not_before, no_payload, outstanding, work};

use super::{
    answers, audit, chunks, fault,
    keys::{Key, Prefix},
    pushes, search, secrets, tallies,
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    error::Code,
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    storage::{
        AuditOutcome, Batch, BatchOutcome, ClosedCommands, CommandRecord, CommandState, EnqueueOutcome,
        Enqueued, EnrollmentState, NewAudit, NewCommand, Recorded, Report, ReportStatus, StoreResult,
    },
};

/// Where a command stands for one enrollment.
#[derive(Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) state: CommandState,
    pub(super) at: Timestamp,
    /// With its sequence number its place in the queue.
    pub(super) priority: u8,
    /// As the command's; here because closing it must clear the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
}

/// An unfinished command in a queue.
#[derive(Serialize, Deserialize)]
struct Entry {
    uuid: CommandUuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// The device has answered `NotNow`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    not_now: bool,
}

impl Entry {
    fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now) && self.expires_at.is_none_or(|at| now < at)
    }

    fn state(&self) -> CommandState {
        match self.not_now {
            true => CommandState::NotNow,
            false => CommandState::Queued,
        }
    }
}

/// Queues a command for its targets, and enters it into the audit log.
pub(super) fn enqueue(
    transaction: &mut Transaction<'_>,
    command: &NewCommand,
) -> StoreResult<EnqueueOutcome> {
    let outcome = add_to_queues(transaction, command)?;
    if let Some(entry) = &command.audit {
        audit::append(transaction, &told(entry, command, &outcome))?;
    }
    Ok(outcome)
}

/// The entry, with what became of the command.
fn told(entry: &NewAudit, command: &NewCommand, outcome: &EnqueueOutcome) -> NewAudit {
    let target = |id: &EnrollmentId| format!("enrollment:{id}");
    let mut entry = entry.clone();
    let (asked, queued) = match outcome {
        EnqueueOutcome::Duplicate => (command.targets.len(), Vec::new()),
        EnqueueOutcome::Done(outcomes) => {
            let queued = outcomes
                .iter()
                .filter(|(_, outcome)| *outcome == Enqueued::Queued);
            (outcomes.len(), queued.map(|(id, _)| target(id)).collect())
        }
    };
    let mut tell = |key: &str, text: String| drop(entry.details.insert(key.to_owned(), text));
    if *outcome == EnqueueOutcome::Duplicate {
        tell("code", Code::CommandExists.as_str().to_owned());
    } else if queued.len() < asked {
        tell("not_queued", (asked - queued.len()).to_string());
    }
    if queued.is_empty() {
        entry.outcome = AuditOutcome::Refused;
        entry.targets = command.targets.iter().map(target).collect();
    } else {
        entry.outcome = AuditOutcome::Done;
        entry.targets = queued;
    }
    entry
}

fn add_to_queues(transaction: &mut Transaction<'_>, command: &NewCommand) -> StoreResult<EnqueueOutcome> {
    if number(&transaction.view(), &command.uuid)?.is_some() {
        return Ok(EnqueueOutcome::Duplicate);
    }
    let sequence = transaction.meta.last_sequence + 1;
    let mut outcomes = Vec::with_capacity(command.targets.len());
    let mut queued = HashSet::new();
    for id in &command.targets {
        let outcome = acceptance(&transaction.view(), id)?;
        if outcome == Enqueued::Queued && queued.insert(id) {
            add(transaction, command, id, sequence)?;
        }
        outcomes.push((id.clone(), outcome));
    }
    if !queued.is_empty() {
        let record = CommandRecord {
            uuid: command.uuid.clone(),
            request_type: command.request_type.clone(),
            priority: command.priority,
            not_before: command.not_before,
            expires_at: command.expires_at,
            enqueued_at: command.at,
        };
        transaction.put(&Key::Sequence(command.uuid.clone()), &sequence.to_be_bytes());
        transaction.put_record(&Key::Command(sequence), &record)?;
        chunks::put(
            transaction,
            |piece| Key::Payload(sequence, piece),
            &command.payload,
        )?;
        transaction.meta.last_sequence = sequence;
        tallies::count(transaction, &command.request_type, queued.len(), command.at)?;
    }
    Ok(EnqueueOutcome::Done(outcomes))
}

/// Queues several commands, unless that would exceed their limit.
pub(super) fn enqueue_all(transaction: &mut Transaction<'_>, batch: &Batch) -> StoreResult<BatchOutcome> {
    if let Some(limit) = &batch.limit {
        let (mut more, mut now) = (0, None);
        for command in batch
            .commands
            .iter()
            .filter(|one| one.request_type == limit.request_type)
        {
            if number(&transaction.view(), &command.uuid)?.is_none() {
                more += command.targets.len();
                now = Some(command.at);
            }
        }
        if let Some(now) = now
            && let Some(retry_at) = tallies::exceeded(&transaction.view(), limit, more, now)?
        {
            return Ok(BatchOutcome::OverLimit { retry_at });
        }
    }
    for secret in &batch.secrets {
        // A command that was queued before carries the secret that was kept then.
        if number(&transaction.view(), &secret.command)?.is_none() {
            secrets::keep(transaction, secret)?;
        }
    }
    let outcomes = batch.commands.iter().map(|command| enqueue(transaction, command));
    outcomes.collect::<StoreResult<_>>().map(BatchOutcome::Done)
}

/// A command's sequence number, unless it was purged.
pub(super) fn number(view: &View<'_>, uuid: &CommandUuid) -> StoreResult<Option<u64>> {
    let number = view.get(&Key::Sequence(uuid.clone()))?;
    let number = number.map(|bytes| bytes.as_ref().try_into().map(u64::from_be_bytes));
    number
        .transpose()
        .map_err(|_| fault::damaged("a command's sequence number has another length"))
}

fn acceptance(view: &View<'_>, id: &EnrollmentId) -> StoreResult<Enqueued> {
    /// All of an enrollment's record that matters here.
    #[derive(Deserialize)]
    struct Standing {
        state: EnrollmentState,
    }
    let standing: Option<Standing> = view.record(&Key::Enrollment(id.clone()))?;
    Ok(match standing.map(|standing| standing.state) {
        None => Enqueued::Unknown,
        Some(EnrollmentState::CheckedOut) => Enqueued::CheckedOut,
        Some(EnrollmentState::Authenticated | EnrollmentState::Enrolled) => Enqueued::Queued,
    })
}

fn add(
    transaction: &mut Transaction<'_>,
    command: &NewCommand,
    id: &EnrollmentId,
    sequence: u64,
) -> StoreResult<()> {
    let target = Target {
        state: CommandState::Queued,
        at: command.at,
        priority: command.priority,
        expires_at: command.expires_at,
    };
    let entry = Entry {
        uuid: command.uuid.clone(),
        not_before: command.not_before,
        expires_at: command.expires_at,
        not_now: false,
    };
    transaction.put_record(&Key::Target(sequence, id.clone()), &target)?;
    transaction.put_record(&Key::Queued(id.clone(), command.priority, sequence), &entry)?;
    search::remember(transaction, id, sequence);
    if command.wake {
        pushes::wake(transaction, id, command)?;
    }
    if let Some(at) = command.expires_at {
        transaction.put(&Key::Expiry(at, sequence, id.clone()), &[]);
    }
    transaction.meta.queued_commands += 1;
    Ok(())
}

/// Stores a device's answer.
pub(super) fn record(transaction: &mut Transaction<'_>, report: &Report) -> StoreResult<Recorded> {
    let Report {
        enrollment: id, uuid, ..
    } = report;
    let Some(number) = answered(&transaction.view(), id, uuid)? else {
        return Ok(Recorded::Unknown);
    };
    let target_key = Key::Target(number, id.clone());
    let Some(mut target) = transaction.view().record::<Target>(&target_key)? else {
        return Ok(Recorded::Unknown);
    };
    if target.state.is_finished() {
        return Ok(Recorded::AlreadyFinished);
    }
    let finished = match report.status {
        ReportStatus::Acknowledged => CommandState::Acknowledged,
        ReportStatus::CommandFormatError => CommandState::CommandFormatError,
        ReportStatus::Error => CommandState::Error,
        ReportStatus::NotNow => {
            let entry_key = Key::Queued(id.clone(), target.priority, number);
            let entry: Option<Entry> = transaction.view().record(&entry_key)?;
            let mut entry = entry.ok_or_else(|| fault::damaged("an unfinished command is in no queue"))?;
            entry.not_now = true;
            target.state = CommandState::NotNow;
            target.at = report.at;
            answers::keep(transaction, number, id, &report.payload)?;
            transaction.put_record(&entry_key, &entry)?;
            transaction.put_record(&target_key, &target)?;
            return Ok(Recorded::Stored);
        }
    };
    let answer = Some(report.payload.as_slice());
    close(transaction, number, id, target, finished, report.at, answer)?;
    Ok(Recorded::Stored)
}

/// The sequence number of a command that an enrollment answers. Nearly always it is one of the first in the queue, which
/// is looked at in any case; the index by UUID is a page more to read.
fn answered(view: &View<'_>, id: &EnrollmentId, uuid: &CommandUuid) -> StoreResult<Option<u64>> {
    const FIRST: usize = 4;
    for pair in view.scan(&Prefix::queue(id)).take(FIRST) {
        let (Key::Queued(_, _, number), value) = pair? else {
            return Err(unexpected_key());
        };
        let entry: Entry = decode(&value)?;
        if entry.uuid == *uuid {
            return Ok(Some(number));
        }
    }
    number(view, uuid)
}

/// Closes one command of an enrollment if it is unfinished; says whether it was.
pub(super) fn close_if_open(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    state: CommandState,
    at: Timestamp,
) -> StoreResult<bool> {
    let key = Key::Target(number, id.clone());
    match transaction.view().record::<Target>(&key)? {
        Some(target) if !target.state.is_finished() => {
            close(transaction, number, id, target, state, at, None)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Closes an enrollment's unfinished commands up to and including a sequence number as cancelled; says which.
pub(super) fn cancel_all(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    up_to: u64,
    at: Timestamp,
) -> StoreResult<ClosedCommands> {
    let mut numbers = Vec::new();
    for pair in transaction.view().scan(&Prefix::queue(id)) {
        let (Key::Queued(_, _, number), _) = pair? else {
            return Err(unexpected_key());
        };
        if number <= up_to {
            numbers.push(number);
        }
    }
    let mut closed = ClosedCommands::default();
    for number in numbers {
        if close_if_open(transaction, number, id, CommandState::Cancelled, at)? {
            tell(&transaction.view(), number, &mut closed)?;
        }
    }
    Ok(closed)
}

/// Adds a command to those that were closed.
pub(super) fn tell(view: &View<'_>, number: u64, closed: &mut ClosedCommands) -> StoreResult<()> {
    let record: Option<CommandRecord> = view.record(&Key::Command(number))?;
    let record = record.ok_or_else(|| fault::damaged("a queued command has no record"))?;
    closed.add(&record.request_type);
    Ok(())
}

/// Forgets what became of a command for one enrollment, which finished it at `at`, and with its last target the command.
pub(super) fn forget(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    at: Timestamp,
) -> StoreResult<()> {
    transaction.remove(&Key::Target(number, id.clone()));
    search::forget(transaction, id, number);
    answers::forget(transaction, number, id, at)?;
    let left = transaction.view().scan(&Prefix::targets(number)).next();
    if left.transpose()?.is_none() {
        let record: Option<CommandRecord> = transaction.view().record(&Key::Command(number))?;
        if let Some(record) = record {
            transaction.remove(&Key::Sequence(record.uuid));
        }
        transaction.remove(&Key::Command(number));
        chunks::remove(transaction, |piece| Key::Payload(number, piece))?;
    }
    Ok(())
}

fn close(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    mut target: Target,
    state: CommandState,
    at: Timestamp,
    answer: Option<&[u8]>,
) -> StoreResult<()> {
    transaction.remove(&Key::Queued(id.clone(), target.priority, number));
    if let Some(expires_at) = target.expires_at {
        transaction.remove(&Key::Expiry(expires_at, number, id.clone()));
    }
    let replaces = target.state == CommandState::NotNow;
    answers::close(transaction, number, id, at, answer, replaces)?;
    target.state = state;
    target.at = at;
    transaction.put_record(&Key::Target(number, id.clone()), &target)?;
    transaction.meta.queued_commands = transaction.meta.queued_commands.saturating_sub(1);
    Ok(())
}

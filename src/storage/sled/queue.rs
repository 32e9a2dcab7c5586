//! The command queue: what goes in, what is next, what goes out.
//!
//! A command's record and payload are stored once for all its targets. For each target there is a [`Target`], which
//! stays until the result is purged, and while it is unfinished an [`Entry`] in the enrollment's queue, whose keys are
//! in the order of delivery. Finding the next command therefore never meets a finished one.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sled::IVec;

use super::{
    chunks, fault,
    keys::{Key, Prefix},
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    storage::{
        CommandRecord, CommandState, Delivery, EnqueueOutcome, Enqueued, EnrollmentState, NewCommand,
        QueuedCommand, Recorded, Report, ReportStatus, StoreResult,
    },
};

/// Where a command stands for one enrollment.
#[derive(Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) state: CommandState,
    pub(super) at: Timestamp,
    /// With `sequence` its place in the queue.
    pub(super) priority: u8,
    pub(super) sequence: u64,
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
}

/// Queues a command for its targets.
pub(super) fn enqueue(
    transaction: &mut Transaction<'_>,
    command: &NewCommand,
) -> StoreResult<EnqueueOutcome> {
    let record_key = Key::Command(command.uuid.clone());
    if transaction.view().get(&record_key)?.is_some() {
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
        transaction.put_record(&record_key, &record)?;
        let uuid = &command.uuid;
        chunks::put(
            transaction,
            |piece| Key::Payload(uuid.clone(), piece),
            &command.payload,
        )?;
        transaction.meta.last_sequence = sequence;
    }
    Ok(EnqueueOutcome::Done(outcomes))
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
        sequence,
        expires_at: command.expires_at,
    };
    let entry = Entry {
        uuid: command.uuid.clone(),
        not_before: command.not_before,
        expires_at: command.expires_at,
        not_now: false,
    };
    transaction.put_record(&Key::Target(command.uuid.clone(), id.clone()), &target)?;
    transaction.put_record(&Key::Queued(id.clone(), command.priority, sequence), &entry)?;
    if let Some(at) = command.expires_at {
        transaction.put(&Key::Expiry(at, command.uuid.clone(), id.clone()), &[]);
    }
    transaction.meta.queued_commands += 1;
    Ok(())
}

/// The command to offer now.
pub(super) fn next(
    view: &View<'_>,
    id: &EnrollmentId,
    skip_not_now: bool,
    now: Timestamp,
) -> StoreResult<Option<Delivery>> {
    for pair in view.scan(&Prefix::queue(id)) {
        let entry: Entry = decode(&pair?.1)?;
        if entry.is_due(now) && !(skip_not_now && entry.not_now) {
            let payload = payload(view, &entry.uuid)?;
            return Ok(Some(Delivery {
                uuid: entry.uuid,
                payload,
            }));
        }
    }
    Ok(None)
}

/// Stores a device's answer.
pub(super) fn record(transaction: &mut Transaction<'_>, report: &Report) -> StoreResult<Recorded> {
    let Report {
        enrollment: id, uuid, ..
    } = report;
    let target_key = Key::Target(uuid.clone(), id.clone());
    let Some(mut target) = transaction.view().record::<Target>(&target_key)? else {
        return Ok(Recorded::Unknown);
    };
    if target.state.is_finished() {
        return Ok(Recorded::AlreadyFinished);
    }
    chunks::put(
        transaction,
        |piece| Key::Answer(uuid.clone(), id.clone(), piece),
        &report.payload,
    )?;
    let finished = match report.status {
        ReportStatus::Acknowledged => CommandState::Acknowledged,
        ReportStatus::CommandFormatError => CommandState::CommandFormatError,
        ReportStatus::Error => CommandState::Error,
        ReportStatus::NotNow => {
            let entry_key = Key::Queued(id.clone(), target.priority, target.sequence);
            let entry: Option<Entry> = transaction.view().record(&entry_key)?;
            let mut entry = entry.ok_or_else(|| fault::damaged("an unfinished command is in no queue"))?;
            entry.not_now = true;
            target.state = CommandState::NotNow;
            target.at = report.at;
            transaction.put_record(&entry_key, &entry)?;
            transaction.put_record(&target_key, &target)?;
            return Ok(Recorded::Stored);
        }
    };
    close(transaction, uuid, id, target, finished, report.at)?;
    Ok(Recorded::Stored)
}

/// Closes one command of an enrollment if it is unfinished; says whether it was.
pub(super) fn close_if_open(
    transaction: &mut Transaction<'_>,
    uuid: &CommandUuid,
    id: &EnrollmentId,
    state: CommandState,
    at: Timestamp,
) -> StoreResult<bool> {
    let key = Key::Target(uuid.clone(), id.clone());
    match transaction.view().record::<Target>(&key)? {
        Some(target) if !target.state.is_finished() => {
            close(transaction, uuid, id, target, state, at)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Closes an enrollment's unfinished commands up to and including a sequence number as cancelled; says how many.
pub(super) fn cancel_all(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    up_to: u64,
    at: Timestamp,
) -> StoreResult<usize> {
    let mut uuids = Vec::new();
    for pair in transaction.view().scan(&Prefix::queue(id)) {
        let (Key::Queued(_, _, sequence), value) = pair? else {
            return Err(unexpected_key());
        };
        if sequence <= up_to {
            uuids.push(decode::<Entry>(&value)?.uuid);
        }
    }
    for uuid in &uuids {
        close_if_open(transaction, uuid, id, CommandState::Cancelled, at)?;
    }
    Ok(uuids.len())
}

fn close(
    transaction: &mut Transaction<'_>,
    uuid: &CommandUuid,
    id: &EnrollmentId,
    mut target: Target,
    state: CommandState,
    at: Timestamp,
) -> StoreResult<()> {
    transaction.remove(&Key::Queued(id.clone(), target.priority, target.sequence));
    if let Some(expires_at) = target.expires_at {
        transaction.remove(&Key::Expiry(expires_at, uuid.clone(), id.clone()));
    }
    target.state = state;
    target.at = at;
    transaction.put_record(&Key::Target(uuid.clone(), id.clone()), &target)?;
    transaction.put(&Key::Finished(at, uuid.clone(), id.clone()), &[]);
    transaction.meta.queued_commands = transaction.meta.queued_commands.saturating_sub(1);
    Ok(())
}

/// A queue's entry as lists show it.
pub(super) fn listed(view: &View<'_>, key: &Key, value: &IVec) -> StoreResult<Option<QueuedCommand>> {
    let Key::Queued(_, _, sequence) = key else {
        return Err(unexpected_key());
    };
    let entry: Entry = decode(value)?;
    let record = view.record(&Key::Command(entry.uuid.clone()))?;
    Ok(Some(QueuedCommand {
        record: record.ok_or_else(|| fault::damaged("a queued command has no record"))?,
        state: if entry.not_now {
            CommandState::NotNow
        } else {
            CommandState::Queued
        },
        sequence: *sequence,
        payload: payload(view, &entry.uuid)?,
    }))
}

fn payload(view: &View<'_>, uuid: &CommandUuid) -> StoreResult<Vec<u8>> {
    chunks::get(view, |piece| Key::Payload(uuid.clone(), piece))?
        .ok_or_else(|| fault::damaged("a queued command has no payload"))
}

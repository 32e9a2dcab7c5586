//! What an enrollment's queue holds: what is next, what is due, and what lists show.

use sled::IVec;

use super::{Entry, chunks, fault};
use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    storage::{
        CommandRecord, Delivery, Outstanding, QueuedCommand, StoreError, StoreResult, Work,
        sled::{
            keys::{Key, Prefix},
            view::{View, decode, unexpected_key},
        },
    },
};

/// A command that is to be offered.
pub(in crate::storage::sled) struct Offer {
    uuid: CommandUuid,
    number: u64,
}

impl Offer {
    /// The command with its payload; `None` if it has been forgotten meanwhile.
    pub(in crate::storage::sled) fn deliver(self, view: &View<'_>) -> StoreResult<Option<Delivery>> {
        Ok(payload(view, self.number)?.map(|payload| Delivery {
            uuid: self.uuid,
            payload,
        }))
    }
}

/// The command to offer now.
pub(in crate::storage::sled) fn next(
    view: &View<'_>,
    id: &EnrollmentId,
    skip_not_now: bool,
    now: Timestamp,
) -> StoreResult<Option<Offer>> {
    for pair in view.scan(&Prefix::queue(id)) {
        let (Key::Queued(_, _, number), value) = pair? else {
            return Err(unexpected_key());
        };
        let entry: Entry = decode(&value)?;
        if entry.is_due(now) && !(skip_not_now && entry.not_now) {
            let uuid = entry.uuid;
            return Ok(Some(Offer { uuid, number }));
        }
    }
    Ok(None)
}

/// Whether an enrollment's queue holds a command that `counts` and that it has not answered at all.
pub(in crate::storage::sled) fn has_unanswered(
    view: &View<'_>,
    id: &EnrollmentId,
    counts: impl Fn(&CommandUuid) -> bool,
) -> StoreResult<bool> {
    for pair in view.scan(&Prefix::queue(id)) {
        let entry: Entry = decode(&pair?.1)?;
        if !entry.not_now && entry.not_before.is_none() && counts(&entry.uuid) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an enrollment's queue holds for it. Commands that have expired, and are yet to be closed, don't count.
pub(in crate::storage::sled) fn work(
    view: &View<'_>,
    id: &EnrollmentId,
    now: Timestamp,
) -> StoreResult<Work> {
    for pair in view.scan(&Prefix::queue(id)) {
        let entry: Entry = decode(&pair?.1)?;
        if entry.is_due(now) {
            return Ok(Work::Due);
        }
    }
    Ok(next_not_before(view, id, now)?.map_or(Work::Nothing, Work::Later))
}

/// When the first of the commands that are for later will be due.
pub(in crate::storage::sled) fn next_not_before(
    view: &View<'_>,
    id: &EnrollmentId,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let mut next: Option<Timestamp> = None;
    for pair in view.scan(&Prefix::queue(id)) {
        let entry: Entry = decode(&pair?.1)?;
        if let Some(at) = entry.not_before.filter(|at| now < *at) {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    }
    Ok(next)
}

/// A queue's entry as reports show it.
pub(in crate::storage::sled) fn outstanding(
    view: &View<'_>,
    key: &Key,
    value: &IVec,
) -> StoreResult<Option<Outstanding>> {
    let Key::Queued(_, _, sequence) = key else {
        return Err(unexpected_key());
    };
    let entry: Entry = decode(value)?;
    let record: Option<CommandRecord> = view.record(&Key::Command(*sequence))?;
    Ok(record.map(|record| Outstanding {
        request_type: record.request_type,
        state: entry.state(),
    }))
}

/// A queue's entry as lists show it.
pub(in crate::storage::sled) fn listed(
    view: &View<'_>,
    key: &Key,
    value: &IVec,
) -> StoreResult<Option<QueuedCommand>> {
    let Key::Queued(_, _, sequence) = key else {
        return Err(unexpected_key());
    };
    let entry: Entry = decode(value)?;
    let record = view.record(&Key::Command(*sequence))?;
    Ok(Some(QueuedCommand {
        record: record.ok_or_else(|| fault::damaged("a queued command has no record"))?,
        state: entry.state(),
        sequence: *sequence,
        payload: payload(view, *sequence)?.ok_or_else(no_payload)?,
    }))
}

fn payload(view: &View<'_>, number: u64) -> StoreResult<Option<Vec<u8>>> {
    chunks::get(view, |piece| Key::Payload(number, piece))
}

/// For a queue that has outlived what is in it.
pub(in crate::storage::sled) fn no_payload() -> StoreError {
    fault::damaged("a queued command has no payload")
}

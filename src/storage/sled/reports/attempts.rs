//! Attempts: rows, their lists, and the names under which a device's attempts are found.

use serde::{Deserialize, Serialize};

use super::{counts, refresh_awaiting};
use crate::{
    protocol::time::Timestamp,
    storage::{
        AttemptChange, AttemptOutcome, AttemptRecord, AttemptResult, AttemptStage, StoreResult, advance,
        sled::{
            fault,
            keys::{Key, Prefix, ReportKey},
            transaction::Transaction,
            view::{View, unexpected_key},
        },
    },
};

/// The attempts of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Pointers {
    /// The one that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<u64>,
    /// The one that ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

/// Carries a change out; says what stands then.
pub(in crate::storage::sled) fn note(
    transaction: &mut Transaction<'_>,
    change: &AttemptChange,
) -> StoreResult<Option<AttemptRecord>> {
    let names = change.names();
    let (open, last) = found(&transaction.view(), &names)?;
    let mut done = None;
    for mut record in advance(open.as_ref(), last.as_ref(), change) {
        let mut before = [&open, &last].into_iter().flatten();
        let before = before
            .find(|known| record.number != 0 && known.number == record.number)
            .cloned();
        if record.number == 0 {
            transaction.meta.last_attempt += 1;
            record.number = transaction.meta.last_attempt;
        }
        store(transaction, &names, before.as_ref(), &record)?;
        done = Some(record);
    }
    Ok(done)
}

/// The attempt that goes on, and the one that ended last, of the device with these names.
pub(super) fn found(
    view: &View<'_>,
    names: &[String],
) -> StoreResult<(Option<AttemptRecord>, Option<AttemptRecord>)> {
    let (mut open, mut last) = (None, None);
    for name in names {
        let pointers: Pointers = view.record(&name_key(name))?.unwrap_or_default();
        open = open.max(pointers.open);
        last = last.max(pointers.last);
    }
    let load = |number: Option<u64>| match number {
        Some(number) => view.record(&Key::Report(ReportKey::Attempt(number))),
        None => Ok(None),
    };
    Ok((load(open)?, load(last)?))
}

/// Writes a row, and has its device's names lead to it.
fn store(
    transaction: &mut Transaction<'_>,
    names: &[String],
    before: Option<&AttemptRecord>,
    record: &AttemptRecord,
) -> StoreResult<()> {
    put(transaction, before, record)?;
    point(transaction, names, record)?;
    let standing = |record: &AttemptRecord| (record.is_open(), record.subject.serial.clone());
    match &record.subject.serial {
        // By its names it is found whether the device is enrolling.
        Some(serial) if before.map(standing) != Some(standing(record)) => {
            refresh_awaiting(transaction, serial)
        }
        _ => Ok(()),
    }
}

/// Has the device's names lead to the record.
fn point(transaction: &mut Transaction<'_>, names: &[String], record: &AttemptRecord) -> StoreResult<()> {
    let own = record.subject.names();
    let all = own.iter().chain(names.iter().filter(|name| !own.contains(name)));
    for name in all {
        let key = name_key(name);
        let before: Pointers = transaction.view().record(&key)?.unwrap_or_default();
        let mut pointers = before;
        let number = Some(record.number);
        if record.is_open() {
            pointers.open = number;
            pointers.last = pointers.last.filter(|last| Some(*last) != number);
        } else {
            pointers.open = pointers.open.filter(|open| Some(*open) != number);
            pointers.last = number;
        }
        if pointers != before {
            transaction.put_record(&key, &pointers)?;
        }
    }
    Ok(())
}

fn name_key(name: &str) -> Key {
    Key::Report(ReportKey::AttemptOf(name.to_owned()))
}

/// Writes a row, with its places in the lists and in what is counted.
fn put(
    transaction: &mut Transaction<'_>,
    before: Option<&AttemptRecord>,
    record: &AttemptRecord,
) -> StoreResult<()> {
    if before == Some(record) {
        return Ok(());
    }
    if let Some(before) = before {
        for place in places(before) {
            transaction.remove(&Key::Report(place));
        }
    }
    for place in places(record) {
        transaction.put(&Key::Report(place), &[]);
    }
    transaction.put_record(&Key::Report(ReportKey::Attempt(record.number)), record)?;
    counts::attempt_changed(transaction, before, Some(record))?;
    counts::tally(transaction, before, record)
}

/// The places of an attempt in the lists.
fn places(record: &AttemptRecord) -> Vec<ReportKey> {
    let number = record.number;
    match &record.outcome {
        None => vec![
            ReportKey::Active(number),
            ReportKey::Idle(record.last_activity, number),
        ],
        Some(outcome) => {
            let mut places = vec![ReportKey::Ended(outcome.last_at, number)];
            if outcome.result == AttemptResult::Failed {
                places.push(ReportKey::Failed(outcome.last_at, number));
            }
            if outcome.incomplete.is_some() {
                places.push(ReportKey::Incomplete(outcome.last_at, number));
            }
            places
        }
    }
}

/// Whether the device that began this attempt is enrolling now.
pub(super) fn is_enrolling(view: &View<'_>, serial: &str) -> StoreResult<bool> {
    let name = format!("s:{serial}").to_ascii_uppercase();
    let pointers: Option<Pointers> = view.record(&name_key(&name))?;
    Ok(pointers.is_some_and(|pointers| pointers.open.is_some()))
}

/// Gives up attempts of which nothing was heard for too long.
pub(super) fn give_up(
    transaction: &mut Transaction<'_>,
    idle_since: Timestamp,
    now: Timestamp,
    limit: usize,
) -> StoreResult<(Vec<AttemptRecord>, bool)> {
    let mut idle = Vec::new();
    for pair in transaction.view().scan(&Prefix::idle_attempts()).take(limit) {
        let (Key::Report(ReportKey::Idle(at, number)), _) = pair? else {
            return Err(unexpected_key());
        };
        if at > idle_since {
            break;
        }
        idle.push(number);
    }
    let more = idle.len() == limit;
    let mut given_up = Vec::new();
    for number in idle {
        let view = transaction.view();
        let record: Option<AttemptRecord> = view.record(&Key::Report(ReportKey::Attempt(number)))?;
        let record = record.ok_or_else(|| fault::damaged("an attempt is missing"))?;
        let seen = match &record.subject.enrollment {
            Some(id) if record.stage >= AttemptStage::Authenticated => {
                view.record::<Timestamp>(&Key::LastSeen(id.clone()))?
            }
            _ => None,
        };
        if let Some(seen) = seen.filter(|seen| *seen > idle_since && *seen > record.last_activity) {
            let heard = AttemptRecord {
                last_activity: seen,
                ..record.clone()
            };
            put(transaction, Some(&record), &heard)?;
            continue;
        }
        let ended = record.timed_out(now);
        store(transaction, &[], Some(&record), &ended)?;
        given_up.push(ended);
    }
    Ok((given_up, more))
}

/// Forgets attempts that ended long ago. What was counted stays, but for those that still stand out as failed.
pub(super) fn purge(
    transaction: &mut Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> StoreResult<usize> {
    let mut due = Vec::new();
    for pair in transaction.view().scan(&Prefix::ended_attempts()).take(limit) {
        let (Key::Report(ReportKey::Ended(at, number)), _) = pair? else {
            return Err(unexpected_key());
        };
        if at >= before {
            break;
        }
        due.push(number);
    }
    for number in &due {
        let key = Key::Report(ReportKey::Attempt(*number));
        let record: Option<AttemptRecord> = transaction.view().record(&key)?;
        let record = record.ok_or_else(|| fault::damaged("an attempt is missing"))?;
        for place in places(&record) {
            transaction.remove(&Key::Report(place));
        }
        counts::attempt_changed(transaction, Some(&record), None)?;
        forget_names(transaction, &record)?;
        transaction.remove(&key);
    }
    Ok(due.len())
}

fn forget_names(transaction: &mut Transaction<'_>, record: &AttemptRecord) -> StoreResult<()> {
    let mut names = record.subject.names();
    if names.is_empty() {
        let code = record
            .outcome
            .as_ref()
            .and_then(|outcome: &AttemptOutcome| outcome.code.clone());
        names.extend(code.map(|code| format!("X:{code}")));
    }
    for name in names {
        let key = name_key(&name);
        let pointers: Option<Pointers> = transaction.view().record(&key)?;
        let Some(mut pointers) = pointers.filter(|pointers| pointers.last == Some(record.number)) else {
            continue;
        };
        pointers.last = None;
        match pointers.open {
            Some(_) => transaction.put_record(&key, &pointers)?,
            None => transaction.remove(&key),
        }
    }
    Ok(())
}

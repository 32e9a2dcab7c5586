//! How often dangerous commands were queued: a count for each minute, so that looking back costs the same however many
//! there were.

use std::time::Duration;

use super::{
    fault,
    keys::{ActionKey, Key, Prefix},
    transaction::Transaction,
    view::{View, unexpected_key},
};
use crate::{
    protocol::time::Timestamp,
    storage::{COUNTED, StoreResult, TargetLimit},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Counts are kept for so long.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// So many old counts go with each new one.
const FORGOTTEN_AT_ONCE: usize = 64;

fn minute(at: Timestamp) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0) / MINUTE.as_secs()
}

fn start(minute: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(minute * MINUTE.as_secs()).unwrap_or(i64::MAX))
}

/// Counts targets of a command, if commands of its type are counted.
pub(super) fn count(
    transaction: &mut Transaction<'_>,
    request_type: &str,
    targets: usize,
    at: Timestamp,
) -> StoreResult<()> {
    if !COUNTED.contains(&request_type) {
        return Ok(());
    }
    let key = Key::Action(ActionKey::Tally(request_type.to_owned(), minute(at)));
    let before = match transaction.view().get(&key)? {
        Some(bytes) => number(&bytes)?,
        None => 0,
    };
    let sum = before.saturating_add(u64::try_from(targets).unwrap_or(u64::MAX));
    transaction.put(&key, &sum.to_be_bytes());
    let oldest = minute(at.minus(KEPT));
    let mut old = Vec::new();
    for pair in transaction
        .view()
        .scan(&Prefix::request_tallies(request_type))
        .take(FORGOTTEN_AT_ONCE)
    {
        match pair? {
            (key @ Key::Action(ActionKey::Tally(_, minute)), _) if minute < oldest => old.push(key),
            _ => break,
        }
    }
    old.iter().for_each(|key| transaction.remove(key));
    Ok(())
}

/// How many targets there were in the window before `now`.
pub(super) fn recent(
    view: &View<'_>,
    request_type: &str,
    window: Duration,
    now: Timestamp,
) -> StoreResult<u64> {
    Ok(minutes(view, request_type, window, now)?
        .iter()
        .fold(0, |sum, (_, count)| sum.saturating_add(*count)))
}

/// When `more` targets are allowed, if they are not now.
pub(super) fn exceeded(
    view: &View<'_>,
    limit: &TargetLimit,
    more: usize,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    let minutes = minutes(view, &limit.request_type, limit.window, now)?;
    let mut sum = minutes
        .iter()
        .fold(more, |sum, (_, count)| sum.saturating_add(*count));
    if sum <= limit.max {
        return Ok(None);
    }
    for (minute, count) in minutes {
        sum = sum.saturating_sub(count);
        if sum <= limit.max {
            return Ok(Some(start(minute + 1).plus(limit.window)));
        }
    }
    Ok(Some(now.plus(limit.window)))
}

/// The counts of the minutes that lie in the window, if only in part, the earliest first.
fn minutes(
    view: &View<'_>,
    request_type: &str,
    window: Duration,
    now: Timestamp,
) -> StoreResult<Vec<(u64, u64)>> {
    let first = minute(now.minus(window));
    let mut minutes = Vec::new();
    let begin = Key::Action(ActionKey::Tally(request_type.to_owned(), first.saturating_sub(1)));
    for pair in view.scan_after(&Prefix::request_tallies(request_type), &begin) {
        let (Key::Action(ActionKey::Tally(_, minute)), count) = pair? else {
            return Err(unexpected_key());
        };
        minutes.push((minute, number(&count)?));
    }
    Ok(minutes)
}

fn number(bytes: &[u8]) -> StoreResult<u64> {
    let bytes = bytes.try_into();
    bytes
        .map(u64::from_be_bytes)
        .map_err(|_| fault::damaged("a count has another length"))
}

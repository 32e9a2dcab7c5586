//! What time does to commands and challenges: they expire, and what is over is forgotten.

use super::{
    keys::{Key, Prefix},
    queue,
    transaction::Transaction,
    view::View,
};
use crate::{
    protocol::time::Timestamp,
    storage::{ClosedCommands, CommandState, StoreResult},
};

/// Closes commands whose time is over.
pub(super) fn expire_commands(
    transaction: &mut Transaction<'_>,
    now: Timestamp,
    limit: usize,
) -> StoreResult<ClosedCommands> {
    let due = due(&transaction.view(), &Prefix::expiries(), limit, |at| at <= now)?;
    let mut closed = ClosedCommands::default();
    for key in due {
        if let Key::Expiry(_, number, id) = key
            && queue::close_if_open(transaction, number, &id, CommandState::Expired, now)?
        {
            queue::tell(&transaction.view(), number, &mut closed)?;
        }
    }
    Ok(closed)
}

/// Forgets results, and each command with the last of its targets.
pub(super) fn purge_results(
    transaction: &mut Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> StoreResult<usize> {
    let due = due(&transaction.view(), &Prefix::finished(), limit, |at| at < before)?;
    for key in &due {
        if let Key::Finished(at, number, id) = key {
            queue::forget(transaction, *number, id, *at)?;
        }
    }
    Ok(due.len())
}

/// Forgets challenges.
pub(super) fn purge_challenges(
    transaction: &mut Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> StoreResult<usize> {
    let due = due(&transaction.view(), &Prefix::challenge_expiries(), limit, |at| {
        at < before
    })?;
    for key in &due {
        if let Key::ChallengeExpiry(_, hash) = key {
            transaction.remove(key);
            transaction.remove(&Key::Challenge(*hash));
        }
    }
    Ok(due.len())
}

/// The first keys of an index by time that are due.
fn due(
    view: &View<'_>,
    index: &Prefix,
    limit: usize,
    is_due: impl Fn(Timestamp) -> bool,
) -> StoreResult<Vec<Key>> {
    let mut keys = Vec::new();
    for pair in view.scan(index).take(limit) {
        let (key, _) = pair?;
        let (Key::Expiry(at, ..) | Key::Finished(at, ..) | Key::ChallengeExpiry(at, _)) = key else {
            break;
        };
        if !is_due(at) {
            break;
        }
        keys.push(key);
    }
    Ok(keys)
}

//! The queues of hooks: what goes in, what goes out, and what is given up.
//!
//! An event is stored once for each hook that wants it, so that queues never wait for each other and nothing has to be
//! counted before it can be deleted. A body stays where it is when its event becomes a dead letter, and when that is
//! replayed.

use serde::{Deserialize, Serialize};

use super::{
    chunks, fault,
    keys::{Key, Prefix},
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::time::Timestamp,
    storage::{EventRecord, HookFigures, NewEvent, StoreResult},
};

/// So many events are dropped in one step at most; what is still too much then goes in the next ones.
const DROPPED_AT_ONCE: usize = 1_000;

/// How much waits for a hook. Outlives the hook until all of it is gone.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Queue {
    waiting: u64,
    dead_letters: u64,
    bytes: u64,
    dropped: u64,
    /// The hook is gone: nothing is added any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

impl Queue {
    /// Of a hook that is there.
    pub(super) fn of(view: &View<'_>, hook: u64) -> StoreResult<Option<Self>> {
        let queue: Option<Self> = view.record(&Key::HookQueue(hook))?;
        Ok(queue.filter(|queue| !queue.removed))
    }

    /// What may be known of it.
    pub(super) fn figures(self) -> HookFigures {
        HookFigures {
            waiting: self.waiting,
            dead_letters: self.dead_letters,
            bytes: self.bytes,
            dropped: self.dropped,
        }
    }

    fn put(&self, transaction: &mut Transaction<'_>, hook: u64) -> StoreResult<()> {
        transaction.put_record(&Key::HookQueue(hook), self)
    }
}

/// An event that waits.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) queued_at: Timestamp,
    /// Of its body.
    pub(super) bytes: u64,
    pub(super) event: EventRecord,
}

/// An event that was given up.
#[derive(Serialize, Deserialize)]
pub(super) struct Dead {
    pub(super) reason: String,
    /// Of its body.
    bytes: u64,
    pub(super) event: EventRecord,
}

/// Makes an empty queue.
pub(super) fn begin(transaction: &mut Transaction<'_>, hook: u64) -> StoreResult<()> {
    Queue::default().put(transaction, hook)
}

/// Adds nothing more to the queue of a hook that goes.
pub(super) fn end(transaction: &mut Transaction<'_>, hook: u64) -> StoreResult<()> {
    let Some(mut queue) = Queue::of(&transaction.view(), hook)? else {
        return Ok(());
    };
    queue.removed = true;
    queue.put(transaction, hook)
}

/// Puts an event into the queues of its hooks.
pub(super) fn append(transaction: &mut Transaction<'_>, new: &NewEvent) -> StoreResult<()> {
    let sequence = transaction.meta.last_event + 1;
    let bytes = new.payload.len() as u64;
    let waiting = Waiting {
        queued_at: new.record.created_at,
        bytes,
        event: new.record.clone(),
    };
    for hook in &new.hooks {
        let Some(mut queue) = Queue::of(&transaction.view(), *hook)? else {
            continue;
        };
        transaction.meta.last_event = sequence;
        transaction.put_record(&Key::Event(*hook, sequence), &waiting)?;
        chunks::put(
            transaction,
            |piece| Key::EventPayload(*hook, sequence, piece),
            &new.payload,
        )?;
        queue.waiting += 1;
        queue.bytes += bytes;
        make_room(transaction, *hook, &mut queue, new)?;
        queue.put(transaction, *hook)?;
    }
    Ok(())
}

/// Drops the oldest of what is too much.
fn make_room(
    transaction: &mut Transaction<'_>,
    hook: u64,
    queue: &mut Queue,
    new: &NewEvent,
) -> StoreResult<()> {
    for _ in 0..DROPPED_AT_ONCE {
        let too_many = queue.waiting > new.limits.events;
        if !too_many && queue.bytes <= new.limits.bytes {
            break;
        }
        let dropped = if !too_many && queue.dead_letters > 0 {
            drop_dead_letter(transaction, hook, queue)?
        } else {
            drop_waiting(transaction, hook, queue)?
        };
        if !dropped {
            break;
        }
        queue.dropped += 1;
    }
    Ok(())
}

/// Takes the oldest event that waits out of the queue.
fn drop_waiting(transaction: &mut Transaction<'_>, hook: u64, queue: &mut Queue) -> StoreResult<bool> {
    let first = transaction.view().scan(&Prefix::events(hook)).next();
    let Some((key, value)) = first.transpose()? else {
        return Ok(false);
    };
    let Key::Event(_, sequence) = key else {
        return Err(unexpected_key());
    };
    let waiting: Waiting = decode(&value)?;
    transaction.remove(&key);
    remove_payload(transaction, hook, sequence)?;
    queue.waiting = queue.waiting.saturating_sub(1);
    queue.bytes = queue.bytes.saturating_sub(waiting.bytes);
    Ok(true)
}

/// Forgets the dead letter that was given up first.
fn drop_dead_letter(transaction: &mut Transaction<'_>, hook: u64, queue: &mut Queue) -> StoreResult<bool> {
    let first = transaction.view().scan(&Prefix::dead_letters(hook)).next();
    let Some((key, value)) = first.transpose()? else {
        return Ok(false);
    };
    let Key::DeadLetter(_, _, sequence) = key else {
        return Err(unexpected_key());
    };
    let dead: Dead = decode(&value)?;
    transaction.remove(&key);
    remove_payload(transaction, hook, sequence)?;
    queue.dead_letters = queue.dead_letters.saturating_sub(1);
    queue.bytes = queue.bytes.saturating_sub(dead.bytes);
    Ok(true)
}

/// Takes events out of the queue for good.
pub(super) fn delivered(transaction: &mut Transaction<'_>, hook: u64, sequences: &[u64]) -> StoreResult<()> {
    let Some(mut queue) = Queue::of(&transaction.view(), hook)? else {
        return Ok(());
    };
    for sequence in sequences {
        let key = Key::Event(hook, *sequence);
        let Some(waiting) = transaction.view().record::<Waiting>(&key)? else {
            continue;
        };
        transaction.remove(&key);
        remove_payload(transaction, hook, *sequence)?;
        queue.waiting = queue.waiting.saturating_sub(1);
        queue.bytes = queue.bytes.saturating_sub(waiting.bytes);
    }
    queue.put(transaction, hook)
}

/// Makes events dead letters, of which `keep` are kept.
pub(super) fn give_up(
    transaction: &mut Transaction<'_>,
    hook: u64,
    events: Vec<(u64, String)>,
    keep: u64,
    at: Timestamp,
) -> StoreResult<()> {
    let Some(mut queue) = Queue::of(&transaction.view(), hook)? else {
        return Ok(());
    };
    for (sequence, reason) in events {
        let key = Key::Event(hook, sequence);
        let Some(waiting) = transaction.view().record::<Waiting>(&key)? else {
            continue;
        };
        let dead = Dead {
            reason,
            bytes: waiting.bytes,
            event: waiting.event,
        };
        transaction.remove(&key);
        transaction.put_record(&Key::DeadLetter(hook, at, sequence), &dead)?;
        queue.waiting = queue.waiting.saturating_sub(1);
        queue.dead_letters += 1;
    }
    while queue.dead_letters > keep && drop_dead_letter(transaction, hook, &mut queue)? {
        queue.dropped += 1;
    }
    queue.put(transaction, hook)
}

/// Puts dead letters back into the queue.
pub(super) fn replay(
    transaction: &mut Transaction<'_>,
    hook: u64,
    letters: &[(Timestamp, u64)],
    at: Timestamp,
) -> StoreResult<usize> {
    let Some(mut queue) = Queue::of(&transaction.view(), hook)? else {
        return Ok(0);
    };
    let mut replayed = 0;
    for (given_up, sequence) in letters {
        let key = Key::DeadLetter(hook, *given_up, *sequence);
        let Some(dead) = transaction.view().record::<Dead>(&key)? else {
            continue;
        };
        let waiting = Waiting {
            queued_at: at,
            bytes: dead.bytes,
            event: dead.event,
        };
        transaction.remove(&key);
        transaction.put_record(&Key::Event(hook, *sequence), &waiting)?;
        queue.dead_letters = queue.dead_letters.saturating_sub(1);
        queue.waiting += 1;
        replayed += 1;
    }
    queue.put(transaction, hook)?;
    Ok(replayed)
}

/// Forgets dead letters that were given up before a time.
pub(super) fn purge_dead_letters(
    transaction: &mut Transaction<'_>,
    hook: u64,
    before: Timestamp,
    limit: usize,
) -> StoreResult<usize> {
    let Some(mut queue) = Queue::of(&transaction.view(), hook)? else {
        return Ok(0);
    };
    let mut purged = 0;
    while purged < limit {
        let first = transaction.view().scan(&Prefix::dead_letters(hook)).next();
        match first.transpose()? {
            Some((Key::DeadLetter(_, at, _), _)) if at < before => {}
            _ => break,
        }
        drop_dead_letter(transaction, hook, &mut queue)?;
        purged += 1;
    }
    if purged > 0 {
        queue.put(transaction, hook)?;
    }
    Ok(purged)
}

/// Forgets what is left of removed hooks.
pub(super) fn purge_removed(transaction: &mut Transaction<'_>, limit: usize) -> StoreResult<usize> {
    let mut removed = Vec::new();
    for pair in transaction.view().scan(&Prefix::hook_queues()) {
        let (Key::HookQueue(hook), value) = pair? else {
            return Err(unexpected_key());
        };
        let queue: Queue = decode(&value)?;
        if queue.removed {
            removed.push((hook, queue));
        }
    }
    let mut purged = 0;
    for (hook, mut queue) in removed {
        while purged < limit
            && (drop_waiting(transaction, hook, &mut queue)?
                || drop_dead_letter(transaction, hook, &mut queue)?)
        {
            purged += 1;
        }
        if purged == limit {
            queue.put(transaction, hook)?;
            break;
        }
        transaction.remove(&Key::HookQueue(hook));
    }
    Ok(purged)
}

/// An event that waits, with its body.
pub(super) fn event(
    view: &View<'_>,
    hook: u64,
    sequence: u64,
) -> StoreResult<Option<(EventRecord, Vec<u8>)>> {
    let Some(waiting) = view.record::<Waiting>(&Key::Event(hook, sequence))? else {
        return Ok(None);
    };
    let payload = chunks::get(view, |piece| Key::EventPayload(hook, sequence, piece))?
        .ok_or_else(|| fault::damaged("an event has no body"))?;
    Ok(Some((waiting.event, payload)))
}

fn remove_payload(transaction: &mut Transaction<'_>, hook: u64, sequence: u64) -> StoreResult<()> {
    chunks::remove(transaction, |piece| Key::EventPayload(hook, sequence, piece))
}

//! What kind of sync is next, when, and what becomes of one that runs: a pure machine over [`AdeSyncRecord`].
//!
//! A full pass reads all devices, a delta what has changed since. Both store a cursor with each page, so that whoever
//! goes on after an interruption begins at the page that is missing.

use std::time::Duration;

use crate::{
    protocol::time::Timestamp,
    service::backoff,
    storage::{AdeSyncEnd, AdeSyncKind, AdeSyncRecord, AdeSyncRun},
};

/// For so long Apple knows a cursor.
pub const CURSOR_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first wait after a failure, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// How often Apple is asked, and how long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Between two syncs that nobody asks for.
    pub delta_every: Duration,
    /// Between two full passes that nobody asks for: throttled and moved devices are known to be missing from deltas.
    pub reconcile_every: Duration,
    /// Between two full passes, when an operator asks (Y1).
    pub full_min_interval: Duration,
    /// Between two syncs that an operator asks for (Y3).
    pub manual_min_interval: Duration,
    /// For one sync (Y4).
    pub timeout: Duration,
}

/// Who wants a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nobody: its time has come, perhaps.
    ByTheClock,
    /// An operator: whatever is next, or all devices.
    ByAnOperator {
        /// All devices.
        full: bool,
    },
}

/// Why there is no sync now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// One runs.
    Running(Box<AdeSyncRun>),
    /// Its time comes then.
    NotDue(Timestamp),
    /// The operator's last one was not long ago; allowed from then on.
    TooSoon(Timestamp),
    /// The last full one was not long ago; allowed from then on.
    FullTooSoon(Timestamp),
}

/// A sync that begins.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// Names it.
    pub id: &'a str,
    /// Who wants it.
    pub asked: Asked,
    /// When.
    pub now: Timestamp,
}

/// How a sync failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// A code of the error table.
    pub code: String,
    /// What was said.
    pub detail: String,
    /// What Apple wants to be waited.
    pub retry_after: Option<Duration>,
    /// Whether what has changed since the cursor may be lost, so that all devices have to be read. Not so if Apple did
    /// not even look at the request.
    pub spoils_delta: bool,
}

/// Whether the next sync reads all devices.
pub fn is_full_next(record: &AdeSyncRecord, rhythm: &Rhythm, now: Timestamp) -> bool {
    let older = |at: Option<Timestamp>, than: Duration| at.is_none_or(|at| at.plus(than) <= now);
    record.full_wanted
        || record.in_full
        || record.cursor.is_none()
        || older(record.cursor_at, CURSOR_LIFE)
        || older(record.last_full_at, rhythm.reconcile_every)
}

/// Whether the next sync goes on with a full pass that was interrupted.
pub fn is_resumable(record: &AdeSyncRecord, now: Timestamp) -> bool {
    let fresh = record.cursor_at.is_some_and(|at| now < at.plus(CURSOR_LIFE));
    record.in_full && !record.full_wanted && record.cursor.is_some() && fresh
}

/// When the next one begins by itself.
pub fn next_at(record: &AdeSyncRecord, rhythm: &Rhythm, now: Timestamp) -> Timestamp {
    let not_before = record.not_before.unwrap_or(Timestamp::from_millis(0));
    let at = match &record.last_end {
        // After a failure, or with a full pass to go on with, there is only the waiting.
        Some(end) if end.failure.is_none() && !record.in_full && !record.full_wanted => {
            let delta = end.run.started_at.plus(rhythm.delta_every);
            let reconcile = record
                .last_full_at
                .map_or(now, |at| at.plus(rhythm.reconcile_every));
            delta.min(reconcile)
        }
        _ => not_before,
    };
    at.max(not_before)
}

/// When an operator may ask again; for a full pass, or any.
pub fn next_manual_at(record: &AdeSyncRecord, rhythm: &Rhythm, full: bool) -> Option<Timestamp> {
    let manual = record
        .last_manual_at
        .map(|at| at.plus(rhythm.manual_min_interval));
    // What goes on is not another one.
    let in_progress = record.in_full || record.full_wanted;
    let whole = record.last_full_at.filter(|_| full && !in_progress);
    manual.max(whole.map(|at| at.plus(rhythm.full_min_interval)))
}

/// Begins a sync. `is_dead`: whether nobody works at a sync any more though its time is not over.
pub fn begin(
    record: &AdeSyncRecord,
    beginning: Beginning<'_>,
    rhythm: &Rhythm,
    is_dead: impl Fn(&AdeSyncRun) -> bool,
) -> Result<AdeSyncRecord, NotNow> {
    let Beginning { id, asked, now } = beginning;
    let mut next = match &record.running {
        None => record.clone(),
        Some(run) if is_dead(run) => interrupted(record, now),
        // Its node is gone, or hangs. That is known since then.
        Some(run) if now >= run.deadline => finish(record, Some(timed_out()), run.deadline),
        Some(run) => return Err(NotNow::Running(Box::new(run.clone()))),
    };
    match asked {
        Asked::ByTheClock => {
            let at = next_at(&next, rhythm, now);
            if now < at {
                return Err(NotNow::NotDue(at));
            }
        }
        Asked::ByAnOperator { full } => {
            let any = next_manual_at(&next, rhythm, false).filter(|at| now < *at);
            let whole = next_manual_at(&next, rhythm, full).filter(|at| now < *at);
            match (any, whole) {
                (_, Some(at)) if any != whole => return Err(NotNow::FullTooSoon(at)),
                (Some(at), _) => return Err(NotNow::TooSoon(at)),
                _ => {}
            }
            next.last_manual_at = Some(now);
        }
    }
    let full = is_full_next(&next, rhythm, now) || asked == (Asked::ByAnOperator { full: true });
    if full && !is_resumable(&next, now) {
        next = all_anew(&next, now);
    }
    next.running = Some(AdeSyncRun {
        id: id.to_owned(),
        kind: if full {
            AdeSyncKind::Full
        } else {
            AdeSyncKind::Delta
        },
        manual: asked != Asked::ByTheClock,
        started_at: now,
        deadline: now.plus(rhythm.timeout),
        pages: 0,
        devices: 0,
    });
    Ok(next)
}

/// The sync of that name, if it still has the right to store anything.
pub fn run_of<'a>(record: &'a AdeSyncRecord, id: &str) -> Option<&'a AdeSyncRun> {
    record.running.as_ref().filter(|run| run.id == id)
}

/// A page was read: its cursor, and how many devices it had.
pub fn page(
    record: &AdeSyncRecord,
    id: &str,
    cursor: &str,
    devices: u64,
    now: Timestamp,
) -> Option<AdeSyncRecord> {
    run_of(record, id)?;
    let mut next = record.clone();
    if next.cursor.as_deref() != Some(cursor) {
        next.cursor = Some(cursor.to_owned());
        next.cursor_at = Some(now);
    }
    next.last_fetch_at = Some(now);
    if let Some(run) = &mut next.running {
        run.pages += 1;
        run.devices += devices;
    }
    Some(next)
}

/// The cursor is of no use: all devices are read, from the first page.
pub fn restart(record: &AdeSyncRecord, id: &str, now: Timestamp) -> Option<AdeSyncRecord> {
    run_of(record, id)?;
    let mut next = all_anew(record, now);
    if let Some(run) = &mut next.running {
        run.kind = AdeSyncKind::Full;
    }
    Some(next)
}

/// All devices have been read, and those that were not among them are marked.
pub fn full_done(record: &AdeSyncRecord, id: &str, now: Timestamp) -> Option<AdeSyncRecord> {
    run_of(record, id)?;
    Some(AdeSyncRecord {
        in_full: false,
        last_full_done_at: Some(now),
        ..record.clone()
    })
}

/// A sync ends, well or not.
pub fn end(
    record: &AdeSyncRecord,
    id: &str,
    failed: Option<Failed>,
    now: Timestamp,
) -> Option<AdeSyncRecord> {
    run_of(record, id)?;
    Some(finish(record, failed, now))
}

/// The time of a sync is over.
pub fn timed_out() -> Failed {
    Failed {
        code: "ade_sync_timed_out".into(),
        detail: "it did not end in the time that a sync has".into(),
        retry_after: None,
        spoils_delta: true,
    }
}

fn finish(record: &AdeSyncRecord, failed: Option<Failed>, now: Timestamp) -> AdeSyncRecord {
    let mut next = record.clone();
    let Some(run) = next.running.take() else {
        return next;
    };
    match &failed {
        None => {
            next.failures = 0;
            next.not_before = None;
        }
        Some(failed) => {
            next.failures = record.failures.saturating_add(1);
            let (first, longest) = BACKOFF;
            let wait = backoff::after(
                next.failures,
                first,
                longest,
                run.started_at.millis().unsigned_abs(),
            );
            next.not_before = Some(now.plus(wait.max(failed.retry_after.unwrap_or_default())));
            // Y5. A full pass goes on where it was.
            next.full_wanted |= failed.spoils_delta && !next.in_full;
        }
    }
    next.last_end = Some(AdeSyncEnd {
        run,
        at: now,
        failure: failed.map(|failed| (failed.code, failed.detail)),
    });
    next
}

/// Whoever ran it is gone, for no fault of Apple's: nothing is lost, and there is nothing to wait for.
fn interrupted(record: &AdeSyncRecord, now: Timestamp) -> AdeSyncRecord {
    let mut next = record.clone();
    next.last_end = next.running.take().map(|run| AdeSyncEnd {
        run,
        at: now,
        failure: Some((
            "ade_sync_interrupted".into(),
            "the server ended while it ran".into(),
        )),
    });
    next
}

fn all_anew(record: &AdeSyncRecord, now: Timestamp) -> AdeSyncRecord {
    AdeSyncRecord {
        cursor: None,
        cursor_at: None,
        in_full: true,
        full_wanted: false,
        generation: record.generation + 1,
        last_full_at: Some(now),
        ..record.clone()
    }
}

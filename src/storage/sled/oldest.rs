//! The oldest command that somebody has not finished.
//!
//! No index of unfinished commands is kept for it, which would cost each command two changes of the tree. What is finished
//! stays so, a command gets no further targets, and later commands have higher numbers: so it is enough to remember
//! up to where all targets are finished, in the order of their keys, and to look on from there. Each is looked at once.
//! Now and then the place goes into the store, for the next start.

use std::sync::{Mutex, PoisonError};

use super::{
    SledStorage,
    keys::{Key, Prefix},
    listing::PIECE,
    queue::Target,
    shared::Shared,
    view::{decode, unexpected_key},
};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{CommandRecord, StoreResult},
};

/// The place goes into the store when so many commands have been finished since it did the last time.
const APART: u64 = 1024;

/// A target: the sequence number of a command, and an enrollment.
type Place = (u64, EnrollmentId);

/// The last target of which it is known that it is finished, and all before it.
#[derive(Debug, Default)]
pub(super) struct Finished(Mutex<Option<Place>>);

impl Finished {
    fn last(&self) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn advance(&self, to: &Place) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another search may have come further.
        if last.as_ref().is_none_or(|last| last < to) {
            *last = Some(to.clone());
        }
    }
}

/// When the oldest unfinished command was enqueued.
pub(super) async fn find(store: &SledStorage) -> StoreResult<Option<Timestamp>> {
    let known = store.finished.last();
    let kept = store.shared.read(|_, meta| Ok(meta.finished_below))?;
    let start = known.unwrap_or_else(|| (kept, EnrollmentId::new("")));
    let (last, oldest) = store.read_at_length(move |shared| search(shared, start)).await?;
    store.finished.advance(&last);
    let (below, _) = last;
    if below >= kept + APART {
        let note = store.write(move |transaction| {
            let meta = &mut transaction.meta;
            meta.finished_below = meta.finished_below.max(below);
            transaction.touch();
            Ok(())
        });
        // Without it the next start has more to look at.
        let _ = note.await;
    }
    Ok(oldest)
}

/// The last finished target before the first unfinished one after `last`, and when that one's command was enqueued.
fn search(shared: &Shared, mut last: Place) -> StoreResult<(Place, Option<Timestamp>)> {
    let all = Prefix::all_targets();
    loop {
        let (count, oldest) = shared.read(|view, _| {
            let after = Key::Target(last.0, last.1.clone());
            let mut count = 0;
            for pair in view.scan_after(&all, &after).take(PIECE) {
                let (Key::Target(number, id), value) = pair? else {
                    return Err(unexpected_key());
                };
                if !decode::<Target>(&value)?.state.is_finished() {
                    let command: Option<CommandRecord> = view.record(&Key::Command(number))?;
                    return Ok((count, command.map(|command| command.enqueued_at)));
                }
                last = (number, id);
                count += 1;
            }
            Ok((count, None))
        })?;
        if oldest.is_some() || count < PIECE {
            return Ok((last, oldest));
        }
    }
}

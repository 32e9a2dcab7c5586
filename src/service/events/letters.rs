//! Dead letters: looking at them, sending them again, forgetting them.

use std::collections::HashSet;

use super::Events;
use crate::{
    error::Result,
    protocol::time::Timestamp,
    storage::{DeadLetter, Listing, Page},
};

/// So many go in one storage step.
const BATCH: usize = 200;

/// What became of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many events are in the queue again.
    pub replayed: usize,
    /// The ids that are no dead letter's.
    pub unknown: Vec<String>,
}

impl Events {
    /// A hook's dead letters, the earliest given up first.
    pub async fn dead_letters(&self, hook: &str, page: &Page) -> Result<Listing<DeadLetter>> {
        let number = self.stored_hook(hook).await?.number;
        Ok(self.store.dead_letters(number, page).await?)
    }

    /// Puts dead letters back into the queue: these, or all. They keep their ids, and go before what happened later.
    pub async fn replay(&self, hook: &str, ids: Option<Vec<String>>, now: Timestamp) -> Result<Replayed> {
        let number = self.stored_hook(hook).await?.number;
        let mut wanted: Option<HashSet<String>> = ids.map(|ids| ids.into_iter().collect());
        let mut letters = Vec::new();
        let mut page = Page::first(BATCH);
        loop {
            let listing = self.store.dead_letters(number, &page).await?;
            let chosen = listing.rows.into_iter().filter(|letter| match &mut wanted {
                Some(wanted) => wanted.remove(&letter.record.id),
                None => true,
            });
            letters.extend(chosen.map(|letter| (letter.at, letter.sequence)));
            page.cursor = listing.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        let mut replayed = 0;
        for batch in letters.chunks(BATCH) {
            replayed += self.store.replay(number, batch.to_vec(), now).await?;
        }
        if let Some(hook) = self.hooks.load().iter().find(|hook| hook.number == number) {
            hook.state().replayed = true;
            hook.wake.notify_one();
        }
        let mut unknown: Vec<String> = wanted.into_iter().flatten().collect();
        unknown.sort();
        Ok(Replayed { replayed, unknown })
    }

    /// Forgets a hook's dead letters; says how many.
    pub async fn forget_dead_letters(&self, hook: &str) -> Result<usize> {
        let number = self.stored_hook(hook).await?.number;
        let mut forgotten = 0;
        loop {
            let batch = self
                .store
                .purge_dead_letters(number, Timestamp::from_millis(i64::MAX), BATCH)
                .await?;
            forgotten += batch;
            if batch < BATCH {
                return Ok(forgotten);
            }
        }
    }
}

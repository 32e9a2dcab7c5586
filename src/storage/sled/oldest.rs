//! The oldest command that somebody has not finished.
//!
//! No index of unfinished commands is kept for it, which would cost each command two changes of the tree. What is finished
//! stays so, a command gets no further targets, and later commands have higher numbers: so it is enough to remember
//! up to where all targets are finished, in the order of their keys, and to look on from there. The place goes into
//! the store with whatever is committed next, for the next start.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use tokio::task::spawn_blocking;

use super::{
    keys::{Key, Prefix},
    listing::PIECE,
    queue::Target,
    shared::Shared,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{CommandRecord, StoreResult},
};

/// So many pieces are looked at while somebody waits: as many targets as a busy server finishes in a few seconds.
pub(super) const BRIEF: usize = 64;

/// How far it is known that everything is finished, and what comes then.
pub(super) struct Oldest {
    progress: Mutex<Progress>,
    /// Held by the one who searches.
    search: Mutex<()>,
}

struct Progress {
    /// The last target of which it is known that it is finished, and all before it: a command's sequence number, and
    /// an enrollment.
    last: (u64, EnrollmentId),
    /// When the first command after it that was unfinished had been enqueued.
    oldest: Option<Timestamp>,
}

impl Oldest {
    /// Every command with a sequence number below `finished_below` is finished.
    pub(super) fn new(finished_below: u64) -> Self {
        Self {
            progress: Mutex::new(Progress {
                last: (finished_below, EnrollmentId::new("")),
                oldest: None,
            }),
            search: Mutex::default(),
        }
    }

    /// Every command with a lower sequence number is finished.
    pub(super) fn finished_below(&self) -> u64 {
        self.progress().last.0
    }

    /// When the oldest unfinished command was enqueued, as far as the last search got.
    pub(super) fn enqueued_at(&self) -> Option<Timestamp> {
        self.progress().oldest
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings [`Oldest::enqueued_at`] up to date. If there are more than so many pieces to look at, that goes on by itself, and
/// whoever asks meanwhile is told what was known before.
pub(super) async fn look(shared: &Arc<Shared>, brief: usize) {
    let search = |pieces| {
        let shared = Arc::clone(shared);
        spawn_blocking(move || {
            let done = search(&shared, pieces);
            done.unwrap_or_else(|error| {
                // Figures don't depend on it, and must not be missing because of it.
                tracing::warn!(%error, "the oldest unfinished command can't be found");
                true
            })
        })
    };
    if let Ok(false) = search(brief).await {
        drop(search(usize::MAX));
    }
}

/// Looks at the next targets, some `pieces` of them at most. Says whether there is nothing more to be done: the oldest
/// command is known, or somebody else is searching.
fn search(shared: &Shared, pieces: usize) -> StoreResult<bool> {
    let oldest = shared.oldest();
    let _alone = match oldest.search.try_lock() {
        Ok(alone) => alone,
        // Whoever panicked has left whole steps behind.
        Err(TryLockError::Poisoned(left)) => left.into_inner(),
        Err(TryLockError::WouldBlock) => return Ok(true),
    };
    for _ in 0..pieces {
        let last = oldest.progress().last.clone();
        let found = shared.read(|view, _| piece(&view, last))?;
        let mut progress = oldest.progress();
        progress.last = found.last;
        if found.is_end {
            progress.oldest = found.oldest;
            return Ok(true);
        }
    }
    Ok(false)
}

struct Found {
    last: (u64, EnrollmentId),
    oldest: Option<Timestamp>,
    is_end: bool,
}

/// Passes over the finished targets after `last`.
fn piece(view: &View<'_>, mut last: (u64, EnrollmentId)) -> StoreResult<Found> {
    let after = Key::Target(last.0, last.1.clone());
    let mut count = 0;
    for pair in view.scan_after(&Prefix::all_targets(), &after).take(PIECE) {
        let (Key::Target(number, id), value) = pair? else {
            return Err(unexpected_key());
        };
        if !decode::<Target>(&value)?.state.is_finished() {
            let command: Option<CommandRecord> = view.record(&Key::Command(number))?;
            return Ok(Found {
                // All commands before this one are finished.
                last: last.max((number, EnrollmentId::new(""))),
                oldest: command.map(|command| command.enqueued_at),
                is_end: true,
            });
        }
        last = (number, id);
        count += 1;
    }
    Ok(Found {
        last,
        oldest: None,
        is_end: count < PIECE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        CommandState, Storage as _,
        sled::{SledOptions, SledStorage},
    };

    async fn put(store: &SledStorage, number: u64, id: &str, state: CommandState) {
        let key = Key::Target(number, EnrollmentId::new(id));
        store
            .write(move |transaction| {
                let target = Target {
                    state,
                    at: Timestamp::from_millis(0),
                    priority: 0,
                    expires_at: None,
                };
                transaction.put_record(&key, &target)?;
                let record = CommandRecord {
                    uuid: crate::protocol::ids::CommandUuid::new(number.to_string()),
                    request_type: "DeviceLock".into(),
                    priority: 0,
                    not_before: None,
                    expires_at: None,
                    enqueued_at: Timestamp::from_millis(number as i64),
                };
                transaction.put_record(&Key::Command(number), &record)?;
                transaction.meta.queued_commands = 1;
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_long_search_goes_on_where_it_was_left_and_after_a_restart_at_its_command() {
        let folder = tempfile::tempdir().unwrap();
        let open = || SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        let store = open();
        for number in 1..=3 {
            for id in 0..PIECE {
                put(&store, number, &format!("{id:04}"), CommandState::Acknowledged).await;
            }
        }
        put(&store, 4, "a", CommandState::Error).await;
        put(&store, 4, "b", CommandState::NotNow).await;
        put(&store, 5, "a", CommandState::Queued).await;
        let shared = &store.shared;
        for number in 1..=3 {
            assert!(!search(shared, 1).unwrap());
            assert_eq!(shared.oldest().finished_below(), number);
            assert_eq!(shared.oldest().enqueued_at(), None);
        }
        assert!(search(shared, 1).unwrap());
        let at = |number| Some(Timestamp::from_millis(number));
        assert_eq!(shared.oldest().enqueued_at(), at(4));
        assert_eq!(shared.oldest().finished_below(), 4);

        // The next commit keeps the place, whatever it is.
        put(&store, 6, "a", CommandState::Queued).await;
        store.close();
        drop(store);
        let store = open();
        assert_eq!(store.shared.oldest().finished_below(), 4);
        assert_eq!(store.figures().await.unwrap().oldest_queued_at, at(4));
        put(&store, 4, "b", CommandState::Acknowledged).await;
        assert_eq!(store.figures().await.unwrap().oldest_queued_at, at(5));
    }

    #[tokio::test]
    async fn what_is_too_much_to_wait_for_is_looked_at_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        for id in 0..3 * PIECE {
            put(&store, 1, &format!("{id:04}"), CommandState::Acknowledged).await;
        }
        put(&store, 2, "a", CommandState::Queued).await;
        look(&store.shared, 1).await;
        let found = async {
            while store.shared.oldest().enqueued_at().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let deadline = std::time::Duration::from_secs(60);
        tokio::time::timeout(deadline, found).await.unwrap();
        assert_eq!(
            store.shared.oldest().enqueued_at(),
            Some(Timestamp::from_millis(2))
        );
    }

    #[tokio::test]
    async fn whoever_asks_while_somebody_searches_gets_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        put(&store, 1, "a", CommandState::Queued).await;
        assert!(search(&store.shared, 1).unwrap());
        put(&store, 1, "a", CommandState::Acknowledged).await;
        put(&store, 2, "a", CommandState::Queued).await;
        let searching = store.shared.oldest().search.lock().unwrap();
        assert!(search(&store.shared, 1).unwrap());
        assert_eq!(
            store.shared.oldest().enqueued_at(),
            Some(Timestamp::from_millis(1))
        );
        drop(searching);
        assert!(search(&store.shared, 1).unwrap());
        assert_eq!(
            store.shared.oldest().enqueued_at(),
            Some(Timestamp::from_millis(2))
        );
    }
}

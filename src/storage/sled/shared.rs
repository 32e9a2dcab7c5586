//! What readers see: the latest state that is durable.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sled::Db;

use super::{
    fault,
    meta::Meta,
    oldest::Oldest,
    view::{Overlay, View},
};
use crate::storage::StoreResult;

/// The open database, shared by the committer and all readers.
pub(super) struct Shared {
    state: RwLock<State>,
    oldest: Oldest,
}

struct State {
    /// Absent while the committer opens it anew after a failure.
    db: Option<Db>,
    /// The changes of the latest commit while the tree may lack some of them. Stays after a failure, until the
    /// database is opened anew.
    ahead: Overlay,
    /// The store's own state after that commit.
    meta: Meta,
}

impl Shared {
    pub(super) fn new(db: Db, meta: Meta) -> Self {
        Self {
            state: RwLock::new(State {
                db: Some(db),
                ahead: Overlay::new(),
                meta,
            }),
            oldest: Oldest::new(meta.finished_below),
        }
    }

    /// What is known of the oldest unfinished command.
    pub(super) fn oldest(&self) -> &Oldest {
        &self.oldest
    }

    /// Shows one moment's durable state to `reader`, which must be brief: it holds the next commit up.
    pub(super) fn read<T>(&self, reader: impl FnOnce(View<'_>, &Meta) -> StoreResult<T>) -> StoreResult<T> {
        let state = self.state();
        let db = state
            .db
            .as_ref()
            .ok_or_else(|| fault::unavailable("the database is being reopened after a failure"))?;
        reader(View::new(db, &state.ahead), &state.meta)
    }

    /// How many bytes the database takes on disk.
    pub(super) fn bytes(&self) -> StoreResult<u64> {
        match &self.state().db {
            Some(db) => db.size_on_disk().map_err(fault::sled),
            None => Err(fault::unavailable(
                "the database is being reopened after a failure",
            )),
        }
    }

    /// From here on readers see a commit, whose changes the tree lacks yet.
    pub(super) fn show(&self, changes: Overlay, meta: Meta) {
        let mut state = self.state_mut();
        state.meta = meta;
        state.ahead = changes;
    }

    /// The tree has the changes of the latest commit.
    pub(super) fn caught_up(&self) {
        let ahead = std::mem::take(&mut self.state_mut().ahead);
        // Freed here, where it keeps no reader waiting.
        drop(ahead);
    }

    /// The tree without what it may still lack.
    #[cfg(test)]
    pub(super) fn tree(&self) -> Option<Db> {
        self.state().db.clone()
    }

    /// Lets the database go.
    pub(super) fn close(&self) {
        let db = self.state_mut().db.take();
        drop(db);
    }

    /// Readers see `db` as it is; its own state is `meta`.
    pub(super) fn reopen(&self, db: Db, meta: Meta) {
        *self.state_mut() = State {
            db: Some(db),
            ahead: Overlay::new(),
            meta,
        };
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

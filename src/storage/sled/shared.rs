//! What readers see: the latest state that is durable.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sled::Db;

use super::{
    fault,
    meta::Meta,
    view::{Overlay, View},
};
use crate::storage::StoreResult;

/// The open database, shared by the committer and all readers.
pub(super) struct Shared(RwLock<State>);

struct State {
    /// Absent while the committer opens it anew after a failure.
    db: Option<Db>,
    /// What the keys of the commit in progress held before it. Stays after a failed commit, until it is certain
    /// what of it has become durable.
    hidden: Overlay,
    /// The latest durable one.
    meta: Meta,
}

impl Shared {
    pub(super) fn new(db: Db, meta: Meta) -> Self {
        Self(RwLock::new(State {
            db: Some(db),
            hidden: Overlay::new(),
            meta,
        }))
    }

    /// Shows one moment's durable state to `reader`, which must be brief: it holds the next commit up.
    pub(super) fn read<T>(&self, reader: impl FnOnce(View<'_>, &Meta) -> StoreResult<T>) -> StoreResult<T> {
        let state = self.state();
        let db = state
            .db
            .as_ref()
            .ok_or_else(|| fault::unavailable("the database is being reopened after a failure"))?;
        reader(View::new(db, &state.hidden), &state.meta)
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

    /// From here on readers see `before` in place of what the tree holds.
    pub(super) fn hide(&self, before: Overlay) {
        self.state_mut().hidden = before;
    }

    /// Readers see the tree as it is; its own state is `meta`.
    pub(super) fn publish(&self, meta: Meta) {
        let mut state = self.state_mut();
        state.meta = meta;
        let hidden = std::mem::take(&mut state.hidden);
        drop(state);
        // Freed here, where it keeps no reader waiting.
        drop(hidden);
    }

    /// Lets the database go.
    pub(super) fn close(&self) {
        let db = self.state_mut().db.take();
        drop(db);
    }

    /// Readers see `db`, but for what is hidden.
    pub(super) fn reopen(&self, db: Db) {
        self.state_mut().db = Some(db);
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

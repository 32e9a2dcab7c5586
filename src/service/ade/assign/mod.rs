//! Giving devices their profiles: whatever the store says is due is asked of Apple, beside the pages of a sync and by
//! itself.
//!
//! A device is marked before Apple is asked for it, so that after a crash it is looked at (`POST /devices`) before it is
//! asked for a second time: Apple holds a device back for a day that is assigned again and again.

mod outcome;
mod round;
pub mod wanted;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::wanted::Wants;
use super::{profiles::Profiles, sync::Now, tasks::Tasks, tokens::AdeTokens};
use crate::{
    error::Result,
    protocol::time::Timestamp,
    storage::{AdeDeviceChange, AdeDeviceFilter, AdeTokenRecord, Page, RowRuling, Storage},
};

/// So many rows in one storage step.
const BATCH: usize = 500;

/// Gives devices their profiles.
pub struct Assigner {
    store: Arc<dyn Storage>,
    tokens: AdeTokens,
    profiles: Arc<Profiles>,
    clock: Now,
    state: Mutex<HashMap<u64, State>>,
    tasks: Tasks,
}

/// What is known about a token's assignments.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Somebody is at it.
    busy: bool,
    /// Something came meanwhile.
    more: bool,
    /// Calls that failed in a row.
    failures: u32,
    /// Before when Apple is not asked.
    not_before: Option<Timestamp>,
    /// The credentials that failed.
    edition: u64,
}

impl fmt::Debug for Assigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assigner").finish_non_exhaustive()
    }
}

impl Assigner {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, tokens: AdeTokens, profiles: Arc<Profiles>, clock: Now) -> Self {
        Self {
            store,
            tokens,
            profiles,
            clock,
            state: Mutex::default(),
            tasks: Tasks::default(),
        }
    }

    /// What decides on the profiles of a token's devices.
    pub async fn wants(&self, token: &AdeTokenRecord) -> Result<Arc<Wants>> {
        let profiles = self.store.ade_profiles(token.number).await?;
        // As it is now, not when the token was handed in: defaults change while a sync runs.
        let token = self.store.ade_token_by_number(token.number).await?;
        Ok(Arc::new(
            token
                .map(|token| Wants::of(&token, &profiles))
                .unwrap_or_default(),
        ))
    }

    /// Gives all devices that are due their profiles, without being waited for.
    pub fn begin(self: &Arc<Self>, token: &AdeTokenRecord) {
        let (assigner, token) = (Arc::clone(self), token.clone());
        self.tasks.spawn(async move { assigner.assign_all(&token).await });
    }

    /// Ends what is being done, wherever it is.
    pub(super) async fn end(&self) {
        self.tasks.end().await;
    }

    /// Gives all devices that are due their profiles. If somebody is at it already, they do this too.
    pub async fn assign_all(&self, token: &AdeTokenRecord) {
        let Some(mut turn) = Turn::take(self, token.number) else {
            return;
        };
        loop {
            match self.round(token).await {
                Ok(true) => {}
                Ok(false) => {
                    if turn.is_over() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(token = token.name, cause = ?std::error::Error::source(&error), "devices wait for their profiles: {error}");
                    return;
                }
            }
        }
    }

    /// Whether somebody is at it.
    pub fn is_busy(&self, token: &AdeTokenRecord) -> bool {
        self.state().get(&token.number).is_some_and(|state| state.busy)
    }

    /// When there is something to do for a token.
    pub async fn next_at(&self, token: &AdeTokenRecord) -> Result<Option<Timestamp>> {
        let due = self.store.next_ade_due(token.number).await?;
        let not_before = self.not_before(token);
        Ok(due.map(|due| not_before.map_or(due, |at| due.max(at))))
    }

    /// Looks at all devices of a token again: what decides on their profiles has changed.
    pub async fn reconsider(&self, token: &AdeTokenRecord, wants: &Arc<Wants>) -> Result<()> {
        let now = (self.clock)();
        let filter = AdeDeviceFilter {
            token: Some(token.number),
            removed: Some(false),
            ..AdeDeviceFilter::default()
        };
        let mut page = Page::first(BATCH);
        loop {
            let listing = self.store.ade_devices(&filter, &page).await?;
            let concerned = listing
                .rows
                .iter()
                .filter(|row| row.due.is_none() && wants.due(row, now).is_some());
            let serials: Vec<_> = concerned.map(|row| row.serial.clone()).collect();
            if !serials.is_empty() {
                let wants = Arc::clone(wants);
                let change = AdeDeviceChange {
                    sync: None,
                    serials,
                    rule: Box::new(move |_, stored| match stored {
                        Some(stored) if stored.due.is_none() => {
                            let mut next = stored.clone();
                            next.due = wants.due(stored, now);
                            RowRuling::Put(next)
                        }
                        _ => RowRuling::Keep,
                    }),
                };
                self.store.change_ade_devices(token.number, change).await?;
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    fn not_before(&self, token: &AdeTokenRecord) -> Option<Timestamp> {
        let state = self.state().get(&token.number).copied()?;
        // Other credentials, other luck.
        state.not_before.filter(|_| state.edition == token.edition)
    }

    fn state(&self) -> MutexGuard<'_, HashMap<u64, State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Being at it, until this is over or dropped.
struct Turn<'a> {
    assigner: &'a Assigner,
    token: u64,
    over: bool,
}

impl<'a> Turn<'a> {
    fn take(assigner: &'a Assigner, token: u64) -> Option<Self> {
        let was_busy = {
            let mut states = assigner.state();
            let state = states.entry(token).or_default();
            state.more = true;
            std::mem::replace(&mut state.busy, true)
        };
        // Lazily: one that is dropped says that nobody is at it.
        (!was_busy).then(|| Self {
            assigner,
            token,
            over: false,
        })
    }

    /// Ends it, unless something came since this was asked last.
    fn is_over(&mut self) -> bool {
        let mut states = self.assigner.state();
        let state = states.entry(self.token).or_default();
        self.over = !std::mem::take(&mut state.more);
        // In the same breath: whoever comes now must find nobody at it.
        state.busy = !self.over;
        self.over
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.over
            && let Some(state) = self.assigner.state().get_mut(&self.token)
        {
            state.busy = false;
        }
    }
}

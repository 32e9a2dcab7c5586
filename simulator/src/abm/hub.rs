//! What the parts of the fake share: the estate, sessions, faults, the log.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::estate::Estate;
use super::faults::{Active, Faults};
use super::log::{Log, Record, Stats};
use super::session::Sessions;
use super::settings::{SessionRefusal, Settings};
use crate::endpoint::locked;
use crate::error::Problem;
use crate::random;

/// The shared state. Its lock is held for the time of a page at most.
pub(super) struct Hub {
    pub(super) settings: Settings,
    /// Seals cursors.
    pub(super) secret: Vec<u8>,
    /// Cursors so far.
    pub(super) cursors: AtomicU64,
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

/// What changes.
pub(super) struct Inner {
    pub(super) estate: Estate,
    pub(super) sessions: Sessions,
    pub(super) faults: Faults,
    pub(super) active: Active,
    pub(super) log: Log,
    pub(super) refusal: SessionRefusal,
    /// Until when each server was told to wait, in milliseconds; `None` stands for `/session`.
    pub(super) told_to_wait: HashMap<Option<u32>, u64>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(settings: Settings) -> Result<Arc<Self>, Problem> {
        let inner = Inner {
            estate: Estate::new(settings.seed),
            sessions: Sessions::default(),
            faults: Faults::default(),
            active: Active::default(),
            log: Log::new(settings.log_capacity),
            refusal: settings.refusal,
            told_to_wait: HashMap::new(),
        };
        Ok(Arc::new(Self {
            secret: random::bytes(16)?,
            cursors: AtomicU64::new(0),
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
            settings,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }

    pub(super) fn set_faults(&self, faults: Faults) -> Result<(), Problem> {
        let active = Active::new(&faults.rules)?;
        let mut inner = self.lock();
        (inner.faults, inner.active) = (faults, active);
        Ok(())
    }

    /// Adds to the log and wakes up whoever waits for it.
    pub(super) fn record(&self, record: Record) {
        self.lock().log.add(record);
        self.changed.send_replace(());
    }

    /// Changes the counters.
    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.lock().log.stats);
        self.changed.send_replace(());
    }

    /// Looks after each request until there is what is wanted; `None` after this time.
    pub(super) async fn until<T>(&self, within: Duration, wanted: impl Fn(&Log) -> Option<T>) -> Option<T> {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = wanted(&self.lock().log) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, waiting).await.ok().flatten()
    }
}

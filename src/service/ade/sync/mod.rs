//! Keeping up with Apple's list of devices: full passes, deltas, when they run and what they leave behind.
//!
//! [`schedule`] decides what runs and when, [`merge`] what a page makes of the devices, `pass` runs one sync, `rounds`
//! begins those whose time has come. A page and its cursor are stored in one step, under the name of the run that has
//! read it: of several servers on one store only one can sync a token.

pub mod facts;
pub mod merge;
mod pass;
mod rounds;
pub mod schedule;
#[cfg(test)]
mod schedule_tests;
mod status;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use tokio::sync::{Notify, Semaphore};

pub(super) use pass::limit_of;
pub use schedule::{Asked, NotNow, Rhythm};
pub use status::SyncStatus;

use super::{
    assign::Assigner,
    tasks::Tasks,
    tokens::{AdeTokens, check_usable},
};
use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    service::events::Events,
    storage::{
        AdeChanged, AdeDeviceChange, AdeSyncRecord, AdeSyncRule, AdeSyncRun, AdeTokenRecord, RowRuling,
        Storage,
    },
};

/// Tells the present time, of which a sync needs to know again and again.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct SyncSettings {
    /// When.
    pub rhythm: Rhythm,
    /// How long devices are kept that Apple has no more (Y7).
    pub removed_kept: Duration,
    /// So many tokens are synced at the same time.
    pub parallel: usize,
    /// Between two requests that bring nothing new.
    pub loop_pause: Duration,
    /// Whether no other process can have this store open: then a sync that nobody here runs is over.
    pub store_is_ours_alone: bool,
}

/// Syncs the devices of all tokens.
pub struct AdeSync {
    store: Arc<dyn Storage>,
    tokens: AdeTokens,
    assigner: Arc<Assigner>,
    events: Arc<Events>,
    settings: SyncSettings,
    clock: Now,
    /// By its name, each sync that runs here, and how many devices there were when it began.
    alive: Mutex<HashMap<String, Option<u64>>>,
    /// For each token how many devices it had after which sync.
    counted: Mutex<HashMap<u64, (String, u64)>>,
    permits: Arc<Semaphore>,
    stirred: Notify,
    tasks: Tasks,
}

impl fmt::Debug for AdeSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdeSync({} running)", self.alive().len())
    }
}

impl AdeSync {
    /// Puts the parts together; nothing runs yet.
    pub fn new(
        store: Arc<dyn Storage>,
        tokens: AdeTokens,
        (assigner, events): (Arc<Assigner>, Arc<Events>),
        settings: SyncSettings,
        clock: Now,
    ) -> Self {
        Self {
            store,
            tokens,
            assigner,
            events,
            permits: Arc::new(Semaphore::new(settings.parallel.max(1))),
            settings,
            clock,
            alive: Mutex::default(),
            counted: Mutex::default(),
            stirred: Notify::new(),
            tasks: Tasks::default(),
        }
    }

    /// Begins a sync because an operator asks for it, and returns at once.
    pub async fn start(self: &Arc<Self>, token: &AdeTokenRecord, full: bool) -> Result<AdeSyncRun> {
        let now = (self.clock)();
        check_usable(token, now)?;
        self.tokens.apple()?;
        let asked = Asked::ByAnOperator { full };
        self.begin(token, asked, None)
            .await?
            .map_err(|not_now| match not_now {
                NotNow::Running(run) => Error::with(
                    Code::AdeSyncRunning,
                    format!("it began at {} and has until {}", run.started_at, run.deadline),
                ),
                NotNow::FullTooSoon(at) => {
                    Error::with(Code::AdeFullSyncTooSoon, format!("allowed from {at}")).after(at.since(now))
                }
                NotNow::TooSoon(at) | NotNow::NotDue(at) => {
                    Error::with(Code::AdeSyncTooSoon, format!("allowed from {at}")).after(at.since(now))
                }
            })
    }

    /// Looks at all tokens now: one has come, has got another profile, or has new credentials.
    pub fn stir(&self) {
        self.stirred.notify_one();
    }

    /// Ends what is being done, wherever it is: the next start takes it up there.
    pub async fn end(&self) {
        self.tasks.end().await;
        self.assigner.end().await;
    }

    async fn begin(
        self: &Arc<Self>,
        token: &AdeTokenRecord,
        asked: Asked,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<std::result::Result<AdeSyncRun, NotNow>> {
        let id = new_id()?;
        let alive = Alive::new(self, &id);
        let decided = Arc::new(Mutex::new(None));
        let (engine, outcome, now, name) =
            (Arc::clone(self), Arc::clone(&decided), (self.clock)(), id.clone());
        let rule = move |record: &AdeSyncRecord| {
            let beginning = schedule::Beginning {
                id: &name,
                asked,
                now,
            };
            let is_dead = |run: &AdeSyncRun| {
                engine.settings.store_is_ours_alone && !engine.alive().contains_key(&run.id)
            };
            let begun = schedule::begin(record, beginning, &engine.settings.rhythm, is_dead);
            let next = begun.as_ref().ok().cloned();
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
            next
        };
        let changed = self.change_sync(token, Box::new(rule)).await?;
        let decided = decided.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (changed, decided) {
            (AdeChanged::NoToken, _) | (_, None) => Err(Error::with(Code::AdeTokenUnknown, &token.name)),
            (_, Some(Err(not_now))) => Ok(Err(not_now)),
            (_, Some(Ok(record))) => {
                let Some(run) = record.running else {
                    return Err(Error::internal("a sync began without a name"));
                };
                tracing::info!(token = token.name, kind = ?run.kind, manual = run.manual, "sync begins");
                let (engine, token, begun) = (Arc::clone(self), token.clone(), run.clone());
                self.tasks.spawn(async move {
                    engine.run_one(&token, &begun, alive).await;
                    drop(permit);
                    engine.stir();
                });
                Ok(Ok(run))
            }
        }
    }

    async fn change_sync(&self, token: &AdeTokenRecord, rule: AdeSyncRule) -> Result<AdeChanged> {
        let change = AdeDeviceChange {
            sync: Some(rule),
            serials: Vec::new(),
            rule: Box::new(|_, _| RowRuling::Keep),
        };
        Ok(self.store.change_ade_devices(token.number, change).await?)
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<u64, (String, u64)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> MutexGuard<'_, HashMap<String, Option<u64>>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sync that runs in this process, until this is dropped.
struct Alive {
    engine: Arc<AdeSync>,
    id: String,
}

impl Alive {
    fn new(engine: &Arc<AdeSync>, id: &str) -> Self {
        engine.alive().insert(id.to_owned(), None);
        Self {
            engine: Arc::clone(engine),
            id: id.to_owned(),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.engine.alive().remove(&self.id);
    }
}

fn has_credentials(token: &AdeTokenRecord) -> bool {
    token.credentials.is_some()
}

fn new_id() -> Result<String> {
    let mut id = [0; 8];
    rand::fill(&mut id).map_err(|_| Error::internal("the system has no randomness"))?;
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

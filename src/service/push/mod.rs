//! Waking enrollments: who has to be woken, when, and what becomes of it.
//!
//! An enrollment gets into the outbox in the storage step that queues a command for it, and into the scheduler's
//! memory (`slots`) once that is durable; after a restart the memory is filled from the outbox. `run.rs` lets pushes
//! depart, as fast as `pace` and `circuit` let it; `verdict` says what each answer means. The outbox is left
//! when the store has seen the queue empty, in batches, so that a device's requests cost no write for it.
//!
//! Sources: Apple, "Sending notification requests to APNs" and "Handling notification responses from APNs".

mod circuit;
mod flight;
mod news;
mod outcome;
mod pace;
mod rhythm;
mod run;
mod slots;
mod topics;
mod trial;
mod verdict;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{Notify, oneshot};

pub use news::PushNews;
pub use outcome::PushOutcome;
pub use run::Now;
pub use topics::TopicAlarm;

use self::{circuit::Circuit, news::News, pace::Pace, slots::Slots, topics::Topics};
use crate::{
    apple::PushService,
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::push_certificates::PushCertificates,
    storage::{Storage, StoreResult, Work},
};

/// For so long an operator's request waits for the answers of APNs.
const PATIENCE: Duration = Duration::from_secs(5);

/// An operator's request for more pushes than this is told that they are scheduled.
const WAITED_FOR: usize = 100;

/// How pushes are sent.
#[derive(Clone, Copy, Debug)]
pub struct PushSettings {
    /// How long APNs keeps a push for a device that it can't reach.
    pub expiration: Duration,
    /// Undelivered work is pushed for again after this, then at growing intervals.
    pub repush_after: Duration,
    /// The most that may leave in a second.
    pub max_per_second: u32,
    /// A push to all enrollments spreads at least over this.
    pub fan_out_window: Duration,
    /// Pushes leave more slowly while devices wait longer than this for their answers.
    pub slow_answer: Duration,
}

/// The scheduler.
#[derive(Debug)]
pub struct Pushes {
    store: Arc<dyn Storage>,
    /// Absent when no push service is configured.
    service: Option<Arc<dyn PushService>>,
    certificates: PushCertificates,
    settings: PushSettings,
    /// Whether anything leaves: a command line without a server opens the store too.
    running: AtomicBool,
    state: Mutex<State>,
    /// Something has become due.
    stirred: Notify,
}

#[derive(Debug)]
struct State {
    slots: Slots,
    circuit: Circuit,
    pace: Pace,
    topics: Topics,
    /// Enrollments that can be pushed to, as last counted.
    fleet: u64,
    /// Pushes that APNs took, and that the outbox does not know of yet.
    notes: Vec<(EnrollmentId, Timestamp)>,
    news: News,
}

/// How the scheduler does.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PushStatus {
    /// Whether there is a push service.
    pub configured: bool,
    /// Enrollments that have to be woken, or were and have not been seen to the end of their queue.
    pub pending: usize,
    /// On the way to APNs.
    pub in_flight: usize,
    /// Taken by APNs; the device has not been seen since.
    pub unanswered: usize,
    /// Failed, and waiting to be repeated.
    pub retrying: usize,
    /// Held back with their topic.
    pub held: usize,
    /// The present pace.
    pub per_second: f64,
    /// Since when APNs is down, as far as we can see (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub apns_down_since: Option<String>,
    /// Topics that nothing goes through for.
    pub alarms: Vec<TopicAlarm>,
}

impl Pushes {
    /// Puts the parts together. Nothing leaves before [`Pushes::run`].
    pub fn new(
        store: Arc<dyn Storage>,
        service: Option<Arc<dyn PushService>>,
        certificates: PushCertificates,
        settings: PushSettings,
    ) -> Self {
        Self {
            store,
            service,
            certificates,
            settings,
            running: AtomicBool::new(false),
            state: Mutex::new(State {
                slots: Slots::new(settings.repush_after),
                circuit: Circuit::default(),
                pace: Pace::new(
                    settings.max_per_second,
                    settings.fan_out_window,
                    settings.slow_answer,
                ),
                topics: Topics::default(),
                fleet: 0,
                notes: Vec::new(),
                news: News::default(),
            }),
            stirred: Notify::new(),
        }
    }

    /// Whether there is a push service; without one nothing belongs into the outbox.
    pub fn configured(&self) -> bool {
        self.service.is_some()
    }

    /// A command that is due at `due` was queued, durably, for these. Says what becomes of their pushes, after a
    /// moment's wait for APNs if they are few.
    pub async fn queued(&self, ids: &[EnrollmentId], due: Timestamp, now: Timestamp) -> Vec<PushOutcome> {
        if !self.configured() {
            return vec![PushOutcome::NotConfigured; ids.len()];
        }
        if due > now {
            let mut state = self.state();
            for id in ids {
                state.slots.wake(id, due, None);
            }
            let later = PushOutcome::Scheduled(format!("the command is for {}", due.to_rfc3339()));
            return vec![later; ids.len()];
        }
        self.told(ids, |slots, id, waiter| slots.wake(id, due, waiter))
            .await
    }

    /// Commands were queued, durably, for these: more than anybody waits for.
    pub fn wake(&self, ids: &[EnrollmentId], due: Timestamp) {
        if self.configured() {
            let mut state = self.state();
            ids.iter().for_each(|id| state.slots.wake(id, due, None));
            drop(state);
            self.stirred.notify_one();
        }
    }

    /// An operator wants these woken, whatever there is for them. Says what becomes of it.
    pub async fn push(&self, ids: &[EnrollmentId], now: Timestamp) -> StoreResult<Vec<PushOutcome>> {
        let mut reachable = Vec::new();
        for id in ids {
            let target = self.store.push_target(id, now).await?;
            reachable.push(target.is_some_and(|target| target.push.is_some()));
        }
        let whom: Vec<_> = ids
            .iter()
            .zip(&reachable)
            .filter(|(_, reachable)| **reachable)
            .map(|(id, _)| id.clone())
            .collect();
        let mut outcomes = if self.configured() {
            self.told(&whom, |slots, id, waiter| slots.ask(id, now, waiter))
                .await
        } else {
            vec![PushOutcome::NotConfigured; whom.len()]
        }
        .into_iter();
        let outcome = |reachable| match reachable {
            true => outcomes.next().unwrap_or(PushOutcome::Unreachable),
            false => PushOutcome::Unreachable,
        };
        Ok(reachable.into_iter().map(outcome).collect())
    }

    /// A device or user has connected, and is about to read its queue. On the path of every report.
    pub fn contact(&self, id: &EnrollmentId, now: Timestamp) {
        if self.configured() {
            self.state().slots.contact(id, now);
        }
    }

    /// It was told that there is nothing (more) for it now.
    pub fn drained(&self, id: &EnrollmentId, now: Timestamp) {
        if self.configured() {
            self.state().slots.drained(id, now);
            self.stirred.notify_one();
        }
    }

    /// A device waited so long for an answer; when they wait long, fewer are woken.
    pub fn answered(&self, after: Duration) {
        if self.configured() {
            self.state().pace.answered(after);
        }
    }

    /// It has told how it can be woken. What waited for that leaves now.
    pub async fn token_updated(&self, id: &EnrollmentId, now: Timestamp) -> StoreResult<()> {
        if !self.configured() {
            return Ok(());
        }
        match self.store.push_target(id, now).await?.map(|target| target.work) {
            Some(Work::Due) => {
                self.state().slots.renewed(id, now);
                self.stirred.notify_one();
            }
            Some(Work::Later(at)) => self.state().slots.wake(id, at, None),
            Some(Work::Nothing) | None => {}
        }
        Ok(())
    }

    /// What has happened since this was last asked.
    pub fn take_news(&self) -> Vec<PushNews> {
        self.state().news.take()
    }

    /// How it does.
    pub fn status(&self) -> PushStatus {
        let state = self.state();
        let counts = state.slots.counts();
        PushStatus {
            configured: self.configured(),
            pending: counts.all,
            in_flight: counts.flying,
            unanswered: counts.sent,
            retrying: counts.retrying,
            held: counts.held,
            per_second: state.pace.per_second(state.fleet),
            apns_down_since: state.circuit.open_since().map(Timestamp::to_rfc3339),
            alarms: state.topics.alarms(),
        }
    }

    /// Hands `ids` to the slots, and waits for what becomes of each.
    async fn told(
        &self,
        ids: &[EnrollmentId],
        mut ask: impl FnMut(&mut Slots, &EnrollmentId, Option<slots::Waiter>),
    ) -> Vec<PushOutcome> {
        let running = self.running.load(Ordering::Relaxed);
        let waits = running && ids.len() <= WAITED_FOR;
        let mut told = Vec::new();
        {
            let mut state = self.state();
            for id in ids {
                let waiter = waits.then(|| {
                    let (waiter, outcome) = oneshot::channel();
                    told.push(outcome);
                    waiter
                });
                ask(&mut state.slots, id, waiter);
            }
        }
        self.stirred.notify_one();
        if !waits {
            let why = match running {
                true => "it leaves with the others, one after another",
                false => "the server is not running",
            };
            return vec![PushOutcome::Scheduled(why.into()); ids.len()];
        }
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        let mut outcomes = Vec::with_capacity(told.len());
        for outcome in told {
            outcomes.push(tokio::select! {
                biased;
                outcome = outcome => outcome.unwrap_or(PushOutcome::Unreachable),
                () = &mut patience => PushOutcome::Scheduled("APNs has not answered yet".into()),
            });
        }
        outcomes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Delivering: one task for each hook, so that no hook waits for another.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use super::{
    Events, Hook,
    delivery::Outcome,
    lanes::{Lanes, Patience, Verdict},
};
use crate::{
    protocol::time::Timestamp,
    storage::{StoreError, StoreResult},
};

/// Reads the present time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often a queue is looked at without being told to: an event may have been stored for a request that was given up
/// before anyone could be told.
const LOOK: Duration = Duration::from_secs(5);

/// How often it is seen whether a waiting time is over. (The clock may be set, and a test's stands still.)
const TICK: Duration = Duration::from_millis(200);

/// Delivered events leave the store together: so many, or what there is after this time.
const DELIVERED_AT_ONCE: usize = 128;
const DELIVERED_AFTER: Duration = Duration::from_millis(100);

/// How often old dead letters and the remains of removed hooks are forgotten.
const TIDY: Duration = Duration::from_secs(30);

/// Events are read and given up in pieces of this size.
const PIECE: usize = 128;

/// What is in flight when the server ends gets so long to arrive; what does not is sent again at the next start.
const FAREWELL: Duration = Duration::from_secs(5);

impl Events {
    /// Delivers events until `stop` turns true.
    pub async fn run(self: Arc<Self>, now: Now, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let mut begun: HashMap<u64, watch::Sender<bool>> = HashMap::new();
        let mut tidy = interval(TIDY);
        loop {
            let hooks = self.hooks.load_full();
            begun.retain(|number, ending| {
                hooks.iter().any(|hook| hook.number == *number) && !ending.is_closed()
            });
            for hook in hooks.iter() {
                begun.entry(hook.number).or_insert_with(|| {
                    let (ending, ends) = watch::channel(false);
                    tasks.spawn(Courier::new(&self, hook, &now).run(ends));
                    ending
                });
            }
            tokio::select! {
                () = self.changed.notified() => {}
                Some(ended) = tasks.join_next() => {
                    if ended.is_err() {
                        // It has panicked, and is begun again; not too often.
                        sleep(LOOK).await;
                    }
                }
                _ = tidy.tick() => {
                    if let Err(error) = self.tidy(now()).await {
                        tracing::warn!("old dead letters could not be forgotten: {error}");
                    }
                }
                () = told(&mut stop) => break,
            }
        }
        // Each task ends when its sender is gone.
        begun.clear();
        while tasks.join_next().await.is_some() {}
    }
}

/// Waits until it is told to stop, or nobody is left to tell it.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The answer holds a lock, and must not be kept.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Delivers the events of one hook.
struct Courier {
    events: Arc<Events>,
    hook: Arc<Hook>,
    now: Now,
    lanes: Lanes,
    /// The latest event that has been read from the queue.
    read: u64,
    flights: JoinSet<(u64, Outcome)>,
    /// Delivered, and still in the store.
    delivered: Vec<u64>,
}

impl Courier {
    fn new(events: &Arc<Events>, hook: &Arc<Hook>, now: &Now) -> Self {
        let patience = Patience {
            max_backoff: events.settings.max_backoff,
            give_up_after: events.settings.give_up_after,
            max_refusals: events.settings.max_refusals,
        };
        Self {
            events: Arc::clone(events),
            hook: Arc::clone(hook),
            now: Arc::clone(now),
            lanes: Lanes::new(patience, hook.number),
            read: 0,
            flights: JoinSet::new(),
            delivered: Vec::new(),
        }
    }

    async fn run(mut self, mut ends: watch::Receiver<bool>) {
        let mut look = true;
        loop {
            if look && let Err(error) = self.look().await {
                self.store_fails(&error);
            }
            self.send();
            let idle = self.flights.is_empty();
            let wait = match self.lanes.pause((self.now)()) {
                Some(_) if self.is_enabled() && self.has_hands_free() => TICK,
                _ => LOOK,
            };
            look = tokio::select! {
                Some(flight) = self.flights.join_next(), if !idle => {
                    if let Ok((sequence, outcome)) = flight {
                        self.settle(sequence, outcome).await;
                    }
                    false
                }
                () = self.hook.wake.notified() => true,
                () = sleep(DELIVERED_AFTER), if !self.delivered.is_empty() => {
                    self.clear_delivered().await;
                    false
                }
                () = sleep(wait) => wait == LOOK,
                // The sender says nothing; it only goes away.
                _ = ends.changed() => break,
            };
            if self.delivered.len() >= DELIVERED_AT_ONCE {
                self.clear_delivered().await;
            }
        }
        let farewell = async {
            while let Some(flight) = self.flights.join_next().await {
                if let Ok((sequence, Outcome::Delivered)) = flight {
                    self.delivered.push(sequence);
                }
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
        self.clear_delivered().await;
    }

    fn is_enabled(&self) -> bool {
        self.hook.record.load().enabled
    }

    fn has_hands_free(&self) -> bool {
        self.flights.len() < self.events.settings.concurrency
    }

    /// Reads what is new in the queue.
    async fn look(&mut self) -> StoreResult<()> {
        if self.hook.state().replayed {
            // What has been delivered must be out of the queue before that is read again.
            if !self.clear_delivered().await {
                return Ok(());
            }
            self.hook.state().replayed = false;
            self.read = 0;
        }
        loop {
            let piece = self
                .events
                .store
                .events(self.hook.number, self.read, PIECE)
                .await?;
            for event in &piece {
                self.lanes
                    .add(event.sequence, event.record.lane(), event.queued_at);
                self.read = event.sequence;
            }
            if piece.len() < PIECE {
                break;
            }
        }
        if self.lanes.len() as u64 >= self.events.settings.max_events {
            // The store has begun to drop the oldest.
            let first = self.events.store.events(self.hook.number, 0, 1).await?;
            let first = first.first().map_or(self.read, |event| event.sequence);
            self.lanes.remove_below(first);
        }
        Ok(())
    }

    /// Sends whatever may go now.
    fn send(&mut self) {
        let now = (self.now)();
        while self.has_hands_free() && self.is_enabled() {
            let Some(sequence) = self.lanes.next(now) else {
                break;
            };
            let (events, hook) = (Arc::clone(&self.events), Arc::clone(&self.hook));
            self.flights.spawn(async move {
                let outcome = events.attempt(&hook, sequence, now).await;
                (sequence, outcome)
            });
        }
    }

    /// Draws the consequences of an attempt.
    async fn settle(&mut self, sequence: u64, outcome: Outcome) {
        let now = (self.now)();
        let name = self.hook.record.load().name.clone();
        match outcome {
            Outcome::Gone => self.lanes.remove(sequence),
            Outcome::Delivered => {
                metrics::counter!("russet_hook_delivered_total", "hook" => name.clone()).increment(1);
                self.lanes.delivered(sequence);
                self.delivered.push(sequence);
                let mut state = self.hook.state();
                state.last_delivered_at = Some(now);
                state.last_problem = None;
                if state.failing_since.take().is_some() {
                    tracing::info!(hook = name, "the hook takes events again");
                }
            }
            Outcome::Failed {
                failure,
                at_least,
                problem,
            } => {
                metrics::counter!("russet_hook_failures_total", "hook" => name.clone()).increment(1);
                let verdict = self.lanes.failed(sequence, failure, at_least, now);
                {
                    let mut state = self.hook.state();
                    if state.failing_since.is_none() {
                        tracing::warn!(
                            hook = name,
                            problem,
                            "the hook has not taken an event; it is sent again"
                        );
                        state.failing_since = Some(now);
                    }
                    state.last_problem = Some(problem.clone());
                }
                if verdict == Verdict::GiveUp {
                    self.give_up(vec![sequence], &problem, now).await;
                }
                loop {
                    let expired = self.lanes.expired(now, PIECE);
                    if expired.is_empty() || !self.give_up(expired, &problem, now).await {
                        break;
                    }
                }
            }
        }
    }

    /// Makes events dead letters; whether that is done.
    async fn give_up(&mut self, sequences: Vec<u64>, problem: &str, now: Timestamp) -> bool {
        let letters: Vec<_> = sequences
            .iter()
            .map(|sequence| (*sequence, problem.to_owned()))
            .collect();
        let keep = self.events.settings.max_dead_letters;
        let given_up = self
            .events
            .store
            .give_up(self.hook.number, letters, keep, now)
            .await;
        if let Err(error) = given_up {
            self.store_fails(&error);
            return false;
        }
        let count = sequences.len();
        tracing::warn!(
            hook = self.hook.record.load().name,
            count,
            problem,
            "events were given up: dead letters"
        );
        sequences
            .into_iter()
            .for_each(|sequence| self.lanes.remove(sequence));
        true
    }

    /// Takes delivered events out of the store; whether that is done. What is left is tried again.
    async fn clear_delivered(&mut self) -> bool {
        if self.delivered.is_empty() {
            return true;
        }
        let delivered = self.delivered.clone();
        match self.events.store.delivered(self.hook.number, delivered).await {
            Ok(()) => {
                self.delivered.clear();
                true
            }
            Err(error) => {
                self.store_fails(&error);
                false
            }
        }
    }

    fn store_fails(&self, error: &StoreError) {
        let cause = std::error::Error::source(error);
        tracing::warn!(
            hook = self.hook.record.load().name,
            ?cause,
            "the queue of a hook can't be kept up: {error}"
        );
    }
}

//! A place for one connection: made when it is first needed, made again when it has ended. However many requests
//! wait for it, there is one attempt at a time, and they share its outcome.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Sleep, sleep},
};

use super::{Plan, connection::Connection};
use crate::apple::PushFailure;

/// The wait after the second failure in a row; it doubles from there. The first is followed by none.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

type Outcome = Result<Arc<Connection>, PushFailure>;

/// Keeps one connection.
#[derive(Debug)]
pub(super) struct Lane {
    plan: Arc<Plan>,
    config: Arc<ClientConfig>,
    current: ArcSwapOption<Connection>,
    attempts: Mutex<Attempts>,
}

#[derive(Debug, Default)]
struct Attempts {
    running: Option<Running>,
    /// In a row; a connection that ended without one answer counts.
    failures: u32,
    /// Runs since the last failure.
    pause: Option<Pin<Box<Sleep>>>,
    closed: bool,
}

#[derive(Debug)]
struct Running {
    outcome: watch::Receiver<Option<Outcome>>,
    task: AbortHandle,
}

impl Lane {
    pub(super) fn new(plan: Arc<Plan>, config: Arc<ClientConfig>) -> Arc<Self> {
        Arc::new(Self {
            plan,
            config,
            current: ArcSwapOption::empty(),
            attempts: Mutex::default(),
        })
    }

    /// The connection: the one there is, or the outcome of the next attempt to make one. `None` if the attempt was
    /// given up, because the lane is closed.
    pub(super) async fn connection(self: &Arc<Self>) -> Option<Outcome> {
        if let Some(connection) = self.usable() {
            return Some(Ok(connection));
        }
        let mut outcome = self.join_attempt()?;
        let outcome = outcome.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }

    /// Gives up the connection, once its requests in flight are done, and all attempts.
    pub(super) fn close(&self) {
        let mut attempts = self.attempts();
        attempts.closed = true;
        if let Some(running) = attempts.running.take() {
            running.task.abort();
        }
        drop(attempts);
        if let Some(connection) = self.current.swap(None) {
            connection.retire();
        }
    }

    /// The connection, if requests can be sent on it.
    pub(super) fn usable(&self) -> Option<Arc<Connection>> {
        self.current.load_full().filter(|connection| connection.is_open())
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attempt that is under way, or a new one.
    fn join_attempt(self: &Arc<Self>) -> Option<watch::Receiver<Option<Outcome>>> {
        let mut attempts = self.attempts();
        if attempts.closed {
            return None;
        }
        if let Some(running) = attempts.running.take() {
            // It fails only if the attempt's task was ended from outside.
            if running.outcome.has_changed().is_ok() {
                let outcome = running.outcome.clone();
                attempts.running = Some(running);
                return Some(outcome);
            }
            attempts.note(false);
        }
        let (tell, outcome) = watch::channel(None);
        if let Some(connection) = self.usable() {
            // An attempt has succeeded since the caller looked.
            tell.send_replace(Some(Ok(connection)));
            return Some(outcome);
        }
        if let Some(ended) = self.current.swap(None) {
            attempts.note(ended.has_answered());
        }
        let pause = attempts.pause.take();
        let lane = Arc::clone(self);
        let task = tokio::spawn(async move {
            if let Some(pause) = pause {
                pause.await;
            }
            let made = Connection::open(&lane.plan, &lane.config).await;
            if let Some(outcome) = lane.settle(made.map(Arc::new)) {
                tell.send_replace(Some(outcome));
            }
        });
        attempts.running = Some(Running {
            outcome: outcome.clone(),
            task: task.abort_handle(),
        });
        Some(outcome)
    }

    /// Takes down what an attempt has led to. `None` if nobody wants it any more.
    fn settle(&self, outcome: Outcome) -> Option<Outcome> {
        let mut attempts = self.attempts();
        if attempts.closed {
            return None;
        }
        attempts.running = None;
        match &outcome {
            Ok(connection) => {
                tracing::info!(endpoint = %self.plan.endpoint.authority, "connected to APNs");
                self.current.store(Some(Arc::clone(connection)));
            }
            Err(failure) => {
                tracing::warn!(endpoint = %self.plan.endpoint.authority, %failure, "no connection to APNs");
                attempts.note(false);
            }
        }
        Some(outcome)
    }
}

impl Attempts {
    /// Counts failures in a row. The pause before the next attempt begins now.
    fn note(&mut self, good: bool) {
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let pause = pause(self.failures);
        self.pause = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
    }
}

/// The wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_PAUSE
            .saturating_mul(1 << doublings.min(16))
            .min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_at_once_and_the_pauses_grow_to_five_seconds() {
        let millis: Vec<u128> = (0..10).map(|failures| pause(failures).as_millis()).collect();
        assert_eq!(millis, [0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}

//! The scheduler at work: pushes depart when they are due, and the outbox is kept up with what became of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::{PushNews, Pushes, rhythm::Trouble};
use crate::{
    apple::{PushIdentity, PushService},
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{Page, StoreResult, Work},
};

/// Tells the present time: it is asked for again and again here, but read outside.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Ends a flight that panics: the enrollment must not stay grounded for good.
struct Overdue<'a>(&'a Pushes, EnrollmentId, &'a Now);

impl Drop for Overdue<'_> {
    fn drop(&mut self) {
        let Self(pushes, id, clock) = self;
        if std::thread::panicking() {
            let why = "something went wrong in the server";
            pushes
                .state()
                .slots
                .failed(id, Trouble::Server, None, why, clock());
        }
    }
}

/// So many pushes wait for their answers at the same time, over all topics.
const MAX_IN_FLIGHT: usize = 4096;

/// How often the outbox is brought up to date, and the clock looked at: it may be moved at any time.
const TICK: Duration = Duration::from_millis(100);

/// While more is due than may leave, the pace is asked this often.
const BEAT: Duration = Duration::from_millis(5);

/// How often the figures are counted.
const COUNT: Duration = Duration::from_secs(5);

/// So many rows in one storage step.
const BATCH: usize = 500;

/// A clock that goes back by less is as good as one that stands still.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

impl Pushes {
    /// Lets pushes depart until `stop` turns true; then waits a moment for those on their way.
    pub async fn run(self: Arc<Self>, clock: Now, mut stop: watch::Receiver<bool>) {
        let Some(service) = self.service.clone() else {
            return;
        };
        self.running.store(true, Ordering::Relaxed);
        let keeper = tokio::spawn(Arc::clone(&self).keep(Arc::clone(&clock), stop.clone()));
        let mut changes = self.certificates.changes();
        changes.mark_changed();
        let mut flights = JoinSet::new();
        let mut tick = tokio::time::interval(TICK);
        let mut retry = tokio::time::interval(COUNT);
        let mut restored = false;
        let mut last = clock();
        while !*stop.borrow() {
            let now = clock();
            self.notice_clock(last, now);
            last = now;
            let more = self.depart(&mut flights, &service, &clock, now);
            tokio::select! {
                () = self.stirred.notified() => {}
                () = tokio::time::sleep(BEAT), if more => {}
                _ = tick.tick() => {}
                _ = retry.tick(), if !restored => {
                    restored = self.take_up_certificates(service.as_ref(), clock()).await;
                }
                Some(_) = flights.join_next(), if !flights.is_empty() => {}
                Ok(()) = changes.changed() => {
                    restored = self.take_up_certificates(service.as_ref(), clock()).await;
                }
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.running.store(false, Ordering::Relaxed);
        let landing = async { while flights.join_next().await.is_some() {} };
        // What does not land in time is in the outbox still.
        let _ = tokio::time::timeout(Duration::from_secs(2), landing).await;
        let _ = keeper.await;
        self.keep_outbox(clock()).await;
    }

    /// Keeps the outbox and the figures up to date, beside the departures.
    async fn keep(self: Arc<Self>, clock: Now, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(TICK);
        let mut count = tokio::time::interval(COUNT);
        while !*stop.borrow() {
            tokio::select! {
                _ = tick.tick() => self.keep_outbox(clock()).await,
                _ = count.tick() => self.count().await,
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
    }

    /// Lets go what may go; says whether more is due.
    fn depart(
        self: &Arc<Self>,
        flights: &mut JoinSet<()>,
        service: &Arc<dyn PushService>,
        clock: &Now,
        now: Timestamp,
    ) -> bool {
        let departures = {
            let mut state = self.state();
            for topic in state.topics.probes(now) {
                state.slots.probe(&topic, now);
            }
            let room = MAX_IN_FLIGHT.saturating_sub(flights.len());
            let allowed = room.min(state.circuit.allowance(now));
            let due = state.slots.due(now, allowed);
            if due == 0 {
                // Nothing is, or nothing may: a landing or the next tick comes before that changes.
                return false;
            }
            let fleet = state.fleet;
            let paced = state.pace.take(due, fleet, now);
            if paced == 0 {
                return true;
            }
            state.circuit.left(now);
            state.slots.depart(now, paced)
        };
        for departure in departures {
            let (pushes, service, clock) = (Arc::clone(self), Arc::clone(service), Arc::clone(clock));
            flights.spawn(async move {
                let _overdue = Overdue(&pushes, departure.id.clone(), &clock);
                pushes.fly(service.as_ref(), departure, &clock).await;
            });
        }
        self.state().slots.due(now, 1) > 0
    }

    fn notice_clock(&self, last: Timestamp, now: Timestamp) {
        let back = last.since(now);
        if back > CLOCK_SLACK {
            tracing::warn!(by = ?back, "the clock went back");
            let mut state = self.state();
            state.news.add(PushNews::ClockWentBack(back.as_secs()));
            state.slots.shift(back);
            state.circuit.shift(back);
            state.topics.shift(back);
        }
    }

    /// Gives the certificates to the push service. A topic with a new one gets another chance, and so do the
    /// enrollments that the outbox still has.
    /// `false` if the store could not be read to the end.
    async fn take_up_certificates(&self, service: &dyn PushService, now: Timestamp) -> bool {
        let identities = match self.certificates.identities(now).await {
            Ok(identities) => identities,
            Err(error) => {
                tracing::error!(%error, "the push certificates can't be read");
                return false;
            }
        };
        for identity in identities {
            let (topic, stored_at) = (identity.topic.clone(), identity.stored_at);
            let presented = service.present(PushIdentity {
                topic: identity.topic.clone(),
                chain: identity.chain.clone(),
                key_pkcs8: identity.key_pkcs8.clone(),
            });
            let mut state = self.state();
            match presented {
                Err(error) => {
                    tracing::error!(%topic, %error, "this push certificate can't be used");
                    state.topics.hold(&topic, &error.to_string(), now);
                }
                Ok(()) if state.topics.presented(&topic, stored_at) => {
                    if state.topics.clear(&topic) {
                        state.news.add(PushNews::TopicReleased(topic.clone()));
                    }
                    let released = state.slots.release(&topic, now);
                    tracing::info!(%topic, released, "push certificate in use");
                }
                Ok(()) => {}
            }
        }
        let restored = self.restore(now).await;
        if let Err(error) = &restored {
            tracing::error!(%error, "the outbox of pushes can't be read");
        }
        restored.is_ok()
    }

    /// Takes over from the outbox whoever is not known yet.
    async fn restore(&self, now: Timestamp) -> StoreResult<()> {
        let mut page = Page::first(BATCH);
        loop {
            let listing = self.store.wakes(&page).await?;
            let mut state = self.state();
            for (id, wake) in listing.rows {
                state.slots.restore(id, &wake, now);
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Writes down what was pushed, and who has nothing to fetch any more.
    async fn keep_outbox(&self, now: Timestamp) {
        loop {
            let (notes, settling) = {
                let mut state = self.state();
                let rest = state.notes.len().min(BATCH);
                let notes: Vec<_> = state.notes.drain(..rest).collect();
                (notes, state.slots.take_settling(BATCH))
            };
            if notes.is_empty() && settling.is_empty() {
                return;
            }
            let kept = async {
                if !notes.is_empty() {
                    self.store.note_pushes(notes).await?;
                }
                if settling.is_empty() {
                    return Ok(Vec::new());
                }
                self.store.settle_wakes(settling.clone(), now).await
            };
            let kept: StoreResult<_> = kept.await;
            let mut state = self.state();
            match kept {
                // A push that is not noted is repeated after a restart, which does no harm.
                Err(error) => {
                    tracing::warn!(%error, "the outbox of pushes could not be brought up to date");
                    state.slots.unsettled(settling);
                    return;
                }
                Ok(left) => {
                    for (id, work) in &left {
                        if let Work::Later(at) = work {
                            state.slots.later(id, *at);
                        }
                    }
                    for id in settling {
                        if left.binary_search_by(|(other, _)| other.cmp(&id)).is_err() {
                            state.slots.settled(&id);
                        }
                    }
                }
            }
        }
    }

    async fn count(&self) {
        if let Ok(figures) = self.store.figures().await {
            self.state().fleet = figures.enrolled;
        }
        let status = self.status();
        metrics::gauge!("russet_pushes_pending").set(status.pending as f64);
        metrics::gauge!("russet_pushes_in_flight").set(status.in_flight as f64);
        metrics::gauge!("russet_pushes_held").set(status.held as f64);
        metrics::gauge!("russet_push_topics_held").set(status.alarms.len() as f64);
        metrics::gauge!("russet_apns_down").set(f64::from(u8::from(status.apns_down_since.is_some())));
    }
}

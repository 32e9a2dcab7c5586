//! Who has to be woken, and when: the scheduler's memory, without clock, store or network.
//!
//! An enrollment has a slot from the moment that something is queued for it until its queue has been seen empty. A
//! slot with a time is due then; one without is on its way, or held until its topic can be pushed to again.
//!
//! The one subtle thing is when *not* to push. A push that APNs took, and a device that is connected, will bring the
//! device to whatever is committed before it reads its queue. [`Slots::contact`] is called before that read, and
//! [`Slots::wake`] after the commit, so whatever was asked for before a contact is covered by it.

mod landing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    outcome::PushOutcome,
    rhythm::{self, OUTSTANDING},
};
use crate::{
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    storage::WakeRecord,
};

/// Who wants to know what becomes of a push.
pub(super) type Waiter = oneshot::Sender<PushOutcome>;

/// The scheduler's memory.
#[derive(Debug)]
pub(super) struct Slots {
    slots: HashMap<EnrollmentId, Slot>,
    due: BTreeSet<(Timestamp, EnrollmentId)>,
    /// Those whose queue was just read to its end; whether it is empty is the store's to say.
    settling: Vec<EnrollmentId>,
    repush_after: Duration,
}

#[derive(Debug)]
struct Slot {
    phase: Phase,
    /// Its place in the index.
    due: Option<Timestamp>,
    /// When a push last left, or was taken before a restart.
    sent_at: Option<Timestamp>,
    /// Failures in a row.
    failures: u32,
    /// The last of them was APNs' wish for fewer pushes to this token.
    throttled: bool,
    /// How many pushes APNs has taken since something was last queued.
    pushes: u32,
    /// Not pushed to before, because APNs wants to be spared, or was not well a moment ago.
    free_at: Option<Timestamp>,
    /// An operator has asked: pushed to whether or not there is anything to fetch.
    asked: bool,
    /// Its queue is believed to be empty, and nothing has been queued since.
    settling: bool,
    waiters: Vec<Waiter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for its time.
    Waiting,
    /// A push is on its way to APNs.
    Flying {
        /// Something was queued meanwhile.
        again: bool,
        /// The device was seen meanwhile, and what it had to fetch was there for it.
        seen: Seen,
    },
    /// APNs has taken a push; the device has not been seen since.
    Sent,
    /// The device is connected.
    Connected {
        /// Something was queued since it last asked.
        again: bool,
    },
    /// Nothing can be pushed to this topic at present.
    Held(Topic),
}

/// How far a device got while a push was on its way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    No,
    Connected,
    Drained,
}

/// A push that shall leave now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Departure {
    /// To whom.
    pub(super) id: EnrollmentId,
    /// Whether to push even if there is nothing to fetch.
    pub(super) asked: bool,
    /// Since when it was to leave.
    pub(super) due: Timestamp,
}

/// Figures of the scheduler's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Slots.
    pub(super) all: usize,
    /// On the way to APNs.
    pub(super) flying: usize,
    /// Held with their topic.
    pub(super) held: usize,
    /// Failed at least once and waiting to try again.
    pub(super) retrying: usize,
    /// Taken by APNs, the device not seen since.
    pub(super) sent: usize,
}

impl Slots {
    /// Nobody yet. Undelivered work is pushed for again after `repush_after`, then ever more rarely.
    pub(super) fn new(repush_after: Duration) -> Self {
        Self {
            slots: HashMap::new(),
            due: BTreeSet::new(),
            settling: Vec::new(),
            repush_after,
        }
    }

    /// Takes one over from the outbox, after a restart. Whether a push that APNs took has reached the device nobody
    /// knows: while we were down it may have come in vain.
    pub(super) fn restore(&mut self, id: EnrollmentId, wake: &WakeRecord, now: Timestamp) {
        if self.slots.contains_key(&id) {
            return;
        }
        let mut slot = Slot::new(Phase::Waiting);
        slot.sent_at = wake.pushed_at.filter(|at| *at <= now);
        slot.pushes = wake.pushes;
        let free = slot.sent_at.map_or(now, |at| at.plus(OUTSTANDING));
        // What is for later is found to be so when its turn has come; the row's own time may be from a wrong clock.
        self.put(id, slot, Some(free.max(now)));
    }

    /// Something was queued (and committed) that is due at `due`. At most one push is outstanding for an enrollment:
    /// while one is, it stands for this too.
    pub(super) fn wake(&mut self, id: &EnrollmentId, due: Timestamp, waiter: Option<Waiter>) {
        let Some(mut slot) = self.take(id) else {
            let mut slot = Slot::new(Phase::Waiting);
            slot.await_with(waiter);
            return self.put(id.clone(), slot, Some(due));
        };
        slot.settling = false;
        let outstanding_until = slot.sent_at.map_or(due, |at| at.plus(OUTSTANDING));
        let free = due.max(slot.free_at.unwrap_or(due));
        let next = match &mut slot.phase {
            Phase::Waiting if free > due => {
                tell(waiter, || {
                    PushOutcome::Scheduled("an attempt has just failed; it is repeated".into())
                });
                Some(slot.due.map_or(free, |at| at.min(free)))
            }
            Phase::Waiting => {
                slot.await_with(waiter);
                let next = due.max(outstanding_until);
                Some(slot.due.map_or(next, |at| at.min(next)))
            }
            Phase::Flying { again, .. } => {
                *again = true;
                slot.await_with(waiter);
                None
            }
            Phase::Sent => {
                slot.pushes = 0;
                let next = free.max(outstanding_until);
                if outstanding_until > due {
                    tell(waiter, || PushOutcome::Coalesced);
                } else {
                    slot.phase = Phase::Waiting;
                    slot.await_with(waiter);
                }
                Some(slot.due.map_or(next, |at| at.min(next)))
            }
            Phase::Connected { again } => {
                *again = true;
                tell(waiter, || PushOutcome::Connected);
                slot.due
            }
            Phase::Held(topic) => {
                let topic = topic.clone();
                tell(waiter, || {
                    PushOutcome::Scheduled(format!("pushes to {topic} are held back; see `russet doctor`"))
                });
                None
            }
        };
        self.put(id.clone(), slot, next);
    }

    /// An operator wants a push, whatever there is to fetch and however short ago the last one was.
    pub(super) fn ask(&mut self, id: &EnrollmentId, now: Timestamp, waiter: Option<Waiter>) {
        let mut slot = self.take(id).unwrap_or_else(|| Slot::new(Phase::Waiting));
        slot.await_with(waiter);
        slot.asked = true;
        slot.settling = false;
        if let Phase::Flying { again, .. } = &mut slot.phase {
            *again = true;
            return self.put(id.clone(), slot, None);
        }
        slot.phase = Phase::Waiting;
        self.put(id.clone(), slot, Some(now));
    }

    /// The enrollment has a new token, perhaps of another topic: what the old one has met counts no more, and what
    /// there is to fetch leaves now.
    pub(super) fn renewed(&mut self, id: &EnrollmentId, now: Timestamp) {
        let mut slot = self.take(id).unwrap_or_else(|| Slot::new(Phase::Waiting));
        slot.settling = false;
        slot.failures = 0;
        slot.free_at = None;
        slot.sent_at = None;
        if let Phase::Flying { again, .. } = &mut slot.phase {
            *again = true;
            return self.put(id.clone(), slot, None);
        }
        slot.phase = Phase::Waiting;
        self.put(id.clone(), slot, Some(now));
    }

    /// The device has connected and is about to read its queue.
    pub(super) fn contact(&mut self, id: &EnrollmentId, now: Timestamp) {
        let Some(mut slot) = self.take(id) else { return };
        let next = match &mut slot.phase {
            Phase::Flying { again, seen } => {
                *again = false;
                *seen = Seen::Connected;
                None
            }
            _ => {
                slot.phase = Phase::Connected { again: false };
                slot.failures = 0;
                slot.asked = false;
                // What was sent has done its work.
                slot.sent_at = None;
                slot.tell_all(&PushOutcome::Connected);
                // If it falls silent with work left, it is woken again.
                Some(now.plus(OUTSTANDING))
            }
        };
        self.put(id.clone(), slot, next);
    }

    /// The device was told that there is nothing (more) for it now.
    pub(super) fn drained(&mut self, id: &EnrollmentId, now: Timestamp) {
        let Some(mut slot) = self.take(id) else { return };
        match &mut slot.phase {
            Phase::Flying { seen, .. } => {
                *seen = Seen::Drained;
                self.put(id.clone(), slot, None);
            }
            Phase::Connected { again: true } => {
                slot.phase = Phase::Waiting;
                let next = slot.free_at.map_or(now, |at| at.max(now));
                self.put(id.clone(), slot, Some(next));
            }
            Phase::Connected { again: false } => self.rest(id, slot, now),
            Phase::Waiting | Phase::Sent | Phase::Held(_) => {
                let due = slot.due;
                self.put(id.clone(), slot, due);
            }
        }
    }

    /// Up to `most` pushes whose time has come.
    pub(super) fn depart(&mut self, now: Timestamp, most: usize) -> Vec<Departure> {
        let mut departures = Vec::new();
        while departures.len() < most {
            let Some((due, id)) = self.due.first().filter(|(at, _)| *at <= now).cloned() else {
                break;
            };
            let Some(mut slot) = self.take(&id) else {
                break;
            };
            slot.phase = Phase::Flying {
                again: false,
                seen: Seen::No,
            };
            departures.push(Departure {
                id: id.clone(),
                asked: slot.asked,
                due,
            });
            self.put(id, slot, None);
        }
        departures
    }

    /// How many are due.
    pub(super) fn due(&self, now: Timestamp, most: usize) -> usize {
        self.due
            .iter()
            .take(most)
            .take_while(|(at, _)| *at <= now)
            .count()
    }

    /// Those whose queue is believed to be empty.
    pub(super) fn take_settling(&mut self, most: usize) -> Vec<EnrollmentId> {
        let rest = self.settling.split_off(self.settling.len().min(most));
        let mut taken = std::mem::replace(&mut self.settling, rest);
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    /// The store could not say; ask again.
    pub(super) fn unsettled(&mut self, ids: Vec<EnrollmentId>) {
        self.settling.extend(ids);
    }

    /// The store has found the queue empty, and taken it out of the outbox.
    pub(super) fn settled(&mut self, id: &EnrollmentId) {
        if self.slots.get(id).is_some_and(|slot| slot.settling) {
            self.take(id);
        }
    }

    /// The store has found something for later.
    pub(super) fn later(&mut self, id: &EnrollmentId, at: Timestamp) {
        if self.slots.get(id).is_some_and(|slot| slot.settling)
            && let Some(slot) = self.take(id)
        {
            let due = slot.due.map_or(at, |due| due.min(at));
            self.put(id.clone(), slot, Some(due));
        }
    }

    /// The topic can be pushed to again: all that it has held leave.
    pub(super) fn release(&mut self, topic: &Topic, now: Timestamp) -> usize {
        let held = self.held(topic, usize::MAX);
        for id in &held {
            self.free(id, now);
        }
        held.len()
    }

    /// Lets one leave, to find out whether the topic can be pushed to again.
    pub(super) fn probe(&mut self, topic: &Topic, now: Timestamp) {
        if let Some(id) = self.held(topic, 1).first() {
            self.free(id, now);
        }
    }

    /// APNs is back: whoever waits after a failure may go as soon as a minute has passed since.
    pub(super) fn hasten(&mut self, now: Timestamp) {
        let waiting: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.phase == Phase::Waiting && slot.failures > 0 && !slot.throttled)
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            let Some(slot) = self.take(&id) else { continue };
            let free = slot.sent_at.map_or(now, |at| at.plus(OUTSTANDING)).max(now);
            let next = free.plus(rhythm::spread(OUTSTANDING / 2, &id));
            let due = slot.due.map_or(next, |due| due.min(next));
            self.put(id, slot, Some(due));
        }
    }

    /// The clock went back by `by`: what was to happen in a minute shall.
    pub(super) fn shift(&mut self, by: Duration) {
        let index = std::mem::take(&mut self.due);
        self.due = index.into_iter().map(|(at, id)| (at.minus(by), id)).collect();
        for slot in self.slots.values_mut() {
            slot.due = slot.due.map(|at| at.minus(by));
            slot.sent_at = slot.sent_at.map(|at| at.minus(by));
            slot.free_at = slot.free_at.map(|at| at.minus(by));
        }
    }

    /// Figures.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts {
            all: self.slots.len(),
            ..Counts::default()
        };
        for slot in self.slots.values() {
            match slot.phase {
                Phase::Flying { .. } => counts.flying += 1,
                Phase::Held(_) => counts.held += 1,
                Phase::Sent => counts.sent += 1,
                Phase::Waiting if slot.failures > 0 => counts.retrying += 1,
                Phase::Waiting | Phase::Connected { .. } => {}
            }
        }
        counts
    }

    fn held(&self, topic: &Topic, most: usize) -> Vec<EnrollmentId> {
        let held = self.slots.iter().filter(|(_, slot)| match &slot.phase {
            Phase::Held(its) => its == topic,
            _ => false,
        });
        held.map(|(id, _)| id.clone()).take(most).collect()
    }

    fn free(&mut self, id: &EnrollmentId, now: Timestamp) {
        if let Some(mut slot) = self.take(id) {
            slot.phase = Phase::Waiting;
            self.put(id.clone(), slot, Some(now));
        }
    }

    /// Nothing is to be done for it, as far as is known: the store shall have the last word, and should it find
    /// something after all there will be another push in time.
    fn rest(&mut self, id: &EnrollmentId, mut slot: Slot, now: Timestamp) {
        slot.phase = Phase::Sent;
        slot.sent_at = None;
        slot.settling = true;
        let next = self.repush_at(id, &slot, now);
        self.put(id.clone(), slot, Some(next));
        self.settling.push(id.clone());
    }

    fn repush_at(&self, id: &EnrollmentId, slot: &Slot, now: Timestamp) -> Timestamp {
        now.plus(rhythm::repush(self.repush_after, slot.pushes.max(1), id))
    }

    /// Takes out the slot of a push that has departed.
    fn landed(&mut self, id: &EnrollmentId) -> Option<Slot> {
        let flying = self
            .slots
            .get(id)
            .is_some_and(|slot| matches!(slot.phase, Phase::Flying { .. }));
        if flying { self.take(id) } else { None }
    }

    fn take(&mut self, id: &EnrollmentId) -> Option<Slot> {
        let (id, slot) = self.slots.remove_entry(id)?;
        if let Some(due) = slot.due {
            self.due.remove(&(due, id));
        }
        Some(slot)
    }

    fn put(&mut self, id: EnrollmentId, mut slot: Slot, due: Option<Timestamp>) {
        slot.due = due;
        if let Some(due) = due {
            self.due.insert((due, id.clone()));
        }
        self.slots.insert(id, slot);
    }
}

impl Slot {
    fn new(phase: Phase) -> Self {
        Self {
            phase,
            due: None,
            sent_at: None,
            failures: 0,
            throttled: false,
            pushes: 0,
            free_at: None,
            asked: false,
            settling: false,
            waiters: Vec::new(),
        }
    }

    /// Keeps whoever waits; those who have given up make room.
    fn await_with(&mut self, waiter: Option<Waiter>) {
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.waiters.extend(waiter);
    }

    fn flight(&self) -> (bool, Seen) {
        match self.phase {
            Phase::Flying { again, seen } => (again, seen),
            _ => (false, Seen::No),
        }
    }

    fn tell_all(&mut self, outcome: &PushOutcome) {
        for waiter in self.waiters.drain(..) {
            // Whoever asked may have gone away.
            let _ = waiter.send(outcome.clone());
        }
    }
}

fn tell(waiter: Option<Waiter>, outcome: impl FnOnce() -> PushOutcome) {
    if let Some(waiter) = waiter {
        let _ = waiter.send(outcome());
    }
}

//! What becomes of a slot when its push comes back from APNs.

use std::time::Duration;

use super::{Phase, Seen, Slots};
use crate::{
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    service::push::{
        outcome::PushOutcome,
        rhythm::{self, OUTSTANDING, Trouble},
    },
};

impl Slots {
    /// APNs has taken the push that departed.
    pub(in crate::service::push) fn accepted(&mut self, id: &EnrollmentId, apns_id: &str, now: Timestamp) {
        let Some(mut slot) = self.landed(id) else { return };
        let (again, seen) = slot.flight();
        slot.failures = 0;
        slot.free_at = None;
        slot.asked &= again;
        slot.tell_all(&PushOutcome::Sent(apns_id.to_owned()));
        slot.sent_at = (seen == Seen::No).then_some(now);
        let next = match (seen, again) {
            (Seen::No, true) => {
                slot.pushes = 0;
                slot.phase = Phase::Sent;
                now.plus(OUTSTANDING)
            }
            (Seen::No, false) => {
                slot.pushes = slot.pushes.saturating_add(1);
                slot.phase = Phase::Sent;
                self.repush_at(id, &slot, now)
            }
            (Seen::Connected, again) => {
                slot.phase = Phase::Connected { again };
                now.plus(OUTSTANDING)
            }
            // The device has gone again, and does not know of what was queued since.
            (Seen::Drained, true) => {
                slot.phase = Phase::Waiting;
                now
            }
            (Seen::Drained, false) => return self.rest(id, slot, now),
        };
        self.put(id.clone(), slot, Some(next));
    }

    /// The push that departed did not go through; another one may, not before APNs wants it.
    pub(in crate::service::push) fn failed(
        &mut self,
        id: &EnrollmentId,
        trouble: Trouble,
        retry_after: Option<Duration>,
        why: &str,
        now: Timestamp,
    ) {
        let Some(mut slot) = self.landed(id) else { return };
        let (again, seen) = slot.flight();
        slot.tell_all(&PushOutcome::Scheduled(format!("{why}; it is repeated")));
        slot.failures = slot.failures.saturating_add(1);
        slot.throttled = trouble == Trouble::Throttled;
        let wait = rhythm::after_failure(trouble, slot.failures, id).max(rhythm::asked(trouble, retry_after));
        let next = now.plus(wait);
        slot.free_at = Some(next);
        slot.sent_at = Some(now);
        if seen == Seen::Drained && !again {
            return self.rest(id, slot, now);
        }
        slot.phase = Phase::Waiting;
        self.put(id.clone(), slot, Some(next));
    }

    /// The push that departed met a topic that can't be pushed to.
    pub(in crate::service::push) fn hold(&mut self, id: &EnrollmentId, topic: &Topic, why: &str) {
        let Some(mut slot) = self.landed(id) else { return };
        slot.tell_all(&PushOutcome::Scheduled(format!(
            "pushes to {topic} are held back: {why}"
        )));
        slot.phase = Phase::Held(topic.clone());
        self.put(id.clone(), slot, None);
    }

    /// What the push that departed has met is not true any more: it leaves again.
    pub(in crate::service::push) fn again(&mut self, id: &EnrollmentId, now: Timestamp) {
        if let Some(mut slot) = self.landed(id) {
            slot.phase = Phase::Waiting;
            self.put(id.clone(), slot, Some(now));
        }
    }

    /// The push that departed has nobody to go to. What is queued stays queued; a new token brings the enrollment
    /// back, and may have come meanwhile.
    pub(in crate::service::push) fn abandon(
        &mut self,
        id: &EnrollmentId,
        outcome: &PushOutcome,
        now: Timestamp,
    ) {
        let Some(mut slot) = self.landed(id) else { return };
        slot.tell_all(outcome);
        if slot.flight().0 {
            slot.phase = Phase::Waiting;
            slot.asked = false;
            self.put(id.clone(), slot, Some(now));
        } else {
            // With its queue empty it has no business in the outbox.
            self.settling.push(id.clone());
        }
    }

    /// The push that departed must not be repeated as it is; another one is made in some hours.
    pub(in crate::service::push) fn give_up(&mut self, id: &EnrollmentId, why: &str, now: Timestamp) {
        let Some(mut slot) = self.landed(id) else { return };
        slot.tell_all(&PushOutcome::Failed(why.to_owned()));
        slot.phase = Phase::Sent;
        slot.asked = false;
        slot.pushes = slot.pushes.saturating_add(1);
        let next = self.repush_at(id, &slot, now);
        self.put(id.clone(), slot, Some(next));
    }

    /// The push that departed was found to be without purpose, or too early.
    pub(in crate::service::push) fn postpone(
        &mut self,
        id: &EnrollmentId,
        until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(mut slot) = self.landed(id) else { return };
        let (again, _) = slot.flight();
        slot.failures = 0;
        slot.free_at = None;
        slot.phase = Phase::Waiting;
        if again {
            return self.put(id.clone(), slot, Some(now));
        }
        slot.tell_all(&PushOutcome::Connected);
        match until {
            Some(until) => self.put(id.clone(), slot, Some(until)),
            None => self.rest(id, slot, now),
        }
    }
}

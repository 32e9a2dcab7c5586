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
        slot.sent_at = Some(now);
        slot.failures = 0;
        slot.asked = false;
        slot.tell_all(&PushOutcome::Sent(apns_id.to_owned()));
        if seen != Seen::No {
            slot.sent_at = None;
        }
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
            (Seen::Drained, false) => {
                self.settling.push(id.clone());
                slot.phase = Phase::Sent;
                self.repush_at(id, &slot, now)
            }
        };
        self.put(id.clone(), slot, Some(next));
    }

    /// The push that departed did not go through; another one may. Says whether this is its first failure in a row.
    pub(in crate::service::push) fn failed(
        &mut self,
        id: &EnrollmentId,
        trouble: Trouble,
        at_least: Option<Duration>,
        why: &str,
        now: Timestamp,
    ) {
        let Some(mut slot) = self.landed(id) else { return };
        let (again, seen) = slot.flight();
        slot.tell_all(&PushOutcome::Scheduled(format!("{why}; it is repeated")));
        slot.sent_at = Some(now);
        if seen == Seen::Drained && !again {
            slot.phase = Phase::Sent;
            self.settling.push(id.clone());
        } else {
            slot.phase = Phase::Waiting;
        }
        slot.failures = slot.failures.saturating_add(1);
        let wait = rhythm::after_failure(trouble, slot.failures, id).max(at_least.unwrap_or_default());
        self.put(id.clone(), slot, Some(now.plus(wait)));
    }

    /// The push that departed met a topic that can't be pushed to.
    pub(in crate::service::push) fn hold(&mut self, id: &EnrollmentId, topic: &Topic, why: &str) {
        let Some(mut slot) = self.landed(id) else { return };
        slot.tell_all(&PushOutcome::Failed(format!(
            "pushes to {topic} are held back: {why}"
        )));
        slot.phase = Phase::Held(topic.clone());
        self.put(id.clone(), slot, None);
    }

    /// The push that departed has nobody to go to, or must never be repeated. What is queued stays queued; a new
    /// token brings the enrollment back.
    pub(in crate::service::push) fn abandon(&mut self, id: &EnrollmentId, outcome: &PushOutcome) {
        if let Some(mut slot) = self.landed(id) {
            slot.tell_all(outcome);
        }
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
        slot.tell_all(&PushOutcome::Connected);
        slot.phase = Phase::Waiting;
        match until {
            _ if again => self.put(id.clone(), slot, Some(now)),
            Some(until) => self.put(id.clone(), slot, Some(until)),
            None => {
                slot.phase = Phase::Sent;
                slot.sent_at = None;
                let next = self.repush_at(id, &slot, now);
                self.put(id.clone(), slot, Some(next));
                self.settling.push(id.clone());
            }
        }
    }
}

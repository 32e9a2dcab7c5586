//! One push: from its departure to what its answer means.

use uuid::Uuid;

use super::{
    Pushes, State,
    outcome::PushOutcome,
    run::Now,
    slots::Departure,
    verdict::{Verdict, verdict},
};
use crate::{
    apple::{Notification, PushService},
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    service::push::rhythm::Trouble,
    storage::{EnrollmentState, PushInfo, PushTarget, TokenRefusal, Work},
};

impl Pushes {
    /// Sends one push, and draws the conclusions.
    pub(super) async fn fly(&self, service: &dyn PushService, departure: Departure, now: &Now) {
        let id = departure.id;
        let target = match self.store.push_target(&id, now()).await {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(enrollment = %id, %error, "a push has to wait for the store");
                let why = "the store can't be read";
                return self.state().slots.failed(&id, Trouble::Server, None, why, now());
            }
        };
        let Some(push) = self.cleared(&id, departure.asked, target, now()) else {
            return;
        };
        let notification = Notification {
            topic: push.topic.clone(),
            token: push.token.clone(),
            magic: push.magic.clone(),
            id: Uuid::new_v4(),
            expires_at: now().plus(self.settings.expiration),
        };
        let answer = service.push(&notification).await;
        let answered_at = now();
        let verdict = verdict(answer, push.received_at);
        count(&verdict);
        if let Verdict::RefuseToken(reason) = &verdict {
            let refusal = TokenRefusal {
                reason: reason.as_str().to_owned(),
                at: answered_at,
            };
            if let Err(error) = self.store.refuse_token(&id, &push.token, refusal).await {
                // It will be refused again, and then perhaps be marked.
                tracing::warn!(enrollment = %id, %error, "a refused device token could not be marked");
            }
        }
        conclude(&mut self.state(), &id, &push.topic, verdict, answered_at);
    }

    /// Where to push, if there is reason to; otherwise the slot knows what to do next.
    fn cleared(
        &self,
        id: &EnrollmentId,
        asked: bool,
        target: Option<PushTarget>,
        now: Timestamp,
    ) -> Option<PushInfo> {
        let mut state = self.state();
        let State { slots, topics, .. } = &mut *state;
        let target = target.filter(|target| target.state == EnrollmentState::Enrolled);
        let Some(PushTarget {
            push: Some(push),
            work,
            ..
        }) = target
        else {
            // Its first TokenUpdate brings it back.
            slots.abandon(id, &PushOutcome::Unreachable);
            return None;
        };
        match work {
            _ if asked => {}
            Work::Due => {}
            Work::Later(at) => {
                slots.postpone(id, Some(at), now);
                return None;
            }
            Work::Nothing => {
                slots.postpone(id, None, now);
                return None;
            }
        }
        if let Some(refusal) = &push.refused
            && !asked
            && !topics.outdated(&push.topic, refusal)
        {
            let why = format!(
                "APNs has refused the device's token: {}; a new one comes with its next TokenUpdate",
                refusal.reason
            );
            slots.abandon(id, &PushOutcome::Failed(why));
            return None;
        }
        if let Err(why) = topics.admit(&push.topic) {
            slots.hold(id, &push.topic, &why);
            return None;
        }
        Some(push)
    }
}

fn conclude(state: &mut State, id: &EnrollmentId, topic: &Topic, verdict: Verdict, now: Timestamp) {
    let State {
        slots,
        circuit,
        topics,
        notes,
        ..
    } = state;
    let answered = !matches!(verdict, Verdict::Retry(Trouble::Broken | Trouble::Server, ..));
    if answered && circuit.well() {
        tracing::info!("APNs is back");
        slots.hasten(now);
    }
    match verdict {
        Verdict::Accepted(apns_id) => {
            if topics.clear(topic) {
                tracing::info!(%topic, "pushes to this topic go through again");
                slots.release(topic, now);
            }
            slots.accepted(id, &apns_id, now);
            notes.push((id.clone(), now));
        }
        Verdict::Bug(text) => {
            tracing::error!(enrollment = %id, answer = text, "APNs does not understand our pushes");
            slots.abandon(id, &PushOutcome::Failed(format!("APNs: {text}")));
        }
        Verdict::HoldTopic(why) => {
            if topics.hold(topic, &why, now) {
                tracing::error!(
                    %topic, reason = why,
                    "pushes to this topic are held back; see `russet push-cert show` and `russet doctor`"
                );
            }
            slots.hold(id, topic, &why);
        }
        Verdict::RefuseToken(reason) => {
            tracing::warn!(
                enrollment = %id, reason = reason.as_str(),
                "APNs refuses the device's push token; nothing is pushed to it until its next TokenUpdate"
            );
            let why = format!("APNs refuses the device's token: {}", reason.as_str());
            slots.abandon(id, &PushOutcome::Failed(why));
        }
        Verdict::Retry(trouble, after, why) => {
            if trouble != Trouble::Throttled && circuit.unwell(after, now) {
                tracing::warn!(
                    reason = why,
                    "APNs is down; single pushes find out when it is back"
                );
            }
            slots.failed(id, trouble, after, &why, now);
        }
    }
}

fn count(verdict: &Verdict) {
    let result = match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Bug(_) => "bug",
        Verdict::HoldTopic(_) => "topic_held",
        Verdict::RefuseToken(_) => "token_refused",
        Verdict::Retry(..) => "retry",
    };
    metrics::counter!("russet_pushes_total", "result" => result).increment(1);
}

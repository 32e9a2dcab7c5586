//! One push: from its departure to what its answer means.

use uuid::Uuid;

use super::{
    PushNews, Pushes, State,
    outcome::PushOutcome,
    rhythm::Trouble,
    run::Now,
    slots::Departure,
    topics::Edition,
    verdict::{Verdict, verdict},
};
use crate::{
    apple::{Notification, PushAnswer, PushFailure, PushService},
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
    storage::{EnrollmentState, PushInfo, PushTarget, TokenRefusal, Work},
};

/// A push that may leave.
struct Cleared {
    push: PushInfo,
    /// The certificate that it leaves under.
    edition: Edition,
}

/// What came of a push that APNs was asked about.
struct Landing<'a> {
    id: &'a EnrollmentId,
    topic: &'a Topic,
    edition: Edition,
    verdict: Verdict,
    /// Whether APNs has said anything at all.
    answered: bool,
    at: Timestamp,
}

impl Pushes {
    /// Sends one push, and draws the conclusions.
    pub(super) async fn fly(&self, service: &dyn PushService, departure: Departure, clock: &Now) {
        let id = departure.id;
        let target = match self.store.push_target(&id, clock()).await {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(enrollment = %id, %error, "a push has to wait for the store");
                let (mut state, now) = (self.state(), clock());
                state.circuit.unused(now);
                let why = "the store can't be read";
                return state.slots.failed(&id, Trouble::Server, None, why, now);
            }
        };
        let Some(Cleared { push, edition }) = self.cleared(&id, departure.asked, target, clock()) else {
            return;
        };
        let notification = Notification {
            topic: push.topic.clone(),
            token: push.token.clone(),
            magic: push.magic.clone(),
            id: Uuid::new_v4(),
            expires_at: clock().plus(self.settings.expiration),
        };
        let answer = service.push(&notification).await;
        let answered = answer.is_ok();
        count_answer(&answer);
        let verdict = verdict(answer, push.received_at);
        count(&verdict);
        if matches!(verdict, Verdict::Accepted(_)) {
            let lag = clock().since(departure.due).as_secs_f64();
            metrics::histogram!("russet_push_lag_seconds").record(lag);
        }
        let verdict = self.marked(&id, &push, edition, verdict, clock()).await;
        let landing = Landing {
            id: &id,
            topic: &push.topic,
            edition,
            verdict,
            answered,
            at: clock(),
        };
        conclude(&mut self.state(), landing);
    }

    /// Where to push, if there is reason to; otherwise the slot knows what to do next.
    fn cleared(
        &self,
        id: &EnrollmentId,
        asked: bool,
        target: Option<PushTarget>,
        now: Timestamp,
    ) -> Option<Cleared> {
        let mut state = self.state();
        let State {
            slots,
            topics,
            circuit,
            ..
        } = &mut *state;
        let target = target.filter(|target| target.state == EnrollmentState::Enrolled);
        let Some(PushTarget {
            push: Some(push),
            work,
            ..
        }) = target
        else {
            circuit.unused(now);
            // Its first TokenUpdate brings it back.
            slots.abandon(id, &PushOutcome::Unreachable, now);
            return None;
        };
        let purpose = match work {
            _ if asked => Ok(()),
            Work::Due => Ok(()),
            Work::Later(at) => Err(Some(at)),
            Work::Nothing => Err(None),
        };
        if let Err(until) = purpose {
            circuit.unused(now);
            slots.postpone(id, until, now);
            return None;
        }
        if let Some(refusal) = &push.refused
            && !asked
            && !topics.outdated(&push.topic, refusal, now)
        {
            circuit.unused(now);
            let why = format!(
                "APNs has refused the device's token: {}; a new one comes with its next TokenUpdate",
                refusal.reason
            );
            slots.abandon(id, &PushOutcome::Failed(why), now);
            return None;
        }
        match topics.admit(&push.topic) {
            Ok(edition) => Some(Cleared { push, edition }),
            Err(why) => {
                circuit.unused(now);
                slots.hold(id, &push.topic, &why);
                None
            }
        }
    }

    /// Writes down what the verdict says of the token. A verdict on what is not in use any more is none: the push
    /// leaves again, to the new token or under the new certificate.
    async fn marked(
        &self,
        id: &EnrollmentId,
        push: &PushInfo,
        edition: Edition,
        verdict: Verdict,
        now: Timestamp,
    ) -> Verdict {
        let of_the_token = matches!(&verdict, Verdict::RefuseToken(reason) if reason.is_of_the_token());
        let replaced = self.state().topics.edition(&push.topic) != edition;
        if replaced && !of_the_token && matches!(verdict, Verdict::HoldTopic(_) | Verdict::RefuseToken(_)) {
            return Verdict::Again;
        }
        let refusal = match &verdict {
            Verdict::Accepted(_) if push.refused.is_some() => None,
            Verdict::RefuseToken(reason) => Some(TokenRefusal {
                reason: reason.as_str().to_owned(),
                at: now,
            }),
            _ => return verdict,
        };
        let refused = refusal.is_some();
        match self.store.mark_token(id, &push.token, refusal).await {
            Ok(false) if refused => Verdict::Again,
            Ok(_) => verdict,
            Err(error) => {
                // It will be refused again, and then perhaps be marked.
                tracing::warn!(enrollment = %id, %error, "what APNs says of a device token could not be written down");
                verdict
            }
        }
    }
}

fn conclude(state: &mut State, landing: Landing<'_>) {
    let Landing {
        id,
        topic,
        edition,
        verdict,
        answered,
        at: now,
    } = landing;
    let State {
        slots,
        circuit,
        topics,
        notes,
        news,
        ..
    } = state;
    let trouble = match &verdict {
        Verdict::Retry(trouble, after, _) => Some((*trouble, *after)),
        _ => None,
    };
    let unwell = matches!(trouble, Some((Trouble::Server, _)));
    if answered && !unwell && circuit.well() {
        tracing::info!("APNs is back");
        slots.hasten(now);
    }
    // Whatever it says of the token: certificate and topic were good enough to say it.
    let took_certificate = answered && !unwell && !matches!(verdict, Verdict::HoldTopic(_) | Verdict::Bug(_));
    if took_certificate && topics.edition(topic) == edition && topics.clear(topic) {
        tracing::info!(%topic, "pushes to this topic go through again");
        news.add(PushNews::TopicReleased(topic.clone()));
        slots.release(topic, now);
    }
    match verdict {
        Verdict::Accepted(apns_id) => {
            topics.took_token(topic);
            slots.accepted(id, &apns_id, now);
            notes.push((id.clone(), now));
        }
        Verdict::Again => slots.again(id, now),
        Verdict::Bug(text) => {
            tracing::error!(enrollment = %id, answer = text, "APNs does not understand our pushes");
            slots.give_up(id, &format!("APNs: {text}"), now);
        }
        Verdict::HoldTopic(why) => {
            if topics.hold(topic, &why, now) {
                news.add(PushNews::TopicHeld(topic.clone(), why.clone()));
                tracing::error!(
                    %topic, reason = why,
                    "pushes to this topic are held back; see `russet push-cert show` and `russet doctor`"
                );
            }
            slots.hold(id, topic, &why);
        }
        Verdict::RefuseToken(reason) => {
            news.add(PushNews::TokenRefused(id.clone(), reason.as_str().to_owned()));
            if topics.refused_token(topic, &reason, now) {
                tracing::error!(
                    %topic, reason = reason.as_str(),
                    "APNs refuses one device token after another: the certificate or the endpoint is not the devices'"
                );
            }
            tracing::warn!(
                enrollment = %id, reason = reason.as_str(),
                "APNs refuses the device's push token; nothing is pushed to it until its next TokenUpdate"
            );
            let why = format!("APNs refuses the device's token: {}", reason.as_str());
            slots.abandon(id, &PushOutcome::Failed(why), now);
        }
        Verdict::Retry(trouble, after, why) => {
            // A connection that ends says nothing of APNs; that there is none to be had does.
            if trouble == Trouble::Server && circuit.unwell(after, now) {
                tracing::warn!(
                    reason = why,
                    "APNs is down; single pushes find out when it is back"
                );
            }
            slots.failed(id, trouble, after, &why, now);
        }
    }
}

fn count_answer(answer: &Result<PushAnswer, PushFailure>) {
    let code = match answer {
        Ok(PushAnswer::Accepted { .. }) => "200".to_owned(),
        Ok(PushAnswer::Refused(refusal)) => refusal.status.to_string(),
        Err(_) => "none".to_owned(),
    };
    metrics::counter!("russet_push_total", "code" => code).increment(1);
}

fn count(verdict: &Verdict) {
    let result = match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Again => "again",
        Verdict::Bug(_) => "bug",
        Verdict::HoldTopic(_) => "topic_held",
        Verdict::RefuseToken(_) => "token_refused",
        Verdict::Retry(..) => "retry",
    };
    metrics::counter!("russet_pushes_total", "result" => result).increment(1);
}

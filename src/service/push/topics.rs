//! Which topics can't be pushed to at present, and why.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::rhythm::TOPIC_PROBE;
use crate::{
    apple::PushReason,
    protocol::{ids::Topic, time::Timestamp},
    storage::TokenRefusal,
};

/// A topic that nothing goes through for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TopicAlarm {
    /// Which.
    pub topic: Topic,
    /// What APNs, or TLS, said.
    pub reason: String,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// Which certificate of a topic: when it was stored.
pub(super) type Edition = Option<Timestamp>;

/// So many refused tokens in a row are the certificate's fault, or the endpoint's.
const SUSPICIOUS: u32 = 10;

/// For so long a refusal is believed that may be our fault.
const REFUSAL_HOLDS: Duration = Duration::from_secs(24 * 3600);

/// The topics that were pushed to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    held: BTreeMap<Topic, Held>,
    /// When the certificate of each topic was stored.
    stored_at: BTreeMap<Topic, Timestamp>,
    /// Tokens that were refused, with none taken in between.
    refusals: BTreeMap<Topic, Refusals>,
}

#[derive(Debug)]
struct Refusals {
    count: u32,
    reason: PushReason,
    since: Timestamp,
}

#[derive(Debug)]
struct Held {
    reason: String,
    since: Timestamp,
    probe_at: Timestamp,
    /// One push may pass.
    probing: bool,
}

impl Topics {
    /// Whether a push may go out for this topic, and under which certificate; why not, otherwise. A probe passes once.
    pub(super) fn admit(&mut self, topic: &Topic) -> Result<Edition, String> {
        match self.held.get_mut(topic) {
            Some(held) if !held.probing => Err(held.reason.clone()),
            Some(held) => {
                held.probing = false;
                Ok(self.edition(topic))
            }
            None => Ok(self.edition(topic)),
        }
    }

    /// The certificate that is in use.
    pub(super) fn edition(&self, topic: &Topic) -> Edition {
        self.stored_at.get(topic).copied()
    }

    /// A token was refused. `true` when it is time to suspect ourselves.
    pub(super) fn refused_token(&mut self, topic: &Topic, reason: &PushReason, now: Timestamp) -> bool {
        if reason.is_of_the_token() {
            return false;
        }
        let refusals = self.refusals.entry(topic.clone()).or_insert_with(|| Refusals {
            count: 0,
            reason: reason.clone(),
            since: now,
        });
        refusals.count = refusals.count.saturating_add(1);
        refusals.reason = reason.clone();
        refusals.count == SUSPICIOUS
    }

    /// A token was taken.
    pub(super) fn took_token(&mut self, topic: &Topic) {
        self.refusals.remove(topic);
    }

    /// Nothing goes through. `true` if that is news.
    pub(super) fn hold(&mut self, topic: &Topic, reason: &str, now: Timestamp) -> bool {
        let fresh = Held {
            reason: reason.to_owned(),
            since: now,
            probe_at: now.plus(TOPIC_PROBE),
            probing: false,
        };
        match self.held.get_mut(topic) {
            Some(held) => {
                held.reason = fresh.reason;
                held.probe_at = fresh.probe_at;
                false
            }
            None => {
                self.held.insert(topic.clone(), fresh);
                true
            }
        }
    }

    /// Something went through. `true` if that is news.
    pub(super) fn clear(&mut self, topic: &Topic) -> bool {
        self.held.remove(topic).is_some()
    }

    /// The topics that are to be tried again now.
    pub(super) fn probes(&mut self, now: Timestamp) -> Vec<Topic> {
        let mut due = Vec::new();
        for (topic, held) in &mut self.held {
            if held.probe_at <= now {
                held.probe_at = now.plus(TOPIC_PROBE);
                held.probing = true;
                due.push(topic.clone());
            }
        }
        due
    }

    /// The certificate of a topic was stored then. `true` if it is another one than before.
    pub(super) fn presented(&mut self, topic: &Topic, stored_at: Timestamp) -> bool {
        let replaced = self.stored_at.insert(topic.clone(), stored_at) != Some(stored_at);
        if replaced {
            self.refusals.remove(topic);
        }
        replaced
    }

    /// Whether a token that APNs has refused may be tried again: only a 410 speaks of the token itself, anything else
    /// of how it and our certificate go together.
    pub(super) fn outdated(&self, topic: &Topic, refusal: &TokenRefusal, now: Timestamp) -> bool {
        let replaced = self.edition(topic).is_some_and(|stored| refusal.at < stored);
        !PushReason::of(&refusal.reason).is_of_the_token()
            && (replaced || now.since(refusal.at) >= REFUSAL_HOLDS)
    }

    /// All that are held.
    pub(super) fn alarms(&self) -> Vec<TopicAlarm> {
        let alarm = |(topic, held): (&Topic, &Held)| TopicAlarm {
            topic: topic.clone(),
            reason: held.reason.clone(),
            since: held.since,
        };
        let suspicion = |(topic, refusals): (&Topic, &Refusals)| TopicAlarm {
            topic: topic.clone(),
            reason: format!(
                "APNs refuses one device token after another ({}): the certificate or the endpoint is not the devices'",
                refusals.reason
            ),
            since: refusals.since,
        };
        let suspicious = self
            .refusals
            .iter()
            .filter(|(_, refusals)| refusals.count >= SUSPICIOUS);
        self.held
            .iter()
            .map(alarm)
            .chain(suspicious.map(suspicion))
            .collect()
    }

    /// The clock went back by `by`.
    pub(super) fn shift(&mut self, by: Duration) {
        for held in self.held.values_mut() {
            held.probe_at = held.probe_at.minus(by);
        }
    }
}

pub(super) fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_held_topic_lets_one_push_through_every_quarter_of_an_hour() {
        let mut topics = Topics::default();
        let (one, other) = (Topic::new("one"), Topic::new("other"));
        assert!(topics.hold(&one, "403 BadCertificate", at(0)));
        assert!(!topics.hold(&one, "403 BadCertificate", at(1)));
        assert_eq!(topics.admit(&other), Ok(None));
        assert!(topics.admit(&one).is_err());
        assert!(topics.probes(at(900)).is_empty());
        assert_eq!(topics.probes(at(901)), std::slice::from_ref(&one));
        assert_eq!(topics.admit(&one), Ok(None));
        assert!(topics.admit(&one).is_err());
        assert!(topics.clear(&one) && !topics.clear(&one));
        assert_eq!(topics.admit(&one), Ok(None));
    }

    #[test]
    fn a_new_certificate_gives_tokens_another_chance_unless_they_are_dead() {
        let mut topics = Topics::default();
        let topic = Topic::new("t");
        let refusal = |reason: &str| TokenRefusal {
            reason: reason.into(),
            at: at(5),
        };
        assert!(topics.presented(&topic, at(1)) && !topics.presented(&topic, at(1)));
        assert!(!topics.outdated(&topic, &refusal("BadDeviceToken"), at(9)));
        assert!(topics.presented(&topic, at(9)));
        assert!(topics.outdated(&topic, &refusal("BadDeviceToken"), at(9)));
        assert!(topics.outdated(&topic, &refusal("DeviceTokenNotForTopic"), at(9)));
        assert!(!topics.outdated(&topic, &refusal("Unregistered"), at(999_999)));
        let other = Topic::new("other");
        assert!(!topics.outdated(&other, &refusal("BadDeviceToken"), at(86_404)));
        assert!(topics.outdated(&other, &refusal("BadDeviceToken"), at(86_405)));
    }

    #[test]
    fn many_refused_tokens_in_a_row_raise_an_alarm_until_one_is_taken() {
        let mut topics = Topics::default();
        let topic = Topic::new("t");
        let raised: Vec<_> = (0..12)
            .map(|second| topics.refused_token(&topic, &PushReason::BadDeviceToken, at(second)))
            .collect();
        assert_eq!(raised.iter().filter(|raised| **raised).count(), 1);
        assert_eq!(topics.alarms().len(), 1);
        topics.took_token(&topic);
        assert!(topics.alarms().is_empty());
        assert!(!topics.refused_token(&topic, &PushReason::Unregistered, at(0)));
    }
}

//! Which topics can't be pushed to at present, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rhythm::TOPIC_PROBE;
use crate::{
    protocol::{ids::Topic, time::Timestamp},
    storage::TokenRefusal,
};

/// A topic that nothing goes through for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicAlarm {
    /// Which.
    pub topic: Topic,
    /// What APNs, or TLS, said.
    pub reason: String,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
}

/// The topics that were pushed to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    held: BTreeMap<Topic, Held>,
    /// When the certificate of each topic was stored.
    stored_at: BTreeMap<Topic, Timestamp>,
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
    /// Whether a push may go out for this topic; why not, otherwise. A probe passes once.
    pub(super) fn admit(&mut self, topic: &Topic) -> Result<(), String> {
        let Some(held) = self.held.get_mut(topic) else {
            return Ok(());
        };
        match std::mem::take(&mut held.probing) {
            true => Ok(()),
            false => Err(held.reason.clone()),
        }
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
        self.stored_at.insert(topic.clone(), stored_at) != Some(stored_at)
    }

    /// Whether a token that APNs has refused may be tried again: only a 410 speaks of the token itself, anything else
    /// of how it and our certificate go together.
    pub(super) fn outdated(&self, topic: &Topic, refusal: &TokenRefusal) -> bool {
        let of_the_token = matches!(refusal.reason.as_str(), "ExpiredToken" | "Unregistered");
        !of_the_token
            && self
                .stored_at
                .get(topic)
                .is_some_and(|stored| refusal.at < *stored)
    }

    /// All that are held.
    pub(super) fn alarms(&self) -> Vec<TopicAlarm> {
        let alarm = |(topic, held): (&Topic, &Held)| TopicAlarm {
            topic: topic.clone(),
            reason: held.reason.clone(),
            since: held.since,
        };
        self.held.iter().map(alarm).collect()
    }

    /// The clock went back by `by`.
    pub(super) fn shift(&mut self, by: std::time::Duration) {
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
        assert_eq!(topics.admit(&other), Ok(()));
        assert!(topics.admit(&one).is_err());
        assert!(topics.probes(at(900)).is_empty());
        assert_eq!(topics.probes(at(901)), std::slice::from_ref(&one));
        assert_eq!(topics.admit(&one), Ok(()));
        assert!(topics.admit(&one).is_err());
        assert!(topics.clear(&one) && !topics.clear(&one));
        assert_eq!(topics.admit(&one), Ok(()));
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
        assert!(!topics.outdated(&topic, &refusal("BadDeviceToken")));
        assert!(topics.presented(&topic, at(9)));
        assert!(topics.outdated(&topic, &refusal("BadDeviceToken")));
        assert!(topics.outdated(&topic, &refusal("DeviceTokenNotForTopic")));
        assert!(!topics.outdated(&topic, &refusal("Unregistered")));
    }
}

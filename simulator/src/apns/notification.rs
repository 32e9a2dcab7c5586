//! A push as it comes, and what APNs checks of it (Apple: *Sending notification requests to APNs*).

use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, body::Bytes};
use serde::Deserialize;
use uuid::Uuid;

use super::peer::Peer;
use super::reason::Reason;
use crate::{encode, random};

/// The path before the token.
const PATH: &str = "/3/device";
/// The largest body.
pub(super) const MAX_PAYLOAD: usize = 4096;
/// Tokens have 32 bytes today and may have up to 100.
const MAX_TOKEN: usize = 100;
const MAX_COLLAPSE_ID: usize = 64;
const MAX_TOPIC: usize = 255;
/// Topics for device management begin so; they need `apns-push-type: mdm`.
const MDM_TOPIC: &str = "com.apple.mgmt";
const HEADERS: [&str; 6] = [
    "apns-collapse-id",
    "apns-expiration",
    "apns-id",
    "apns-priority",
    "apns-push-type",
    "apns-topic",
];

/// The words of a request, right or wrong.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub(super) method: Method,
    pub(super) path: String,
    /// `apns-id`, or one made for it.
    pub(super) id: String,
    pub(super) topic: Option<String>,
    pub(super) push_type: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) expiration: Option<String>,
    collapse_id: Option<String>,
    duplicate: bool,
}

/// A push that is as it should be.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) token: Vec<u8>,
    pub(super) topic: String,
    /// `apns-expiration`; 0 if absent, since APNs then tries once only.
    pub(super) expiration: u64,
    /// The value of `mdm`; `None` when the body is not exactly that.
    pub(super) magic: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    mdm: String,
}

impl Notification {
    pub(super) fn read(head: &Parts) -> Self {
        let text = |name| Some(head.headers.get(name)?.to_str().unwrap_or("?").to_owned());
        let id = text("apns-id");
        Self {
            method: head.method.clone(),
            path: head.uri.path().into(),
            id: id.unwrap_or_else(random::uuid),
            topic: text("apns-topic"),
            push_type: text("apns-push-type"),
            priority: text("apns-priority"),
            expiration: text("apns-expiration"),
            collapse_id: text("apns-collapse-id"),
            duplicate: has_duplicates(&head.headers),
        }
    }

    /// The part of the path where the token should be.
    pub(super) fn token(&self) -> &str {
        let rest = self.path.strip_prefix(PATH).unwrap_or_default();
        rest.strip_prefix('/').unwrap_or_default()
    }

    /// Checks everything, in the order in which a request is read: line, headers, certificate, body.
    pub(super) fn check(&self, body: &Body, peer: &Peer, now_ms: u64) -> Result<Push, Reason> {
        if self.method != Method::POST {
            return Err(Reason::MethodNotAllowed);
        }
        let token = self.check_path()?;
        if self.duplicate {
            return Err(Reason::DuplicateHeaders);
        }
        if !is_uuid(&self.id) {
            return Err(Reason::BadMessageId);
        }
        if let Some(priority) = &self.priority
            && !["1", "5", "10"].contains(&priority.as_str())
        {
            return Err(Reason::BadPriority);
        }
        let expiration = match &self.expiration {
            None => 0,
            Some(text) => seconds(text).ok_or(Reason::BadExpirationDate)?,
        };
        if self
            .collapse_id
            .as_ref()
            .is_some_and(|id| id.len() > MAX_COLLAPSE_ID)
        {
            return Err(Reason::BadCollapseId);
        }
        if peer.not_after < (now_ms / 1000) as i64 {
            return Err(Reason::BadCertificate);
        }
        let topic = self.check_topic(peer)?;
        let magic = match body {
            Body::Whole(bytes) if bytes.is_empty() => return Err(Reason::PayloadEmpty),
            Body::Whole(bytes) => serde_json::from_slice::<Payload>(bytes)
                .ok()
                .map(|payload| payload.mdm),
            Body::TooLarge => return Err(Reason::PayloadTooLarge),
        };
        Ok(Push {
            token,
            topic,
            expiration,
            magic,
        })
    }

    fn check_path(&self) -> Result<Vec<u8>, Reason> {
        let rest = self.path.strip_prefix(PATH).ok_or(Reason::BadPath)?;
        let token = match rest.strip_prefix('/') {
            Some(token) if token.contains('/') => return Err(Reason::BadPath),
            Some("") => return Err(Reason::MissingDeviceToken),
            Some(token) => token,
            None if rest.is_empty() => return Err(Reason::MissingDeviceToken),
            None => return Err(Reason::BadPath),
        };
        encode::from_hex(token)
            .filter(|token| token.len() <= MAX_TOKEN)
            .ok_or(Reason::BadDeviceToken)
    }

    fn check_topic(&self, peer: &Peer) -> Result<String, Reason> {
        let topic = self.topic.as_ref().ok_or(Reason::MissingTopic)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if topic.is_empty() || topic.len() > MAX_TOPIC || !topic.chars().all(legal) {
            return Err(Reason::BadTopic);
        }
        if peer.topic.as_ref() != Some(topic) {
            return Err(Reason::TopicDisallowed);
        }
        if topic.starts_with(MDM_TOPIC) && self.push_type.as_deref() != Some("mdm") {
            return Err(Reason::InvalidPushType);
        }
        Ok(topic.clone())
    }
}

/// The body, as far as it was read.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Whole(Bytes),
    TooLarge,
}

fn has_duplicates(headers: &HeaderMap) -> bool {
    HEADERS
        .iter()
        .any(|name| headers.get_all(*name).iter().nth(1).is_some())
}

/// The canonical form, in either case.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// A count of seconds; no sign, no fraction, and not milliseconds.
fn seconds(text: &str) -> Option<u64> {
    // 9999-12-31: what is later was meant as milliseconds.
    const LAST: u64 = 253_402_300_799;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| text.parse().ok()).flatten()?;
    (seconds <= LAST).then_some(seconds)
}

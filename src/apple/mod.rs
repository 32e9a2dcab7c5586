//! Clients of Apple's services, and what the rules know of them: traits and plain types, no HTTP.
//!
//! [`PushService`] is push (Apple, "Sending notification requests to APNs"); [`apns`] is the real one.
//! [`dep`] is device assignment.

pub mod apns;
pub mod dep;
mod reason;
mod roots;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;
use zeroize::Zeroize as _;

pub use reason::PushReason;
pub use roots::BadCaFile;

use crate::protocol::{ids::Topic, time::Timestamp};

/// Something that wakes devices.
#[async_trait]
pub trait PushService: Send + Sync + fmt::Debug {
    /// Uses this certificate for its topic from now on. If another was in use, requests in flight under it finish,
    /// and everything later goes out under the new one. Presenting the one in use again changes nothing.
    ///
    /// The only failure is [`PushFailure::IdentityRejected`]: the certificate or its key can't be used at all, and
    /// what was in use before stays.
    fn present(&self, identity: PushIdentity) -> Result<(), PushFailure>;

    /// Forgets the topic's certificate. Requests in flight finish.
    fn withdraw(&self, topic: &Topic);

    /// Sends one notification and waits for the answer.
    ///
    /// Waits without limit for its turn when more is in flight than the peer takes; the time for the answer runs
    /// from when the request is sent. May be dropped at any point. A request that the peer provably did not process
    /// is sent again before anything is reported.
    async fn push(&self, notification: &Notification) -> Result<PushAnswer, PushFailure>;
}

/// A push certificate with its key. The key shows in no `Debug` and is wiped when dropped.
pub struct PushIdentity {
    /// The topic that the certificate is for.
    pub topic: Topic,
    /// The certificate and its intermediates, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS #8. Secret.
    pub key_pkcs8: Vec<u8>,
}

impl Drop for PushIdentity {
    fn drop(&mut self) {
        self.key_pkcs8.zeroize();
    }
}

impl fmt::Debug for PushIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushIdentity")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// What wakes one enrollment. Token and magic show in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The topic of the enrollment.
    pub topic: Topic,
    /// The device token, as it came in `TokenUpdate`. Secret.
    pub token: Vec<u8>,
    /// The `PushMagic`, as it came in `TokenUpdate`. Secret.
    pub magic: String,
    /// Names this notification towards APNs.
    pub id: Uuid,
    /// Until when APNs keeps it for a device that is not reachable.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("topic", &self.topic)
            .field("id", &self.id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What APNs said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAnswer {
    /// It took the notification, which does not mean that the device got it.
    Accepted {
        /// The notification's id as APNs has it.
        id: String,
    },
    /// It did not.
    Refused(PushRefusal),
}

/// Why APNs did not take a notification. The status decides; the reason explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRefusal {
    /// The HTTP status.
    pub status: u16,
    /// The reason.
    pub reason: PushReason,
    /// With 410, since when the token is known to be dead.
    pub timestamp: Option<Timestamp>,
    /// How long APNs wants to be left alone. As it was said: it may be of any length.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

/// Why there is no answer. The texts are for operators, and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushFailure {
    /// There is no push certificate for the topic.
    #[error("there is no push certificate for this topic")]
    NoIdentity,
    /// APNs does not take our certificate, or it can't be used.
    #[error("the push certificate is not accepted: {0}")]
    IdentityRejected(String),
    /// We do not take theirs.
    #[error("the certificate of APNs is not trusted: {0}")]
    ServerUntrusted(String),
    /// There is no connection to be had. Nothing was sent.
    #[error("APNs can't be reached: {0}")]
    Unreachable(String),
    /// It was sent, and no answer came in time. It may have been processed.
    #[error("APNs did not answer in time")]
    TimedOut,
    /// It was sent, and the connection or the stream ended before the answer. It may have been processed.
    #[error("the connection to APNs ended before the answer: {0}")]
    Interrupted(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let identity = PushIdentity {
            topic: Topic::new("com.apple.mgmt.t"),
            chain: Vec::new(),
            key_pkcs8: b"\x2a\x2a\x2a\x2a".to_vec(),
        };
        let notification = Notification {
            topic: Topic::new("com.apple.mgmt.t"),
            token: b"\x2a\x2a\x2a\x2a".to_vec(),
            magic: "abracadabra".into(),
            id: Uuid::nil(),
            expires_at: Timestamp::from_seconds(0),
        };
        let shown = format!("{identity:?} {notification:?}");
        assert!(shown.contains("com.apple.mgmt.t"), "{shown}");
        for secret in ["abracadabra", "42, 42", "2a2a", "****"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

//! Waking enrollments.

use serde::Serialize;

/// What became of one push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PushOutcome {
    /// Nothing was sent, because no push service is configured. What is queued waits for the device's next contact.
    NotConfigured,
}

impl PushOutcome {
    /// Text for an operator.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotConfigured => {
                "not sent: no push service is configured; the device takes its commands when it next connects"
            }
        }
    }
}

/// The push service: none yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pushes;

impl Pushes {
    /// Wakes one enrollment.
    pub fn push(&self) -> PushOutcome {
        PushOutcome::NotConfigured
    }
}

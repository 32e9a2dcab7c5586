//! When a request is made again, in one place: failures of the connection, 5xx and 429, a few times within bounds. What
//! would take longer is for whoever asked to wait for.

use std::time::Duration;

use super::{DepFailure, wire::Unanswered};

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// How often a request is made at most.
    pub attempts: u32,
    /// Before the second; each later wait is twice as long, unless Apple says how long.
    pub first_wait: Duration,
    /// For all waits together. A `Retry-After` that is longer is not waited for.
    pub waits: Duration,
    /// For everything together.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_secs(1),
            waits: Duration::from_secs(30),
            total: Duration::from_secs(240),
        }
    }
}

/// The waits of one question.
#[derive(Debug)]
pub(super) struct Waits<'a> {
    policy: &'a RetryPolicy,
    /// Whether doing twice what was meant to be done once is harmless.
    repeatable: bool,
    /// How many attempts have failed.
    failed: u32,
    waited: Duration,
}

impl RetryPolicy {
    /// Begins a question.
    pub(super) fn begin(&self, repeatable: bool) -> Waits<'_> {
        Waits {
            policy: self,
            repeatable,
            failed: 0,
            waited: Duration::ZERO,
        }
    }
}

impl Waits<'_> {
    /// How long to wait after an attempt that failed; `None`: there is no other.
    pub(super) fn after(&mut self, failed: &Unanswered) -> Option<Duration> {
        let said = match &failed.failure {
            DepFailure::TooManyRequests(said) => *said,
            DepFailure::Unavailable(_, said) if self.repeatable || !failed.sent => *said,
            _ => return None,
        };
        let doubled = self.policy.first_wait.saturating_mul(1 << self.failed.min(16));
        let wait = said.unwrap_or(doubled);
        self.failed += 1;
        self.waited = self.waited.saturating_add(wait);
        (self.failed < self.policy.attempts && self.waited <= self.policy.waits).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(sent: bool) -> Unanswered {
        Unanswered {
            failure: DepFailure::Unavailable("HTTP 503".into(), None),
            sent,
        }
    }

    fn limited(seconds: u64) -> Unanswered {
        Unanswered {
            failure: DepFailure::TooManyRequests(Some(Duration::from_secs(seconds))),
            sent: true,
        }
    }

    #[test]
    fn f16_attempts_and_waits_are_bounded() {
        let policy = RetryPolicy::default();
        let mut waits = policy.begin(true);
        let seconds: Vec<_> = std::iter::from_fn(|| waits.after(&unavailable(true)))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4]);
        let mut waits = policy.begin(true);
        assert_eq!(waits.after(&limited(20)), Some(Duration::from_secs(20)));
        assert_eq!(waits.after(&limited(20)), None);
        assert_eq!(policy.begin(true).after(&limited(600)), None);
    }

    #[test]
    fn f16_what_may_have_been_done_is_not_done_twice() {
        let policy = RetryPolicy::default();
        assert!(policy.begin(false).after(&unavailable(true)).is_none());
        assert!(policy.begin(false).after(&unavailable(false)).is_some());
        assert!(policy.begin(false).after(&limited(1)).is_some());
        let refused = Unanswered {
            failure: DepFailure::AccessDenied,
            sent: true,
        };
        assert!(policy.begin(true).after(&refused).is_none());
    }
}

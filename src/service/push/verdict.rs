//! What an answer of APNs, or none, means for the enrollment, for its topic and for APNs as a whole.
//!
//! Apple: "Handling notification responses from APNs". Only a 410 says that a token is dead. `BadDeviceToken` says so
//! too often of every token at once, when the certificate or the environment is wrong; it stops pushes to the token,
//! and never ends an enrollment.

use std::time::Duration;

use super::rhythm::Trouble;
use crate::{
    apple::{PushAnswer, PushFailure, PushReason, PushRefusal},
    protocol::time::Timestamp,
};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// APNs took it.
    Accepted(String),
    /// It was about a token or a certificate that has been replaced since.
    Again,
    /// Our request is wrong; repeating it will not help.
    Bug(String),
    /// Nothing goes through for this topic until its certificate changes.
    HoldTopic(String),
    /// The same push may go through later.
    Retry(Trouble, Option<Duration>, String),
    /// Nothing goes to this token any more.
    RefuseToken(PushReason),
}

/// What the answer means for a token that came at `received_at`.
pub(super) fn verdict(answer: Result<PushAnswer, PushFailure>, received_at: Option<Timestamp>) -> Verdict {
    match answer {
        Ok(PushAnswer::Accepted { id }) => Verdict::Accepted(id),
        Ok(PushAnswer::Refused(refusal)) => refused(refusal, received_at),
        Err(failure) => failed(&failure),
    }
}

fn refused(refusal: PushRefusal, received_at: Option<Timestamp>) -> Verdict {
    let text = refusal.to_string();
    match (refusal.status, &refusal.reason) {
        (400, PushReason::IdleTimeout) => Verdict::Retry(Trouble::Broken, None, text),
        (400, PushReason::BadDeviceToken | PushReason::DeviceTokenNotForTopic) => {
            Verdict::RefuseToken(refusal.reason)
        }
        (400, PushReason::BadTopic | PushReason::MissingTopic | PushReason::TopicDisallowed) => {
            Verdict::HoldTopic(text)
        }
        (403, _) => Verdict::HoldTopic(text),
        // Dead since before we got this token: that was the former one.
        (410, _) => match (refusal.timestamp, received_at) {
            (Some(dead), Some(received)) if dead <= received => {
                Verdict::Retry(Trouble::Throttled, refusal.retry_after, text)
            }
            _ => Verdict::RefuseToken(refusal.reason),
        },
        (429, _) => Verdict::Retry(Trouble::Throttled, refusal.retry_after, text),
        (500.., _) => Verdict::Retry(Trouble::Server, refusal.retry_after, text),
        _ => Verdict::Bug(text),
    }
}

fn failed(failure: &PushFailure) -> Verdict {
    let text = failure.to_string();
    match failure {
        PushFailure::IdentityRejected(_) | PushFailure::NoIdentity => Verdict::HoldTopic(text),
        PushFailure::Interrupted(_) => Verdict::Retry(Trouble::Broken, None, text),
        PushFailure::ServerUntrusted(_) | PushFailure::TimedOut | PushFailure::Unreachable(_) => {
            Verdict::Retry(Trouble::Server, None, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, reason: PushReason) -> PushRefusal {
        PushRefusal {
            status,
            reason,
            timestamp: None,
            retry_after: None,
        }
    }

    fn of(status: u16, reason: PushReason) -> Verdict {
        verdict(Ok(PushAnswer::Refused(refusal(status, reason))), None)
    }

    #[test]
    fn every_reason_of_apples_has_its_class() {
        use PushReason as R;
        for reason in [R::BadDeviceToken, R::DeviceTokenNotForTopic] {
            assert_eq!(of(400, reason.clone()), Verdict::RefuseToken(reason));
        }
        for reason in [R::BadTopic, R::MissingTopic, R::TopicDisallowed] {
            assert!(matches!(of(400, reason), Verdict::HoldTopic(_)));
        }
        for reason in [
            R::BadCertificate,
            R::BadCertificateEnvironment,
            R::Forbidden,
            R::MissingProviderToken,
        ] {
            assert!(matches!(of(403, reason), Verdict::HoldTopic(_)));
        }
        for (status, reason) in [
            (400, R::BadCollapseId),
            (400, R::BadExpirationDate),
            (400, R::BadPriority),
            (400, R::InvalidPushType),
            (400, R::PayloadEmpty),
            (404, R::BadPath),
            (405, R::MethodNotAllowed),
            (413, R::PayloadTooLarge),
        ] {
            assert!(matches!(of(status, reason), Verdict::Bug(_)), "{status}");
        }
        for (status, reason) in [
            (500, R::InternalServerError),
            (503, R::ServiceUnavailable),
            (503, R::Shutdown),
            (502, R::Other("none".into())),
        ] {
            assert!(matches!(
                of(status, reason),
                Verdict::Retry(Trouble::Server, None, _)
            ));
        }
        assert!(matches!(
            of(429, R::TooManyRequests),
            Verdict::Retry(Trouble::Throttled, None, _)
        ));
        assert!(matches!(
            of(400, R::IdleTimeout),
            Verdict::Retry(Trouble::Broken, None, _)
        ));
    }

    #[test]
    fn a_410_retires_a_token_only_if_it_came_before() {
        let at = Timestamp::from_seconds;
        let judge = |dead: Option<i64>, received: Option<i64>| {
            let refusal = PushRefusal {
                timestamp: dead.map(at),
                ..refusal(410, PushReason::Unregistered)
            };
            verdict(Ok(PushAnswer::Refused(refusal)), received.map(at))
        };
        assert_eq!(
            judge(Some(9), Some(8)),
            Verdict::RefuseToken(PushReason::Unregistered)
        );
        assert_eq!(
            judge(None, Some(8)),
            Verdict::RefuseToken(PushReason::Unregistered)
        );
        assert_eq!(
            judge(Some(9), None),
            Verdict::RefuseToken(PushReason::Unregistered)
        );
        for received in [9, 10] {
            assert!(matches!(judge(Some(9), Some(received)), Verdict::Retry(..)));
        }
    }

    #[test]
    fn retry_after_is_kept() {
        let wait = Some(Duration::from_secs(7));
        for status in [429, 503] {
            let refusal = PushRefusal {
                retry_after: wait,
                ..refusal(status, PushReason::Shutdown)
            };
            let verdict = verdict(Ok(PushAnswer::Refused(refusal)), None);
            assert!(matches!(verdict, Verdict::Retry(_, after, _) if after == wait));
        }
    }

    #[test]
    fn no_failure_of_the_connection_touches_the_token() {
        let text = || "x".to_owned();
        for failure in [PushFailure::NoIdentity, PushFailure::IdentityRejected(text())] {
            assert!(matches!(verdict(Err(failure), None), Verdict::HoldTopic(_)));
        }
        for failure in [
            PushFailure::Interrupted(text()),
            PushFailure::ServerUntrusted(text()),
            PushFailure::TimedOut,
            PushFailure::Unreachable(text()),
        ] {
            assert!(matches!(verdict(Err(failure), None), Verdict::Retry(..)));
        }
    }
}

//! One attempt to deliver one event: the request, its signatures, and what its answer means.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Events, Hook, lanes::Failure, render};
use crate::{
    error::{Error, Result},
    outbound::{OutboundAnswer, OutboundMethod, OutboundRequest, Target},
    pki::hmac,
    protocol::time::Timestamp,
    storage::{EventRecord, HookRecord, Sealed},
};

/// So much of an answer is read, in bytes: enough to keep the connection in use.
const ANSWER_LIMIT: usize = 64 * 1024;

/// NanoMDM's signature: HMAC-SHA256 of the body, base64.
const NANO_SIGNATURE: &str = "x-hmac-signature";
/// Ours: `v1=`, and HMAC-SHA256 of `<timestamp>.<body>`, hexadecimal.
const SIGNATURE: &str = "x-russet-signature";
/// When the request was made: seconds since the epoch.
const TIMESTAMP: &str = "x-russet-timestamp";

/// Bounds the memory that bodies take on their way out, over all hooks. In KiB.
pub(super) struct Room(Semaphore);

impl Room {
    const KIB: u32 = 64 * 1024;

    pub(super) fn new() -> Self {
        Self(Semaphore::new(Self::KIB as usize))
    }

    /// Waits for the room that a body takes, plain and in base64. The number of requests bounds the short ones.
    async fn of(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        if kib < 64 {
            return None;
        }
        self.0
            .acquire_many(kib.saturating_mul(3).min(Self::KIB))
            .await
            .ok()
    }
}

/// What an attempt has come to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The endpoint has taken it.
    Delivered,
    /// It is not in the queue any more.
    Gone,
    /// It was not taken.
    Failed {
        /// Whose fault that seems to be.
        failure: Failure,
        /// How long the endpoint wants to be left alone.
        at_least: Option<std::time::Duration>,
        /// Text for operators.
        problem: String,
    },
}

impl Outcome {
    fn failed(problem: impl ToString) -> Self {
        Self::Failed {
            failure: Failure::Other,
            at_least: None,
            problem: problem.to_string(),
        }
    }
}

impl Events {
    /// Reads an event from the store and sends it.
    pub(super) async fn attempt(&self, hook: &Arc<Hook>, sequence: u64, now: Timestamp) -> Outcome {
        let found = self
            .store
            .events(hook.number, sequence.saturating_sub(1), 1)
            .await;
        let bytes = match found.as_deref() {
            Ok([event]) if event.sequence == sequence => event.bytes,
            Ok(_) => return Outcome::Gone,
            Err(error) => return Outcome::failed(error),
        };
        let _room = self.room.of(bytes).await;
        let (event, payload) = match self.store.event(hook.number, sequence).await {
            Ok(Some(found)) => found,
            Ok(None) => return Outcome::Gone,
            Err(error) => return Outcome::failed(error),
        };
        match self.opened(&event, payload) {
            Ok(payload) => self.deliver(&hook.record.load_full(), &event, payload, now).await,
            Err(error) => Outcome::failed(error),
        }
    }

    /// Sends an event.
    pub(super) async fn deliver(
        &self,
        hook: &HookRecord,
        event: &EventRecord,
        payload: Vec<u8>,
        now: Timestamp,
    ) -> Outcome {
        let request = match self.request(hook, event, &payload, now) {
            Ok(request) => request,
            Err(error) => return Outcome::failed(error),
        };
        drop(payload);
        match self.outbound.send(request).await {
            Ok(answer) => judge(&answer),
            Err(failure) => Outcome::failed(failure),
        }
    }

    fn request(
        &self,
        hook: &HookRecord,
        event: &EventRecord,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<OutboundRequest> {
        let body = render::body(hook.format, event, payload).map_err(Error::internal)?;
        let mut headers = vec![("content-type", render::CONTENT_TYPE.to_owned())];
        if let Some(sealed) = &hook.secret {
            let secret = self.unseal(&secret_purpose(&hook.name), sealed)?;
            let timestamp = now.seconds().to_string();
            let signature = hmac::hex(&secret, &[timestamp.as_bytes(), b".", &body]);
            headers.push((NANO_SIGNATURE, hmac::base64(&secret, &body)));
            headers.push((SIGNATURE, format!("v1={signature}")));
            headers.push((TIMESTAMP, timestamp));
        }
        let credentials = hook.credentials.as_ref().map(|sealed| {
            let plain = self.unseal(&credentials_purpose(&hook.name), sealed)?;
            String::from_utf8(plain).map_err(Error::internal)
        });
        let target = Target::parse(&hook.url).map_err(Error::internal)?;
        Ok(OutboundRequest {
            method: OutboundMethod::Post,
            target: target.with_credentials(credentials.transpose()?),
            headers,
            body,
            any_address: hook.allow_any_address,
            timeout: self.settings.timeout,
            answer_limit: ANSWER_LIMIT,
        })
    }

    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Sealed> {
        self.sealer
            .seal(purpose, plain)
            .map(Sealed::new)
            .map_err(Error::internal)
    }

    fn unseal(&self, purpose: &str, sealed: &Sealed) -> Result<Vec<u8>> {
        self.sealer
            .open(purpose, sealed.as_bytes())
            .map_err(Error::internal)
    }
}

/// What a hook's secret is sealed for.
pub(super) fn secret_purpose(name: &str) -> String {
    format!("hook-secret:{name}")
}

/// What a hook's credentials are sealed for.
pub(super) fn credentials_purpose(name: &str) -> String {
    format!("hook-credentials:{name}")
}

/// What an answer means. NanoMDM takes 200 alone for success and never repeats; we do repeat, so every 2xx counts, or
/// a receiver that says 204 would get each event until it is given up.
fn judge(answer: &OutboundAnswer) -> Outcome {
    let problem = match answer.status {
        200..300 => return Outcome::Delivered,
        300..400 => format!(
            "it answers {}: redirects are not followed, give the final URL",
            answer.status
        ),
        status => format!("it answers {status}"),
    };
    Outcome::Failed {
        // These say that the event itself will not do.
        failure: match answer.status {
            400 | 413 | 415 | 422 => Failure::Refused,
            _ => Failure::Other,
        },
        at_least: answer.retry_after,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(status: u16) -> Outcome {
        judge(&OutboundAnswer {
            status,
            body: None,
            signature: None,
            retry_after: Some(Duration::from_secs(7)),
        })
    }

    #[test]
    fn every_2xx_is_success_and_nothing_else() {
        for status in [200, 201, 202, 204] {
            assert!(matches!(judged(status), Outcome::Delivered), "{status}");
        }
        for status in [100, 301, 302, 307, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(judged(status), Outcome::Failed { .. }), "{status}");
        }
    }

    #[test]
    fn a_refusal_of_the_event_is_told_from_trouble_and_a_redirect_is_explained() {
        for (status, expected) in [
            (400, Failure::Refused),
            (422, Failure::Refused),
            (404, Failure::Other),
            (503, Failure::Other),
        ] {
            match judged(status) {
                Outcome::Failed {
                    failure, at_least, ..
                } => {
                    assert_eq!(
                        (failure, at_least),
                        (expected, Some(Duration::from_secs(7))),
                        "{status}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        match judged(302) {
            Outcome::Failed { problem, .. } => assert!(problem.contains("redirects are not followed")),
            other => panic!("{other:?}"),
        }
    }
}

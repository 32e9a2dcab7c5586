//! Declarative management answered by another program, over the HTTP that NanoMDM speaks to its `-dm` URL.

use std::{fmt, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use tokio::sync::Semaphore;

use crate::{
    error::{Code, Error, Result},
    outbound::{Outbound, OutboundAnswer, OutboundMethod, OutboundRequest, Target},
    pki::hmac,
    protocol::mdm::{DeclarativeManagement, Sender},
    service::checkin::Reply,
};

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// So many devices may wait for the other program at a time; more wait for those, within their own time.
const AT_ONCE: usize = 256;

/// HMAC-SHA256 of the body, base64; on requests and on answers.
const SIGNATURE: &str = "x-hmac-signature";

/// What Go's `net/url` escapes in a path; a percent sign is looked at apart.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'#')
    .add(b'?')
    .add(b'{')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// The way to the other program. Its keys show in no `Debug`.
pub struct Forward {
    target: Target,
    send_key: Option<Vec<u8>>,
    recv_key: Option<Vec<u8>>,
    timeout: Duration,
    outbound: Arc<dyn Outbound>,
    slots: Semaphore,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forward({:?})", self.target)
    }
}

impl Forward {
    /// To the addresses below `target`. Requests are signed with `send_key`; answers must be with `recv_key`.
    pub fn new(
        target: Target,
        (send_key, recv_key): (Option<Vec<u8>>, Option<Vec<u8>>),
        timeout: Duration,
        outbound: Arc<dyn Outbound>,
    ) -> Self {
        Self {
            target,
            send_key,
            recv_key,
            timeout,
            outbound,
            slots: Semaphore::new(AT_ONCE),
        }
    }

    /// Has the other program answer a device. Whatever goes wrong there is "not now" to the device, but for a
    /// declaration that does not exist.
    pub(super) async fn answer(&self, sender: &Sender, message: &DeclarativeManagement) -> Result<Reply> {
        let request = self.request(sender, message)?;
        let answer = async {
            let _slot = self.slots.acquire().await;
            self.outbound.send(request).await
        };
        let answer = tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| unavailable("it is busy"))?
            .map_err(|failure| unavailable(failure.to_string()))?;
        self.judge(answer)
    }

    fn request(&self, sender: &Sender, message: &DeclarativeManagement) -> Result<OutboundRequest> {
        let target = self.target.below(&escaped(&message.endpoint)?).map_err(|error| {
            Error::with(Code::BadMessage, "Endpoint can't be part of a URL").caused_by(error)
        })?;
        let body = message.data.clone().unwrap_or_default();
        let mut headers = vec![
            ("x-enrollment-id", sender.id.to_string()),
            ("x-enrollment-type", sender.kind.as_str().to_owned()),
        ];
        if sender.id != sender.device {
            headers.push(("x-enrollment-parentid", sender.device.to_string()));
        }
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        if let Some(key) = &self.send_key {
            headers.push((SIGNATURE, hmac::base64(key, &body)));
        }
        Ok(OutboundRequest {
            method: if body.is_empty() {
                OutboundMethod::Get
            } else {
                OutboundMethod::Put
            },
            target,
            headers,
            body,
            // The address is in the server's own configuration.
            any_address: true,
            timeout: self.timeout,
            answer_limit: MAX_ANSWER,
        })
    }

    fn judge(&self, answer: OutboundAnswer) -> Result<Reply> {
        // NanoMDM makes a 500 of this; to a device "not found" means that it shall remove the declaration.
        if answer.status == 404 {
            return Ok(Reply::NotFound);
        }
        if !(200..300).contains(&answer.status) {
            return Err(unavailable(format!("it answers {}", answer.status)));
        }
        let body = answer
            .body
            .ok_or_else(|| unavailable(format!("its answer is longer than {MAX_ANSWER} bytes")))?;
        if let Some(key) = &self.recv_key {
            let signature = answer.signature.unwrap_or_default();
            if !hmac::verify_base64(key, &body, &signature) {
                return Err(unavailable(
                    "its answer is not signed with the key that was agreed on",
                ));
            }
        }
        Ok(if body.is_empty() {
            Reply::Empty
        } else {
            Reply::Json(body)
        })
    }
}

/// An `Endpoint` as the rest of a URL's path. What is escaped already stays so. A device must not get out from below the
/// URL that it is meant for.
fn escaped(endpoint: &str) -> Result<String> {
    let leaves = endpoint
        .split('/')
        .any(|segment| matches!(&*percent_decode_str(segment).decode_utf8_lossy(), "." | ".." | ""));
    let hidden = percent_decode_str(endpoint).any(|byte| byte.is_ascii_control() || byte == b'\\');
    if leaves || hidden {
        return Err(Error::with(Code::BadMessage, "unknown Endpoint"));
    }
    let mut escaped = String::with_capacity(endpoint.len());
    for (index, part) in endpoint.split('%').enumerate() {
        if index > 0 {
            let is_escape = part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
            escaped.push_str(if is_escape { "%" } else { "%25" });
        }
        escaped.extend(utf8_percent_encode(part, ESCAPED));
    }
    Ok(escaped)
}

fn unavailable(problem: impl Into<String>) -> Error {
    Error::new(Code::DeclarationsUnavailable).caused_by(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_escaped_as_nanomdm_does_it() {
        for (endpoint, expected) in [
            ("tokens", "tokens"),
            ("declaration-items", "declaration-items"),
            (
                "declaration/configuration/x.y z",
                "declaration/configuration/x.y%20z",
            ),
            ("declaration/asset/a%20b", "declaration/asset/a%20b"),
            ("declaration/asset/100%", "declaration/asset/100%25"),
            ("declaration/asset/%é", "declaration/asset/%25%C3%A9"),
            ("declaration/asset/a?b#c", "declaration/asset/a%3Fb%23c"),
            (
                "declaration/asset/a+b&c=d@e:f,g;h$i",
                "declaration/asset/a+b&c=d@e:f,g;h$i",
            ),
        ] {
            assert_eq!(escaped(endpoint).unwrap(), expected);
        }
    }

    #[test]
    fn k_w6_no_endpoint_leads_away_from_the_url() {
        for endpoint in [
            "",
            "/",
            "../admin",
            "declaration/../../admin",
            "declaration/%2e%2e/x",
            "declaration/.%2E/x",
            "//evil.example/x",
            "http://evil.example/x",
            "declaration\\..\\x",
            "a%5c..%5cb",
            "a\r\nX: y",
            "a%0d%0ab",
            "./tokens",
            "tokens/",
        ] {
            assert_eq!(
                escaped(endpoint).unwrap_err().code(),
                Code::BadMessage,
                "{endpoint:?}"
            );
        }
    }
}

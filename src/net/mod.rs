//! What both doors stand on: listening, TLS, connections and their limits, bounded bodies, one log line a request.

pub mod body;
pub mod log;
pub mod serve;
pub mod tls;
pub mod trace;

use http::{HeaderValue, StatusCode};

use crate::error::Error;

/// The `Retry-After` of a failure, in seconds: what the failure says, or half a minute where the server can't answer.
pub fn retry_after(status: StatusCode, cause: Option<&Error>) -> Option<HeaderValue> {
    let known = cause.and_then(Error::retry_after);
    let seconds = match known {
        // Rounded up: whoever comes at that second must not be early.
        Some(wait) => wait.as_millis().div_ceil(1000).max(1),
        None if status == StatusCode::SERVICE_UNAVAILABLE => 30,
        None => return None,
    };
    HeaderValue::from_str(&seconds.to_string()).ok()
}

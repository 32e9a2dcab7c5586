//! A name for each request, by which its log lines, its audit entries and the caller's own records find together: the
//! caller's `X-Request-Id` or the trace of its `traceparent` (W3C Trace Context), or else one of ours.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Where a caller may name its request, and finds the name in the answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's name: 8 to 64 letters, digits, or any of `-` `_` `.`; an extension of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The name of the request with these headers. A name in any other form is not taken: it goes into the log.
    pub fn of(headers: &HeaderMap) -> Self {
        let own = headers.get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let own = own.filter(|name| is_safe(name)).map(str::to_owned);
        let name = own.or_else(|| TraceParent::of(headers).map(|parent| parent.trace_id().to_owned()));
        Self(name.unwrap_or_else(|| Uuid::new_v4().to_string()).into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a URI, for documents that name the request.
    pub fn urn(&self) -> String {
        match Uuid::try_parse(&self.0) {
            Ok(uuid) => uuid.urn().to_string(),
            Err(_) => format!("urn:russet:request:{}", self.0),
        }
    }

    /// As a header's value.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_safe(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (8..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// A `traceparent` of version 00.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The one in these headers, if it is one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("traceparent")?.to_str().ok()?;
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else {
            return None;
        };
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let some = |part: &str| part.bytes().any(|byte| byte != b'0');
        let valid = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
        (valid && some(trace) && some(parent)).then(|| Self(text.to_owned()))
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }

    /// 16 hexadecimal digits: the caller's span.
    pub fn parent_id(&self) -> &str {
        &self.0[36..52]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn a_safe_name_is_taken() {
        let id = RequestId::of(&headers("x-request-id", "deploy_7.ticket-42"));
        assert_eq!(id.as_str(), "deploy_7.ticket-42");
    }

    #[test]
    fn a_name_that_could_forge_log_lines_is_not_taken() {
        let long = "a".repeat(65);
        for name in [
            "short",
            "",
            "a b c d e f",
            "1234567\t890",
            "é-é-é-é-é-é",
            "<script>x</script>",
            &long,
        ] {
            let id = RequestId::of(&headers("x-request-id", name));
            assert_ne!(id.as_str(), name);
            assert!(is_safe(id.as_str()));
        }
    }

    #[test]
    fn a_traceparent_names_the_request_by_its_trace() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = headers("traceparent", text);
        assert_eq!(
            RequestId::of(&headers).as_str(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert_eq!(TraceParent::of(&headers).unwrap().parent_id(), "00f067aa0ba902b7");
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
        ] {
            assert_eq!(TraceParent::of(&headers("traceparent", text)), None, "{text}");
        }
    }
}

//! One answer of APNs (Apple, "Handling notification responses from APNs"). The status decides whether it is a
//! refusal; what the body says only explains, so that a body of any kind is an answer.

use std::time::Duration;

use http::{
    HeaderMap, StatusCode,
    header::{DATE, HeaderName, RETRY_AFTER},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::request::APNS_ID;
use crate::{
    apple::{PushAnswer, PushReason, PushRefusal},
    protocol::time::Timestamp,
};

/// The answer made of a response; `sent_id` stands in for an id that APNs did not echo.
pub(super) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8], sent_id: &str) -> PushAnswer {
    if status == StatusCode::OK {
        let id = text(headers, APNS_ID).unwrap_or(sent_id);
        return PushAnswer::Accepted { id: id.to_owned() };
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = body.get("reason").and_then(Value::as_str);
    let timestamp = body.get("timestamp").and_then(Value::as_i64);
    PushAnswer::Refused(PushRefusal {
        status: status.as_u16(),
        reason: reason.map_or_else(PushReason::unstated, PushReason::of),
        timestamp: timestamp.map(Timestamp::from_millis),
        retry_after: retry_after(headers),
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// RFC 9110 §10.2.3: seconds, or a date, which is measured against the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let given = text(headers, RETRY_AFTER)?.trim();
    if let Ok(seconds) = given.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = OffsetDateTime::parse(given, &Rfc2822).ok()?;
    let said = OffsetDateTime::parse(text(headers, DATE)?.trim(), &Rfc2822).ok()?;
    Duration::try_from(until - said).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(given: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = given
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    fn refusal(status: u16, given: &[(HeaderName, &'static str)], body: &str) -> PushRefusal {
        let status = StatusCode::from_u16(status).unwrap();
        match of(status, &headers(given), body.as_bytes(), "sent") {
            PushAnswer::Refused(refusal) => refusal,
            accepted => panic!("{accepted:?}"),
        }
    }

    #[test]
    fn an_accepted_push_has_the_id_of_apns_or_ours() {
        let echoed = of(StatusCode::OK, &headers(&[(APNS_ID, "theirs")]), b"", "sent");
        assert_eq!(echoed, PushAnswer::Accepted { id: "theirs".into() });
        let silent = of(StatusCode::OK, &HeaderMap::new(), b"junk", "sent");
        assert_eq!(silent, PushAnswer::Accepted { id: "sent".into() });
    }

    #[test]
    fn a_dead_token_comes_with_its_time() {
        let body = r#"{"reason":"Unregistered","timestamp":1795300000123}"#;
        let gone = refusal(410, &[], body);
        assert_eq!(gone.reason, PushReason::Unregistered);
        assert_eq!(gone.timestamp, Some(Timestamp::from_millis(1_795_300_000_123)));
    }

    #[test]
    fn any_body_is_an_answer() {
        let cases = [
            (r#"{"reason":"SomethingNew"}"#, "SomethingNew"),
            (
                r#"{"reason":"ExpiredToken","timestamp":"yesterday"}"#,
                "ExpiredToken",
            ),
            (r#"{"reason":7}"#, "none"),
            ("[]", "none"),
            ("<html>", "none"),
            ("", "none"),
        ];
        for (body, reason) in cases {
            let refusal = refusal(410, &[], body);
            assert_eq!((refusal.status, refusal.reason.as_str()), (410, reason), "{body}");
            assert_eq!(refusal.timestamp, None);
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let date = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = (RETRY_AFTER, "Sun, 06 Nov 1994 08:51:37 GMT");
        let earlier = (RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT");
        let cases: [(&[_], _); 6] = [
            (&[(RETRY_AFTER, "120")], Some(Duration::from_secs(120))),
            (&[date.clone(), later.clone()], Some(Duration::from_secs(120))),
            (&[date, earlier], None),
            (&[later], None),
            (&[(RETRY_AFTER, "soon")], None),
            (&[], None),
        ];
        for (given, expected) in cases {
            assert_eq!(refusal(503, given, "").retry_after, expected, "{given:?}");
        }
    }
}

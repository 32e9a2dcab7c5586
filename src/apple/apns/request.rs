//! One notification as a request (Apple, "Sending notification requests to APNs"), by way of a2's model: its
//! payload, options, push type and priority. a2's client is not used: it knows only Apple's hosts.

use std::fmt;

use a2::{NotificationOptions, Priority, PushType, request::payload::PayloadLike};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde::Serialize;
use uuid::Uuid;

use crate::apple::Notification;

const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
pub(super) const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");

/// The longest device token in bytes: Apple's are 32 today, and may become 100.
pub(super) const LONGEST_TOKEN: usize = 1024;

/// A payload that wakes an MDM client: `{"mdm":"<PushMagic>"}` and nothing else. Not even an `aps`.
#[derive(Serialize)]
struct MdmPayload<'a> {
    mdm: &'a str,
    #[serde(skip)]
    token: &'a str,
    #[serde(skip)]
    options: NotificationOptions<'a>,
}

impl fmt::Debug for MdmPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MdmPayload")
    }
}

impl PayloadLike for MdmPayload<'_> {
    fn get_device_token(&self) -> &str {
        self.token
    }

    fn get_options(&self) -> &NotificationOptions<'_> {
        &self.options
    }
}

/// A request's head, and its body. No `Debug`: both hold secrets.
pub(super) struct PushRequest {
    pub(super) head: Request<()>,
    pub(super) body: Bytes,
}

/// The request for a notification, or `None` for a token or topic that no request can carry.
pub(super) fn of(notification: &Notification, authority: &str) -> Option<PushRequest> {
    if notification.token.is_empty() || notification.token.len() > LONGEST_TOKEN {
        return None;
    }
    let mut id = Uuid::encode_buffer();
    let payload = MdmPayload {
        mdm: &notification.magic,
        token: &hex(&notification.token),
        options: NotificationOptions {
            apns_id: Some(notification.id.hyphenated().encode_lower(&mut id)),
            apns_push_type: Some(PushType::Mdm),
            apns_expiration: Some(u64::try_from(notification.expires_at.seconds()).unwrap_or(0)),
            apns_priority: Some(Priority::High),
            apns_topic: Some(notification.topic.as_str()),
            apns_collapse_id: None,
        },
    };
    request(&payload, authority)
}

fn request(payload: &impl PayloadLike, authority: &str) -> Option<PushRequest> {
    let body = Bytes::from(payload.to_json_string().ok()?);
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(format!("/3/device/{}", payload.get_device_token()))
        .build()
        .ok()?;
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.uri_mut() = uri;
    *head.headers_mut() = headers(payload.get_options(), body.len())?;
    Some(PushRequest { head, body })
}

fn headers(options: &NotificationOptions<'_>, length: usize) -> Option<HeaderMap> {
    let given = [
        (APNS_TOPIC, options.apns_topic.map(str::to_owned)),
        (
            APNS_PUSH_TYPE,
            options.apns_push_type.map(|kind| kind.to_string()),
        ),
        (
            APNS_PRIORITY,
            options.apns_priority.as_ref().map(Priority::to_string),
        ),
        (APNS_EXPIRATION, options.apns_expiration.map(|at| at.to_string())),
        (APNS_ID, options.apns_id.map(str::to_owned)),
        (
            APNS_COLLAPSE_ID,
            options.apns_collapse_id.as_ref().map(|id| id.value.to_owned()),
        ),
    ];
    let mut headers = HeaderMap::with_capacity(given.len() + 2);
    for (name, value) in given {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::try_from(value).ok()?);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Some(headers)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    let pair = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ids::Topic, time::Timestamp};

    fn notification() -> Notification {
        Notification {
            topic: Topic::new("com.apple.mgmt.External.1"),
            token: vec![0x00, 0xAB, 0xFF],
            magic: "M\"agic".into(),
            id: Uuid::from_u128(0xA1),
            expires_at: Timestamp::from_millis(1_795_300_000_999),
        }
    }

    #[test]
    fn a_push_is_the_magic_the_lower_case_token_and_apples_headers() {
        let request = of(&notification(), "api.push.apple.com:443").unwrap();
        assert_eq!(request.body, r#"{"mdm":"M\"agic"}"#);
        assert_eq!(request.head.method(), Method::POST);
        assert_eq!(
            request.head.uri(),
            "https://api.push.apple.com:443/3/device/00abff"
        );
        let headers: Vec<(&str, &str)> = request
            .head
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        for header in [
            ("apns-topic", "com.apple.mgmt.External.1"),
            ("apns-push-type", "mdm"),
            ("apns-priority", "10"),
            ("apns-expiration", "1795300000"),
            ("apns-id", "00000000-0000-0000-0000-0000000000a1"),
            ("content-type", "application/json"),
            ("content-length", "17"),
        ] {
            assert!(headers.contains(&header), "{header:?} in {headers:?}");
        }
        assert_eq!(headers.len(), 7, "nothing else: {headers:?}");
    }

    #[test]
    fn what_no_request_can_carry_makes_none() {
        let empty = Notification {
            token: Vec::new(),
            ..notification()
        };
        let endless = Notification {
            token: vec![1; LONGEST_TOKEN + 1],
            ..notification()
        };
        let split = Notification {
            topic: Topic::new("a\r\nb"),
            ..notification()
        };
        for odd in [empty, endless, split] {
            assert!(of(&odd, "localhost").is_none());
        }
        let expired = Notification {
            expires_at: Timestamp::from_seconds(-5),
            ..notification()
        };
        let request = of(&expired, "localhost").unwrap();
        assert_eq!(request.head.headers()["apns-expiration"], "0");
    }
}

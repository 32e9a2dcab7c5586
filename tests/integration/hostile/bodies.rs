//! Bodies of check-ins and reports that are no messages (K-X2, K-X5): truncated, wrong-typed, compressed, at the wrong
//! door.

use axum::http::Method;
use russet_sim::{Endpoint, Request, plists};

use super::{Attacker, BOUND, CHECK_IN, REPORT, code_of, dict, refused_everywhere, stored, text, xml};
use crate::support::TestServer;

#[tokio::test]
async fn a_message_that_was_cut_is_refused() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    let end = b"</plist>".len();
    for (content_type, whole) in [(CHECK_IN, attacker.authenticate()), (REPORT, attacker.idle())] {
        let whole = whole.trim_ascii_end();
        for length in (0..=whole.len() - end).step_by(29) {
            let response = attacker.send(content_type, whole[..length].to_vec()).await;
            assert_eq!(code_of(&format!("cut after {length}"), &response), "bad_message");
        }
    }
    assert_eq!(stored(&server).await, before);
}

/// K-X2
#[tokio::test]
async fn k_x2_what_is_not_a_message_is_refused() {
    let known = text("UDID", "X") + &text("Topic", "com.apple.mgmt.x");
    let bodies = [
        ("nothing", Vec::new()),
        ("white space", b" \r\n\t".to_vec()),
        (
            "JSON",
            b"{\"MessageType\":\"Authenticate\",\"UDID\":\"X\"}".to_vec(),
        ),
        ("HTML", b"<!doctype html><html></html>".to_vec()),
        ("a form", b"MessageType=Authenticate&UDID=X".to_vec()),
        ("zeros", vec![0; 4096]),
        ("high bytes", vec![0xff; 4096]),
        ("an array", xml("<array/>")),
        ("a string", xml("<string>Authenticate</string>")),
        ("an empty dictionary", xml("<dict/>")),
        ("two dictionaries", xml("<dict/><dict/>")),
        ("no type", dict(&known)),
        (
            "no device",
            dict(&(text("MessageType", "Authenticate") + &text("Status", "Idle"))),
        ),
        (
            "an empty UDID",
            dict(&(text("MessageType", "Authenticate") + &text("UDID", ""))),
        ),
        (
            "NUL in the text",
            dict(&(known.clone() + &text("MessageType", "Auth\0enticate"))),
        ),
        (
            "NUL as a reference",
            dict(&(known.clone() + &text("MessageType", "&#0;"))),
        ),
        (
            "a number for a UDID",
            dict(
                "<key>MessageType</key><string>CheckOut</string><key>Status</key><string>Idle</string><key>UDID</key><integer>7</integer>",
            ),
        ),
        (
            "an array for a type",
            dict("<key>MessageType</key><array/><key>Status</key><array/><key>UDID</key><string>X</string>"),
        ),
        (
            "a string for a token",
            dict(
                &(known.clone()
                    + &text("MessageType", "TokenUpdate")
                    + &text("Token", "AAAA")
                    + &text("PushMagic", "m")),
            ),
        ),
        (
            "a date that is none",
            dict(&(known.clone() + "<key>At</key><date>2024-13-45T99:99:99Z</date>")),
        ),
        (
            "a date far from now",
            dict(&(known.clone() + "<key>At</key><date>999999999999-01-01T00:00:00Z</date>")),
        ),
        (
            "an integer of 2^80",
            dict(&(known.clone() + "<key>N</key><integer>1208925819614629174706176</integer>")),
        ),
        (
            "data that is not base64",
            dict(&(known.clone() + &text("MessageType", "TokenUpdate") + "<key>Token</key><data>!!!</data>")),
        ),
        ("UTF-16", utf_16(&dict(&known))),
        ("UTF-32", utf_32(&dict(&known))),
        (
            "another encoding by name",
            String::from_utf8(dict(&known))
                .unwrap()
                .replace("UTF-8", "UTF-7")
                .into_bytes(),
        ),
        (
            "an identifier of 100 kB",
            dict(
                &(text("MessageType", "CheckOut")
                    + &text("Status", "Idle")
                    + &text("UDID", &"x".repeat(100_000))),
            ),
        ),
        (
            "a control character in an identifier",
            dict(&(text("MessageType", "CheckOut") + &text("Status", "Idle") + &text("UDID", "a&#1;b"))),
        ),
    ];
    refused_everywhere(bodies.map(|(what, body)| (what.to_owned(), body)).into()).await;
}

fn utf_16(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

fn utf_32(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
}

#[tokio::test]
async fn a_binary_property_list_is_read_like_any_other() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let mut body = Vec::new();
    let ids = attacker.device.ids(&russet_sim::Channel::Device);
    let idle = plist::Value::Dictionary(russet_sim::messages::idle(&ids));
    plist::to_writer_binary(&mut body, &idle).unwrap();
    assert_eq!(attacker.send(REPORT, body).await.status, 200);
}

#[tokio::test]
async fn a_message_at_the_wrong_door_is_told_so() {
    let server = TestServer::with(|config| config.enroll.split_check_in = true).await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    let (authenticate, idle) = (attacker.authenticate(), attacker.idle());
    for (content_type, body, named) in [(CHECK_IN, idle, "Status"), (REPORT, authenticate, "MessageType")] {
        let response = attacker.send(content_type, body).await;
        assert_eq!(code_of(named, &response), "bad_message");
        let refusal = String::from_utf8_lossy(&response.body).into_owned();
        assert!(refusal.contains(named), "{refusal}");
    }
    assert_eq!(stored(&server).await, before);
}

/// K-X5
#[tokio::test]
async fn k_x5_compressed_bodies_and_foreign_content_types_are_refused() {
    let server = TestServer::start().await;
    let attacker = Attacker::new(&server).await;
    let identity = attacker.device.identity().cloned();
    let before = stored(&server).await;
    let mut client = server.client();
    for path in ["/mdm", "/checkin", "/scep?operation=PKIOperation"] {
        for encoding in ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip"] {
            let request =
                Request::new(Method::POST, &format!("{}{path}", server.url)).body(vec![0x1f, 0x8b, 8, 0]);
            let request = request.header("content-encoding", encoding).unwrap();
            let sending = client.send(request, identity.as_ref());
            let response = tokio::time::timeout(BOUND, sending).await.unwrap().unwrap();
            assert_eq!(response.status, 415, "{path} {encoding}");
            assert_eq!(code_of(encoding, &response), "bad_content_type");
        }
    }
    for path in ["/mdm", "/checkin"] {
        for content_type in [
            "application/json",
            "multipart/form-data; boundary=x",
            "text/html",
            "text/plain",
            "application/x-apple-aspen-mdm-checkin-v2",
            "application/pkcs7-signature",
            "\u{e9}",
        ] {
            let request =
                Request::new(Method::PUT, &format!("{}{path}", server.url)).body(attacker.authenticate());
            let mut request = request;
            let value = axum::http::HeaderValue::from_bytes(content_type.as_bytes()).unwrap();
            request.headers.insert("content-type", value);
            let response = client.send(request, identity.as_ref()).await.unwrap();
            assert_eq!(response.status, 415, "{path} {content_type}");
            code_of(content_type, &response);
        }
    }
    assert_eq!(stored(&server).await, before);
}

/// Whoever has no identity gets no further than that, whatever the body.
#[tokio::test]
async fn without_an_identity_no_body_is_looked_at() {
    let server = TestServer::start().await;
    let attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    let mut client = server.client();
    for path in ["/mdm", "/checkin"] {
        for body in [
            attacker.authenticate(),
            attacker.idle(),
            Vec::new(),
            xml(&"<array>".repeat(100_000)),
        ] {
            let request = Request::new(Method::PUT, &format!("{}{path}", server.url)).body(body);
            let response = client.send(request, None).await.unwrap();
            assert_eq!(response.status, 403);
            assert_eq!(code_of(path, &response), "identity_missing");
        }
    }
    assert_eq!(stored(&server).await, before);
}

/// Duplicate keys: whatever is made of them, it is the same on both sides of the check.
#[tokio::test]
async fn a_key_that_comes_twice_never_names_two_devices() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let victim = server.enrolled(russet_sim::Kind::Mac).await;
    let before = server.enrollment(&victim.hardware.udid).await;
    let own = attacker.device.hardware.udid.clone();
    for (first, second) in [(&own, &victim.hardware.udid), (&victim.hardware.udid, &own)] {
        let keys = text("MessageType", "CheckOut")
            + &text("Topic", "com.apple.mgmt.x")
            + &text("UDID", first)
            + &text("UDID", second);
        let response = attacker
            .device
            .request_raw(Endpoint::CheckIn, Some(CHECK_IN), dict(&keys), None)
            .await
            .unwrap();
        assert!(response.status < 500);
    }
    assert_eq!(server.enrollment(&victim.hardware.udid).await, before);
    assert!(plists::decode(&attacker.idle()).is_ok());
}

//! Bodies of check-ins and reports (K-X1 to K-X5): truncated, oversized, wrong-typed, bombs in XML and in binary.

use axum::http::Method;
use russet_sim::{Endpoint, Request, plists};
use tokio::net::TcpListener;

use super::{Attacker, BOUND, CHECK_IN, REPORT, code_of, still_serves, stored};
use crate::support::TestServer;

fn xml(content: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">{content}</plist>").into_bytes()
}

fn dict(keys: &str) -> Vec<u8> {
    xml(&format!("<dict>{keys}</dict>"))
}

fn text(key: &str, value: &str) -> String {
    format!("<key>{key}</key><string>{value}</string>")
}

/// Sends each body to both doors: nothing may come of it.
async fn refused_everywhere(bodies: Vec<(String, Vec<u8>)>) {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    for (what, body) in bodies {
        for content_type in [CHECK_IN, REPORT] {
            let response = attacker.send(content_type, body.clone()).await;
            let code = code_of(&what, &response);
            assert!(
                ["bad_message", "body_too_large"].contains(&code.as_str()),
                "{what}: {code}"
            );
        }
    }
    assert_eq!(stored(&server).await, before);
    still_serves(&server).await;
}

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

/// K-X1
#[tokio::test]
async fn k_x1_entities_are_refused_and_nothing_is_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/x.dtd", listener.local_addr().unwrap());
    let laughs: String = (1..10)
        .map(|n| {
            let one = format!("&e{};", n - 1);
            format!("<!ENTITY e{n} \"{}\">", one.repeat(10))
        })
        .collect();
    let document = |doctype: &str, value: &str| {
        let keys = text("UDID", value) + &text("MessageType", "CheckOut") + &text("Status", "Idle");
        format!("<?xml version=\"1.0\"?>{doctype}<plist version=\"1.0\"><dict>{keys}</dict></plist>")
            .into_bytes()
    };
    let bodies = [
        (
            "a billion laughs",
            document(&format!("<!DOCTYPE plist [<!ENTITY e0 \"ha\">{laughs}]>"), "&e9;"),
        ),
        (
            "quadratic",
            document(
                &format!("<!DOCTYPE plist [<!ENTITY a \"{}\">]>", "a".repeat(50_000)),
                &"&a;".repeat(50_000),
            ),
        ),
        (
            "a file",
            document(
                "<!DOCTYPE plist [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>",
                "&f;",
            ),
        ),
        (
            "an address",
            document(
                &format!("<!DOCTYPE plist [<!ENTITY f SYSTEM \"{elsewhere}\">]>"),
                "&f;",
            ),
        ),
        (
            "a parameter entity",
            document(
                &format!("<!DOCTYPE plist [<!ENTITY % f SYSTEM \"{elsewhere}\"> %f;]>"),
                "x",
            ),
        ),
        (
            "another document type",
            document(&format!("<!DOCTYPE plist SYSTEM \"{elsewhere}\">"), "x"),
        ),
        (
            "itself",
            document("<!DOCTYPE plist [<!ENTITY a \"&a;\">]>", "&a;"),
        ),
        ("an entity that nobody defined", document("", "&laugh;")),
        (
            "an inclusion",
            document(
                "",
                &format!("<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"{elsewhere}\"/>"),
            ),
        ),
        ("CDATA", document("", "<![CDATA[x]]>")),
    ];
    refused_everywhere(bodies.map(|(what, body)| (what.to_owned(), body)).into()).await;
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(1), listener.accept()).await;
    assert!(fetched.is_err(), "the server fetched what a document named");
}

/// K-X2, K-X3
#[tokio::test]
async fn k_x3_depth_and_width_are_refused() {
    let deep = |open: &str, close: &str, depth: usize| open.repeat(depth) + &close.repeat(depth);
    let attributes: String = (0..60_000).map(|n| format!(" a{n}=\"\"")).collect();
    let namespaces: String = (0..40_000).map(|n| format!(" xmlns:a{n}=\"u\"")).collect();
    let keys: String = (0..40_000).map(|n| format!("<key>{n}</key><true/>")).collect();
    let bodies = [
        ("arrays, closed", xml(&deep("<array>", "</array>", 60_000))),
        (
            "arrays, 100,000 deep, never closed",
            xml(&"<array>".repeat(100_000)),
        ),
        (
            "dictionaries",
            xml(&deep("<dict><key>a</key>", "</dict>", 30_000)),
        ),
        ("unknown tags", xml(&deep("<a>", "</a>", 100_000))),
        ("comments", xml(&"<!--".repeat(200_000))),
        ("processing instructions", xml(&"<?".repeat(400_000))),
        (
            "attributes",
            format!("<plist{attributes}><dict/></plist>").into_bytes(),
        ),
        (
            "namespaces",
            format!("<plist{namespaces}><dict/></plist>").into_bytes(),
        ),
        ("keys without what is needed", dict(&keys)),
        ("one string", dict(&text("a", &"x".repeat(1_000_000)))),
        (
            "one tag",
            format!("<plist><{}", "a".repeat(1_000_000)).into_bytes(),
        ),
    ];
    refused_everywhere(bodies.map(|(what, body)| (what.to_owned(), body)).into()).await;
}

/// A binary property list of these objects, with a trailer as given.
fn binary(objects: &[u8], offsets: &[u8], offset_size: u8, ref_size: u8, count: u64, top: u64) -> Vec<u8> {
    let mut body = b"bplist00".to_vec();
    body.extend(objects);
    let table = body.len() as u64;
    body.extend(offsets);
    body.extend([0; 6]);
    body.extend([offset_size, ref_size]);
    for number in [count, top, table] {
        body.extend(number.to_be_bytes());
    }
    body
}

/// K-X4
#[tokio::test]
async fn k_x4_binary_bombs_are_refused() {
    // Each array holds the next one many times over, down to one string.
    let mut laughs = Vec::new();
    let mut offsets = Vec::new();
    for level in 0..30u8 {
        offsets.push(8 + laughs.len() as u8);
        laughs.push(0xa6);
        laughs.extend([level + 1; 6]);
    }
    offsets.push(8 + laughs.len() as u8);
    laughs.extend([0x51, b'x']);
    let own = [0xa1, 0x00];
    let bodies = [
        ("the magic alone", b"bplist00".to_vec()),
        ("another version", b"bplist15\0\0\0\0".to_vec()),
        ("an array of itself", binary(&own, &[8], 1, 1, 1, 0)),
        (
            "a dictionary of itself",
            binary(&[0xd1, 0x00, 0x00], &[8], 1, 1, 1, 0),
        ),
        ("exponential references", binary(&laughs, &offsets, 1, 1, 31, 0)),
        ("an offset beyond the end", binary(&own, &[0xff], 1, 1, 1, 0)),
        ("an offset into the header", binary(&own, &[0], 1, 1, 1, 0)),
        ("2^60 objects", binary(&own, &[8], 1, 1, 1 << 60, 0)),
        ("2^64 - 1 objects", binary(&own, &[8], 8, 8, u64::MAX, 0)),
        ("a root beyond the count", binary(&own, &[8], 1, 1, 1, 7)),
        ("references of no size", binary(&own, &[8], 1, 0, 1, 0)),
        ("references of 255 bytes", binary(&own, &[8], 1, 255, 1, 0)),
        ("offsets of no size", binary(&own, &[8], 0, 1, 1, 0)),
        ("offsets of 255 bytes", binary(&own, &[8], 255, 1, 1, 0)),
        (
            "a string of 2^62 bytes",
            binary(&[0x5f, 0x13, 0x40, 0, 0, 0, 0, 0, 0, 0], &[8], 1, 1, 1, 0),
        ),
        (
            "an array of 2^62 objects",
            binary(&[0xaf, 0x13, 0x40, 0, 0, 0, 0, 0, 0, 0], &[8], 1, 1, 1, 0),
        ),
        (
            "a length that is a string",
            binary(&[0x5f, 0x51, b'x'], &[8], 1, 1, 1, 0),
        ),
        ("an unknown kind", binary(&[0x70], &[8], 1, 1, 1, 0)),
        (
            "half a UTF-16 pair",
            binary(&[0x61, 0xd8, 0x00], &[8], 1, 1, 1, 0),
        ),
        (
            "a table beyond the end",
            [
                b"bplist00".as_slice(),
                &[0; 7],
                &[1, 1],
                &[0; 7],
                &[1],
                &[0; 8],
                &[0xff; 8],
            ]
            .concat(),
        ),
        ("a trailer alone", vec![0; 32]),
    ];
    refused_everywhere(bodies.map(|(what, body)| (what.to_owned(), body)).into()).await;
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

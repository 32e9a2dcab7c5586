//! Bombs in property lists: entities (K-X1), depth and width (K-X2, K-X3), binary ones (K-X4).

use tokio::net::TcpListener;

use super::{dict, refused_everywhere, text, xml};

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

//! Addresses: tricks with paths (K-M10), unknown routes, wrong methods, and HTTP that is not quite HTTP.

use russet::error::Code;

use super::{still_serves, stored};
use crate::support::TestServer;

/// Sends one request as it is and hears the whole answer.
async fn answer(server: &TestServer, request: &str) -> String {
    let mut wire = server.wire().await;
    wire.try_say(request).await;
    wire.hear().await
}

/// The status of an answer, and the name of the refusal in its body.
#[track_caller]
fn read(answer: &str) -> (u16, &str) {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        status.parse().unwrap_or_default(),
        body.split(": ").next().unwrap_or_default(),
    )
}

#[tokio::test]
async fn k_m10_no_trick_with_a_path_leads_anywhere() {
    let server = TestServer::start().await;
    let targets = [
        "/mdm/../v1/enrollments",
        "/mdm/..%2fv1/enrollments",
        "/mdm/%2e%2e/v1/enrollments",
        "/enroll/../v1/enrollments",
        "/./mdm",
        "//mdm",
        "/mdm//",
        "/mdm/",
        "/MDM",
        "/mdm%00",
        "/mdm;x=1",
        "/%6ddm%2f",
        "\\mdm",
        "/v1/enrollments",
        "/v1/apikeys",
        "/v1/pushcert",
        "/v1/push-certificates",
        "/v1/enqueue/X",
        "/migration",
        "/metrics",
        "/healthz",
        "/version",
        "/api",
        "/.git/config",
        "/../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/secret.key",
        "/tls-key.pem",
        "//authproxy/http://169.254.169.254/latest/meta-data",
        "/authproxy/http://127.0.0.1/",
        "http://127.0.0.1:8444/v1/enrollments",
        "http://169.254.169.254/latest/meta-data",
        "*",
        "/%",
        "/%zz",
        "/%ff%fe",
        "/\u{e9}",
    ];
    for target in targets {
        for method in ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n",
                server.key
            );
            let answer = answer(&server, &request).await;
            let (status, code) = read(&answer);
            assert!(
                (400..500).contains(&status) && status != 401,
                "{method} {target}: {answer}"
            );
            // What is no request target at all is refused before there is a route to name it.
            let named = Code::ALL.iter().any(|known| known.as_str() == code);
            assert!(
                named || (status == 400 && code.is_empty()),
                "{method} {target}: {answer}"
            );
        }
    }
    assert!(stored(&server).await.is_empty());
    still_serves(&server).await;
}

#[tokio::test]
async fn k_m10_what_is_not_quite_http_is_refused() {
    let server = TestServer::start().await;
    let device = server.enrolled(russet_sim::Kind::Mac).await;
    let before = stored(&server).await;
    let smuggled = format!(
        "GET /enroll?udid={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        device.hardware.udid
    );
    let requests = [
        (
            "two lengths",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 90\r\n\r\n".into(),
        ),
        (
            "a length that is none",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello".into(),
        ),
        (
            "a list of lengths",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 90\r\n\r\n".into(),
        ),
        (
            "a negative length",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".into(),
        ),
        (
            "chunked, but not last",
            format!(
                "PUT /mdm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"
            ),
        ),
        (
            "an unknown coding",
            format!("PUT /mdm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a space before the colon",
            format!(
                "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length : {}\r\n\r\n{smuggled}",
                smuggled.len()
            ),
        ),
        (
            "a folded header",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n".into(),
        ),
        (
            "NUL in a header",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nX-A: \0\r\n\r\n".into(),
        ),
        (
            "a bare carriage return",
            "PUT /mdm HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n".into(),
        ),
        ("no version", "GET /enroll\r\n\r\n".into()),
        ("another protocol", "GET /enroll FTP/1.1\r\n\r\n".into()),
        ("a method that is none", "G\u{c9}T / HTTP/1.1\r\n\r\n".into()),
        ("TLS in TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".into()),
        (
            "a header of 1 MB",
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n",
                "a".repeat(1 << 20)
            ),
        ),
        (
            "100,000 headers",
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                "X-A: b\r\n".repeat(100_000)
            ),
        ),
    ];
    for (what, request) in requests {
        let mut wire = server.wire().await;
        wire.try_say(&request).await;
        let heard = wire.hear().await;
        let (status, _) = read(&heard);
        assert!(
            heard.is_empty() || (400..500).contains(&status),
            "{what}: {heard:.300}"
        );
        assert!(
            !heard.contains("apple-aspen-config"),
            "{what}: a smuggled request was answered"
        );
        assert_eq!(
            heard.matches("HTTP/1.1 ").count(),
            usize::from(!heard.is_empty()),
            "{what}"
        );
    }
    assert_eq!(stored(&server).await, before);
    still_serves(&server).await;
}

/// K-M10: where a length and chunks contradict each other, the chunks count, and what follows is a request of its own
/// that has no more rights than any other.
#[tokio::test]
async fn k_m10_a_length_beside_chunks_hides_nothing() {
    let server = TestServer::start().await;
    let hidden = "PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let request = format!("PUT /mdm HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{hidden}");
        let heard = answer(&server, &request).await;
        for part in heard.split("HTTP/1.1 ").skip(1) {
            assert!(part.starts_with("400 ") || part.starts_with("403 "), "{heard}");
        }
        assert!(!heard.is_empty());
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = TestServer::start().await;
    for (path, methods, right) in [
        ("/mdm", &["GET", "DELETE", "PATCH", "OPTIONS"][..], "PUT"),
        ("/checkin", &["GET", "DELETE"], "PUT"),
        ("/enroll", &["POST", "PUT", "DELETE"], "GET"),
        ("/enroll/secret", &["POST", "DELETE"], "GET"),
    ] {
        for method in methods {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let heard = answer(&server, &request).await;
            assert_eq!(read(&heard), (405, "method_not_allowed"), "{method} {path}");
            let allow = heard.lines().find(|line| line.starts_with("allow: "));
            assert!(
                allow.is_some_and(|allow| allow.contains(right)),
                "{method} {path}: {heard}"
            );
        }
    }
}

#[tokio::test]
async fn an_enrollment_address_gives_nothing_away() {
    let server = TestServer::start().await;
    let long = "x".repeat(600);
    for (path, status, code) in [
        ("/enroll/guess".to_owned(), 403, "enroll_link_spent"),
        ("/enroll/%ff".to_owned(), 403, "enroll_link_spent"),
        ("/enroll/%00".to_owned(), 403, "enroll_link_spent"),
        (format!("/enroll/{long}"), 403, "enroll_link_spent"),
        ("/enroll/a/b".to_owned(), 404, "not_found"),
        (format!("/enroll?x={long}"), 400, "bad_parameter"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(read(&answer(&server, &request).await), (status, code), "{path}");
    }
    // Text of the address never becomes part of a page.
    let request = "GET /enroll?x=%3Cscript%3Ealert(1)%3C/script%3E\"><script> HTTP/1.1\r\nHost: x\r\n\
                   Accept: text/html\r\nConnection: close\r\n\r\n";
    let page = answer(&server, request).await;
    assert!(!page.contains("<script>"), "{page}");

    let server = server.restart(|config| config.enroll.open = false).await;
    let request = "GET /enroll HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(read(&answer(&server, request).await), (403, "enrollment_closed"));
}

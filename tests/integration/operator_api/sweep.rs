//! Every route once: open to whom it says it is, with failures in the same form everywhere.

use axum::http::Method;
use russet_sim::{Client, Request};

use super::{ask, ask_as, basic, code};
use crate::support::{TestServer, Wire};

/// Every route that asks for a key, with a method that it takes. A new route belongs here.
const GUARDED: [(&str, &str); 89] = [
    ("PUT", "/migration"),
    ("GET", "/proxy/X/X"),
    ("GET", "/v1/ade/panes"),
    ("GET", "/v1/ade/presets"),
    ("POST", "/v1/ade/tokens/X/import-profile"),
    ("GET", "/v1/ade/tokens/X/profiles"),
    ("POST", "/v1/ade/tokens/X/profiles"),
    ("GET", "/v1/ade/tokens/X/profiles/X"),
    ("PATCH", "/v1/ade/tokens/X/profiles/X"),
    ("PUT", "/v1/ade/tokens/X/profiles/X"),
    ("DELETE", "/v1/ade/tokens/X/profiles/X"),
    ("PUT", "/v1/ade/tokens/X/profiles/X/default"),
    ("DELETE", "/v1/ade/tokens/X/profiles/X/default"),
    ("GET", "/v1/ade/accounts"),
    ("POST", "/v1/ade/accounts"),
    ("DELETE", "/v1/ade/accounts/X"),
    ("GET", "/v1/ade/refusals"),
    ("GET", "/v1/ade/tokens"),
    ("POST", "/v1/ade/tokens"),
    ("GET", "/v1/ade/tokens/X"),
    ("PATCH", "/v1/ade/tokens/X"),
    ("DELETE", "/v1/ade/tokens/X"),
    ("POST", "/v1/ade/tokens/X/renew"),
    ("PUT", "/v1/ade/tokens/X/token"),
    ("POST", "/v1/ade/activation-locks"),
    ("POST", "/v1/ade/assignments"),
    ("GET", "/v1/ade/beta-tokens"),
    ("GET", "/v1/ade/devices"),
    ("GET", "/v1/ade/devices/X"),
    ("DELETE", "/v1/ade/devices/X"),
    ("POST", "/v1/ade/disownments"),
    ("GET", "/v1/ade/replacements/X"),
    ("GET", "/v1/ade/service-discovery"),
    ("PUT", "/v1/ade/service-discovery"),
    ("DELETE", "/v1/ade/service-discovery"),
    ("GET", "/v1/ade/sync"),
    ("POST", "/v1/ade/sync"),
    ("GET", "/v1/ade/why/X"),
    ("GET", "/v1/apikeys"),
    ("POST", "/v1/apikeys"),
    ("DELETE", "/v1/apikeys/X"),
    ("GET", "/v1/assigner/X"),
    ("PUT", "/v1/assigner/X"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/audit/head"),
    ("GET", "/v1/audit/verify"),
    ("GET", "/v1/bypasscode"),
    ("GET", "/v1/commands/X"),
    ("DELETE", "/v1/commands/X/enrollments/X"),
    ("POST", "/v1/commands/X/retry"),
    ("GET", "/v1/config/X"),
    ("PUT", "/v1/config/X"),
    ("GET", "/v1/dep_names"),
    ("PUT", "/v1/enqueue/X"),
    ("POST", "/v1/enroll-links"),
    ("GET", "/v1/enrollments"),
    ("POST", "/v1/enrollments/query"),
    ("GET", "/v1/enrollments/X"),
    ("POST", "/v1/enrollments/X/allow-reenroll"),
    ("POST", "/v1/enrollments/X/release"),
    ("POST", "/v1/enrollments/X/renew-identity"),
    ("GET", "/v1/hooks"),
    ("POST", "/v1/hooks"),
    ("GET", "/v1/hooks/X"),
    ("PATCH", "/v1/hooks/X"),
    ("DELETE", "/v1/hooks/X"),
    ("GET", "/v1/hooks/X/deadletters"),
    ("DELETE", "/v1/hooks/X/deadletters"),
    ("POST", "/v1/hooks/X/replay"),
    ("POST", "/v1/hooks/X/test"),
    ("GET", "/v1/maidjwt/X"),
    ("GET", "/v1/push/X"),
    ("GET", "/v1/push-certificates"),
    ("POST", "/v1/push-certificates"),
    ("POST", "/v1/push-certificates/csr"),
    ("GET", "/v1/push-certificates/X"),
    ("POST", "/v1/push-certificates/X/test"),
    ("GET", "/v1/pushcert"),
    ("PUT", "/v1/pushcert"),
    ("GET", "/v1/pushcerts"),
    ("GET", "/v1/pushes"),
    ("GET", "/v1/queue/X"),
    ("DELETE", "/v1/queue/X"),
    ("GET", "/v1/status"),
    ("GET", "/v1/tokenpki/X"),
    ("PUT", "/v1/tokenpki/X"),
    ("GET", "/v1/tokens/X"),
    ("PUT", "/v1/tokens/X"),
    ("HEAD", "/v1/enrollments"),
];

const OPEN: [&str; 5] = ["/healthz", "/metrics", "/openapi.json", "/readyz", "/version"];

/// The list above and the router's source name the same routes.
#[test]
fn the_sweep_knows_every_route() {
    let sources = [
        include_str!("../../../src/operator/mod.rs"),
        include_str!("../../../src/operator/ade/mod.rs"),
    ];
    let mut routes: Vec<String> = russet::operator::document().paths.paths.into_keys().collect();
    for part in sources.iter().flat_map(|source| source.split(".route(").skip(1)) {
        routes.push(part.split('"').nth(1).unwrap().to_owned());
    }
    assert!(routes.len() >= 50, "the source is not read as it should be");
    for path in routes {
        let pattern: String = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "X" } else { segment })
            .collect::<Vec<_>>()
            .join("/");
        let known = OPEN.contains(&path.as_str()) || GUARDED.iter().any(|(_, guarded)| *guarded == pattern);
        assert!(known, "{path} is missing in the sweep");
    }
}

#[tokio::test]
async fn without_a_key_only_the_open_routes_answer() {
    let server = TestServer::start().await;
    for (method, path) in GUARDED {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for authorization in [None, Some(basic("nanomdm", "wrong"))] {
            let answer = ask_as(&server, authorization.as_deref(), method.clone(), path, "").await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
            if method != Method::HEAD {
                assert_eq!(code(&answer), "key_missing", "{method} {path}");
            }
        }
    }
    for path in OPEN {
        let answer = ask_as(&server, None, Method::GET, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_open_routes_say_what_they_are_for() {
    let server = TestServer::start().await;
    let text = async |path| ask_as(&server, None, Method::GET, path, "").await;
    assert_eq!(text("/healthz").await.text, "ok\n");
    assert_eq!(text("/readyz").await.text, "ready\n");
    let version = text("/version").await;
    assert_eq!(version.json, serde_json::json!({ "version": russet::VERSION }));
    server.enrolled(russet_sim::Kind::Mac).await;
    let metrics = text("/metrics").await;
    assert!(metrics.content_type.starts_with("text/plain"));
    for figure in [
        "russet_enrollments",
        "russet_queue_depth",
        "russet_requests_total",
        "russet_scep_total",
    ] {
        assert!(metrics.text.contains(figure), "{figure} is missing");
    }
    assert!(!metrics.text.contains(&server.key));
}

#[tokio::test]
async fn with_a_key_every_route_answers_and_every_failure_is_json_with_a_step() {
    let server = TestServer::start().await;
    for (method, path) in GUARDED {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = ask(&server, method.clone(), path, "").await;
        assert_ne!(answer.status, 401, "{method} {path}");
        assert_ne!(answer.status, 405, "{method} {path}");
        // An unknown id is a 500 on NanoMDM's and NanoDEP's own endpoints, and never on ours.
        let theirs = [
            "/proxy/",
            "/v1/enqueue/",
            "/v1/maidjwt/",
            "/v1/push/",
            "/v1/queue/",
            "/v1/tokenpki/",
            "/v1/tokens/",
        ];
        let is_theirs = theirs.iter().any(|prefix| path.starts_with(prefix));
        assert!(
            answer.status < 500 || is_theirs,
            "{method} {path}: {}",
            answer.text
        );
        if (400..500).contains(&answer.status) {
            code(&answer);
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_so_is_json_too() {
    let server = TestServer::start().await;
    for (method, path, status, expected) in [
        (Method::GET, "/", 404, "not_found"),
        (Method::GET, "/v1", 404, "not_found"),
        (Method::GET, "/v1/nothing", 404, "not_found"),
        (Method::GET, "/v1/enrollments/", 404, "not_found"),
        (Method::GET, "/mdm", 404, "not_found"),
        (Method::GET, "/v1/enrollments/X", 404, "enrollment_unknown"),
        (Method::GET, "/v1/enrollments/%ff", 400, "bad_parameter"),
        (Method::DELETE, "/v1/apikeys/%ff%fe", 400, "bad_parameter"),
        (Method::GET, "/v1/commands/%c3%28", 400, "bad_parameter"),
        (
            Method::DELETE,
            "/v1/commands/%ff/enrollments/X",
            400,
            "bad_parameter",
        ),
        (Method::PUT, "/v1/enqueue/%ff", 400, "bad_parameter"),
        (Method::PUT, "/v1/push/,,", 400, "bad_parameter"),
        (Method::GET, "/v1/enrollments?limit=many", 400, "bad_parameter"),
        (
            Method::GET,
            "/v1/enrollments?enabled=perhaps",
            400,
            "bad_parameter",
        ),
        (Method::PATCH, "/v1/enrollments", 405, "method_not_allowed"),
        (Method::PUT, "/v1/pushcerts", 405, "method_not_allowed"),
        (Method::POST, "/v1/pushcert", 405, "method_not_allowed"),
        (
            Method::GET,
            "/v1/push-certificates/csr",
            405,
            "method_not_allowed",
        ),
        (
            Method::DELETE,
            "/v1/push-certificates/X",
            405,
            "method_not_allowed",
        ),
        (
            Method::GET,
            "/v1/push-certificates/X",
            404,
            "push_certificate_unknown",
        ),
        (Method::POST, "/version", 405, "method_not_allowed"),
    ] {
        let answer = ask(&server, method.clone(), path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(code(&answer), expected, "{method} {path}");
        if status == 405 {
            assert!(
                answer.allow.is_some_and(|allow| !allow.is_empty()),
                "{method} {path}"
            );
        }
    }
}

/// The command line's own requests: nothing in them that a proxy on the way would refuse.
#[tokio::test]
async fn the_command_lines_client_sends_one_host_header() {
    use russet::operator::client::Client as OperatorClient;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = OperatorClient::Remote {
        authority: listener.local_addr().unwrap().to_string(),
        key: "k".into(),
    };
    let asking = tokio::spawn(async move { client.request(Method::GET, "/version", Vec::new()).await });
    let mut wire = Wire::over(listener.accept().await.unwrap().0);
    let request = wire.hear_until("\r\n\r\n").await.to_lowercase();
    assert_eq!(request.matches("\nhost: ").count(), 1, "{request}");
    assert!(request.contains("authorization: bearer k\r\n"));
    wire.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(asking.await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_413() {
    let server = TestServer::start().await;
    let udid = server.enrolled(russet_sim::Kind::Mac).await.hardware.udid;
    let url = format!("http://{}/v1/enqueue/{udid}", server.operator_authority);
    let request = Request::new(Method::PUT, &url).body(vec![b' '; (16 << 20) + 1]);
    let request = request.header("authorization", &basic("x", &server.key)).unwrap();
    let response = Client::plain().send(request, None).await.unwrap();
    assert_eq!(response.status, 413);
    assert!(server.queue(&udid).await.is_empty());
}

//! Every route once: open to whom it says it is, with failures in the same form everywhere.

use axum::http::Method;
use russet_sim::{Client, Request};

use super::{ask, ask_as, basic, bearer, code, new_key, operations};
use crate::support::{TestServer, Wire};

/// What anyone may use. Everything else asks who it is.
const OPEN: [&str; 6] = [
    "/healthz",
    "/metrics",
    "/openapi-nano.json",
    "/openapi.json",
    "/readyz",
    "/version",
];

#[tokio::test]
async fn k_w1_without_a_key_only_the_open_routes_answer() {
    let server = TestServer::start().await;
    for operation in operations() {
        let (method, target) = (&operation.method, operation.target.as_str());
        let is_open = operation.scopes.is_none();
        let signs_in = (method, target) == (&Method::POST, "/v1/session");
        assert_eq!(is_open, OPEN.contains(&target) || signs_in, "{operation}");
        for authorization in [None, Some(basic("nanomdm", "wrong"))] {
            let answer = ask_as(&server, authorization.as_deref(), method.clone(), target, "").await;
            if signs_in {
                assert_eq!(answer.status, 400, "{operation}: {}", answer.text);
            } else if is_open {
                assert_eq!(answer.status, 200, "{operation}: {}", answer.text);
            } else {
                assert_eq!(answer.status, 401, "{operation}: {}", answer.text);
                assert_eq!(code(&answer), "key_missing", "{operation}");
            }
        }
    }
    let head = ask_as(&server, None, Method::HEAD, "/v1/enrollments", "").await;
    assert_eq!(head.status, 401);
}

/// Every scope alone, at every operation.
#[tokio::test]
async fn k_w1_each_operation_asks_for_the_scope_that_the_document_says() {
    use russet::service::access::Scope;

    let server = TestServer::start().await;
    for scope in Scope::ALL {
        let key = bearer(&new_key(&server, scope.as_str(), &[scope.as_str()], None).await);
        for operation in operations() {
            let Some(scopes) = &operation.scopes else {
                continue;
            };
            let asked = scopes.iter().map(|name| Scope::parse(name).unwrap());
            let enough = scopes.is_empty() || asked.into_iter().any(|asked| scope.includes(asked));
            let method = operation.method.clone();
            let answer = ask_as(&server, Some(&key), method, &operation.target, "").await;
            if enough {
                assert_ne!(answer.status, 403, "{operation} with {scope:?}: {}", answer.text);
            } else {
                assert_eq!(answer.status, 403, "{operation} with {scope:?}: {}", answer.text);
                assert_eq!(code(&answer), "key_scope", "{operation}");
            }
        }
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
async fn with_a_key_every_route_answers_as_the_document_says() {
    let server = TestServer::start().await;
    for operation in operations() {
        let answer = ask(&server, operation.method.clone(), &operation.target, "").await;
        let status = answer.status;
        assert!(operation.answers(status), "{operation}: {status} {}", answer.text);
        // An unknown id is a 500 on NanoMDM's and NanoDEP's own endpoints, and never on ours.
        assert!(
            status < 500 || !operation.is_native(),
            "{operation}: {}",
            answer.text
        );
        if (400..500).contains(&status) {
            code(&answer);
        }
        assert!(answer.request_id.is_some(), "{operation}");
    }
}

/// What the document promises of all native resources alike.
#[tokio::test]
async fn native_resources_refuse_what_the_document_does_not_name() {
    let server = TestServer::start().await;
    for operation in operations().iter().filter(|operation| operation.is_native()) {
        if operation.scopes.is_none() {
            continue;
        }
        let target = format!("{}?colour=red", operation.target);
        let answer = ask(&server, operation.method.clone(), &target, "").await;
        assert_eq!(
            (answer.status, code(&answer)),
            (400, "bad_parameter"),
            "{operation}"
        );
        assert_eq!(answer.json["fields"][0]["fields"][0], "colour", "{}", answer.text);
        let instance = format!("urn:uuid:{}", answer.request_id.unwrap());
        assert_eq!(answer.json["instance"], instance, "{operation}");

        let content = &operation.description["requestBody"]["content"];
        if content["application/json"].is_null() {
            continue;
        }
        let url = format!("http://{}{}", server.operator_authority, operation.target);
        let request = Request::new(operation.method.clone(), &url).body(b"name=x".to_vec());
        let request = request
            .header("authorization", &basic("x", &server.key))
            .and_then(|request| request.header("content-type", "application/x-www-form-urlencoded"));
        let answer = Client::plain().send(request.unwrap(), None).await.unwrap();
        assert_eq!(answer.status, 415, "{operation}");
    }
}

#[tokio::test]
async fn a_parameter_is_given_once_and_in_its_range() {
    let server = TestServer::start().await;
    for (query, status, field) in [
        ("limit=0", 422, "limit"),
        ("limit=1001", 422, "limit"),
        ("limit=-1", 400, "limit"),
        ("limit=1&limit=2", 400, "limit"),
        ("enabled=perhaps", 400, "enabled"),
        // A program whose variable is unset means none, and not all.
        ("serial=", 400, "serial"),
    ] {
        let answer = ask(&server, Method::GET, &format!("/v1/enrollments?{query}"), "").await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
        assert_eq!(answer.json["fields"][0]["fields"][0], field, "{query}");
    }
    let answer = ask(&server, Method::GET, "/v1/enrollments?limit=1000&cursor=", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn what_is_not_there_or_not_so_is_json_too() {
    let server = TestServer::start().await;
    for (method, path, status, expected) in [
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

//! `Idempotency-Key`: the same request twice is done once.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Client, Kind, Request};
use serde_json::{Value, json};

use crate::support::{TestServer, command, manual_clock, uuid};

struct Said {
    status: u16,
    replayed: bool,
    body: Value,
}

async fn send(server: &TestServer, key: &str, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Said {
    let url = format!("http://{}{path}", server.operator_authority);
    let request = Request::new(method, &url).body(body.into());
    let request = request
        .header("authorization", &format!("Bearer {}", server.key))
        .and_then(|request| request.header("idempotency-key", key))
        .unwrap();
    let answer = Client::plain().send(request, None).await.unwrap();
    Said {
        status: answer.status,
        replayed: answer.headers.contains_key("idempotent-replayed"),
        body: serde_json::from_slice(&answer.body).unwrap_or_default(),
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_changes_nothing() {
    let server = TestServer::start().await;
    let id = server.enrolled(Kind::Mac).await.hardware.udid;
    let lock = format!("/v1/enrollments/{id}/actions/lock");
    let enqueue = format!("/v1/enqueue/{id}?nopush=1");
    let raw = command(&uuid(), "SecurityInfo");
    let job = json!({ "action": "refresh", "targets": { "ids": [id] } }).to_string();
    let requests: [(Method, &str, Vec<u8>); 3] = [
        (Method::POST, &lock, b"{}".to_vec()),
        (Method::PUT, &enqueue, raw),
        (Method::POST, "/v1/jobs", job.into_bytes()),
    ];
    for (index, (method, path, body)) in requests.into_iter().enumerate() {
        let key = format!("key {index}");
        let first = send(&server, &key, method.clone(), path, body.clone()).await;
        assert!(
            (200..300).contains(&first.status) && !first.replayed,
            "{}",
            first.body
        );
        let second = send(&server, &key, method.clone(), path, body.clone()).await;
        assert_eq!((second.status, &second.body), (first.status, &first.body));
        assert!(second.replayed);
        let other = send(&server, &key, method, path, b"{\"message\": \"x\"}".to_vec()).await;
        assert_eq!(
            (other.status, other.body["code"].as_str()),
            (422, Some("idempotency_key_reused"))
        );
    }
    let jobs = server.ask(Method::GET, "/v1/jobs", Vec::new()).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_request_may_be_sent_again() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let path = format!("/v1/enrollments/{}/actions/release", phone.hardware.udid);
    for _ in 0..2 {
        let refused = send(&server, "k", Method::POST, &path, "").await;
        assert_eq!((refused.status, refused.replayed), (409, false));
    }
    let bad = send(&server, "", Method::POST, &path, "").await;
    assert_eq!(
        (bad.status, bad.body["code"].as_str()),
        (400, Some("bad_parameter"))
    );
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let clock = manual_clock(Duration::from_secs(3 * 24 * 3600));
    let server = TestServer::at(clock, |_| {}).await;
    let id = server.enrolled(Kind::IPhone).await.hardware.udid;
    let path = format!("/v1/enrollments/{id}/actions/lock");
    let first = send(&server, "k", Method::POST, &path, "{}").await;
    server.clock.advance(Duration::from_secs(25 * 3600));
    let before = server.clock.now().minus(Duration::from_secs(24 * 3600));
    server.store.purge_keyed(before, 100).await.unwrap();
    let second = send(&server, "k", Method::POST, &path, "{}").await;
    assert!(!second.replayed);
    assert_ne!(
        first.body["commands"], second.body["commands"],
        "it is a new request"
    );
    assert_eq!(server.queue(&id).await.len(), 2);
}

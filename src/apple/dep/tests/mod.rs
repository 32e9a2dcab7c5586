//! The client against a service that says what a test wants.

mod double;

use std::{
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use self::double::{Double, access, say};
use super::{DepFailure, DepForward, DeviceAssignment as _};

const EMPTY_PAGE: &str = r#"{"cursor":"c1","devices":[],"more_to_follow":false}"#;

#[tokio::test]
async fn the_session_of_the_newest_answer_is_used_from_then_on() {
    let double = Double::start(|seen| {
        let next = format!("{}+", seen.header("x-adm-auth-session"));
        (200, vec![("X-ADM-Auth-Session", next)], EMPTY_PAGE.into())
    })
    .await;
    let client = double.client();
    for _ in 0..3 {
        client.fetch(&access(), None, 1000).await.unwrap();
    }
    let sessions: Vec<_> = double.seen()[1..]
        .iter()
        .map(|seen| seen.header("x-adm-auth-session").to_owned())
        .collect();
    assert_eq!(sessions, ["S1", "S1+", "S1++"]);
    let seen = double.seen();
    assert_eq!(seen[0].path, "/session");
    assert!(seen[0].header("authorization").starts_with("OAuth realm=\"ADM\""));
    for seen in &seen {
        assert!(seen.header("user-agent").starts_with("russet/"));
        assert_eq!(seen.header("content-type"), "application/json;charset=UTF8");
    }
    assert_eq!(seen[1].header("x-server-protocol-version"), "10");
    assert_eq!(seen[1].header("authorization"), "");
    assert_eq!(seen[1].body, r#"{"limit":1000}"#);
}

#[tokio::test]
async fn a_session_that_is_not_known_any_more_is_opened_anew_once() {
    for (status, body) in [(401, "UNAUTHORIZED"), (403, "\"FORBIDDEN\"")] {
        let double = Double::start(move |seen| match seen.header("x-adm-auth-session") {
            "S1" => say(status, body),
            _ => say(200, EMPTY_PAGE),
        })
        .await;
        let page = double.client().sync(&access(), "c0", 5).await.unwrap();
        assert_eq!(page.cursor, "c1");
        assert_eq!(
            double.paths(),
            ["/session", "/devices/sync", "/session", "/devices/sync"]
        );
    }
    let double = Double::start(|_| say(401, "UNAUTHORIZED")).await;
    let failure = double.client().account(&access()).await.unwrap_err();
    assert!(matches!(failure, DepFailure::TokenRejected(_)), "{failure}");
    assert_eq!(double.paths().len(), 4);
}

#[tokio::test]
async fn many_questions_at_once_open_one_session() {
    let double = Double::start(|seen| match seen.header("x-adm-auth-session") {
        "S1" => say(401, ""),
        _ => say(200, EMPTY_PAGE),
    })
    .await;
    let client = double.client();
    let access = access();
    let asked = (0..8).map(|_| client.fetch(&access, None, 10));
    for page in futures(asked).await {
        page.unwrap();
    }
    let opened = double.paths().iter().filter(|path| *path == "/session").count();
    assert_eq!(opened, 2);
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn f19_terms_and_denials_open_no_session_anew() {
    for (body, expected) in [
        ("\"T_C_NOT_SIGNED\"", DepFailure::TermsNotSigned),
        ("ACCESS_DENIED", DepFailure::AccessDenied),
    ] {
        let double = Double::start(move |_| say(403, body)).await;
        assert_eq!(double.client().account(&access()).await, Err(expected.clone()));
        assert_eq!(double.paths(), ["/session", "/account"]);
        let double = Double::raw(move |_| say(403, body)).await;
        assert_eq!(double.client().account(&access()).await, Err(expected));
        assert_eq!(double.paths(), ["/session"]);
    }
}

#[tokio::test]
async fn an_older_version_is_spoken_when_apple_refuses_ours() {
    let double = Double::start(|seen| match seen.header("x-server-protocol-version") {
        "10" | "9" => say(400, "UNSUPPORTED_PROTOCOL_VERSION"),
        _ => say(200, EMPTY_PAGE),
    })
    .await;
    let client = double.client();
    client.fetch(&access(), None, 10).await.unwrap();
    client.fetch(&access(), None, 10).await.unwrap();
    let spoken: Vec<_> = double.seen()[1..]
        .iter()
        .map(|seen| seen.header("x-server-protocol-version").to_owned())
        .collect();
    assert_eq!(spoken, ["10", "9", "8", "8"]);
}

#[tokio::test]
async fn assignments_fall_back_to_put() {
    let double = Double::start(|seen| match seen.method {
        Method::POST => say(405, ""),
        _ => say(200, r#"{"devices":{"A":"success"},"retry_after_seconds":9}"#),
    })
    .await;
    let client = double.client();
    for _ in 0..2 {
        let assigned = client.assign(&access(), "u", &["A".into()]).await.unwrap();
        assert_eq!(assigned.devices["A"], "SUCCESS");
        assert_eq!(assigned.retry_after_seconds, Some(9));
    }
    let methods: Vec<_> = double.seen()[1..]
        .iter()
        .map(|seen| seen.method.clone())
        .collect();
    assert_eq!(methods, [Method::POST, Method::PUT, Method::PUT]);
}

#[tokio::test]
async fn f16_fetches_are_repeated_and_disowning_is_not() {
    let times = AtomicUsize::new(0);
    let double = Double::start(move |_| match times.fetch_add(1, Ordering::SeqCst) {
        0 => say(503, ""),
        1 => (429, vec![("retry-after", "0".into())], Vec::new()),
        _ => say(200, EMPTY_PAGE),
    })
    .await;
    assert!(double.client().fetch(&access(), None, 10).await.is_ok());
    assert_eq!(double.paths().len(), 4);

    let double = Double::start(|_| say(500, "")).await;
    let failure = double
        .client()
        .disown(&access(), &["A".into()])
        .await
        .unwrap_err();
    assert!(matches!(failure, DepFailure::Unavailable(..)));
    assert_eq!(double.paths(), ["/session", "/devices/disown"]);
}

#[tokio::test]
async fn compressed_answers_are_read_and_bombs_are_not() {
    let pack = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (page, bomb) = (pack(EMPTY_PAGE.as_bytes()), pack(&vec![b' '; 40 * 1024 * 1024]));
    let double = Double::start(move |seen| {
        let body = if seen.path == "/account" { &bomb } else { &page };
        (200, vec![("content-encoding", "gzip".into())], body.clone())
    })
    .await;
    let client = double.client();
    assert_eq!(client.fetch(&access(), None, 10).await.unwrap().cursor, "c1");
    let failure = client.account(&access()).await.unwrap_err();
    assert!(matches!(failure, DepFailure::Malformed(_)), "{failure}");
    assert_eq!(double.seen()[1].header("accept-encoding"), "gzip");
}

#[tokio::test]
async fn a_request_is_passed_on_within_a_session() {
    let double = Double::start(|seen| match seen.header("x-adm-auth-session") {
        "S1" => say(401, ""),
        _ => (
            418,
            vec![
                ("retry-after", "7".into()),
                ("x-adm-auth-session", "S9".into()),
                ("x-other", "kept".into()),
            ],
            seen.body.clone().into_bytes(),
        ),
    })
    .await;
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Basic eDp5"));
    headers.insert("user-agent", HeaderValue::from_static("depcli/1"));
    let forward = DepForward {
        method: Method::POST,
        path: "/devices?x=1".into(),
        headers,
        body: b"{}".to_vec(),
    };
    let answer = double.client().forward(&access(), forward).await.unwrap();
    assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.body, b"{}");
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.headers["x-other"], "kept");
    assert!(!answer.headers.contains_key("x-adm-auth-session"));
    let last = double.seen().pop().unwrap();
    assert_eq!(
        (last.path.as_str(), last.header("authorization")),
        ("/devices?x=1", "")
    );
    assert_eq!(last.header("x-adm-auth-session"), "S2");
    assert_eq!(last.header("x-server-protocol-version"), "7");
    assert_eq!(last.header("user-agent"), "depcli/1");
}

#[tokio::test]
async fn secrets_show_in_no_debug() {
    let double = Double::start(|_| say(200, EMPTY_PAGE)).await;
    let client = double.client();
    client.fetch(&access(), None, 10).await.unwrap();
    let shown = format!("{client:?} {:?}", access());
    for secret in ["CK_", "CS_", "AT_", "AS_", "S1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

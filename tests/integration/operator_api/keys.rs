//! Who may ask: Basic and Bearer, scopes, keys that expire and keys that are removed.

use std::time::Duration;

use axum::http::Method;
use russet::{clock::Clock, protocol::time::Timestamp};
use russet_sim::{Kind, encode::base64};
use serde_json::json;

use super::{Answer, ask, ask_as, basic, bearer, code, new_key};
use crate::support::{TestServer, command, uuid};

#[tokio::test]
async fn a_key_is_taken_as_basic_password_of_any_user_and_as_bearer_token() {
    let server = TestServer::start().await;
    let key = &server.key;
    for authorization in [
        basic("nanomdm", key),
        basic("", key),
        basic("anyone at all", key),
        bearer(key),
        format!("bearer {key}"),
        format!("BASIC  {}", base64(format!("x:{key}").as_bytes())),
    ] {
        let answer = ask_as(&server, Some(&authorization), Method::GET, "/v1/enrollments", "").await;
        assert_eq!(answer.status, 200, "{authorization}: {}", answer.text);
    }
}

#[tokio::test]
async fn without_a_right_key_the_answer_is_401_and_says_how() {
    let server = TestServer::start().await;
    let key = &server.key;
    let other = if key.ends_with('x') { 'y' } else { 'x' };
    let almost = format!("{}{other}", &key[..key.len() - 1]);
    for authorization in [
        None,
        Some(String::new()),
        Some("Basic".into()),
        Some("Basic !!!".into()),
        Some(format!("Basic {}", base64(key.as_bytes()))),
        Some(format!("Basic {}", base64(&[0xff; 40]))),
        Some(basic(key, "")),
        Some(basic("nanomdm", &almost)),
        Some(bearer(&almost)),
        Some(bearer("")),
        Some(bearer(&format!("{key}{key}"))),
        Some(format!("Digest {key}")),
        Some(key.clone()),
    ] {
        let answer = ask_as(
            &server,
            authorization.as_deref(),
            Method::GET,
            "/v1/enrollments",
            "",
        )
        .await;
        assert_eq!(answer.status, 401, "{authorization:?}");
        assert_eq!(code(&answer), "key_missing");
        let way = answer.www_authenticate.unwrap_or_default();
        assert!(way.starts_with("Basic realm=\""), "{way}");
        assert!(!answer.text.contains(key.as_str()));
    }
}

/// What each scope is good for. Whatever is refused changes nothing.
#[tokio::test]
async fn a_key_does_what_its_scope_says_and_nothing_else() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let routes: Vec<(&str, Method, String, Vec<u8>)> = vec![
        ("read", Method::GET, "/v1/enrollments".into(), vec![]),
        ("read", Method::GET, format!("/v1/enrollments/{udid}"), vec![]),
        ("read", Method::POST, "/v1/enrollments/query".into(), vec![]),
        ("read", Method::GET, format!("/v1/queue/{udid}"), vec![]),
        ("read", Method::GET, "/v1/commands/X".into(), vec![]),
        ("read", Method::GET, "/v1/pushcerts".into(), vec![]),
        ("read", Method::GET, "/v1/pushcert?topic=x".into(), vec![]),
        ("read", Method::GET, "/v1/push-certificates".into(), vec![]),
        ("read", Method::GET, "/v1/push-certificates/x".into(), vec![]),
        (
            "command",
            Method::POST,
            "/v1/push-certificates/x/test".into(),
            vec![],
        ),
        (
            "command",
            Method::PUT,
            format!("/v1/enqueue/{udid}?nopush=1"),
            command("U", "DeviceInformation"),
        ),
        ("command", Method::PUT, format!("/v1/push/{udid}"), vec![]),
        (
            "command",
            Method::DELETE,
            format!("/v1/commands/U/enrollments/{udid}"),
            vec![],
        ),
        ("command", Method::DELETE, format!("/v1/queue/{udid}"), vec![]),
        (
            "command",
            Method::POST,
            format!("/v1/enrollments/{udid}/renew-identity"),
            vec![],
        ),
        ("enroll", Method::POST, "/v1/enroll-links".into(), vec![]),
        (
            "enroll",
            Method::POST,
            format!("/v1/enrollments/{udid}/allow-reenroll"),
            vec![],
        ),
        ("admin", Method::GET, "/v1/apikeys".into(), vec![]),
        (
            "admin",
            Method::POST,
            "/v1/apikeys".into(),
            json!({ "name": "x", "scopes": ["admin"] }).to_string().into(),
        ),
        ("admin", Method::DELETE, "/v1/apikeys/x".into(), vec![]),
        ("admin", Method::PUT, "/v1/pushcert".into(), b"x".to_vec()),
        ("admin", Method::POST, "/v1/push-certificates".into(), vec![]),
        ("admin", Method::POST, "/v1/push-certificates/csr".into(), vec![]),
        ("admin", Method::PUT, "/migration".into(), b"x".to_vec()),
    ];
    for scope in ["read", "command", "enroll"] {
        let key = bearer(&new_key(&server, scope, &[scope], None).await);
        for (needed, method, path, body) in &routes {
            let answer = ask_as(&server, Some(&key), method.clone(), path, body.clone()).await;
            if *needed == scope {
                assert_ne!(answer.status, 403, "{scope}: {method} {path}: {}", answer.text);
                assert_ne!(answer.status, 401, "{scope}: {method} {path}");
            } else {
                assert_eq!(answer.status, 403, "{scope}: {method} {path}: {}", answer.text);
                assert_eq!(code(&answer), "key_scope");
                assert!(answer.text.contains(needed), "{}", answer.text);
            }
        }
    }
    let names = ask(&server, Method::GET, "/v1/apikeys", "").await;
    assert_eq!(
        names.json["api_keys"].as_array().unwrap().len(),
        4,
        "{}",
        names.text
    );
}

#[tokio::test]
async fn a_key_with_several_scopes_has_them_all() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let key = bearer(&new_key(&server, "both", &["read", "command"], None).await);
    let path = format!("/v1/enqueue/{udid}?nopush=1");
    let queued = ask_as(
        &server,
        Some(&key),
        Method::PUT,
        &path,
        command(&uuid(), "DeviceInformation"),
    )
    .await;
    assert_eq!(queued.status, 200);
    let seen = ask_as(&server, Some(&key), Method::GET, "/v1/enrollments", "").await;
    assert_eq!(seen.status, 200);
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let server = TestServer::at(Clock::manual(start), |_| {}).await;
    let key = bearer(&new_key(&server, "brief", &["read"], Some("2026-01-01T01:00:00Z")).await);
    let seen = async || ask_as(&server, Some(&key), Method::GET, "/v1/enrollments", "").await;
    assert_eq!(seen().await.status, 200);
    server.clock.advance(Duration::from_secs(3599));
    assert_eq!(seen().await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    let answer: Answer = seen().await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("expired"), "{}", answer.text);
}

#[tokio::test]
async fn a_removed_key_opens_nothing_and_its_name_is_free_again() {
    let server = TestServer::start().await;
    let first = bearer(&new_key(&server, "ci", &["read"], None).await);
    let body = json!({ "name": "ci", "scopes": ["admin"] }).to_string();
    let taken = ask(&server, Method::POST, "/v1/apikeys", body).await;
    assert_eq!((taken.status, code(&taken)), (409, "api_key_exists"));

    assert_eq!(
        ask(&server, Method::DELETE, "/v1/apikeys/ci", "").await.status,
        204
    );
    let answer = ask_as(&server, Some(&first), Method::GET, "/v1/enrollments", "").await;
    assert_eq!(answer.status, 401);
    let again = ask(&server, Method::DELETE, "/v1/apikeys/ci", "").await;
    assert_eq!((again.status, code(&again)), (404, "api_key_unknown"));

    let second = bearer(&new_key(&server, "ci", &["read"], None).await);
    assert_eq!(
        ask_as(&server, Some(&first), Method::GET, "/v1/enrollments", "")
            .await
            .status,
        401
    );
    assert_eq!(
        ask_as(&server, Some(&second), Method::GET, "/v1/enrollments", "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_key_shows_once_and_never_in_the_list() {
    let server = TestServer::start().await;
    let key = new_key(&server, "ci", &["read", "command"], Some("2099-01-01T00:00:00Z")).await;
    assert!(key.len() >= 32, "{key}");
    let list = ask(&server, Method::GET, "/v1/apikeys", "").await;
    assert!(!list.text.contains(&key) && !list.text.contains(&server.key));
    let keys = list.json["api_keys"].as_array().unwrap();
    let ci = keys.iter().find(|key| key["name"] == "ci").unwrap();
    assert_eq!(ci["scopes"], json!(["read", "command"]));
    assert!(
        ci["expires_at"]
            .as_str()
            .unwrap()
            .starts_with("2099-01-01T00:00:00")
    );
    assert!(keys.iter().any(|key| key["name"] == "dev"));
}

/// A browser would take them for steps of a path, and `-` stands for the default token.
#[tokio::test]
async fn nothing_is_called_like_a_step_of_a_path() {
    let server = TestServer::start().await;
    for name in [".", "..", "-", "-_."] {
        for (path, body) in [
            (
                "/v1/ade/accounts",
                json!({ "name": name, "password": "long enough for it" }),
            ),
            ("/v1/ade/tokens", json!({ "name": name })),
            ("/v1/apikeys", json!({ "name": name, "scopes": ["read"] })),
            (
                "/v1/hooks",
                json!({ "name": name, "url": "https://events.example.com/" }),
            ),
            ("/v1/users", json!({ "name": name, "role": "viewer" })),
            ("/v1/hold-profiles", json!({ "name": name })),
        ] {
            if path == "/v1/hold-profiles" && !matches!(name, "." | "..") {
                continue;
            }
            let answer = ask(&server, Method::POST, path, body.to_string()).await;
            assert_eq!(answer.status, 422, "{path} {name}: {}", answer.text);
            assert_eq!(
                answer.json["fields"][0]["fields"],
                json!(["name"]),
                "{}",
                answer.text
            );
        }
    }
    for url in [
        "https://example.com:99999/",
        "https://example.com:0/",
        &format!("https://{}.com/", "a".repeat(300)),
    ] {
        let body = json!({ "name": "x", "url": url });
        let answer = ask(&server, Method::POST, "/v1/hooks", body.to_string()).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let server = TestServer::start().await;
    for (body, status, field) in [
        (json!({ "name": "", "scopes": ["read"] }), 422, "name"),
        (json!({ "name": "a b", "scopes": ["read"] }), 422, "name"),
        (json!({ "name": "a/b", "scopes": ["read"] }), 422, "name"),
        (json!({ "name": "x".repeat(65), "scopes": ["read"] }), 422, "name"),
        (json!({ "name": "x", "scopes": [] }), 422, "scopes"),
        (
            json!({ "name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z" }),
            422,
            "expires_at",
        ),
        (json!({ "name": "x", "scopes": ["root"] }), 400, "scopes[0]"),
        (
            json!({ "name": "x", "scopes": ["read"], "expires_at": "tomorrow" }),
            400,
            "expires_at",
        ),
        (
            json!({ "name": "x", "scopes": ["read"], "surprise": 1 }),
            400,
            "surprise",
        ),
        (json!({ "name": "x" }), 400, "scopes"),
        (json!({ "name": 7, "scopes": ["read"] }), 400, "name"),
    ] {
        let answer = ask(&server, Method::POST, "/v1/apikeys", body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        let named = if status == 422 {
            "field_invalid"
        } else {
            "bad_body"
        };
        assert_eq!(code(&answer), named, "{body}");
        assert_eq!(
            answer.json["fields"][0]["fields"],
            json!([field]),
            "{}",
            answer.text
        );
    }
    let array = ask(&server, Method::POST, "/v1/apikeys", "[]").await;
    assert_eq!((array.status, code(&array)), (400, "bad_body"));
    let list = ask(&server, Method::GET, "/v1/apikeys", "").await;
    assert_eq!(list.json["api_keys"].as_array().unwrap().len(), 1);
}

//! K-W4: a page of another site has a browser send requests, and nothing comes of it.

use axum::http::Method;
use serde_json::json;

use super::{Answer, Browser, add_user, send, sign_in};
use crate::support::TestServer;

async fn make_link(server: &TestServer, headers: &[(&'static str, &str)]) -> Answer {
    send(server, Method::POST, "/v1/enroll-links", headers, "{}").await
}

async fn signed_in() -> (TestServer, Browser) {
    let server = TestServer::start().await;
    add_user(&server, "ada", "admin").await;
    let browser = sign_in(&server, "ada").await;
    (server, browser)
}

#[tokio::test]
async fn k_w4_a_cookie_alone_changes_nothing() {
    let (server, browser) = signed_in().await;
    let cookie = ("cookie", browser.cookie.as_str());
    let origin = format!("http://{}", server.operator_authority);
    for headers in [
        vec![cookie],
        vec![cookie, ("x-csrf-token", "")],
        vec![cookie, ("x-csrf-token", "0123456789abcdef")],
        vec![cookie, ("origin", &origin)],
        vec![
            cookie,
            ("x-csrf-token", &browser.csrf),
            ("origin", "https://evil.example"),
        ],
        vec![
            cookie,
            ("x-csrf-token", &browser.csrf),
            ("sec-fetch-site", "cross-site"),
        ],
        vec![
            cookie,
            ("x-csrf-token", &browser.csrf),
            ("sec-fetch-site", "same-site"),
        ],
        vec![cookie, ("content-type", "text/plain")],
    ] {
        let refused = make_link(&server, &headers).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "csrf_rejected"),
            "{headers:?}"
        );
    }
    let token = ("x-csrf-token", browser.csrf.as_str());
    for more in [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")] {
        assert_eq!(make_link(&server, &[cookie, token, more]).await.status, 201);
    }
    let other = sign_in(&server, "ada").await;
    let stolen = [cookie, ("x-csrf-token", other.csrf.as_str())];
    assert_eq!(
        make_link(&server, &stolen).await.status,
        403,
        "each session has its own token"
    );
}

#[tokio::test]
async fn k_w4_looking_needs_no_token() {
    let (server, browser) = signed_in().await;
    let headers = [
        ("cookie", browser.cookie.as_str()),
        ("sec-fetch-site", "cross-site"),
    ];
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(
            send(&server, method, "/v1/enrollments", &headers, "")
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn k_w4_a_key_wins_over_a_cookie_and_needs_no_token() {
    let (server, browser) = signed_in().await;
    let key = format!("Bearer {}", server.key);
    let both = [("cookie", browser.cookie.as_str()), ("authorization", &key)];
    assert_eq!(make_link(&server, &both).await.status, 201);
    let who = send(&server, Method::GET, "/v1/session", &both, "").await;
    assert_eq!(
        (&who.json["kind"], &who.json["session"]),
        (&json!("key"), &json!(null))
    );
    let wrong = [
        ("cookie", browser.cookie.as_str()),
        ("authorization", "Bearer wrong"),
    ];
    assert_eq!(
        send(&server, Method::GET, "/v1/session", &wrong, "").await.status,
        401
    );
}

#[tokio::test]
async fn k_w4_another_sites_page_signs_nobody_in() {
    let (server, _) = signed_in().await;
    let body = json!({ "name": "ada", "password": super::PASSWORD }).to_string();
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let refused = send(&server, Method::POST, "/v1/session", &[header], body.clone()).await;
        assert_eq!((refused.status, refused.code()), (403, "csrf_rejected"));
        assert_eq!(refused.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn k_w4_a_form_brings_the_token_in_a_field() {
    let (server, browser) = signed_in().await;
    let form = [
        ("cookie", browser.cookie.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let refused = send(&server, Method::POST, "/logout", &form, "csrf=wrong").await;
    assert_eq!(refused.status, 403);
    assert_eq!(browser.get(&server, "/v1/session").await.status, 200);
    let body = format!("csrf={}", browser.csrf);
    let out = send(&server, Method::POST, "/logout", &form, body).await;
    assert_eq!((out.status, out.header("location")), (303, "/login"));
    assert_eq!(browser.get(&server, "/v1/session").await.status, 401);
}

//! K-W4: how sessions begin, go on and end.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Browser, PASSWORD, add_user, send, sign_in, try_sign_in};
use crate::support::{TestServer, manual_clock};

const MINUTE: Duration = Duration::from_secs(60);

async fn server() -> TestServer {
    let server = TestServer::at(manual_clock(Duration::from_secs(90_000)), |_| {}).await;
    add_user(&server, "ada", "admin").await;
    server
}

async fn is_in(server: &TestServer, browser: &Browser) -> bool {
    let answer = browser.get(server, "/v1/session").await;
    match answer.status {
        200 => true,
        401 => {
            assert_eq!(answer.code(), "session_over");
            assert!(answer.header("www-authenticate").starts_with("Cookie "));
            false
        }
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn k_w4_a_sessions_cookie_is_for_this_server_and_no_script() {
    let server = server().await;
    let answer = try_sign_in(&server, "ada", PASSWORD).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("russet=") && !cookie.contains("Secure"),
        "{cookie}"
    );
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(answer.header("cache-control"), "no-store");
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(secret.len() >= 43 && !answer.text.contains(secret));
    let proxied = server
        .restart(|config| config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()])
        .await;
    let body = json!({ "name": "ada", "password": PASSWORD }).to_string();
    let encrypted = [("x-forwarded-proto", "https")];
    let answer = send(&proxied, Method::POST, "/v1/session", &encrypted, body).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("__Host-russet=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    assert!(!cookie.contains("Domain"), "{cookie}");
    let pair = answer.cookie();
    let in_plain = send(&proxied, Method::GET, "/v1/session", &[("cookie", &pair)], "").await;
    assert_eq!(in_plain.status, 401, "over TLS it is another cookie");
    let both = [("cookie", pair.as_str()), encrypted[0]];
    assert_eq!(
        send(&proxied, Method::GET, "/v1/session", &both, "").await.status,
        200
    );
}

#[tokio::test]
async fn k_w4_a_session_ends_when_it_is_not_used_and_after_a_day_of_work() {
    let server = server().await;
    let browser = sign_in(&server, "ada").await;
    for _ in 0..5 {
        server.clock.advance(14 * MINUTE);
        assert!(is_in(&server, &browser).await);
    }
    server.clock.advance(15 * MINUTE);
    assert!(!is_in(&server, &browser).await);
    let browser = sign_in(&server, "ada").await;
    for _ in 0..71 {
        server.clock.advance(10 * MINUTE);
        assert!(is_in(&server, &browser).await);
    }
    server.clock.advance(10 * MINUTE);
    assert!(!is_in(&server, &browser).await, "twelve hours are over");
}

#[tokio::test]
async fn k_w4_a_session_goes_on_after_a_restart_and_its_use_is_written_once_a_minute() {
    let server = server().await;
    let browser = sign_in(&server, "ada").await;
    let began = server.clock.now();
    for seconds in [1, 20, 30] {
        server.clock.advance(Duration::from_secs(seconds));
        assert!(is_in(&server, &browser).await);
    }
    let written = async |server: &TestServer| server.store.sessions("ada").await.unwrap()[0].seen_at;
    assert_eq!(written(&server).await, began);
    server.clock.advance(10 * MINUTE);
    assert!(is_in(&server, &browser).await);
    assert_eq!(written(&server).await, server.clock.now());
    let server = server.restart(|_| {}).await;
    server.clock.advance(14 * MINUTE);
    assert!(is_in(&server, &browser).await);
}

#[tokio::test]
async fn k_w4_signing_in_again_gives_another_session_and_ends_the_former() {
    let server = server().await;
    let first = sign_in(&server, "ada").await;
    let body = json!({ "name": "ada", "password": PASSWORD }).to_string();
    let again = send(
        &server,
        Method::POST,
        "/v1/session",
        &[("cookie", &first.cookie)],
        body.clone(),
    )
    .await;
    let second = Browser::of(&again);
    assert_ne!((&first.cookie, &first.csrf), (&second.cookie, &second.csrf));
    assert!(is_in(&server, &second).await && !is_in(&server, &first).await);
    // A cookie that somebody else has planted opens nothing after the sign-in.
    let planted = [("cookie", "russet=plantedplantedplantedplantedplantedplanted1")];
    let answer = send(&server, Method::POST, "/v1/session", &planted, body).await;
    assert!(!answer.cookie().contains("planted"));
    assert_eq!(
        send(&server, Method::GET, "/v1/session", &planted, "")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn k_w4_signing_out_ends_the_session_at_once() {
    let server = server().await;
    let browser = sign_in(&server, "ada").await;
    let other = sign_in(&server, "ada").await;
    let out = browser
        .ask(&server, Method::DELETE, "/v1/session", Value::Null)
        .await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert!(!is_in(&server, &browser).await && is_in(&server, &other).await);
    let key = format!("Bearer {}", server.key);
    let none = send(
        &server,
        Method::DELETE,
        "/v1/session",
        &[("authorization", &key)],
        "",
    )
    .await;
    assert_eq!((none.status, none.code()), (404, "session_missing"));
}

#[tokio::test]
async fn k_w4_a_new_password_ends_all_other_sessions_and_renews_ones_own() {
    let server = server().await;
    let (mine, other) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
    let change = |current: &str| json!({ "current_password": current, "password": "another long secret" });
    let wrong = mine
        .ask(
            &server,
            Method::PUT,
            "/v1/session/password",
            change("no, not this"),
        )
        .await;
    assert_eq!((wrong.status, wrong.code()), (422, "field_invalid"), "{wrong:?}");
    assert!(is_in(&server, &other).await);
    let changed = mine
        .ask(&server, Method::PUT, "/v1/session/password", change(PASSWORD))
        .await;
    assert_eq!(changed.status, 204, "{changed:?}");
    let renewed = Browser {
        cookie: changed.cookie(),
        csrf: String::new(),
    };
    assert!(is_in(&server, &renewed).await);
    assert!(!is_in(&server, &mine).await && !is_in(&server, &other).await);
    assert_eq!(try_sign_in(&server, "ada", PASSWORD).await.status, 401);
    assert_eq!(
        try_sign_in(&server, "ada", "another long secret").await.status,
        201
    );
}

#[tokio::test]
async fn k_w4_another_role_or_a_removal_takes_effect_at_once() {
    let server = server().await;
    add_user(&server, "bob", "viewer").await;
    let (ada, bob) = (sign_in(&server, "ada").await, sign_in(&server, "bob").await);
    let renamed = ada
        .ask(
            &server,
            Method::PATCH,
            "/v1/users/bob",
            json!({ "display_name": "Bob" }),
        )
        .await;
    assert_eq!(renamed.status, 200);
    assert!(is_in(&server, &bob).await, "a name is no privilege");
    let promoted = ada
        .ask(
            &server,
            Method::PATCH,
            "/v1/users/bob",
            json!({ "role": "admin" }),
        )
        .await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
    assert_eq!(
        promoted.header("set-cookie"),
        "",
        "it is not ada's session that changes"
    );
    assert!(!is_in(&server, &bob).await && is_in(&server, &ada).await);
    let own = ada
        .ask(
            &server,
            Method::PATCH,
            "/v1/users/ada",
            json!({ "role": "viewer" }),
        )
        .await;
    let renewed = Browser {
        cookie: own.cookie(),
        csrf: String::new(),
    };
    assert!(is_in(&server, &renewed).await && !is_in(&server, &ada).await);
    assert_eq!(renewed.get(&server, "/v1/users").await.status, 403);
    let bob = sign_in(&server, "bob").await;
    server
        .ask(
            Method::PATCH,
            "/v1/users/ada",
            json!({ "role": "admin" }).to_string(),
        )
        .await;
    let disable = json!({ "disabled": true }).to_string();
    server.ask(Method::PATCH, "/v1/users/bob", disable).await;
    assert!(!is_in(&server, &bob).await);
    let refused = try_sign_in(&server, "bob", PASSWORD).await;
    assert_eq!((refused.status, refused.code()), (401, "sign_in_failed"));
}

#[tokio::test]
async fn an_administrator_lists_and_ends_sessions() {
    let server = server().await;
    add_user(&server, "bob", "viewer").await;
    let bobs = [sign_in(&server, "bob").await, sign_in(&server, "bob").await];
    let ada = sign_in(&server, "ada").await;
    let list = ada.get(&server, "/v1/users/bob/sessions").await;
    let sessions = list.json["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["peer"], "127.0.0.1");
    for browser in &bobs {
        assert!(!list.text.contains(browser.cookie.split('=').nth(1).unwrap()));
    }
    let path = format!("/v1/users/bob/sessions/{}", sessions[0]["id"].as_str().unwrap());
    assert_eq!(
        ada.ask(&server, Method::DELETE, &path, Value::Null).await.status,
        204
    );
    let again = ada.ask(&server, Method::DELETE, &path, Value::Null).await;
    assert_eq!((again.status, again.code()), (404, "session_unknown"));
    let rest = ada
        .ask(&server, Method::DELETE, "/v1/users/bob/sessions", Value::Null)
        .await;
    assert_eq!(rest.json["ended"], 1);
    for browser in &bobs {
        assert!(!is_in(&server, browser).await);
    }
}

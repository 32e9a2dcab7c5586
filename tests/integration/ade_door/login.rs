//! Logging in on a device that enrolls: in Setup Assistant's web view, or with HTTP authentication.

use std::time::Duration;

use axum::http::Method;
use russet::service::ade::profiles::Doors as _;
use russet_sim::{Kind, Request, Response, encode::base64};
use serde_json::{Value, json};

use super::{Boxed, Estate, code, post};

async fn estate() -> Estate {
    let estate = Estate::start().await;
    let account = json!({ "name": "Ada", "password": "correct horse" });
    let made = estate
        .server
        .ask(Method::POST, "/v1/ade/accounts", account.to_string())
        .await;
    assert_eq!(made["name"], "ada");
    estate
}

fn settings(method: &str) -> Option<Value> {
    Some(json!({
        "platform": "ios",
        "affinity": "with",
        "auth": { "method": method },
        "await_configuration": false,
    }))
}

/// The web view's first request.
async fn open(estate: &Estate, boxed: &Boxed) -> Response {
    let request = Request::new(Method::GET, &web(estate));
    let message = base64(&boxed.message());
    let request = request.header("x-apple-aspen-deviceinfo", &message).unwrap();
    estate.server.client().send(request, None).await.unwrap()
}

fn web(estate: &Estate) -> String {
    estate.server.door.addresses(&estate.token).configuration_web_url
}

fn session(page: &Response) -> String {
    let text = String::from_utf8_lossy(&page.body);
    let after = text.split("name=\"session\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn form(url: &str, session: Option<&str>, name: &str, password: &str) -> Request {
    let session = session
        .map(|session| format!("session={session}&"))
        .unwrap_or_default();
    let body = format!("{session}name={name}&password={}", password.replace(' ', "+"));
    Request::new(Method::POST, url)
        .body(body)
        .header("content-type", "application/x-www-form-urlencoded")
        .unwrap()
}

async fn send(estate: &Estate, request: Request) -> Response {
    estate.server.client().send(request, None).await.unwrap()
}

/// A serial number alone buys nothing; with a login the profile comes, bound to the device, and the user is known.
#[tokio::test]
async fn e3_the_user_logs_in_on_the_page_and_the_device_enrolls() {
    let estate = estate().await;
    let mut boxed = estate.device(Kind::IPhone, settings("modern")).await;
    let refused = post(&estate.server, &estate.url(), boxed.message()).await;
    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (403, "web_authentication_required")
    );

    let page = open(&estate, &boxed).await;
    assert_eq!((page.status, page.media_type().as_str()), (200, "text/html"));
    // The web view has lost its cookie.
    let answer = send(
        &estate,
        form(&web(&estate), Some(&session(&page)), "ADA", "correct horse"),
    )
    .await;
    assert_eq!(answer.media_type(), "application/x-apple-aspen-config");
    boxed.device.enroll_with(&answer.body).await.unwrap();
    assert_eq!(estate.enrollment(&boxed.device).await["ade"]["user"], "ada");
}

#[tokio::test]
async fn the_session_is_found_by_its_cookie_too() {
    let estate = estate().await;
    let boxed = estate.device(Kind::IPad, settings("modern")).await;
    let page = open(&estate, &boxed).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap().to_owned();
    for word in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(cookie.len() < 200, "the message itself is not in it");
    let cookie = cookie.split(';').next().unwrap();
    let again = Request::new(Method::GET, &web(&estate))
        .header("cookie", cookie)
        .unwrap();
    assert_eq!(send(&estate, again).await.status, 200);
    let request = form(&web(&estate), None, "ada", "correct horse");
    let request = request.header("cookie", cookie).unwrap();
    assert_eq!(send(&estate, request).await.status, 200);
}

#[tokio::test]
async fn the_page_runs_nothing_loads_nothing_and_can_be_read_out() {
    let estate = estate().await;
    let boxed = estate.device(Kind::IPad, settings("modern")).await;
    let page = open(&estate, &boxed).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    let text = String::from_utf8_lossy(&page.body);
    assert!(!text.contains("<script") && !text.contains("style=\""));
    for part in [
        "lang=\"en\"",
        "<label for=\"name\">",
        "<label for=\"password\">",
        "name=\"viewport\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let serial = &boxed.device.hardware.serial_number;
    assert!(
        !text.contains(serial.as_str()),
        "nor does it repeat what was sent"
    );
}

/// An unknown name, a wrong password and a closed account look alike.
#[tokio::test]
async fn a_wrong_login_says_nothing_of_what_is_wrong() {
    let estate = estate().await;
    let boxed = estate.device(Kind::IPhone, settings("modern")).await;
    let page = open(&estate, &boxed).await;
    let session = session(&page);
    let mut seen = Vec::new();
    for (name, password) in [("ada", "wrong"), ("bob", "correct horse"), ("", "")] {
        let answer = send(&estate, form(&web(&estate), Some(&session), name, password)).await;
        assert_eq!((answer.status, answer.media_type().as_str()), (200, "text/html"));
        seen.push(answer.body);
    }
    assert!(seen.iter().all(|body| *body == seen[0]));
    assert!(String::from_utf8_lossy(&seen[0]).contains("role=\"alert\""));
    // Five in one session end it.
    for _ in 0..2 {
        send(&estate, form(&web(&estate), Some(&session), "ada", "wrong")).await;
    }
    let over = send(
        &estate,
        form(&web(&estate), Some(&session), "ada", "correct horse"),
    )
    .await;
    assert_eq!(over.status, 403);
}

#[tokio::test]
async fn an_account_is_closed_for_a_while_after_ten_wrong_passwords() {
    let estate = estate().await;
    let mut last = None;
    for round in 0..3 {
        let boxed = estate.device(Kind::IPhone, settings("modern")).await;
        let session = session(&open(&estate, &boxed).await);
        for _ in 0..if round < 2 { 4 } else { 2 } {
            send(&estate, form(&web(&estate), Some(&session), "ada", "wrong")).await;
        }
        last = Some(session);
    }
    let right = form(&web(&estate), last.as_deref(), "ada", "correct horse");
    assert_eq!(send(&estate, right).await.media_type(), "text/html", "closed");
    estate.server.clock.advance(Duration::from_secs(16 * 60));
    let boxed = estate.device(Kind::IPhone, settings("modern")).await;
    let session = session(&open(&estate, &boxed).await);
    let right = form(&web(&estate), Some(&session), "ada", "correct horse");
    assert_eq!(
        send(&estate, right).await.media_type(),
        "application/x-apple-aspen-config"
    );
}

/// K-A7: a form from elsewhere, a session that was made up, one that is too old, and one of the other kind.
#[tokio::test]
async fn k_a7_only_our_own_form_is_taken() {
    let estate = estate().await;
    let boxed = estate.device(Kind::IPhone, settings("modern")).await;
    let session = session(&open(&estate, &boxed).await);
    let right = || form(&web(&estate), Some(&session), "ada", "correct horse");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let request = right().header(name, value).unwrap();
        assert_eq!(send(&estate, request).await.status, 403, "{name}");
    }
    for made_up in [None, Some(""), Some("made-up")] {
        let request = form(&web(&estate), made_up, "ada", "correct horse");
        assert_eq!(send(&estate, request).await.status, 403);
    }
    let other = format!("{}/sso/{session}", estate.url());
    assert_eq!(
        send(&estate, form(&other, None, "ada", "correct horse"))
            .await
            .status,
        403
    );
    assert_eq!(send(&estate, Request::new(Method::GET, &other)).await.status, 403);
    estate.server.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(send(&estate, right()).await.status, 403);
}

/// Without the device's message there is no page.
#[tokio::test]
async fn k_a7_the_page_opens_for_devices_of_ours_only() {
    let estate = estate().await;
    let plain = send(&estate, Request::new(Method::GET, &web(&estate))).await;
    assert_eq!(
        (plain.status, code(&plain).as_str()),
        (403, "machine_info_refused")
    );
    let stranger = Boxed::new(estate.server.device(Kind::IPhone));
    let refused = open(&estate, &stranger).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "unassigned"));
}

/// E4: iOS 12 knows no web view and asks for name and password itself.
#[tokio::test]
async fn e4_an_old_system_falls_back_to_http_authentication() {
    let estate = estate().await;
    for (method, os, build) in [("modern", "12.5", "16H5"), ("legacy", "18.1", "22B83")] {
        let boxed = estate.device(Kind::IPhone, settings(method)).await;
        let message = boxed.message_with(|info| {
            info.insert("OS_VERSION".into(), os.into());
            info.insert("VERSION".into(), build.into());
        });
        let asked = post(&estate.server, &estate.url(), message.clone()).await;
        assert_eq!(asked.status, 401, "{method}");
        let challenge = asked.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic realm="));
        for (password, status) in [("wrong", 401), ("correct horse", 200)] {
            let credentials = base64(format!("ada:{password}").as_bytes());
            let request = Request::new(Method::POST, &estate.url()).body(message.clone());
            let request = request
                .header("authorization", &format!("Basic {credentials}"))
                .unwrap();
            assert_eq!(send(&estate, request).await.status, status, "{method} {password}");
        }
    }
}

#[tokio::test]
async fn accounts_are_listed_without_their_passwords_and_can_be_removed() {
    let estate = estate().await;
    let listed = estate
        .server
        .ask(Method::GET, "/v1/ade/accounts", Vec::new())
        .await;
    assert_eq!(listed["accounts"][0]["name"], "ada");
    assert!(!listed.to_string().contains("argon2"));
    let taken = json!({ "name": "ADA", "password": "another one" }).to_string();
    let refused = estate
        .server
        .refusal(Method::POST, "/v1/ade/accounts", taken)
        .await;
    assert_eq!(refused, 409);
    for (name, password) in [("bob", "short"), ("b ob", "long enough"), ("", "long enough")] {
        let body = json!({ "name": name, "password": password }).to_string();
        let refused = estate
            .server
            .refusal(Method::POST, "/v1/ade/accounts", body)
            .await;
        assert_eq!(refused, 422, "{name}");
    }
    estate
        .server
        .ask(Method::DELETE, "/v1/ade/accounts/ada", Vec::new())
        .await;
    let again = estate
        .server
        .refusal(Method::DELETE, "/v1/ade/accounts/ada", Vec::new())
        .await;
    assert_eq!(again, 404);
}

/// The one place where a user who waits can be told something.
#[tokio::test]
async fn x4_the_login_page_shows_what_the_hold_profile_has_to_say() {
    let estate = estate().await;
    let boxed = estate.device(Kind::IPhone, settings("modern")).await;
    let text = |page: &Response| String::from_utf8_lossy(&page.body).into_owned();
    assert!(!text(&open(&estate, &boxed).await).contains("class=\"message\""));
    let profile = json!({ "name": "all", "message": "Apps <b>come</b> first.\nAsk 4711." });
    estate
        .server
        .ask(Method::POST, "/v1/hold-profiles", profile.to_string())
        .await;
    let page = text(&open(&estate, &boxed).await);
    assert!(
        page.contains("<p class=\"message\">Apps &lt;b&gt;come&lt;/b&gt; first.<br>Ask 4711.</p>"),
        "{page}"
    );
}

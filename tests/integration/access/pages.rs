//! The pages of signing in, without a script.

use axum::http::Method;

use super::{PASSWORD, add_user, send, sign_in};
use crate::support::TestServer;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_browser_without_a_session_is_led_to_the_sign_in_and_back() {
    let server = TestServer::start().await;
    add_user(&server, "ada", "viewer").await;
    let html = ("accept", "text/html,application/xhtml+xml");
    let led = send(&server, Method::GET, "/v1/enrollments?limit=5", &[html], "").await;
    assert_eq!(led.status, 303);
    assert_eq!(
        led.header("location"),
        "/login?next=%2Fv1%2Fenrollments%3Flimit%3D5"
    );
    let page = send(&server, Method::GET, led.header("location"), &[html], "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("value=\"/v1/enrollments?limit=5\""),
        "{}",
        page.text
    );
    let body = format!(
        "next=%2Fv1%2Fenrollments%3Flimit%3D5&name=ada&password={}",
        PASSWORD.replace(' ', "+")
    );
    let done = send(&server, Method::POST, "/login", &[FORM], body).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, "/v1/enrollments?limit=5"),
        "{done:?}"
    );
    let cookie = done.cookie();
    let back = send(
        &server,
        Method::GET,
        done.header("location"),
        &[html, ("cookie", &cookie)],
        "",
    )
    .await;
    assert_eq!(back.status, 200);
    let program = send(&server, Method::GET, "/v1/enrollments", &[("accept", "*/*")], "").await;
    assert_eq!(program.status, 401, "programs are told, not led");
}

#[tokio::test]
async fn k_w4_pages_before_the_session_keep_nothing_and_run_nothing() {
    let server = TestServer::start().await;
    add_user(&server, "ada", "viewer").await;
    let wrong = "name=%3Cscript%3Ealert(1)%3C%2Fscript%3E&password=x";
    let link = server.ask(Method::POST, "/v1/setup-links", "{}").await;
    let url = link["url"].as_str().unwrap();
    let setup = &url[url.find("/setup/").unwrap()..];
    for (answer, status) in [
        (send(&server, Method::GET, "/login", &[], "").await, 200),
        (send(&server, Method::POST, "/login", &[FORM], wrong).await, 401),
        (send(&server, Method::GET, setup, &[], "").await, 200),
        (send(&server, Method::GET, "/setup/nonsense", &[], "").await, 403),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(!answer.text.contains("<script"), "{}", answer.text);
        assert!(answer.header("content-type").starts_with("text/html"));
    }
}

#[tokio::test]
async fn k_w4_the_sign_in_leads_nowhere_else() {
    let server = TestServer::start().await;
    add_user(&server, "ada", "viewer").await;
    let password = PASSWORD.replace(' ', "+");
    for next in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
    ] {
        let body = format!("next={next}&name=ada&password={password}");
        let done = send(&server, Method::POST, "/login", &[FORM], body).await;
        assert_eq!((done.status, done.header("location")), (303, "/"), "{next}");
    }
    let evil = [FORM, ("origin", "https://evil.example")];
    let body = format!("name=ada&password={password}");
    let refused = send(&server, Method::POST, "/login", &evil, body).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, ""));
    sign_in(&server, "ada").await;
}

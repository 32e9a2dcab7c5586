//! One-time enrollment links, on a server that is not open to everyone.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Kind, Step};
use serde_json::json;

use crate::support::{TestServer, manual_clock};

async fn closed() -> TestServer {
    TestServer::with(|config| config.enroll.open = false).await
}

#[tokio::test]
async fn closed_enrollment_says_how_to_get_in() {
    let server = closed().await;
    for (method, accept) in [
        (Method::GET, "*/*"),
        (Method::GET, "text/html"),
        (Method::HEAD, "*/*"),
    ] {
        let response = server
            .request(method.clone(), &server.enroll_url(), accept, None)
            .await;
        assert_eq!(response.status, 403);
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(method == Method::HEAD || text.contains("one-time link"), "{text}");
    }
}

#[tokio::test]
async fn a_link_enrolls_one_device() {
    let server = closed().await;
    let link = server.link(json!({})).await;
    let (mut first, mut second) = (server.device(Kind::IPhone), server.device(Kind::IPhone));
    first.enroll(&link).await.unwrap();
    assert_eq!(server.enrollment(&first.hardware.udid).await["state"], "enrolled");
    let error = second.enroll(&link).await.unwrap_err();
    assert_eq!((error.step, error.status()), (Step::FetchProfile, Some(403)));
    let unknown = format!("{}/{}", server.enroll_url(), "A".repeat(43));
    assert_eq!(
        second.fetch_profile(&unknown).await.unwrap_err().status(),
        Some(403)
    );
}

#[tokio::test]
async fn of_two_that_open_a_link_at_once_one_gets_the_profile() {
    let server = closed().await;
    let link = server.link(json!({})).await;
    let fetch = || server.request(Method::GET, &link, "*/*", None);
    let (a, b) = tokio::join!(fetch(), fetch());
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up() {
    let server = closed().await;
    let link = server.link(json!({})).await;
    for (method, accept) in [(Method::HEAD, "*/*"), (Method::GET, "text/html,*/*;q=0.8")] {
        let response = server.request(method, &link, accept, None).await;
        assert_eq!((response.status, &*response.media_type()), (200, "text/html"));
    }
    // The page's button.
    let button = format!("{link}?download=1");
    let profile = server.request(Method::GET, &button, "text/html", None).await;
    assert_eq!(profile.media_type(), "application/x-apple-aspen-config");
    for (method, accept) in [(Method::HEAD, "*/*"), (Method::GET, "text/html")] {
        let response = server.request(method, &link, accept, None).await;
        assert_eq!(response.status, 403, "it is used up now");
    }
    let mut device = server.device(Kind::IPad);
    device.enroll_with(&profile.body).await.unwrap();
}

#[tokio::test]
async fn a_bound_link_enrolls_the_device_that_it_names() {
    let server = closed().await;
    let (mut device, mut other) = (server.device(Kind::Mac), server.device(Kind::Mac));
    let hardware = device.hardware.clone();
    for body in [
        json!({ "serial": hardware.serial_number }),
        json!({ "udid": hardware.udid }),
    ] {
        let link = server.link(body.clone()).await;
        let error = other.enroll(&link).await.unwrap_err();
        assert_eq!((error.step, error.status()), (Step::Authenticate, Some(403)));
        assert!(!server.knows(&other.hardware.udid).await);

        let link = server.link(body).await;
        device.enroll(&link).await.unwrap();
        let shown = server.enrollment(&hardware.udid).await;
        assert_eq!(
            (&shown["state"], &shown["pending"]),
            (&json!("enrolled"), &json!(null))
        );
    }
}

#[tokio::test]
async fn a_link_ends_with_its_time() {
    let clock = manual_clock(Duration::from_secs(3600));
    let server = TestServer::at(clock, |config| config.enroll.open = false).await;
    for (seconds, status) in [(59, 200), (60, 403)] {
        let link = server.link(json!({ "ttl_seconds": 60 })).await;
        server.clock.advance(Duration::from_secs(seconds));
        for (method, accept) in [(Method::HEAD, "*/*"), (Method::GET, "*/*")] {
            let response = server.request(method, &link, accept, None).await;
            assert_eq!(response.status, status, "after {seconds} seconds");
        }
    }
}

//! The year of a push certificate, and what comes after it.

use std::time::Duration;

use axum::http::Method;
use russet_sim::Kind;
use serde_json::json;

use super::{first_topic, import, refusal, request, shown};
use crate::support::{TestServer, manual_clock, portal::PushLeaf};

const DAY: Duration = Duration::from_secs(86_400);

async fn level(server: &TestServer, topic: &str) -> String {
    shown(server, topic).await["level"].as_str().unwrap().to_owned()
}

/// The gauge of one topic.
async fn seconds_left(server: &TestServer, topic: &str) -> f64 {
    let metrics = server.ask(Method::GET, "/metrics", Vec::new()).await;
    let metrics = metrics.as_str().unwrap();
    let name = format!("russet_push_certificate_expires_seconds{{topic=\"{topic}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name} is missing: {metrics}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn p5_the_end_of_the_year_is_announced() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let topic = first_topic(&server).await;
    assert_eq!(level(&server, &topic).await, "ok");
    assert_eq!(seconds_left(&server, &topic).await, 365.0 * 86_400.0);
    server.clock.advance(336 * DAY);
    assert_eq!(level(&server, &topic).await, "warning");
    server.clock.advance(28 * DAY);
    assert_eq!(level(&server, &topic).await, "critical");
    assert_eq!(seconds_left(&server, &topic).await, 86_400.0);
    server.clock.advance(2 * DAY);
    assert_eq!(level(&server, &topic).await, "expired");
    assert_eq!(seconds_left(&server, &topic).await, -86_400.0);
}

#[tokio::test]
async fn p6_f15_a_certificate_expires_under_a_running_server_and_is_renewed_in_its_grace() {
    let long = |config: &mut russet::config::Config| config.identity.identity_days = 3650;
    let server = TestServer::at(manual_clock(Duration::ZERO), long).await;
    let topic = first_topic(&server).await;
    let mut device = server.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    let queued = server.enqueue(&udid, "SecurityInfo").await;
    let before = server.everything_about(&device).await;

    server.clock.advance((365 + 29) * DAY);
    // Neither running nor starting needs it.
    let server = server.restart(long).await;
    let expired = shown(&server, &topic).await;
    assert_eq!(
        (&expired["status"], &expired["days_until_expiration"]),
        (&json!("expired"), &json!(-29))
    );
    let enroll_url = server.enroll_url();
    server
        .device(Kind::IPhone)
        .fetch_profile(&enroll_url)
        .await
        .unwrap();

    let csr = request(&server, Some(&topic)).await;
    let pem = PushLeaf::new(&topic, server.clock.now()).answer(csr["csr"].as_str().unwrap());
    assert_eq!(import(&server, json!({ "pem": pem })).await["status"], "active");
    assert_eq!(
        server.everything_about(&device).await,
        before,
        "nobody enrolled again"
    );
    let handled = device.connect().await.unwrap();
    assert_eq!(handled[0].command_uuid, queued);

    server.clock.advance((365 + 31) * DAY);
    assert_eq!(shown(&server, &topic).await["status"], "grace over");
}

/// Until there is a push service, the answer says so.
#[tokio::test]
async fn a_trial_push_names_what_stands_in_its_way() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    for (of, body, status, named) in [
        (topic.as_str(), json!({}), 409, "no_push_service"),
        (&topic, json!({ "enrollment": udid }), 409, "no_push_service"),
        (
            &topic,
            json!({ "enrollment": "UNKNOWN" }),
            404,
            "enrollment_unknown",
        ),
        ("com.apple.mgmt.x", json!({}), 404, "push_certificate_unknown"),
    ] {
        let path = format!("/v1/push-certificates/{of}/test");
        let (was, code, _) = refusal(server.try_ask(Method::POST, &path, body.to_string()).await);
        assert_eq!((was, code.as_str()), (status, named));
    }
}

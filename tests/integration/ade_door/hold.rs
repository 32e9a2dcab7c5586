//! The hold in Setup Assistant, from `AwaitingConfiguration` to `DeviceConfigured`.

use axum::http::Method;
use russet::config::Release;
use russet_sim::{Kind, device::Status};
use serde_json::json;

use super::{Boxed, Estate};

/// A device that enrolls and says that it waits.
async fn held(estate: &Estate) -> Boxed {
    let mut boxed = estate.device(Kind::IPhone, None).await;
    boxed.device.options.awaiting_configuration = true;
    boxed.boot(&estate.url()).await.unwrap();
    boxed
}

async fn queued(estate: &Estate, boxed: &Boxed) -> Vec<String> {
    let path = format!("/v1/queue/{}", boxed.device.hardware.udid);
    let answer = estate.server.ask(Method::GET, &path, Vec::new()).await;
    let commands = answer["commands"].as_array().unwrap();
    let name = |command: &serde_json::Value| command["request_type"].as_str().unwrap().to_owned();
    commands.iter().map(name).collect()
}

async fn is_held(estate: &Estate, boxed: &Boxed) -> bool {
    let shown = estate.enrollment(&boxed.device).await;
    assert_eq!(
        shown["awaiting_configuration"],
        json!(boxed.device.state.awaiting_configuration)
    );
    boxed.device.state.awaiting_configuration
}

#[tokio::test]
async fn e11_with_nothing_to_wait_for_a_device_is_released_at_once() {
    let estate = Estate::start().await;
    let mut boxed = held(&estate).await;
    assert!(is_held(&estate, &boxed).await);
    assert_eq!(queued(&estate, &boxed).await, ["DeviceConfigured"]);
    boxed.device.connect().await.unwrap();
    assert!(!is_held(&estate, &boxed).await);
    assert!(estate.enrollment(&boxed.device).await["release"].is_null());
    boxed.device.connect().await.unwrap();
    assert_eq!(queued(&estate, &boxed).await, [""; 0], "once is enough");
}

#[tokio::test]
async fn e11_what_is_queued_first_is_answered_first() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let mut boxed = held(&estate).await;
    let udid = boxed.device.hardware.udid.clone();
    for command in ["SecurityInfo", "ProfileList"] {
        estate.server.enqueue(&udid, command).await;
    }
    // From here on the server releases by itself, also what came before its restart.
    let estate = estate.restart(|_| {}).await;
    assert_eq!(queued(&estate, &boxed).await, ["SecurityInfo", "ProfileList"]);
    // Most commands get NotNow in Setup Assistant.
    boxed.device.behaviour.not_now.insert("ProfileList".into(), 1);
    let handled = boxed.device.connect().await.unwrap();
    let said: Vec<_> = handled
        .iter()
        .map(|one| (one.request_type.as_str(), one.status))
        .collect();
    assert_eq!(
        said,
        [
            ("SecurityInfo", Status::Acknowledged),
            ("ProfileList", Status::NotNow),
            ("DeviceConfigured", Status::Acknowledged),
            ("ProfileList", Status::Acknowledged),
        ]
    );
    assert!(!is_held(&estate, &boxed).await);
}

/// The server ended after the device had enrolled and before anything was queued for it.
#[tokio::test]
async fn e11_a_restart_does_not_forget_who_is_held() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let boxed = held(&estate).await;
    assert_eq!(queued(&estate, &boxed).await, [""; 0]);
    let estate = estate.restart(|_| {}).await;
    crate::support::eventually("the release", async || {
        queued(&estate, &boxed).await == ["DeviceConfigured"]
    })
    .await;
    let estate = estate.restart(|_| {}).await;
    crate::support::eventually("the release", async || {
        queued(&estate, &boxed).await == ["DeviceConfigured"]
    })
    .await;
}

#[tokio::test]
async fn an_operator_releases_a_device_before_its_commands() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let mut boxed = held(&estate).await;
    let udid = boxed.device.hardware.udid.clone();
    estate.server.enqueue(&udid, "SecurityInfo").await;
    boxed.device.behaviour.not_now.insert("SecurityInfo".into(), 9);
    boxed.device.connect().await.unwrap();
    assert!(is_held(&estate, &boxed).await, "nobody else ends it");

    let path = format!("/v1/enrollments/{udid}/release");
    let first = estate.server.ask(Method::POST, &path, Vec::new()).await;
    let second = estate.server.ask(Method::POST, &path, Vec::new()).await;
    assert_eq!(first["command_uuid"], second["command_uuid"]);
    assert_eq!(
        queued(&estate, &boxed).await,
        ["DeviceConfigured", "SecurityInfo"]
    );
    boxed.device.connect().await.unwrap();
    assert!(!is_held(&estate, &boxed).await);
    assert_eq!(estate.server.refusal(Method::POST, &path, Vec::new()).await, 409);
    let unknown = "/v1/enrollments/nobody/release";
    assert_eq!(
        estate.server.refusal(Method::POST, unknown, Vec::new()).await,
        404
    );
}

/// A queue that was cleared takes the release with it; the device's next contact brings it back.
#[tokio::test]
async fn a_release_that_was_taken_back_is_queued_again() {
    let estate = Estate::start().await;
    let mut boxed = held(&estate).await;
    let path = format!("/v1/queue/{}", boxed.device.hardware.udid);
    estate.server.ask(Method::DELETE, &path, Vec::new()).await;
    assert_eq!(queued(&estate, &boxed).await, [""; 0]);
    boxed.device.connect().await.unwrap();
    assert!(!is_held(&estate, &boxed).await);
}

/// A device that was not enrolled by this door is the operator's own business.
#[tokio::test]
async fn a_device_that_came_another_way_is_not_released_by_itself() {
    let estate = Estate::start().await;
    let mut device = estate.server.device(Kind::IPhone);
    device.options.awaiting_configuration = true;
    device.enroll(&estate.server.enroll_url()).await.unwrap();
    device.connect().await.unwrap();
    assert!(device.state.awaiting_configuration);
}

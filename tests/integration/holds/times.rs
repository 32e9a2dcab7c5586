//! Holds that last too long.

use std::time::Duration;

use axum::http::Method;
use russet::config::HoldTimeout;
use russet_sim::Kind;
use serde_json::json;

use super::*;

const AN_HOUR: Duration = Duration::from_secs(3600);
const A_MINUTE: Duration = Duration::from_secs(60);

async fn released(estate: &Estate, boxed: &Boxed) {
    eventually("the release", async || {
        queued(estate, boxed).await.first().map(String::as_str) == Some("DeviceConfigured")
    })
    .await;
}

async fn timed_out(estate: &Estate, boxed: &Boxed) {
    eventually("the time-out", async || {
        !hold(estate, boxed).await["timed_out_at"].is_null()
    })
    .await;
}

#[tokio::test]
async fn x2_after_its_time_a_device_is_released_though_nothing_was_heard_of_it() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [profile_item("wifi")] });
    create(
        &estate,
        json!({ "name": "all", "timeout_minutes": 90, "device_phase": phase }),
    )
    .await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    estate.server.clock.advance(AN_HOUR + 29 * A_MINUTE);
    let estate = estate.restart(|_| {}).await;
    assert!(hold(&estate, &boxed).await["timed_out_at"].is_null());
    assert_eq!(queued(&estate, &boxed).await, ["InstallProfile"]);
    estate.server.clock.advance(A_MINUTE);
    released(&estate, &boxed).await;
    let shown = hold(&estate, &boxed).await;
    assert_eq!(shown["release"]["reason"], "timed_out");
    let told = russet::metrics::recorder().unwrap().render();
    assert!(told.contains("russet_hold_timeouts_total"));
    assert_eq!(
        conversation(&mut boxed).await,
        ["DeviceConfigured", "InstallProfile"]
    );
}

#[tokio::test]
async fn x2_a_profile_may_keep_it_held_until_all_is_there() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [profile_item("wifi")] });
    let profile =
        json!({ "name": "all", "on_timeout": "keep", "timeout_minutes": 20, "device_phase": phase });
    create(&estate, profile).await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    estate.server.clock.advance(20 * A_MINUTE);
    timed_out(&estate, &boxed).await;
    assert_eq!(queued(&estate, &boxed).await, ["InstallProfile"]);
    eventually("the failure", async || {
        let failures = estate
            .server
            .ask(Method::GET, "/v1/reports/failures", Vec::new())
            .await;
        let row = &failures["failures"][0];
        row["code"] == "hold_timeout" && row["detail"] == "without wifi"
    })
    .await;
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "DeviceConfigured"]
    );
}

/// No hold profile is for it, and its queue is never answered.
#[tokio::test]
async fn x2_without_a_profile_the_servers_own_terms_hold() {
    let keep = |config: &mut russet::config::Config| {
        config.hold.timeout = 30 * A_MINUTE;
        config.hold.on_timeout = HoldTimeout::Keep;
    };
    let estate = Estate::with(keep).await;
    let settings = json!({ "platform": "ios", "initial_commands":
        ["<plist version=\"1.0\"><dict><key>RequestType</key><string>SecurityInfo</string></dict></plist>"] });
    let mut kept = estate.device(Kind::IPhone, Some(settings.clone())).await;
    kept.device.options.awaiting_configuration = true;
    kept.boot(&estate.url()).await.unwrap();
    estate.server.clock.advance(30 * A_MINUTE);
    timed_out(&estate, &kept).await;
    assert_eq!(queued(&estate, &kept).await, ["SecurityInfo"]);

    let estate = estate.restart(|_| {}).await;
    let mut released_one = estate.device(Kind::IPhone, Some(settings)).await;
    released_one.device.options.awaiting_configuration = true;
    released_one.boot(&estate.url()).await.unwrap();
    estate.server.clock.advance(AN_HOUR);
    released(&estate, &released_one).await;
}

#[tokio::test]
async fn x2_a_device_that_was_released_in_time_does_not_time_out() {
    let estate = Estate::start().await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    assert_eq!(conversation(&mut boxed).await, ["DeviceConfigured"]);
    estate.server.clock.advance(2 * AN_HOUR);
    let mut other = held(&estate, Kind::IPhone).await;
    conversation(&mut other).await;
    assert!(hold(&estate, &boxed).await["timed_out_at"].is_null());
    let holds = estate.server.ask(Method::GET, "/v1/holds", Vec::new()).await;
    assert_eq!(holds["holds"], json!([]));
}

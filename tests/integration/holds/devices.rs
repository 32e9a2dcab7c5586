//! What a held device gets, and when it is released.

use std::time::Duration;

use axum::http::Method;
use russet::{config::Release, service::ade::profiles::Doors as _};
use russet_sim::Kind;
use serde_json::json;

use super::*;

const A_MINUTE: Duration = Duration::from_secs(60);

/// What the report of active enrollments says of the only one.
async fn active(estate: &Estate) -> Value {
    let path = "/api/devices/enrollment-status/active";
    let active = estate.server.ask(Method::GET, path, Vec::new()).await;
    let row = &active["enrollments"][0];
    json!([row["stage_label"], row["progress"]])
}

#[tokio::test]
async fn x1_x8_a_device_is_held_until_its_profiles_and_apps_are_there() {
    let estate = Estate::start().await;
    create(
        &estate,
        json!({ "name": "all", "device_phase": { "items": [profile_item("wifi"), app_item(7)] } }),
    )
    .await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    boxed.device.behaviour.app_lists = 1;
    let shown = hold(&estate, &boxed).await;
    assert_eq!(shown["hold_profile"], "all");
    assert_eq!(
        (&shown["progress"], &shown["percent"]),
        (&json!("Applying Policies"), &json!(50))
    );

    assert_eq!(active(&estate).await, json!(["Applying Policies", 50]));
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "InstallApplication"]
    );
    let shown = hold(&estate, &boxed).await;
    assert_eq!(states(&shown), [("wifi", "installed"), ("app 7", "installing")]);
    // Nothing is in its queue any more, and still it waits for the app.
    assert_eq!(active(&estate).await, json!(["Installing Apps", 75]));
    assert_eq!(
        (&shown["progress"], &shown["percent"]),
        (&json!("Installing Apps"), &json!(75))
    );

    // That the device has taken the app on does not mean that it is there.
    asked_after(&estate, &boxed, A_MINUTE).await;
    assert_eq!(conversation(&mut boxed).await, ["ManagedApplicationList"]);
    assert!(boxed.device.state.awaiting_configuration);
    asked_after(&estate, &boxed, A_MINUTE).await;
    // The release comes in the answer to the last word that it waited for.
    assert_eq!(
        conversation(&mut boxed).await,
        ["ManagedApplicationList", "DeviceConfigured"]
    );
    assert!(!boxed.device.state.awaiting_configuration);
    let shown = hold(&estate, &boxed).await;
    assert_eq!(
        (&shown["stage"], &shown["release"]["reason"]),
        (&json!("released"), &json!("completed"))
    );
    assert!(shown["progress"].is_null());
    assert_eq!(
        boxed.device.state.profiles[0].identifier, "org.example.wifi",
        "as it was given"
    );
}

#[tokio::test]
async fn x1_a_mac_is_asked_for_all_its_apps() {
    let estate = Estate::start().await;
    let url = "https://apps.example.com/portal.plist";
    let item =
        json!({ "name": "Portal", "type": "app", "manifest_url": url, "bundle_id": "com.example.portal" });
    create(
        &estate,
        json!({ "name": "macs", "device_phase": { "items": [item] } }),
    )
    .await;
    let mut boxed = held(&estate, Kind::Mac).await;
    let manifests = [(url.to_owned(), "com.example.portal".to_owned())];
    boxed.device.behaviour.manifests = manifests.into();
    assert_eq!(conversation(&mut boxed).await, ["InstallEnterpriseApplication"]);
    assert!(boxed.device.state.awaiting_configuration);
    estate.server.clock.advance(A_MINUTE);
    eventually("the question", async || {
        queued(&estate, &boxed).await == ["InstalledApplicationList"]
    })
    .await;
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstalledApplicationList", "DeviceConfigured"]
    );
}

#[tokio::test]
async fn x3_what_is_listed_and_not_assigned_keeps_nobody_waiting() {
    let estate = Estate::start().await;
    let phase = json!({
        "items": [profile_item("three"), profile_item("four")],
        "blocking": "selected",
        "blocking_items": ["one", "two", "org.example.three"],
    });
    create(&estate, json!({ "name": "some", "device_phase": phase })).await;
    let mut boxed = held(&estate, Kind::IPad).await;
    let shown = hold(&estate, &boxed).await;
    assert_eq!(shown["waiting"], 1);
    // What is not waited for comes after the release.
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "DeviceConfigured", "InstallProfile"]
    );
    assert_eq!(boxed.device.state.profiles.len(), 2);
}

#[tokio::test]
async fn x3_the_first_commands_of_the_enrollment_profile_count_as_assigned() {
    let estate = Estate::start().await;
    let phase = json!({ "blocking": "selected", "blocking_items": ["11", "22"] });
    create(&estate, json!({ "name": "by number", "device_phase": phase })).await;
    let command = |id: u64| {
        format!(
            "<plist version=\"1.0\"><dict><key>RequestType</key><string>InstallApplication</string>\
             <key>iTunesStoreID</key><integer>{id}</integer></dict></plist>"
        )
    };
    let settings = json!({ "platform": "ios", "initial_commands": [command(22), command(33)] });
    let mut boxed = estate.device(Kind::IPhone, Some(settings)).await;
    boxed.device.options.awaiting_configuration = true;
    boxed.boot(&estate.url()).await.unwrap();
    let shown = hold(&estate, &boxed).await;
    let items: Vec<_> = shown["items"].as_array().unwrap().iter().collect();
    let told: Vec<_> = items
        .iter()
        .map(|item| (&item["name"], &item["origin"], &item["blocking"]))
        .collect();
    let (origin, yes, no) = (json!("ade_profile"), json!(true), json!(false));
    assert_eq!(
        told,
        [(&json!("22"), &origin, &yes), (&json!("33"), &origin, &no)]
    );
    // Both are queued once, and not by the hold.
    assert_eq!(queued(&estate, &boxed).await, ["InstallApplication"; 2]);
    conversation(&mut boxed).await;
    asked_after(&estate, &boxed, A_MINUTE).await;
    assert_eq!(
        conversation(&mut boxed).await,
        ["ManagedApplicationList", "DeviceConfigured"]
    );
}

#[tokio::test]
async fn x4_only_what_has_failed_is_tried_again() {
    let estate = Estate::start().await;
    create(
        &estate,
        json!({ "name": "all", "device_phase": { "items": [profile_item("wifi"), app_item(7)] } }),
    )
    .await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let chain = vec![russet_sim::messages::error_item("MCMDMErrorDomain", 12077, "No.")];
    let errors = &mut boxed.device.behaviour.errors;
    errors.insert("InstallApplication".into(), chain);
    conversation(&mut boxed).await;
    let shown = hold(&estate, &boxed).await;
    assert_eq!(states(&shown), [("wifi", "installed"), ("app 7", "failed")]);
    let error = &shown["items"][1]["errors"][0];
    assert_eq!((&error["code"], &error["text"]), (&json!(12077), &json!("No.")));
    assert!(boxed.device.state.awaiting_configuration);

    boxed.device.behaviour.errors.clear();
    let path = format!("/v1/enrollments/{}/hold/retry", boxed.device.hardware.udid);
    let retried = estate.server.ask(Method::POST, &path, Vec::new()).await;
    assert_eq!(states(&retried), [("wifi", "installed"), ("app 7", "queued")]);
    assert_eq!(retried["items"][1]["attempt"], 2);
    assert_eq!(queued(&estate, &boxed).await, ["InstallApplication"]);
    assert_eq!(estate.server.refusal(Method::POST, &path, Vec::new()).await, 409);
    conversation(&mut boxed).await;
    asked_after(&estate, &boxed, A_MINUTE).await;
    assert_eq!(
        conversation(&mut boxed).await,
        ["ManagedApplicationList", "DeviceConfigured"]
    );
    assert_eq!(estate.server.refusal(Method::POST, &path, Vec::new()).await, 409);
}

/// The login page of a device that comes out of its box again.
async fn login_page(estate: &Estate, boxed: &Boxed) -> String {
    let url = estate.server.door.addresses(&estate.token).configuration_web_url;
    let message = russet_sim::encode::base64(&boxed.message());
    let request = russet_sim::Request::new(Method::GET, &url)
        .header("x-apple-aspen-deviceinfo", &message)
        .unwrap();
    let page = estate.server.client().send(request, None).await.unwrap();
    String::from_utf8_lossy(&page.body).into_owned()
}

#[tokio::test]
async fn x4_who_enrolls_again_learns_what_has_failed_if_the_profile_says_so() {
    for show_error in [true, false] {
        let estate = Estate::start().await;
        let phase = json!({ "items": [profile_item("wifi"), app_item(7)] });
        create(
            &estate,
            json!({ "name": "all", "message": "Ask 4711.", "show_error": show_error, "device_phase": phase }),
        )
        .await;
        let mut boxed = held(&estate, Kind::IPhone).await;
        assert!(
            login_page(&estate, &boxed)
                .await
                .contains("<p class=\"message\">Ask 4711.</p>")
        );
        let format_errors = &mut boxed.device.behaviour.format_errors;
        format_errors.push("InstallApplication".into());
        conversation(&mut boxed).await;
        let page = login_page(&estate, &boxed).await;
        let told = "Ask 4711.<br>The last time, this could not be installed: app 7.</p>";
        assert_eq!(page.contains(told), show_error, "{page}");
    }
}

#[tokio::test]
async fn x4_an_app_that_comes_to_nothing_has_failed_and_a_profile_may_forbid_another_try() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [app_item(7)] });
    create(
        &estate,
        json!({ "name": "all", "allow_retry": false, "device_phase": phase }),
    )
    .await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let failures = &mut boxed.device.behaviour.app_failures;
    failures.insert("com.example.app7".into(), "UserRejected".into());
    conversation(&mut boxed).await;
    asked_after(&estate, &boxed, A_MINUTE).await;
    assert_eq!(conversation(&mut boxed).await, ["ManagedApplicationList"]);
    let shown = hold(&estate, &boxed).await;
    assert_eq!(states(&shown), [("app 7", "failed")]);
    assert_eq!(shown["items"][0]["app_state"], "UserRejected");
    let path = format!("/v1/enrollments/{}/hold/retry", boxed.device.hardware.udid);
    assert_eq!(estate.server.refusal(Method::POST, &path, Vec::new()).await, 409);
}

#[tokio::test]
async fn x5_a_device_may_be_used_without_what_has_failed_if_its_profile_says_so() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [profile_item("wifi")] });
    create(
        &estate,
        json!({ "name": "all", "release_on_failure": true, "device_phase": phase }),
    )
    .await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let format_errors = &mut boxed.device.behaviour.format_errors;
    format_errors.push("InstallProfile".into());
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "DeviceConfigured"]
    );
}

#[tokio::test]
async fn x1_not_now_keeps_the_device_waiting() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [profile_item("wifi")] });
    create(&estate, json!({ "name": "all", "device_phase": phase })).await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let not_now = &mut boxed.device.behaviour.not_now;
    not_now.insert("InstallProfile".into(), 1);
    assert_eq!(conversation(&mut boxed).await, ["InstallProfile"]);
    assert_eq!(states(&hold(&estate, &boxed).await), [("wifi", "not_now")]);
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "DeviceConfigured"]
    );
}

/// What was queued is in the store with what it is for: nothing is queued twice, and nothing is forgotten.
#[tokio::test]
async fn x1_a_hold_survives_restarts() {
    let estate = Estate::start().await;
    let phase = json!({ "items": [profile_item("wifi"), app_item(7)] });
    create(&estate, json!({ "name": "all", "device_phase": phase })).await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let before = queued(&estate, &boxed).await;
    let estate = estate.restart(|_| {}).await;
    assert_eq!(queued(&estate, &boxed).await, before);
    conversation(&mut boxed).await;
    let estate = estate.restart(|_| {}).await;
    asked_after(&estate, &boxed, A_MINUTE).await;
    let estate = estate.restart(|_| {}).await;
    assert_eq!(
        conversation(&mut boxed).await,
        ["ManagedApplicationList", "DeviceConfigured"]
    );
    assert_eq!(hold(&estate, &boxed).await["stage"], "released");
}

#[tokio::test]
async fn a_cleared_queue_fails_what_it_held_and_an_operator_still_releases_the_device() {
    let estate = Estate::with(|config| config.ade.release = Release::Automatic).await;
    let phase = json!({ "items": [profile_item("wifi")] });
    create(&estate, json!({ "name": "all", "device_phase": phase })).await;
    let mut boxed = held(&estate, Kind::IPhone).await;
    let udid = boxed.device.hardware.udid.clone();
    let path = format!("/v1/queue/{udid}");
    estate.server.ask(Method::DELETE, &path, Vec::new()).await;
    conversation(&mut boxed).await;
    assert_eq!(states(&hold(&estate, &boxed).await), [("wifi", "failed")]);
    let holds = estate.server.ask(Method::GET, "/v1/holds", Vec::new()).await;
    assert_eq!(holds["holds"][0]["enrollment_id"], udid.as_str());
    let path = format!("/v1/enrollments/{udid}/release");
    estate.server.ask(Method::POST, &path, Vec::new()).await;
    assert_eq!(conversation(&mut boxed).await, ["DeviceConfigured"]);
    assert_eq!(hold(&estate, &boxed).await["release"]["reason"], "operator");
    let holds = estate.server.ask(Method::GET, "/v1/holds", Vec::new()).await;
    assert_eq!(holds["holds"], json!([]));
}

#[tokio::test]
async fn x8_a_device_that_nobody_configures_is_in_device_setup() {
    let estate = Estate::start().await;
    let mut device = estate.server.device(Kind::IPhone);
    device.options.awaiting_configuration = true;
    device.enroll(&estate.server.enroll_url()).await.unwrap();
    let path = format!("/v1/enrollments/{}/hold", device.hardware.udid);
    let shown = estate.server.ask(Method::GET, &path, Vec::new()).await;
    assert_eq!(
        (&shown["progress"], &shown["percent"]),
        (&json!("Device Setup"), &json!(25))
    );
}

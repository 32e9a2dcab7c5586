//! Devices of people's own: requirements U1, U3, U5, U6 and U7.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet_sim::plists;
use serde_json::{Value, json};

use super::{act, obeys, personal, profile, refusal};
use crate::support::{TestServer, command, uuid};

#[tokio::test]
async fn u1_retire_delete_lock_and_sync_are_accepted_and_all_else_is_refused() {
    let server = TestServer::start().await;
    let (mut phone, id) = personal(&server).await;
    for (verb, parameters) in [
        ("bypass-code", json!({})),
        ("clear-passcode", json!({})),
        ("locate", json!({})),
        ("log-out", json!({})),
        ("lost-mode-off", json!({})),
        ("lost-mode-on", json!({ "message": "Lost" })),
        ("play-sound", json!({})),
        ("release", json!({})),
        ("rename", json!({ "name": "Mine" })),
        ("restart", json!({})),
        ("shutdown", json!({})),
        ("wipe", json!({})),
    ] {
        assert_eq!(
            refusal(&server, &id, verb, parameters).await,
            (409, "user_enrollment_forbids".into()),
            "{verb}"
        );
    }
    assert_eq!(server.queue(&id).await, [""; 0]);
    act(&server, &id, "lock", json!({ "message": "Hello" })).await;
    obeys(&mut phone, &["DeviceLock"]).await;
    act(&server, &id, "refresh", json!({})).await;
    phone.connect().await.unwrap();
    act(&server, &id, "retire", json!({})).await;
    phone.connect().await.unwrap();
    assert!(!phone.is_enrolled());
    act(&server, &id, "delete", json!({})).await;
    assert!(!server.knows(&id).await);
}

#[tokio::test]
async fn u1_u7_raw_commands_that_are_forbidden_are_refused_before_queueing() {
    let server = TestServer::start().await;
    let (_, id) = personal(&server).await;
    let other = server.enrolled(russet_sim::Kind::IPhone).await.hardware.udid;
    for request_type in ["EraseDevice", "ClearPasscode", "EnableLostMode", "RestartDevice"] {
        for ids in [id.clone(), format!("{other},{id}")] {
            let count = ids.split(',').count();
            let path = format!("/v1/enqueue/{ids}?nopush=1&confirm_count={count}");
            let body = command(&uuid(), request_type);
            assert_eq!(
                server.refusal(Method::PUT, &path, body).await,
                409,
                "{request_type}"
            );
        }
    }
    assert_eq!(server.queue(&id).await, [""; 0]);
    assert_eq!(server.queue(&other).await, [""; 0]);
    // What Apple's catalogue does not know may be of tomorrow.
    server.enqueue(&id, "SomethingNew").await;
}

#[tokio::test]
async fn u3_a_passcode_profile_becomes_six_digits_that_are_not_simple() {
    let server = TestServer::start().await;
    let (mut phone, id) = personal(&server).await;
    let asked = profile(
        "com.apple.mobiledevice.passwordpolicy",
        "<key>maxPINAgeInDays</key><integer>90</integer><key>minLength</key><integer>12</integer>",
    );
    let answer = act(
        &server,
        &id,
        "install-profile",
        json!({ "mobileconfig": STANDARD.encode(asked) }),
    )
    .await;
    assert!(
        answer["warnings"][0].as_str().unwrap().contains("six digits"),
        "{answer}"
    );
    obeys(&mut phone, &["InstallProfile"]).await;
    let installed = plists::decode(&phone.state.profiles[0].raw).unwrap();
    let payload = installed["PayloadContent"].as_array().unwrap()[0]
        .as_dictionary()
        .unwrap()
        .clone();
    let settings: Vec<(&String, &plist::Value)> = payload
        .iter()
        .filter(|(key, _)| !key.starts_with("Payload"))
        .collect();
    assert_eq!(settings.len(), 3, "{settings:?}");
    assert_eq!(payload["allowSimple"].as_boolean(), Some(false));
    assert_eq!(payload["forcePIN"].as_boolean(), Some(true));
    assert_eq!(payload["minLength"].as_signed_integer(), Some(6));
}

#[tokio::test]
async fn u5_apps_by_manifest_and_licensed_ones_go_and_others_do_not() {
    let server = TestServer::start().await;
    let (mut phone, id) = personal(&server).await;
    act(
        &server,
        &id,
        "install-app",
        json!({ "manifest_url": "https://apps.example/a.plist" }),
    )
    .await;
    act(
        &server,
        &id,
        "install-app",
        json!({ "store_id": 1, "licensed": true }),
    )
    .await;
    obeys(&mut phone, &["InstallApplication", "InstallApplication"]).await;
    for parameters in [
        json!({ "store_id": 1 }),
        json!({ "bundle_id": "org.example.app" }),
        json!({ "manifest_url": "https://apps.example/a.plist", "take_over": true }),
    ] {
        assert_eq!(
            refusal(&server, &id, "install-app", parameters).await,
            (409, "user_enrollment_forbids".into())
        );
    }
}

#[tokio::test]
async fn u6_restrictions_that_are_not_obeyed_are_named() {
    let server = TestServer::start().await;
    let (_, id) = personal(&server).await;
    let asked = profile(
        "com.apple.applicationaccess",
        "<key>allowScreenShot</key><false/><key>allowCamera</key><false/>",
    );
    let answer = act(
        &server,
        &id,
        "install-profile",
        json!({ "mobileconfig": STANDARD.encode(&asked) }),
    )
    .await;
    let warning = answer["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("allowCamera") && !warning.contains("allowScreenShot"),
        "{warning}"
    );
    let whole = server.enrolled(russet_sim::Kind::IPhone).await.hardware.udid;
    let answer = act(
        &server,
        &whole,
        "install-profile",
        json!({ "mobileconfig": STANDARD.encode(&asked) }),
    )
    .await;
    assert_eq!(answer["warnings"], Value::Array(Vec::new()));
}

//! What a device gets because of its profile, when it enrolls and later.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Device, Handled, Kind};
use serde_json::{Value, json};

use super::{add_token, facts, put_device};
use crate::support::TestServer;

const PROFILES: &str = "/v1/ade/tokens/hq/profiles";

/// A device of the token `hq` that has this profile at Apple, and has enrolled.
async fn enrolled(server: &TestServer, kind: Kind, settings: Value) -> Device {
    let token = add_token(&*server.store, "hq").await;
    let body = json!({ "name": "p", "settings": settings });
    server.ask(Method::POST, PROFILES, body.to_string()).await;
    let rule = |stored: Option<&russet::storage::AdeProfileRecord>, _: usize| {
        let mut record = stored.unwrap().clone();
        record.uuid = Some("P".into());
        russet::storage::RowRuling::Put(record)
    };
    server
        .store
        .edit_ade_profile(token, "p", Box::new(rule))
        .await
        .unwrap();
    let mut device = server.device(kind);
    device.options.shared_ipad = settings.get("shared_ipad").is_some();
    let family = if kind == Kind::IPad { "iPad" } else { "iPhone" };
    let facts = facts(family, Some(("P", "pushed")));
    put_device(&*server.store, token, &device.hardware.serial_number, facts).await;
    device
        .enroll(&server.enroll_url())
        .await
        .expect("the device enrolls");
    device
}

fn types(handled: &[Handled]) -> Vec<&str> {
    handled
        .iter()
        .map(|handled| handled.request_type.as_str())
        .collect()
}

fn item(handled: &Handled) -> Value {
    serde_json::to_value(&handled.command).unwrap()["Settings"][0].clone()
}

#[tokio::test]
async fn e13_a_device_is_named_at_enrollment_and_when_the_template_has_changed() {
    let server = TestServer::start().await;
    let settings = json!({ "platform": "ios", "naming": { "template": "{{DEVICETYPE}}-{{SERIAL}}" } });
    let mut phone = enrolled(&server, Kind::IPhone, settings).await;
    let serial = phone.hardware.serial_number.clone();
    let handled = phone.connect().await.unwrap();
    assert_eq!(types(&handled), ["Settings"]);
    assert_eq!(item(&handled[0])["DeviceName"], format!("iPhone-{serial}"));
    assert_eq!(phone.connect().await.unwrap().len(), 0, "once is enough");

    let change = json!({ "settings": { "naming": { "template": "Desk {{SERIAL}}" } } });
    let edited = server
        .ask(Method::PATCH, &format!("{PROFILES}/p"), change.to_string())
        .await;
    assert_eq!(
        (&edited["affected_devices"], &edited["devices_to_reset"]),
        (&json!(1), &json!(0))
    );
    let handled = phone.connect().await.unwrap();
    assert_eq!(item(&handled[0])["DeviceName"], format!("Desk {serial}"));
    assert_eq!(phone.connect().await.unwrap().len(), 0);
    // An earlier name comes back as any other.
    let back = json!({ "settings": { "naming": { "template": "{{DEVICETYPE}}-{{SERIAL}}" } } });
    server
        .ask(Method::PATCH, &format!("{PROFILES}/p"), back.to_string())
        .await;
    assert_eq!(types(&phone.connect().await.unwrap()), ["Settings"]);
}

#[tokio::test]
async fn e17_what_else_is_changed_waits_for_the_next_enrollment() {
    let server = TestServer::start().await;
    let command =
        "<plist version=\"1.0\"><dict><key>RequestType</key><string>SecurityInfo</string></dict></plist>";
    let settings = json!({ "platform": "ios", "initial_commands": [command] });
    let mut phone = enrolled(&server, Kind::IPhone, settings).await;
    assert_eq!(types(&phone.connect().await.unwrap()), ["SecurityInfo"], "e8");
    let esim = json!({ "settings": { "esim": { "server_url": "https://esim.example.com/" } } });
    let edited = server
        .ask(Method::PATCH, &format!("{PROFILES}/p"), esim.to_string())
        .await;
    assert_eq!(edited["devices_to_reset"], 1);
    assert!(
        edited["warnings"]
            .to_string()
            .contains("reset to factory settings")
    );
    phone.token_update().await.unwrap();
    assert_eq!(phone.connect().await.unwrap().len(), 0);

    // It is wiped, and enrolls anew.
    server
        .ask(
            Method::POST,
            &format!("/v1/enrollments/{}/allow-reenroll", phone.hardware.udid),
            "",
        )
        .await;
    phone.enroll(&server.enroll_url()).await.unwrap();
    assert_eq!(
        types(&phone.connect().await.unwrap()),
        ["RefreshCellularPlans", "SecurityInfo"],
        "e14"
    );
}

#[tokio::test]
async fn h3_h11_a_shared_ipad_gets_its_settings_on_the_device_channel_and_its_users_none() {
    let server = TestServer::start().await;
    let settings = json!({
        "platform": "ios",
        "shared_ipad": { "maximum_cached_users": 12, "lock_grace_seconds": 900 },
        "naming": { "template": "S" },
    });
    let mut ipad = enrolled(&server, Kind::IPad, settings).await;
    let user = ipad.add_user("ada@example.com", "Ada");
    ipad.user_token_update(&user).await.unwrap();
    assert_eq!(
        server.enrollment(&ipad.enrollment_id(&user)).await["type"],
        "Shared iPad"
    );
    assert_eq!(ipad.connect_on(&user).await.unwrap().len(), 0);
    let handled = ipad.connect().await.unwrap();
    assert_eq!(types(&handled), ["Settings", "Settings"]);
    let shared = item(&handled[1]);
    assert_eq!(
        (&shared["Item"], &shared["ResidentUsers"]),
        (&json!("SharedDeviceConfiguration"), &json!(12))
    );
    assert_eq!(shared["PasscodePolicy"]["PasscodeLockGracePeriod"], 900);
}

#[tokio::test]
async fn a_device_without_a_profile_gets_nothing() {
    let server = TestServer::start().await;
    let settings = json!({ "platform": "ios", "naming": { "template": "N" } });
    let named = enrolled(&server, Kind::IPhone, settings).await;
    let mut other = server.enrolled(Kind::IPhone).await;
    assert_eq!(other.connect().await.unwrap().len(), 0);
    assert_eq!(server.queue(&named.hardware.udid).await.len(), 1);
    // A restart forgets nothing of it.
    let server = server.restart(|_| {}).await;
    let mut named = named;
    named.client = server.client();
    assert_eq!(named.connect().await.unwrap().len(), 1);
    tokio::time::timeout(Duration::from_secs(10), named.token_update())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(named.connect().await.unwrap().len(), 0);
}

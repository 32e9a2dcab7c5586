//! `/migration`: enrollments of another server, brought in by an operator and adopted when the device itself comes.

use axum::http::Method;
use russet_sim::{Channel, Device, Kind, messages, plists};

use super::{ask, code};
use crate::support::TestServer;

/// Brings a check-in of another server's device; the status, and the failure's name if it is one.
async fn migrate(server: &TestServer, message: &plists::Dictionary) -> (u16, String) {
    let answer = ask(
        server,
        Method::PUT,
        "/migration",
        plists::encode(message).unwrap(),
    )
    .await;
    let name = if answer.status == 200 { "" } else { code(&answer) };
    (answer.status, name.to_owned())
}

/// Brings all that a server knows of a device.
async fn bring(server: &TestServer, device: &mut Device) {
    let token = device.token_update_message(&Channel::Device).unwrap();
    let bootstrap = messages::set_bootstrap_token(&device.ids(&Channel::Device), Some(b"bootstrap"));
    for message in [device.authenticate_message().unwrap(), token, bootstrap] {
        assert_eq!(migrate(server, &message).await, (200, String::new()));
    }
}

/// The old server's device, as it is after its server's name leads to the new one.
fn led_to(server: &TestServer, old: &TestServer, device: &mut Device) {
    let address = server.authority().parse().unwrap();
    device.client = server.client().resolve(old.authority(), address);
}

/// A server that trusts the device CA of `old`.
async fn heir_of(old: &TestServer) -> TestServer {
    let ca = old.data.path(russet::data_dir::DEVICE_CA);
    TestServer::with(|config| config.identity.migration_ca = Some(ca)).await
}

#[tokio::test]
async fn a_migrated_device_is_adopted_when_it_comes_with_its_old_certificate() {
    let old = TestServer::start().await;
    let new = heir_of(&old).await;
    let mut device = old.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    bring(&new, &mut device).await;
    let row = new.enrollment(&udid).await;
    assert_eq!(row["state"], "enrolled");
    assert_eq!(row["bootstrap_token_escrowed"], true);
    assert_eq!(row["identity"], serde_json::Value::Null);

    let uuid = new.enqueue(&udid, "SecurityInfo").await;
    led_to(&new, &old, &mut device);
    let handled = device.connect().await.unwrap();
    assert_eq!(handled[0].command_uuid, uuid);
    assert_eq!(new.command_state(&uuid, &udid).await, "acknowledged");
    let identity = new.enrollment(&udid).await["identity"]["fingerprint"].to_string();
    assert!(
        identity
            .to_uppercase()
            .contains(&device.identity().unwrap().fingerprint().unwrap()),
        "{identity}"
    );
    assert_eq!(device.get_bootstrap_token().await.unwrap().unwrap(), b"bootstrap");
}

#[tokio::test]
async fn one_old_certificate_adopts_one_enrollment() {
    let old = TestServer::start().await;
    let new = heir_of(&old).await;
    let (mut device, mut other) = (old.enrolled(Kind::Mac).await, old.enrolled(Kind::Mac).await);
    bring(&new, &mut device).await;
    bring(&new, &mut other).await;
    led_to(&new, &old, &mut device);
    led_to(&new, &old, &mut other);
    device.connect().await.unwrap();
    let own = other.identity().unwrap().clone();
    other.set_identity(device.identity().unwrap().clone());
    assert_eq!(other.connect().await.unwrap_err().status(), Some(403));
    other.set_identity(own);
    other.connect().await.unwrap();
}

#[tokio::test]
async fn without_the_old_ca_a_migrated_enrollment_waits() {
    let old = TestServer::start().await;
    let new = TestServer::start().await;
    let mut device = old.enrolled(Kind::Mac).await;
    bring(&new, &mut device).await;
    led_to(&new, &old, &mut device);
    assert_eq!(device.connect().await.unwrap_err().status(), Some(403));
    assert!(device.is_enrolled(), "a refusal must not unenroll the device");
}

#[tokio::test]
async fn the_old_ca_opens_no_enrollment_that_was_not_brought() {
    let old = TestServer::start().await;
    let new = heir_of(&old).await;
    let mut device = old.enrolled(Kind::Mac).await;
    led_to(&new, &old, &mut device);
    assert!(device.authenticate().await.is_err());
    assert!(device.connect().await.is_err());
    assert!(new.enrollments().await.is_empty());
    // Nor one that has enrolled here by itself.
    let here = new.enrolled(Kind::Mac).await;
    let mut pretender = old.device(Kind::Mac);
    pretender.hardware = here.hardware.clone();
    pretender.enroll(&old.enroll_url()).await.unwrap();
    led_to(&new, &old, &mut pretender);
    assert_eq!(pretender.connect().await.unwrap_err().status(), Some(403));
    assert_eq!(pretender.authenticate().await.unwrap_err().status(), Some(403));
}

/// Whatever an operator brings, it never changes an enrollment that speaks for itself.
#[tokio::test]
async fn nothing_is_migrated_over_a_live_enrollment() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let token = device.set_bootstrap_token().await.unwrap();
    let udid = device.hardware.udid.clone();
    let user = Channel::User("ada".into());
    let user_id = device.enrollment_id(&user);
    let before = (server.enrollment(&udid).await, server.enrollment(&user_id).await);
    let ids = device.ids(&Channel::Device);
    for message in [
        device.authenticate_message().unwrap(),
        device.token_update_message(&Channel::Device).unwrap(),
        device.token_update_message(&user).unwrap(),
        messages::set_bootstrap_token(&ids, Some(b"stale")),
        messages::set_bootstrap_token(&ids, None),
    ] {
        let what = message["MessageType"].as_string().unwrap().to_owned();
        assert_eq!(
            migrate(&server, &message).await,
            (403, "enrollment_alive".into()),
            "{what}"
        );
    }
    let after = (server.enrollment(&udid).await, server.enrollment(&user_id).await);
    for (before, after) in [(before.0, after.0), (before.1, after.1)] {
        assert_eq!(before["token_update_tally"], after["token_update_tally"]);
        assert_eq!(before["identity"], after["identity"]);
    }
    assert_eq!(device.get_bootstrap_token().await.unwrap(), Some(token));
    device.connect().await.unwrap();
}

/// A migration script that runs twice, and once more after the device has come.
#[tokio::test]
async fn a_repeated_migration_does_no_harm() {
    let old = TestServer::start().await;
    let new = heir_of(&old).await;
    let mut device = old.enrolled(Kind::Mac).await;
    bring(&new, &mut device).await;
    bring(&new, &mut device).await;
    led_to(&new, &old, &mut device);
    device.connect().await.unwrap();
    let uuid = new.enqueue(&device.hardware.udid, "DeviceInformation").await;
    let again = device.authenticate_message().unwrap();
    assert_eq!(migrate(&new, &again).await.1, "enrollment_alive");
    assert_eq!(device.connect().await.unwrap()[0].command_uuid, uuid);
}

#[tokio::test]
async fn what_can_not_be_migrated_is_named() {
    let server = TestServer::start().await;
    let old = TestServer::start().await;
    let mut device = old.enrolled(Kind::Mac).await;
    let ids = device.ids(&Channel::Device);
    let token = device.token_update_message(&Channel::Device).unwrap();
    assert_eq!(migrate(&server, &token).await, (400, "not_enrolled".into()));
    let bootstrap = messages::set_bootstrap_token(&ids, Some(b"x"));
    assert_eq!(migrate(&server, &bootstrap).await, (400, "not_enrolled".into()));
    for message in [
        messages::check_out(&ids, "com.apple.mgmt.x"),
        messages::get_bootstrap_token(&ids),
        messages::get_token(&ids, "com.apple.maid", None),
        messages::idle(&ids),
    ] {
        assert_eq!(migrate(&server, &message).await, (400, "bad_message".into()));
    }
    let answer = ask(&server, Method::PUT, "/migration", "not a plist").await;
    assert_eq!((answer.status, code(&answer)), (400, "bad_message"));
    assert!(server.enrollments().await.is_empty());
}

//! `TokenUpdate` and `CheckOut`: how an enrollment lives, and how it ends.

use axum::http::Method;
use plist::Value as Plist;
use russet_sim::{Channel, Device, Kind};
use serde_json::json;

use crate::support::{
    TestServer, command,
    messages::{self, command_in},
};

const DEVICE: Channel = Channel::Device;

fn ada() -> Channel {
    Channel::User("ada".into())
}

#[tokio::test]
async fn a_token_update_that_omits_something_takes_nothing_away() {
    let server = TestServer::start().await;
    let mut ipad = server.device(Kind::IPad);
    ipad.options.awaiting_configuration = true;
    ipad.enroll(&server.enroll_url()).await.unwrap();
    let udid = ipad.hardware.udid.clone();
    let update = messages::token_update(&mut ipad, &DEVICE);
    for (message, awaiting) in [
        (
            update.clone().without(&["UnlockToken", "AwaitingConfiguration"]),
            true,
        ),
        (update.clone().with("UnlockToken", Plist::Data(Vec::new())), true),
        (
            update
                .without(&["UnlockToken"])
                .with("AwaitingConfiguration", false),
            false,
        ),
    ] {
        assert_eq!(message.send(&mut ipad).await.status, 200);
        let shown = server.enrollment(&udid).await;
        assert_eq!(shown["unlock_token_escrowed"], true);
        assert_eq!(shown["awaiting_configuration"], awaiting);
    }
}

#[tokio::test]
async fn token_updates_are_counted_from_the_one_that_enrolls() {
    let server = TestServer::start().await;
    let mut phone = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let udid = phone.hardware.udid.clone();
    phone.authenticate().await.unwrap();
    let shown = server.enrollment(&udid).await;
    assert_eq!(
        (&shown["state"], &shown["token_update_tally"]),
        (&json!("authenticated"), &json!(0))
    );
    phone.token_update().await.unwrap();
    let enrolled_at = server.enrollment(&udid).await["enrolled_at"].clone();
    for tally in 2..4 {
        phone.change_push_token().await.unwrap();
        let shown = server.enrollment(&udid).await;
        assert_eq!(shown["token_update_tally"], tally);
        assert_eq!(shown["enrolled_at"], enrolled_at);
    }
}

#[tokio::test]
async fn a_push_token_may_be_that_of_another_device() {
    let server = TestServer::start().await;
    let mut first = server.enrolled(Kind::IPhone).await;
    let mut second = server.enrolled(Kind::IPhone).await;
    second.state.push.clone_from(&first.state.push);
    second.token_update().await.unwrap();
    for device in [&mut first, &mut second] {
        let command = server.enqueue(&device.hardware.udid, "SecurityInfo").await;
        assert_eq!(device.connect().await.unwrap()[0].command_uuid, command);
    }
}

#[tokio::test]
async fn a_token_update_without_its_keys_is_malformed() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let before = server.everything_about(&phone).await;
    for key in ["Token", "PushMagic", "Topic", "UDID"] {
        let message = messages::token_update(&mut phone, &DEVICE).without(&[key]);
        assert_eq!(message.send(&mut phone).await.status, 400, "{key}");
    }
    assert_eq!(server.everything_about(&phone).await, before);
}

/// A Mac with its user, a secret, and a command in each queue; the commands.
async fn busy(server: &TestServer) -> (Device, [String; 2]) {
    let mut mac = server.enrolled(Kind::Mac).await;
    mac.set_bootstrap_token().await.unwrap();
    let commands = [
        server.enqueue(&mac.hardware.udid, "SecurityInfo").await,
        server.enqueue(&mac.enrollment_id(&ada()), "ProfileList").await,
    ];
    (mac, commands)
}

#[tokio::test]
async fn disabling_a_device_disables_its_users() {
    let server = TestServer::start().await;
    let (mut mac, [of_device, of_user]) = busy(&server).await;
    let mut gone = server.twin(&mac);
    let ids = [mac.hardware.udid.clone(), mac.enrollment_id(&ada())];
    mac.check_out().await.unwrap();
    for (id, uuid) in ids.iter().zip([of_device, of_user]) {
        assert_eq!(server.enrollment(id).await["state"], "checked_out");
        assert_eq!(server.queue(id).await, [""; 0]);
        assert_eq!(server.command_state(&uuid, id).await, "cancelled");
        let path = format!("/v1/enqueue/{id}?nopush=1");
        let refusal = server
            .refusal(Method::PUT, &path, command("late", "ProfileList"))
            .await;
        assert_eq!(refusal, 500, "NanoMDM's word for a command that nobody gets");
    }
    let shown = server.enrollment(&ids[0]).await;
    assert_eq!(shown["bootstrap_token_escrowed"], false);
    assert_eq!(shown["topic"], json!(null), "nobody wakes it any more");

    // It is not thrown out if it still asks, and it gets nothing.
    for channel in [DEVICE, ada()] {
        let response = messages::idle(&gone, &channel).send(&mut gone).await;
        assert_eq!(command_in(&response), None);
    }
    let update = messages::token_update(&mut gone, &DEVICE);
    assert_eq!(update.send(&mut gone).await.status, 400);
    assert_eq!(server.enrollment(&ids[0]).await["state"], "checked_out");
}

#[tokio::test]
async fn check_out_is_always_answered_200() {
    let server = TestServer::start().await;
    let mut never_enrolled = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let message = messages::check_out(&never_enrolled, &DEVICE);
    assert_eq!(message.send(&mut never_enrolled).await.status, 200);
    assert!(!server.knows(&never_enrolled.hardware.udid).await);

    let mut half_enrolled = never_enrolled;
    half_enrolled.authenticate().await.unwrap();
    for _ in 0..2 {
        let message = messages::check_out(&half_enrolled, &DEVICE);
        assert_eq!(message.send(&mut half_enrolled).await.status, 200);
        let shown = server.enrollment(&half_enrolled.hardware.udid).await;
        assert_eq!(shown["state"], "checked_out");
    }

    let mut mac = server.enrolled(Kind::Mac).await;
    let stranger = mac.add_user("grace", "Grace Hopper");
    let message = messages::check_out(&mac, &stranger);
    assert_eq!(message.send(&mut mac).await.status, 200);
    assert!(!server.knows(&mac.enrollment_id(&stranger)).await);
}

#[tokio::test]
async fn a_user_that_checks_out_leaves_its_device_behind() {
    let server = TestServer::start().await;
    let (mut mac, [of_device, of_user]) = busy(&server).await;
    let user = mac.enrollment_id(&ada());
    let message = messages::check_out(&mac, &ada());
    assert_eq!(message.send(&mut mac).await.status, 200);
    assert_eq!(server.enrollment(&user).await["state"], "checked_out");
    assert_eq!(server.command_state(&of_user, &user).await, "cancelled");

    let shown = server.enrollment(&mac.hardware.udid).await;
    assert_eq!(
        (&shown["state"], &shown["bootstrap_token_escrowed"]),
        (&json!("enrolled"), &json!(true))
    );
    assert_eq!(mac.connect().await.unwrap()[0].command_uuid, of_device);
    mac.user_token_update(&ada()).await.unwrap();
    let shown = server.enrollment(&user).await;
    assert_eq!(
        (&shown["state"], &shown["token_update_tally"]),
        (&json!("enrolled"), &json!(1))
    );
}

//! A device that is known and comes again: by the same identity, with a new one, wiped or lost on the way.

use axum::http::Method;
use russet_sim::{Channel, Device, Kind, Step};
use serde_json::json;

use crate::support::{
    TestServer, fingerprint,
    messages::{self, over_tls},
};

/// A Mac with a user, a bootstrap token and a command in its queue.
async fn mac_with_a_past(server: &TestServer) -> Device {
    let mut mac = server.enrolled(Kind::Mac).await;
    mac.set_bootstrap_token().await.unwrap();
    server.enqueue(&mac.hardware.udid, "SecurityInfo").await;
    mac
}

fn user(mac: &Device) -> String {
    mac.enrollment_id(&Channel::User("ada".into()))
}

#[tokio::test]
async fn k_a5_the_old_identity_works_until_the_new_one_has_sent_its_token() {
    let server = TestServer::start().await;
    let mut old = mac_with_a_past(&server).await;
    let udid = old.hardware.udid.clone();
    let before = server.enrollment(&udid).await;
    let mut new = server.twin(&old);
    new.set_identity(server.new_identity(&server.bound_link(&old).await).await);

    new.authenticate().await.unwrap();
    let shown = server.enrollment(&udid).await;
    assert_eq!(shown["state"], "enrolled");
    assert_eq!(shown["identity"], before["identity"]);
    assert_eq!(
        shown["pending"]["identity"],
        *fingerprint(new.identity().unwrap())
    );
    assert_eq!(shown["pending"]["renewal"], false);
    assert!(old.get_bootstrap_token().await.unwrap().is_some());
    assert_eq!(old.connect().await.unwrap().len(), 1);
    old.token_update().await.unwrap();
    assert_eq!(new.connect().await.unwrap_err().status(), Some(400));
    assert_eq!(new.get_bootstrap_token().await.unwrap_err().status(), Some(400));

    let left_over = server.enqueue_with(&udid, "ProfileList", "&priority=1").await;
    new.authenticate().await.unwrap();
    new.token_update().await.unwrap();
    let shown = server.enrollment(&udid).await;
    assert_eq!(
        shown["identity"]["fingerprint"],
        *fingerprint(new.identity().unwrap())
    );
    assert_eq!(
        (&shown["pending"], &shown["token_update_tally"]),
        (&json!(null), &json!(1))
    );
    assert_eq!(shown["bootstrap_token_escrowed"], false);
    assert!(!server.knows(&user(&new)).await, "its users log in anew");
    assert_eq!(
        server.queue(&udid).await,
        [left_over],
        "what came after the first Authenticate is meant for the new enrollment"
    );
}

#[tokio::test]
async fn m13_what_a_new_identity_has_replaced_is_refused_for_good() {
    let server = TestServer::start().await;
    let mut first = server.device(Kind::Mac);
    first.enroll(&server.bound_link(&first).await).await.unwrap();
    let mut second = server.twin(&first);
    second.set_identity(server.new_identity(&server.bound_link(&first).await).await);
    second.authenticate().await.unwrap();
    second.token_update().await.unwrap();

    let command = server.enqueue(&first.hardware.udid, "SecurityInfo").await;
    let before = server.everything_about(&second).await;
    for message in messages::one_of_each(&mut first, &Channel::Device, &command) {
        let response = message.send(&mut first).await;
        assert_eq!(response.status, 403, "{}", message.name);
        assert_eq!(server.everything_about(&second).await, before, "{}", message.name);
    }
    let renewal = server.renewed_identity(&first).await.unwrap_err();
    assert_eq!(renewal.step, Step::PkiOperation, "nor does it get a new one");
    assert_eq!(second.connect().await.unwrap()[0].command_uuid, command);
}

#[tokio::test]
async fn m13_a_wiped_device_enrolls_again_as_the_same_one() {
    let server = TestServer::start().await;
    let mut mac = mac_with_a_past(&server).await;
    let old = mac.identity().unwrap().clone();
    server
        .enqueue_with(&mac.hardware.udid, "EraseDevice", "&priority=9")
        .await;
    mac.connect().await.unwrap();
    assert_eq!((mac.state.erasures, mac.is_enrolled()), (1, false));

    let link = server.bound_link(&mac).await;
    mac.enroll(&link).await.unwrap();
    let filter = format!("/v1/enrollments?serial={}", mac.hardware.serial_number);
    let list = server.ask(Method::GET, &filter, Vec::new()).await;
    let ids: Vec<_> = list["enrollments"].as_array().unwrap().iter().collect();
    assert_eq!(ids.len(), 2, "the device and its user");
    assert_eq!(server.queue(&mac.hardware.udid).await, [""; 0]);
    let idle = messages::idle(&mac, &Channel::Device);
    assert_eq!(idle.send_as(&mut mac, &over_tls(&old)).await.status, 403);
}

/// The three ways in which a device whose identity is lost comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    BoundLink,
    CheckOut,
    AllowReenroll,
}

#[tokio::test]
async fn a_device_without_its_identity_has_three_ways_back() {
    let server = TestServer::start().await;
    for way in [Way::BoundLink, Way::CheckOut, Way::AllowReenroll] {
        let mut mac = mac_with_a_past(&server).await;
        let udid = mac.hardware.udid.clone();
        let mut lost = server.twin(&mac);
        let error = mac.enroll(&server.enroll_url()).await.unwrap_err();
        assert_eq!((error.step, error.status()), (Step::Authenticate, Some(403)));
        let mut url = server.enroll_url();
        match way {
            Way::BoundLink => url = server.bound_link(&mac).await,
            Way::CheckOut => lost.check_out().await.unwrap(),
            Way::AllowReenroll => {
                let path = format!("/v1/enrollments/{udid}/allow-reenroll");
                server.ask(Method::POST, &path, Vec::new()).await;
            }
        }
        mac.enroll(&url).await.unwrap();
        let shown = server.enrollment(&udid).await;
        assert_eq!(shown["state"], "enrolled", "{way:?}");
        assert_eq!(shown["allow_reenroll"], false, "it holds for once");
        assert_eq!(shown["bootstrap_token_escrowed"], false);
        assert_eq!(server.queue(&udid).await, [""; 0], "{way:?}");
        let identity = fingerprint(mac.identity().unwrap());
        assert_eq!(shown["identity"]["fingerprint"], *identity);
        mac.connect().await.unwrap();
    }
}

#[tokio::test]
async fn authenticate_by_the_same_identity_starts_over() {
    let server = TestServer::start().await;
    let mut mac = mac_with_a_past(&server).await;
    let udid = mac.hardware.udid.clone();
    let user = user(&mac);
    let of_user = server.enqueue(&user, "ProfileList").await;
    mac.authenticate().await.unwrap();
    let shown = server.enrollment(&udid).await;
    assert_eq!(shown["state"], "authenticated");
    assert_eq!(shown["bootstrap_token_escrowed"], false);
    assert_eq!(server.queue(&udid).await, [""; 0]);
    assert!(!server.knows(&user).await);
    assert_eq!(server.command_state(&of_user, &user).await, "cancelled");

    mac.token_update().await.unwrap();
    let shown = server.enrollment(&udid).await;
    assert_eq!(
        (&shown["state"], &shown["token_update_tally"]),
        (&json!("enrolled"), &json!(1))
    );
}

#[tokio::test]
async fn what_is_queued_between_authenticate_and_token_update_is_kept() {
    let server = TestServer::start().await;
    let mut phone = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let udid = phone.hardware.udid.clone();
    assert_eq!(
        server
            .refusal(
                Method::PUT,
                &format!("/v1/enqueue/{udid}?nopush=1"),
                crate::support::command("before", "SecurityInfo")
            )
            .await,
        500,
        "it is not known yet"
    );
    phone.authenticate().await.unwrap();
    let first = server.enqueue(&udid, "SecurityInfo").await;
    phone.authenticate().await.unwrap();
    let second = server.enqueue(&udid, "ProfileList").await;
    phone.token_update().await.unwrap();
    let handled = phone.connect().await.unwrap();
    let uuids: Vec<_> = handled.into_iter().map(|one| one.command_uuid).collect();
    assert_eq!(uuids, [first, second]);
}

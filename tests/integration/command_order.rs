//! Which command a device is offered, and when.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Channel, Device, Kind, Status};

use crate::support::{
    TestServer, eventually, manual_clock,
    messages::{self, command_in},
};

/// Says `status` of `uuid` and returns the command that comes in answer.
async fn answer(device: &mut Device, uuid: &str, status: &str) -> Option<String> {
    let result = messages::result(device, uuid, status);
    command_in(&result.send(device).await)
}

async fn idle(device: &mut Device) -> Option<String> {
    let idle = messages::idle(device, &Channel::Device);
    command_in(&idle.send(device).await)
}

async fn three_commands(server: &TestServer, device: &Device) -> [String; 3] {
    let id = &device.hardware.udid;
    [
        server.enqueue(id, "SecurityInfo").await,
        server.enqueue(id, "ProfileList").await,
        server.enqueue(id, "CertificateList").await,
    ]
}

#[tokio::test]
async fn commands_come_in_the_order_in_which_they_were_queued() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let uuids = three_commands(&server, &phone).await;
    assert_eq!(server.queue(&phone.hardware.udid).await, uuids);
    let handled = phone.connect().await.unwrap();
    let came: Vec<_> = handled.into_iter().map(|one| one.command_uuid).collect();
    assert_eq!(came, uuids);
    assert_eq!(server.queue(&phone.hardware.udid).await, [""; 0]);
}

#[tokio::test]
async fn a_higher_priority_goes_first() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let ordinary = server.enqueue(&udid, "ProfileList").await;
    let higher = server.enqueue_with(&udid, "CertificateList", "&priority=1").await;
    let highest = server.enqueue_with(&udid, "DeviceLock", "&priority=255").await;
    let higher_too = server.enqueue_with(&udid, "SecurityInfo", "&priority=1").await;
    let order = [highest, higher, higher_too, ordinary];
    assert_eq!(server.queue(&udid).await, order);
    let handled = phone.connect().await.unwrap();
    let came: Vec<_> = handled.into_iter().map(|one| one.command_uuid).collect();
    assert_eq!(came, order);
}

#[tokio::test]
async fn a_command_is_offered_until_it_is_answered() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let [a, b, _] = three_commands(&server, &phone).await;
    for _ in 0..3 {
        assert_eq!(idle(&mut phone).await.as_ref(), Some(&a));
    }
    assert_eq!(answer(&mut phone, &a, "Acknowledged").await, Some(b));
}

#[tokio::test]
async fn after_not_now_come_the_others_and_then_nothing() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let [a, b, c] = three_commands(&server, &phone).await;
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&a));
    assert_eq!(answer(&mut phone, &a, "NotNow").await.as_ref(), Some(&b));
    assert_eq!(answer(&mut phone, &b, "NotNow").await.as_ref(), Some(&c));
    assert_eq!(answer(&mut phone, &c, "NotNow").await, None);
    for uuid in [&a, &b, &c] {
        assert_eq!(server.command_state(uuid, &phone.hardware.udid).await, "not_now");
    }
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&a), "with its next contact");
    assert_eq!(answer(&mut phone, &a, "Acknowledged").await.as_ref(), Some(&b));
    assert_eq!(answer(&mut phone, &b, "NotNow").await, None);
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&b));
    assert_eq!(answer(&mut phone, &b, "Acknowledged").await, Some(c));
}

#[tokio::test]
async fn a_device_that_refuses_everything_is_left_alone() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let uuids = three_commands(&server, &phone).await;
    phone.behaviour.not_now.insert("*".into(), 3);
    let handled = phone.connect().await.unwrap();
    assert_eq!(handled.len(), 3);
    assert!(handled.iter().all(|one| one.status == Status::NotNow));
    assert_eq!(server.queue(&phone.hardware.udid).await, uuids);
    let handled = phone.connect().await.unwrap();
    assert!(handled.iter().all(|one| one.status == Status::Acknowledged));
    assert_eq!(handled.len(), 3);
}

#[tokio::test]
async fn a_repeated_answer_loses_no_other_command() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let [a, b, c] = three_commands(&server, &phone).await;
    for uuid in [&a, &b, &c] {
        answer(&mut phone, uuid, "NotNow").await;
    }
    for _ in 0..2 {
        assert_eq!(answer(&mut phone, &a, "Acknowledged").await.as_ref(), Some(&b));
    }
    assert_eq!(server.queue(&phone.hardware.udid).await, [b, c]);
}

#[tokio::test]
async fn not_before_and_expires_are_kept_to_the_second() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let start = server.clock.now();
    let at = |seconds| start.plus(Duration::from_secs(seconds)).to_rfc3339();
    let later = server
        .enqueue_with(&udid, "ProfileList", &format!("&not_before={}", at(60)))
        .await;
    let short = server
        .enqueue_with(&udid, "SecurityInfo", &format!("&expires={}", at(30)))
        .await;
    let second = Duration::from_secs(1);
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&short));
    server.clock.advance(29 * second);
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&short));
    server.clock.advance(second);
    assert_eq!(
        idle(&mut phone).await,
        None,
        "too late for one, too early for the other"
    );
    server.clock.advance(29 * second);
    assert_eq!(idle(&mut phone).await, None);
    server.clock.advance(second);
    assert_eq!(idle(&mut phone).await.as_ref(), Some(&later));

    // Housekeeping, which begins with the server, closes what has expired.
    let server = server.restart(|_| {}).await;
    eventually("the command is closed", async || {
        server.command_state(&short, &udid).await == "expired"
    })
    .await;
    assert_eq!(server.queue(&udid).await, [later]);

    let path = format!("/v1/enqueue/{udid}?nopush=1&expires={}", at(0));
    let too_late = crate::support::command("too-late", "ProfileList");
    assert_eq!(server.refusal(Method::PUT, &path, too_late).await, 400);
}

#[tokio::test]
async fn two_connections_may_pull_one_queue() {
    let server = TestServer::start().await;
    let mut one = server.enrolled(Kind::IPhone).await;
    let mut other = server.twin(&one);
    let udid = one.hardware.udid.clone();
    let mut uuids = Vec::new();
    for _ in 0..10 {
        uuids.push(server.enqueue(&udid, "SecurityInfo").await);
    }
    let (first, second) = tokio::join!(one.connect(), other.connect());
    let came = [first.unwrap(), second.unwrap()].concat();
    for uuid in &uuids {
        assert!(came.iter().any(|one| one.command_uuid == *uuid));
        assert_eq!(server.command_state(uuid, &udid).await, "acknowledged");
    }
    assert_eq!(server.queue(&udid).await, [""; 0]);
}

#[tokio::test]
async fn each_channel_has_a_queue_of_its_own() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let ada = Channel::User("ada".into());
    let id = mac.enrollment_id(&ada);
    let of_user = server.enqueue(&id, "ProfileList").await;
    let of_device = server.enqueue(&mac.hardware.udid, "ProfileList").await;
    assert_eq!(server.queue(&id).await, [of_user.as_str()]);
    assert_eq!(mac.connect().await.unwrap()[0].command_uuid, of_device);
    assert_eq!(mac.connect().await.unwrap().len(), 0);
    assert_eq!(mac.connect_on(&ada).await.unwrap()[0].command_uuid, of_user);
}

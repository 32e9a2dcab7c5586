//! How events arrive: in order for each device, side by side, again after a failure, and never at a device's cost.

use std::{collections::HashSet, time::Duration};

use russet_sim::Kind;
use serde_json::json;

use super::{dead_letters, hook, hook_to, replay, shown};
use crate::support::{
    TestServer, eventually, manual_clock, promptly,
    receiver::{Reaction, Received, Receiver},
};

#[tokio::test]
async fn a_token_update_comes_after_its_authenticate_whatever_fails() {
    let server = TestServer::start().await;
    let mut count = 0;
    // Every second request fails.
    let receiver = Receiver::with(move |_| {
        count += 1;
        Reaction::Status(if count % 2 == 0 { 200 } else { 503 })
    })
    .await;
    hook(
        &server,
        &receiver,
        json!({ "topics": ["mdm.Authenticate", "mdm.TokenUpdate"] }),
    )
    .await;
    for kind in [Kind::AppleTV, Kind::IPhone, Kind::IPhone] {
        server.enrolled(kind).await;
    }
    receiver.has_taken(6).await;
    let topics = receiver.topics();
    assert_eq!(topics.len(), 3);
    for (enrollment, topics) in topics {
        assert_eq!(topics, ["mdm.Authenticate", "mdm.TokenUpdate"], "{enrollment}");
    }
}

#[tokio::test]
async fn a_device_whose_event_fails_waits_and_the_others_do_not() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(
        &server,
        &receiver,
        json!({ "statuses": ["Idle"], "topics": ["mdm.Connect"] }),
    )
    .await;
    let mut stuck = server.enrolled(Kind::Mac).await;
    let mut other = server.enrolled(Kind::Mac).await;
    let udid = stuck.hardware.udid.clone();
    receiver.react(move |request| {
        let is_stuck = request.enrollment() == udid;
        Reaction::Status(if is_stuck { 500 } else { 200 })
    });
    stuck.connect().await.unwrap();
    stuck.connect().await.unwrap();
    for _ in 0..5 {
        other.connect().await.unwrap();
    }
    receiver.has_taken(5).await;
    let id = &stuck.hardware.udid;
    let attempts: HashSet<String> = receiver
        .received()
        .iter()
        .filter(|request| request.enrollment() == *id)
        .map(Received::event_id)
        .collect();
    assert_eq!(attempts.len(), 1, "its second event waits for its first");
    receiver.react(|_| Reaction::Status(204));
    receiver.has_taken(7).await;
    assert_eq!(receiver.topics()[id].len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_devices_and_other_hooks_nothing() {
    let server = TestServer::start().await;
    let hanging = Receiver::with(|_| Reaction::Hang).await;
    let fine = Receiver::start().await;
    hook(&server, &hanging, json!({})).await;
    hook(&server, &fine, json!({ "name": "fine" })).await;
    let enrolling = async {
        for _ in 0..3 {
            let mut device = server.enrolled(Kind::IPhone).await;
            device.connect().await.unwrap();
        }
    };
    promptly("enrolling beside a hanging hook", enrolling).await;
    fine.has_taken(9).await;
    assert_eq!(shown(&server).await["waiting"], 9);
    // No more than one of a device is under way.
    eventually("the first attempts", async || hanging.received().len() == 3).await;
    assert!(
        hanging
            .received()
            .iter()
            .all(|request| request.topic() == "mdm.Authenticate")
    );
}

#[tokio::test]
async fn what_was_stored_and_not_taken_is_sent_again_after_a_restart() {
    let server = TestServer::start().await;
    let address = Receiver::nowhere().await;
    hook_to(&server, &format!("http://{address}/hook"), json!({})).await;
    for kind in [Kind::AppleTV, Kind::IPhone] {
        server.enrolled(kind).await;
    }
    eventually("a failure", async || {
        shown(&server).await["failing_since"].is_string()
    })
    .await;
    let server = server.restart(|_| {}).await;
    assert_eq!(shown(&server).await["waiting"], 4);
    let receiver = Receiver::at(address, |_| Reaction::Status(200)).await;
    receiver.has_taken(4).await;
    for topics in receiver.topics().values() {
        assert_eq!(*topics, ["mdm.Authenticate", "mdm.TokenUpdate"]);
    }
    eventually("an empty queue", async || shown(&server).await["waiting"] == 0).await;
    let hook = shown(&server).await;
    assert!(
        hook["failing_since"].is_null() && hook["last_delivered_at"].is_string(),
        "{hook}"
    );
    assert_eq!(hook["bytes"], 0);
    // Delivered is delivered, also after another restart.
    let server = server.restart(|_| {}).await;
    let mut device = server.enrolled(Kind::IPhone).await;
    device.connect().await.unwrap();
    receiver.has_taken(7).await;
    assert_eq!(receiver.taken().len(), 7);
}

#[tokio::test]
async fn what_an_endpoint_refuses_becomes_a_dead_letter_and_can_be_replayed() {
    let server = TestServer::with(|config| config.hooks.max_refusals = 1).await;
    let receiver = Receiver::with(|request| {
        let is_bad = request.topic() == "mdm.Authenticate";
        Reaction::Status(if is_bad { 400 } else { 200 })
    })
    .await;
    hook(&server, &receiver, json!({ "topics": ["mdm.*"] })).await;
    let device = server.enrolled(Kind::IPhone).await;
    receiver.has_taken(1).await;
    eventually("a dead letter", async || dead_letters(&server).await.len() == 1).await;
    let letter = dead_letters(&server).await.remove(0);
    assert_eq!(letter["topic"], "mdm.Authenticate");
    assert_eq!(letter["enrollment"], device.hardware.udid);
    assert_eq!(letter["reason"], "it answers 400");
    assert_eq!(shown(&server).await["dead_letters"], 1);
    receiver.react(|_| Reaction::Status(200));
    assert_eq!(replay(&server).await, 1);
    let taken = receiver.has_taken(2).await;
    assert_eq!(taken[1].topic(), "mdm.Authenticate");
    assert_eq!(
        taken[1].event_id(),
        letter["event_id"].as_str().unwrap(),
        "the id stays"
    );
    assert!(dead_letters(&server).await.is_empty());
    assert_eq!(replay(&server).await, 0);
}

#[tokio::test]
async fn f29_events_that_are_too_old_are_given_up_and_replayed_in_order() {
    let clock = manual_clock(Duration::from_secs(30 * 24 * 3600));
    let server = TestServer::at(clock.clone(), |config| {
        config.hooks.give_up_after = Duration::from_secs(24 * 3600);
    })
    .await;
    let receiver = Receiver::with(|_| Reaction::Status(503)).await;
    hook(&server, &receiver, json!({})).await;
    let mut device = server.enrolled(Kind::IPhone).await;
    for _ in 0..6 {
        device.connect().await.unwrap();
    }
    eventually("a failure", async || !receiver.received().is_empty()).await;
    assert!(dead_letters(&server).await.is_empty());
    // A day and more; each step lets the next attempt come.
    eventually("eight dead letters", async || {
        clock.advance(Duration::from_secs(12 * 3600));
        dead_letters(&server).await.len() == 8
    })
    .await;
    assert_eq!(shown(&server).await["waiting"], 0);
    receiver.react(|_| Reaction::Status(200));
    let attempts: HashSet<String> = receiver.received().iter().map(Received::event_id).collect();
    assert!(
        attempts.len() < 8,
        "an endpoint that is down is not tried with everything: {attempts:?}"
    );
    assert_eq!(replay(&server).await, 8);
    let taken = eventually_taken(&receiver, 8, &clock).await;
    let topics: Vec<_> = taken.iter().map(Received::topic).collect();
    assert_eq!(topics[..2], ["mdm.Authenticate", "mdm.TokenUpdate"]);
    let times: Vec<_> = taken
        .iter()
        .map(|event| event.json()["created_at"].to_string())
        .collect();
    assert!(times.is_sorted());
}

async fn eventually_taken(receiver: &Receiver, count: usize, clock: &russet::clock::Clock) -> Vec<Received> {
    eventually("the replayed events", async || {
        clock.advance(Duration::from_secs(60));
        receiver.taken().len() >= count
    })
    .await;
    receiver.taken()
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let server = TestServer::start().await;
    let elsewhere = Receiver::start().await;
    let url = elsewhere.url("/");
    let receiver = Receiver::with(move |_| Reaction::Redirect(url.clone())).await;
    hook(&server, &receiver, json!({})).await;
    server.enrolled(Kind::Mac).await;
    eventually("a failure", async || {
        shown(&server).await["failing_since"].is_string()
    })
    .await;
    let problem = shown(&server).await["last_problem"].to_string();
    assert!(problem.contains("redirects are not followed"), "{problem}");
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_result_that_comes_again_is_told_once() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(
        &server,
        &receiver,
        json!({ "statuses": ["Acknowledged"], "topics": ["mdm.Connect"] }),
    )
    .await;
    let mut device = server.enrolled(Kind::Mac).await;
    let uuid = server.enqueue(&device.hardware.udid, "SecurityInfo").await;
    let result = crate::support::messages::result(&device, &uuid, "Acknowledged");
    for _ in 0..3 {
        assert_eq!(result.send(&mut device).await.status, 200);
    }
    server.enqueue(&device.hardware.udid, "SecurityInfo").await;
    device.connect().await.unwrap();
    let taken = receiver.has_taken(2).await;
    let told: Vec<_> = taken
        .iter()
        .map(|event| event.json()["acknowledge_event"]["command_uuid"].clone())
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], uuid);
    assert_ne!(told[1], uuid);
}

//! F15, P6 and P10: a push certificate that expires, is refused, or is replaced while pushes wait.

use std::time::Duration;

use axum::http::Method;
use russet_sim::apns::{Faults, Reason, Rule};
use serde_json::{Value, json};

use super::{Sleeper, World};
use crate::support::{eventually, manual_clock, portal::PushLeaf, receiver::Receiver};

const MINUTE: Duration = Duration::from_secs(60);

/// The topic that devices enroll with.
async fn topic(world: &World) -> String {
    let all = world.server.ask(Method::GET, "/v1/pushcerts", Vec::new()).await;
    all["push_certificates"][0]["topic"].as_str().unwrap().to_owned()
}

/// Imports another certificate of the topic; its serial number.
async fn renew(world: &World, topic: &str) -> String {
    let (certificate, key) = PushLeaf::new(topic, world.server.clock.now()).with_key();
    let body = json!({ "pem": certificate.clone() + &key }).to_string();
    world
        .server
        .ask(Method::POST, "/v1/push-certificates", body)
        .await;
    crate::support::portal::serial(&certificate)
}

async fn alarms(world: &World) -> Vec<Value> {
    world.status().await["alarms"].as_array().unwrap().clone()
}

fn last_serial(world: &World, sleeper: &Sleeper) -> String {
    let push = world.apns.pushes_to(&sleeper.token).pop().unwrap();
    push.peer.serial.to_lowercase()
}

#[tokio::test]
async fn f15_p6_pushes_wait_for_a_renewed_certificate_and_leave_without_a_restart() {
    let world = World::at(manual_clock(3 * 60 * MINUTE)).await;
    let sleepers = world.sleepers(3).await;
    // For APNs it is the year after next.
    let years = Faults {
        clock_offset_seconds: Some(2 * 366 * 86_400),
        ..Faults::default()
    };
    world.apns.set_faults(years).await.unwrap();
    let ids: Vec<_> = sleepers.iter().map(|sleeper| sleeper.id.as_str()).collect();
    let uuid = world.enqueue(&ids.join(",")).await;
    eventually("the topic is held", async || {
        let status = world.status().await;
        status["held"] == 3
            && status["alarms"][0]["reason"]
                .as_str()
                .unwrap()
                .contains("BadCertificate")
    })
    .await;
    // One push in a quarter of an hour finds out whether it was a whim.
    let tried = world.apns.stats().pushes;
    world.within(16 * MINUTE, 4 * MINUTE, async || false).await;
    assert_eq!(world.apns.stats().pushes, tried + 1);
    for sleeper in &sleepers {
        assert_eq!(world.server.command_state(&uuid, &sleeper.id).await, "queued");
    }
    world.apns.clear_faults().await.unwrap();
    renew(&world, &topic(&world).await).await;
    for sleeper in &sleepers {
        world.until_accepted(sleeper, 1).await;
    }
    assert!(alarms(&world).await.is_empty());
}

#[tokio::test]
async fn p10_all_pushes_use_the_new_certificate_at_once() {
    let world = World::new().await;
    let sleeper = world.sleeper().await;
    let path = format!("/v1/push/{}", sleeper.id);
    world.server.ask(Method::PUT, &path, Vec::new()).await;
    let first = last_serial(&world, &sleeper);
    let second = renew(&world, &topic(&world).await).await;
    eventually("the new certificate is seen", async || {
        world.server.ask(Method::PUT, &path, Vec::new()).await;
        last_serial(&world, &sleeper) != first
    })
    .await;
    let shown = last_serial(&world, &sleeper);
    assert_eq!(shown.trim_start_matches('0'), second.trim_start_matches('0'));
}

#[tokio::test]
async fn a_topic_that_apns_disallows_is_held_and_a_new_certificate_gives_refused_tokens_another_chance() {
    let world = World::at(manual_clock(3 * 60 * MINUTE)).await;
    let sleepers = world.sleepers(2).await;
    world
        .apns
        .set_faults(Faults::rules([
            Rule::refuse(Reason::DeviceTokenNotForTopic).token(&sleepers[0].token),
            Rule::refuse(Reason::TopicDisallowed).token(&sleepers[1].token),
        ]))
        .await
        .unwrap();
    world.enqueue(&sleepers[0].id).await;
    world.enqueue(&sleepers[1].id).await;
    eventually("the alarm is raised", async || {
        alarms(&world)
            .await
            .iter()
            .any(|alarm| alarm["reason"].as_str().unwrap().contains("TopicDisallowed"))
    })
    .await;
    world.apns.clear_faults().await.unwrap();
    world.server.clock.advance(MINUTE);
    renew(&world, &topic(&world).await).await;
    for sleeper in &sleepers {
        world.until_accepted(sleeper, 1).await;
    }
}

#[tokio::test]
async fn a_trial_push_says_whether_apns_takes_the_certificate() {
    let world = World::new().await;
    let topic = topic(&world).await;
    let path = format!("/v1/push-certificates/{topic}/test");
    let sleeper = world.sleeper().await;
    let answer = world.server.ask(Method::POST, &path, "{}").await;
    assert!(
        answer["push_result"]
            .as_str()
            .unwrap()
            .contains("takes the certificate"),
        "{answer}"
    );
    let one = json!({ "enrollment": sleeper.id }).to_string();
    world.server.ask(Method::POST, &path, one).await;
    assert_eq!(world.accepted(&sleeper), 1);
    world
        .apns
        .set_faults(Faults::rules([Rule::refuse(Reason::BadCertificateEnvironment)]))
        .await
        .unwrap();
    assert_eq!(world.server.refusal(Method::POST, &path, "{}").await, 503);
}

#[tokio::test]
async fn f15_a_hook_that_asks_is_told_of_held_topics_and_invalid_tokens() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let hook = json!({ "name": "ops", "url": receiver.url("/"), "topics": ["russet.*"] }).to_string();
    world.server.ask(Method::POST, "/v1/hooks", hook).await;
    let sleepers = world.sleepers(2).await;
    world
        .apns
        .set_faults(Faults::rules([
            Rule::refuse(Reason::Unregistered).token(&sleepers[0].token),
            Rule::refuse(Reason::BadCertificate).token(&sleepers[1].token),
        ]))
        .await
        .unwrap();
    world.enqueue(&sleepers[0].id).await;
    world.enqueue(&sleepers[1].id).await;
    world.apns.clear_faults().await.unwrap();
    renew(&world, &topic(&world).await).await;
    let told = receiver.has_taken(3).await;
    let topics: Vec<_> = told.iter().map(|event| event.topic()).collect();
    for topic in [
        "russet.push_token_invalid",
        "russet.push_topic_held",
        "russet.push_topic_released",
    ] {
        assert!(topics.iter().any(|told| told == topic), "{topics:?}");
    }
    let invalid = told
        .iter()
        .find(|event| event.topic() == "russet.push_token_invalid");
    assert_eq!(
        invalid.unwrap().json()["russet_event"]["enrollment_id"],
        sleepers[0].id
    );
}

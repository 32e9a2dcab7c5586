//! What reaches a device, and when.

use super::*;
use crate::apns::{Courier, Effect, Wake};
use crate::clock;

async fn next(courier: &Courier) -> Wake {
    tokio::time::timeout(DEADLINE, courier.next()).await.unwrap()
}

#[tokio::test]
async fn a_connected_device_is_woken_at_once() {
    let apns = fake().await;
    let courier = apns.subscribe(TOKEN, TOPIC);
    let client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    let wake = next(&courier).await;
    assert_eq!(
        (&*wake.token, &*wake.magic, &*wake.topic),
        (TOKEN, "magic", TOPIC)
    );
    assert_eq!(wake.id, apns.pushes(1)[0].id);
    client.accepted(Push::right().with("apns-expiration", "0")).await;
    assert_eq!(next(&courier).await.expiration, 0);
}

#[tokio::test]
async fn one_notification_is_kept_for_a_device_that_is_away() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    for magic in ["first", "second", "last"] {
        client.accepted(Push::to(TOKEN, magic)).await;
    }
    assert!(apns.keeps(TOKEN));
    let courier = apns.subscribe(TOKEN, TOPIC);
    assert_eq!(next(&courier).await.magic, "last");
    assert_eq!(courier.ready(), None);
    assert!(!apns.keeps(TOKEN));
    let stats = apns.stats();
    assert_eq!((stats.replaced, stats.delivered), (2, 1));
}

#[tokio::test]
async fn nothing_is_kept_beyond_its_expiration() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let past = (clock::milliseconds() / 1000 - 1).to_string();
    client.accepted(Push::right().without("apns-expiration")).await;
    client.accepted(Push::right().with("apns-expiration", "0")).await;
    client
        .accepted(Push::right().with("apns-expiration", &past))
        .await;
    assert!(!apns.keeps(TOKEN));

    client.accepted(Push::right()).await;
    assert!(apns.keeps(TOKEN));
    let faults = Faults {
        clock_offset_seconds: Some(3601),
        ..Faults::default()
    };
    apns.set_faults(faults).await.unwrap();
    assert_eq!(apns.subscribe(TOKEN, TOPIC).ready(), None);
    assert_eq!(apns.stats().dropped, 4);
}

#[tokio::test]
async fn what_a_device_did_not_read_is_kept_when_it_leaves() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let courier = apns.subscribe(TOKEN, TOPIC);
    client.accepted(Push::to(TOKEN, "first")).await;
    client.accepted(Push::to(TOKEN, "last")).await;
    drop(courier);
    assert!(apns.keeps(TOKEN));
    let courier = apns.subscribe(TOKEN, TOPIC);
    assert_eq!(next(&courier).await.magic, "last");

    // The line that asks last has the token.
    client.accepted(Push::to(TOKEN, "unread")).await;
    let other = apns.subscribe(TOKEN, TOPIC);
    drop(courier);
    assert_eq!(next(&other).await.magic, "unread");
    client.accepted(Push::right()).await;
    assert_eq!(next(&other).await.magic, "magic");
    other.unsubscribe(TOKEN);
    client.accepted(Push::right()).await;
    assert!(apns.keeps(TOKEN) && other.ready().is_none());
}

#[tokio::test]
async fn one_line_carries_many_tokens_in_order() {
    let apns = fake().await;
    let courier = apns.courier();
    let client = Client::connect(&apns).await;
    for n in 0..100 {
        courier.subscribe(&[n], TOPIC);
    }
    for n in 0..100 {
        client.accepted(Push::to(&[n], "m")).await;
    }
    for n in 0..100 {
        assert_eq!(next(&courier).await.token, [n]);
    }
}

#[tokio::test]
async fn a_lost_push_is_accepted_and_wakes_nobody() {
    let apns = faulty(Rule::all(Effect::Lose).next(1)).await;
    let courier = apns.subscribe(TOKEN, TOPIC);
    let client = Client::connect(&apns).await;
    client.accepted(Push::to(TOKEN, "lost")).await;
    client.accepted(Push::to(TOKEN, "found")).await;
    assert_eq!(next(&courier).await.magic, "found");
    assert_eq!(
        (apns.stats().lost, apns.stats().accepted, apns.accepted(TOKEN)),
        (1, 2, 2)
    );
}

#[tokio::test]
async fn devices_in_other_processes_are_woken_over_one_connection() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    client.accepted(Push::to(&[1; 32], "kept")).await;
    let courier = Courier::connect(apns.control().unwrap());
    for n in 0..=200 {
        courier.subscribe(&[n; 32], TOPIC);
    }
    assert_eq!(next(&courier).await.magic, "kept");
    client.accepted(Push::to(&[200; 32], "now")).await;
    assert_eq!(next(&courier).await.magic, "now");
    courier.unsubscribe(&[200; 32]);
    courier.subscribe(&[201; 32], TOPIC);
    client.accepted(Push::to(&[201; 32], "after")).await;
    assert_eq!(next(&courier).await.magic, "after");
    client.accepted(Push::to(&[200; 32], "unwanted")).await;
    assert!(apns.keeps(&[200; 32]));
}

#[tokio::test]
async fn a_broken_line_is_restored_with_all_its_tokens() {
    let apns = fake().await;
    let (address, control) = (apns.address(), apns.control());
    let courier = Courier::connect(control.unwrap());
    courier.subscribe(TOKEN, TOPIC);
    let client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    next(&courier).await;
    drop((client, apns));

    let settings = Settings {
        listen: address,
        control,
        ..Settings::default()
    };
    let apns = start_again(settings).await;
    let client = Client::connect(&apns).await;
    client.accepted(Push::to(TOKEN, "again")).await;
    assert_eq!(next(&courier).await.magic, "again");
}

/// The ports are free as soon as the tasks of the one before have ended.
async fn start_again(settings: Settings) -> FakeApns {
    let starting = async {
        loop {
            match FakeApns::start(settings.clone()).await {
                Ok(apns) => return apns,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, starting).await.unwrap()
}

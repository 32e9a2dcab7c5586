//! F11-F14: whatever APNs does, nothing that is queued is forgotten, and nobody is unenrolled.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{
    Kind,
    apns::{Answer, Effect, ErrorCode, Faults, GoAway, Reason, Rule},
};

use super::{Sleeper, World};
use crate::support::{eventually, manual_clock, promptly};

const MINUTE: Duration = Duration::from_secs(60);

fn clock() -> russet::clock::Clock {
    manual_clock(Duration::from_secs(3 * 3600))
}

#[tokio::test]
async fn f11_while_apns_is_down_each_device_is_tried_once_a_minute_at_most_and_all_are_woken_soon_after() {
    let world = World::at(clock()).await;
    let sleepers = world.sleepers(3).await;
    for (sleeper, reason) in sleepers.iter().zip([
        Reason::InternalServerError,
        Reason::ServiceUnavailable,
        Reason::Shutdown,
    ]) {
        let rules: Vec<_> = world
            .apns
            .faults()
            .rules
            .into_iter()
            .chain([Rule::refuse(reason).token(&sleeper.token)])
            .collect();
        world.apns.set_faults(Faults::rules(rules)).await.unwrap();
    }
    let uuids = [
        world.enqueue(&sleepers[0].id).await,
        world.enqueue(&sleepers[1].id).await,
        world.enqueue(&sleepers[2].id).await,
    ];
    let never = async || false;
    world.within(10 * MINUTE, MINUTE / 6, never).await;
    for (sleeper, uuid) in sleepers.iter().zip(&uuids) {
        let tried = world.apns.pushes_to(&sleeper.token).len();
        assert!((2..=11).contains(&tried), "{tried} in ten minutes");
        assert_eq!(world.server.command_state(uuid, &sleeper.id).await, "queued");
    }
    world.apns.clear_faults().await.unwrap();
    let all = async || sleepers.iter().all(|sleeper| world.accepted(sleeper) == 1);
    assert!(
        world.within(5 * MINUTE, MINUTE / 4, all).await,
        "all are woken within five minutes"
    );
}

#[tokio::test]
async fn f11_many_failures_open_the_circuit_and_the_first_success_closes_it() {
    let world = World::at(clock()).await;
    let sleepers = world.sleepers(25).await;
    world
        .apns
        .set_faults(Faults::rules([Rule::refuse(Reason::InternalServerError)]))
        .await
        .unwrap();
    let ids: Vec<_> = sleepers.iter().map(|sleeper| sleeper.id.as_str()).collect();
    world.enqueue(&ids.join(",")).await;
    eventually("the circuit opens", async || {
        world.status().await["apns_down_since"].is_string()
    })
    .await;
    let before = world.apns.stats().pushes;
    world.within(2 * MINUTE, MINUTE / 12, async || false).await;
    let probes = world.apns.stats().pushes - before;
    assert!((1..=7).contains(&probes), "{probes} probes in two minutes");
    world.apns.clear_faults().await.unwrap();
    let all = async || sleepers.iter().all(|sleeper| world.accepted(sleeper) >= 1);
    assert!(world.within(5 * MINUTE, MINUTE / 6, all).await);
    assert!(world.status().await["apns_down_since"].is_null());
}

#[tokio::test]
async fn retry_after_is_honoured_for_the_device() {
    let world = World::at(clock()).await;
    let sleeper = world.sleeper().await;
    let slow_down = Answer {
        retry_after: Some(1800),
        ..Answer::of(Reason::TooManyRequests)
    };
    let rule = Rule::all(Effect::Answer(slow_down)).next(1);
    world.apns.set_faults(Faults::rules([rule])).await.unwrap();
    world.enqueue(&sleeper.id).await;
    eventually("it is tried", async || world.apns.stats().pushes == 1).await;
    let woken = async || world.accepted(&sleeper) == 1;
    assert!(!world.within(29 * MINUTE, 29 * MINUTE, woken).await);
    assert!(world.within(2 * MINUTE, MINUTE, woken).await);
}

#[tokio::test]
async fn f12_an_apns_that_hangs_holds_up_no_device() {
    let world = World::new().await;
    let slow = Faults {
        latency_ms: Some(10_000),
        max_concurrent_streams: Some(1),
        initial_window_size: Some(0),
        ..Faults::default()
    };
    world.apns.set_faults(slow).await.unwrap();
    let mut sleepers = world.sleepers(4).await;
    for sleeper in &sleepers {
        tokio::select! {
            // The operator's request waits a while for APNs; the devices don't.
            _ = world.enqueue(&sleeper.id) => {}
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
    }
    for sleeper in &mut sleepers {
        let handled = promptly("a device connects", sleeper.device.connect())
            .await
            .unwrap();
        assert_eq!(handled.len(), 1);
    }
}

#[tokio::test]
async fn f13_no_push_is_lost_to_connections_that_end() {
    let faults = [
        Effect::GoAway(GoAway::default().because(Reason::Shutdown)),
        Effect::GoAway(GoAway::with(ErrorCode::EnhanceYourCalm)),
        Effect::Reset {
            code: ErrorCode::RefusedStream,
        },
        Effect::Reset {
            code: ErrorCode::InternalError,
        },
        Effect::Close,
    ];
    let world = World::new().await;
    let mut sleepers = world.sleepers(12).await;
    for effect in faults {
        let before: Vec<_> = sleepers.iter().map(|sleeper| world.accepted(sleeper)).collect();
        let rule = Rule::all(effect.clone()).after(3).next(2);
        world.apns.set_faults(Faults::rules([rule])).await.unwrap();
        let ids: Vec<_> = sleepers.iter().map(|sleeper| sleeper.id.as_str()).collect();
        world.enqueue(&ids.join(",")).await;
        for (sleeper, before) in sleepers.iter().zip(before) {
            eventually("each gets its push", async || world.accepted(sleeper) > before).await;
        }
        for sleeper in &mut sleepers {
            sleeper.device.connect().await.unwrap();
        }
    }
    assert!(world.apns.stats().connections > 2);
}

#[tokio::test]
async fn f14_dead_tokens_are_left_alone_until_new_ones_come() {
    let world = World::at(clock()).await;
    let mut sleepers = world.sleepers(3).await;
    world
        .apns
        .set_faults(Faults::rules([
            Rule::refuse(Reason::Unregistered).token(&sleepers[0].token),
            Rule::refuse(Reason::BadDeviceToken).token(&sleepers[1].token),
        ]))
        .await
        .unwrap();
    let ids: Vec<_> = sleepers.iter().map(|sleeper| sleeper.id.clone()).collect();
    world.enqueue(&ids.join(",")).await;
    world.until_accepted(&sleepers[2], 1).await;
    for (sleeper, reason) in sleepers.iter().zip(["Unregistered", "BadDeviceToken"]) {
        let path = format!("/v1/enrollments/{}", sleeper.id);
        eventually("the token is marked", async || {
            let shown = world.server.ask(Method::GET, &path, Vec::new()).await;
            shown["push_token"]["state"] == "push token invalid"
                && shown["push_token"]["refused"]["reason"] == reason
                && shown["state"] == "enrolled"
        })
        .await;
    }
    world.enqueue(&ids[..2].join(",")).await;
    world
        .within(
            Duration::from_secs(12 * 3600),
            Duration::from_secs(3 * 3600),
            async || false,
        )
        .await;
    for sleeper in &sleepers[..2] {
        assert_eq!(world.apns.pushes_to(&sleeper.token).len(), 1);
    }
    // It still takes its commands when it happens to connect, and a new token brings it back.
    let mut device = sleepers.remove(0).device;
    assert_eq!(device.connect().await.unwrap().len(), 2);
    device.change_push_token().await.unwrap();
    let device = Sleeper::of(device);
    world.enqueue(&device.id).await;
    world.until_accepted(&device, 1).await;
}

#[tokio::test]
async fn a_410_that_is_older_than_the_token_says_nothing_about_it() {
    let world = World::at(clock()).await;
    let sleeper = world.sleeper().await;
    let long_ago = Answer {
        timestamp: Some(1_000_000_000_000),
        ..Answer::of(Reason::Unregistered)
    };
    let rule = Rule::all(Effect::Answer(long_ago)).next(1);
    world.apns.set_faults(Faults::rules([rule])).await.unwrap();
    world.enqueue(&sleeper.id).await;
    let woken = async || world.accepted(&sleeper) == 1;
    assert!(world.within(10 * MINUTE, MINUTE, woken).await);
}

#[tokio::test]
async fn nobody_is_unenrolled_by_what_apns_says() {
    let world = World::new().await;
    let sleeper = world.sleeper().await;
    for reason in [
        Reason::BadDeviceToken,
        Reason::DeviceTokenNotForTopic,
        Reason::ExpiredToken,
        Reason::TopicDisallowed,
        Reason::BadCertificate,
        Reason::PayloadEmpty,
    ] {
        world
            .apns
            .set_faults(Faults::rules([Rule::refuse(reason)]))
            .await
            .unwrap();
        let path = format!("/v1/push/{}", sleeper.id);
        let _ = world.server.try_ask(Method::PUT, &path, Vec::new()).await;
        let shown = world
            .server
            .ask(
                Method::GET,
                &format!("/v1/enrollments/{}", sleeper.id),
                Vec::new(),
            )
            .await;
        assert_eq!(shown["state"], "enrolled", "{reason:?}");
    }
    drop(world.server.enrolled(Kind::Mac).await);
}

#[tokio::test]
async fn f10_clocks_that_jump_stop_neither_devices_nor_pushes() {
    let hour = 60 * MINUTE;
    let world = World::at(manual_clock(6 * hour)).await;
    let mut sleepers = world.sleepers(2).await;
    let mut pushes = 0;
    // Before it was issued no identity is valid.
    world.server.clock.advance(2 * hour);
    // An hour ahead, back again, back once more, more than a year ahead, and back from there.
    let jumps = [
        (true, hour),
        (false, hour),
        (false, hour / 2),
        (true, 400 * 24 * hour),
        (false, 400 * 24 * hour),
    ];
    for (ahead, by) in jumps {
        // Waits for its minute to be over, wherever the clock goes meanwhile.
        world.enqueue(&sleepers[1].id).await;
        if ahead {
            world.server.clock.advance(by);
        } else {
            world.server.clock.turn_back(by);
        }
        let uuid = world.enqueue(&sleepers[0].id).await;
        pushes += 1;
        world.until_accepted(&sleepers[0], pushes).await;
        world.landed().await;
        // The identity is valid for a year: 400 days ahead it has expired, and opens nothing until the clock is back.
        let connected = sleepers[0].device.connect().await;
        if by < 300 * 24 * hour || !ahead {
            connected.unwrap();
            assert_eq!(
                world.server.command_state(&uuid, &sleepers[0].id).await,
                "acknowledged"
            );
        } else {
            assert!(connected.is_err());
            // That push stands for a minute.
            world.server.clock.advance(2 * MINUTE);
            pushes = world.accepted(&sleepers[0]);
        }
    }
    let before = world.accepted(&sleepers[1]);
    let again = async || world.accepted(&sleepers[1]) > before;
    assert!(
        world.within(3 * hour, 15 * MINUTE, again).await,
        "nothing waits for a time that was never meant"
    );
}

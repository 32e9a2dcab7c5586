//! What wakes a device, and how often.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Channel, Kind};

use super::{Sleeper, World};
use crate::support::{command, eventually, manual_clock, promptly, uuid};

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_queued_command_wakes_its_device_which_answers_it() {
    let world = World::new().await;
    let mut device = world.server.enrolled(Kind::IPhone).await;
    let courier = world.apns.courier();
    device.listen(&courier);
    let id = device.enrollment_id(&Channel::Device);
    let woken = tokio::spawn(async move {
        device.connect_when_woken(&courier).await.unwrap();
        device
    });
    let uuid = uuid();
    let path = format!("/v1/enqueue/{id}");
    let answer = world
        .server
        .ask(Method::PUT, &path, command(&uuid, "SecurityInfo"))
        .await;
    let device = promptly("the device is woken", woken).await.unwrap();
    assert_eq!(world.server.command_state(&uuid, &id).await, "acknowledged");
    assert_eq!(device.state.wrong_magics, 0);
    // What APNs got is what Apple asks for, and the operator is told its id.
    let pushes = world.apns.pushes(9);
    let [push] = pushes.as_slice() else {
        panic!("{pushes:?}");
    };
    assert_eq!(answer["status"][&id]["push_result"], push.id);
    assert!(!push.malformed);
    assert_eq!(push.topic, push.peer.topic);
    assert_eq!(push.push_type.as_deref(), Some("mdm"));
    assert_eq!(push.priority.as_deref(), Some("10"));
    let expiration: i64 = push.expiration.as_ref().unwrap().parse().unwrap();
    let in_a_week = world.server.clock.now().seconds() + 7 * DAY;
    assert!((in_a_week - 60..=in_a_week).contains(&expiration));
    // With its queue seen empty nothing is left to be done for it.
    eventually("the outbox is empty", async || {
        world.status().await["pending"] == 0
    })
    .await;
}

#[tokio::test]
async fn many_commands_make_one_push_a_minute() {
    let world = World::at(manual_clock(Duration::from_secs(3600))).await;
    let sleeper = world.sleeper().await;
    for _ in 0..10 {
        world.enqueue(&sleeper.id).await;
    }
    world.until_accepted(&sleeper, 1).await;
    world.landed().await;
    let again = async || world.accepted(&sleeper) > 1;
    let second = Duration::from_secs(1);
    assert!(!world.within(Duration::from_secs(59), 59 * second, again).await);
    assert!(world.within(Duration::from_secs(2), second, again).await);
    world.landed().await;
    // Nobody comes; the next one is due in two hours and the one after that in four more.
    let third = async || world.accepted(&sleeper) > 2;
    let minute = Duration::from_secs(60);
    assert!(!world.within(119 * minute, 119 * minute, third).await);
    assert!(world.within(14 * minute, 14 * minute, third).await);
    world.landed().await;
    let fourth = async || world.accepted(&sleeper) > 3;
    assert!(!world.within(230 * minute, 230 * minute, fourth).await);
}

#[tokio::test]
async fn a_device_that_has_fetched_everything_is_pushed_to_at_once_for_the_next_command() {
    let world = World::new().await;
    let mut sleeper = world.sleeper().await;
    for round in 1..4 {
        world.enqueue(&sleeper.id).await;
        world.until_accepted(&sleeper, round).await;
        sleeper.device.connect().await.unwrap();
    }
    assert_eq!(world.accepted(&sleeper), 3);
}

#[tokio::test]
async fn a_user_channel_is_woken_by_its_own_token() {
    let world = World::new().await;
    let mut mac = world.server.enrolled(Kind::Mac).await;
    let alice = mac.add_user("alice", "Alice");
    mac.user_token_update(&alice).await.unwrap();
    let pushes: Vec<_> = mac
        .pushes()
        .map(|(channel, push)| (channel, push.token.clone()))
        .collect();
    let (alice, token) = pushes.last().unwrap();
    let user = mac.enrollment_id(alice);
    world.enqueue(&user).await;
    eventually("the user is woken", async || world.apns.accepted(token) == 1).await;
    assert_eq!(world.apns.accepted(&pushes[0].1), 0);
}

#[tokio::test]
async fn who_shall_not_be_woken_is_not() {
    let world = World::new().await;
    let (quiet, loud) = (world.sleeper().await, world.sleeper().await);
    world.enqueue_with(&quiet.id, "?nopush=1").await;
    let later = world
        .server
        .clock
        .now()
        .plus(Duration::from_secs(3600))
        .to_rfc3339();
    let later = format!("?not_before={later}");
    world.enqueue_with(&quiet.id, &later).await;
    world.enqueue(&loud.id).await;
    world.until_accepted(&loud, 1).await;
    assert_eq!(world.accepted(&quiet), 0);
}

#[tokio::test]
async fn an_operator_may_push_without_a_command_each_time() {
    let world = World::new().await;
    let sleeper = world.sleeper().await;
    let path = format!("/v1/push/{}", sleeper.id);
    for round in 1..3 {
        let answer = world.server.ask(Method::PUT, &path, Vec::new()).await;
        let id = world.apns.pushes_to(&sleeper.token).pop().unwrap().id;
        assert_eq!(answer["status"][&sleeper.id]["push_result"], id);
        assert_eq!(world.accepted(&sleeper), round);
    }
    assert_eq!(
        world
            .server
            .refusal(Method::PUT, "/v1/push/nobody", Vec::new())
            .await,
        500
    );
}

#[tokio::test]
async fn a_command_from_before_the_token_update_leaves_with_it() {
    let world = World::new().await;
    let sleeper = world.sleeper().await;
    let mut twin = world.server.twin(&sleeper.device);
    twin.authenticate().await.unwrap();
    // It has said that it begins anew, and not yet how it can be woken.
    world.enqueue(&sleeper.id).await;
    eventually("nothing can leave", async || world.status().await["pending"] == 0).await;
    assert_eq!(world.accepted(&sleeper), 0);
    twin.token_update().await.unwrap();
    let twin = Sleeper::of(twin);
    world.until_accepted(&twin, 1).await;
}

#[tokio::test]
async fn f13_whoever_has_work_is_woken_after_a_restart() {
    let world = World::new().await;
    let sleepers = world.sleepers(5).await;
    let down = russet_sim::apns::Faults {
        outage: Some(russet_sim::apns::Outage::Refuse),
        ..Default::default()
    };
    world.apns.set_faults(down).await.unwrap();
    for sleeper in &sleepers {
        world.enqueue(&sleeper.id).await;
    }
    let world = world
        .restart(async |apns| apns.clear_faults().await.unwrap())
        .await;
    for sleeper in &sleepers {
        world.until_accepted(sleeper, 1).await;
    }
}

//! Simulated devices that are woken.

use super::*;
use crate::plists::{Dictionary, dictionary};
use crate::script::Script;
use crate::{Channel, Kind};

fn push(push: &crate::device::Push) -> Push {
    Push::to(&push.token, &push.magic)
}

fn command() -> Dictionary {
    dictionary([("RequestType", "ProfileList".into())])
}

#[tokio::test]
async fn a_device_connects_on_the_channel_that_was_pushed() {
    let (apns, script) = (fake().await, Script::start().await);
    let client = Client::connect(&apns).await;
    let mut mac = script.enrolled(Kind::Mac).await;
    assert_eq!(mac.enrollment().unwrap().mdm.topic, TOPIC);
    let courier = apns.courier();
    mac.listen(&courier);
    let pushes: Vec<_> = mac.pushes().map(|(c, p)| (c, p.clone())).collect();
    assert_eq!(pushes.len(), 2);

    script.enqueue("1", command());
    client.accepted(push(&pushes[0].1)).await;
    assert_eq!(mac.connect_when_woken(&courier).await.unwrap().len(), 1);

    client.accepted(push(&pushes[1].1)).await;
    let woken = mac.wait_for_wake(&courier).await;
    assert_eq!(woken, Channel::User("ada".into()));
    assert_eq!(script.story(), ["Idle", "Acknowledged"]);
}

#[tokio::test]
async fn a_push_with_another_magic_is_counted_and_ignored() {
    let (apns, script) = (fake().await, Script::start().await);
    let client = Client::connect(&apns).await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let own = phone.state.push.clone().unwrap();
    let courier = apns.courier();
    phone.listen(&courier);
    client.accepted(Push::to(&own.token, "guess")).await;
    let wake = courier.next().await;
    assert_eq!(phone.woken_by(&wake), None);
    client.accepted(push(&own)).await;
    assert_eq!(phone.wait_for_wake(&courier).await, Channel::Device);
    assert_eq!(phone.state.wrong_magics, 1);
}

#[tokio::test]
async fn a_device_that_was_off_is_woken_when_it_comes_back() {
    let (apns, script) = (fake().await, Script::start().await);
    let client = Client::connect(&apns).await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    script.enqueue("1", command());
    client.accepted(push(phone.state.push.as_ref().unwrap())).await;
    let courier = apns.courier();
    assert_eq!(phone.connect_when_woken(&courier).await.unwrap().len(), 1);
}

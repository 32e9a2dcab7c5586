//! F29: a receiver that is down for long. What waits is bounded on disk, and devices notice nothing.

use std::time::Duration;

use axum::http::Method;
use russet::clock::Clock;
use russet_sim::Kind;
use serde_json::json;

use super::{hook_to, shown};
use crate::support::{
    TestServer, eventually,
    receiver::{Reaction, Receiver},
};

#[tokio::test]
async fn f29_the_queue_is_bounded_and_what_is_dropped_is_counted() {
    let server = TestServer::with(|config| config.hooks.max_events = 5).await;
    let address = Receiver::nowhere().await;
    hook_to(
        &server,
        &format!("http://{address}/"),
        json!({ "topics": ["mdm.Connect"] }),
    )
    .await;
    let mut device = server.enrolled(Kind::Mac).await;
    for _ in 0..12 {
        device.connect().await.unwrap();
    }
    let hook = shown(&server).await;
    assert_eq!(
        (&hook["waiting"], &hook["dropped"]),
        (&json!(5), &json!(7)),
        "{hook}"
    );
    let metrics = server
        .try_ask(Method::GET, "/metrics", Vec::new())
        .await
        .unwrap()
        .body
        .to_string();
    for figure in [
        "russet_hook_waiting",
        "russet_hook_dropped_total",
        "russet_hook_deadletters",
    ] {
        assert!(metrics.contains(figure), "{figure}");
    }
    // It comes back, and gets the latest.
    let receiver = Receiver::at(address, |_| Reaction::Status(200)).await;
    receiver.has_taken(5).await;
    eventually("an empty queue", async || shown(&server).await["waiting"] == 0).await;
    assert_eq!(receiver.taken().len(), 5);
}

/// What a round of device traffic takes must not depend on whether a hook's receiver answers.
#[tokio::test]
async fn f29_device_traffic_is_as_quick_with_a_dead_receiver_as_with_a_live_one() {
    let took = async |receiver: &Receiver| {
        let server = TestServer::start().await;
        hook_to(&server, &receiver.url("/"), json!({})).await;
        let mut device = server.enrolled(Kind::Mac).await;
        let begun = Clock::system().now();
        for _ in 0..50 {
            device.connect().await.unwrap();
        }
        Clock::system().now().since(begun)
    };
    let live = took(&Receiver::start().await).await;
    let dead = took(&Receiver::with(|_| Reaction::Hang).await).await;
    // A request that waited for its event would take 30 seconds each.
    assert!(
        dead < live * 3 + Duration::from_secs(5),
        "{dead:?} against {live:?}"
    );
}

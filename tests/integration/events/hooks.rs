//! Hooks as operators make, change, try and remove them.

use std::time::Duration;

use axum::http::Method;
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{hook, hook_to, shown};
use crate::support::{
    TestServer, eventually, manual_clock,
    receiver::{Reaction, Receiver},
};

#[tokio::test]
async fn a_name_is_taken_once_and_a_hook_that_is_not_there_is_unknown() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let made = hook(&server, &receiver, json!({})).await;
    assert_eq!(made["topics"], json!(["mdm.*"]));
    assert_eq!(
        (&made["format"], &made["signed"]),
        (&json!("nanomdm"), &json!(false))
    );
    let body = json!({ "name": "test", "url": receiver.url("/") }).to_string();
    assert_eq!(server.refusal(Method::POST, "/v1/hooks", body).await, 409);
    for (method, path) in [
        (Method::GET, "/v1/hooks/none"),
        (Method::PATCH, "/v1/hooks/none"),
        (Method::DELETE, "/v1/hooks/none"),
        (Method::POST, "/v1/hooks/none/test"),
        (Method::POST, "/v1/hooks/none/replay"),
        (Method::GET, "/v1/hooks/none/deadletters"),
        (Method::DELETE, "/v1/hooks/none/deadletters"),
    ] {
        assert_eq!(server.refusal(method, path, Vec::new()).await, 404, "{path}");
    }
    for bad in [
        json!({ "name": "", "url": "http://127.0.0.1/" }),
        json!({ "name": "x y", "url": "http://127.0.0.1/" }),
        json!({ "name": "x", "url": "nonsense" }),
        json!({ "name": "x", "url": "http://127.0.0.1/", "topics": ["a b"] }),
        json!({ "name": "x", "url": "http://127.0.0.1/", "statuses": ["Asleep"] }),
        json!({ "name": "x", "url": "http://127.0.0.1/", "secret": "" }),
        json!({ "name": "x", "url": "http://127.0.0.1/", "secret": "a", "generate_secret": true }),
    ] {
        assert_eq!(
            server.refusal(Method::POST, "/v1/hooks", bad.to_string()).await,
            422,
            "{bad}"
        );
    }
    for unread in [
        json!({ "name": "x", "url": "http://127.0.0.1/", "format": "fleet" }),
        json!({ "name": "x", "url": "http://127.0.0.1/", "colour": "red" }),
    ] {
        assert_eq!(
            server
                .refusal(Method::POST, "/v1/hooks", unread.to_string())
                .await,
            400,
            "{unread}"
        );
    }
}

#[tokio::test]
async fn a_test_event_says_what_came_of_it() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({ "topics": ["mdm.CheckOut"] })).await;
    let test = async || server.ask(Method::POST, "/v1/hooks/test/test", Vec::new()).await;
    let answer = test().await;
    assert_eq!(answer["delivered"], true, "{answer}");
    let taken = receiver.taken().remove(0);
    assert_eq!(taken.event_id(), answer["event_id"].as_str().unwrap());
    assert_eq!(taken.topic(), "russet.test");
    assert_eq!(
        taken.json()["russet_event"],
        json!({ "hook": "test", "test": true })
    );
    receiver.react(|_| Reaction::Status(500));
    assert_eq!(test().await["problem"], "it answers 500");
    drop(receiver);
    assert_eq!(test().await["delivered"], false);
    assert_eq!(shown(&server).await["waiting"], 0, "a test goes past the queue");
}

#[tokio::test]
async fn a_disabled_hook_gets_nothing_and_misses_what_happens_meanwhile() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({ "topics": ["mdm.Connect"] })).await;
    let change = async |change: Value| {
        server
            .ask(Method::PATCH, "/v1/hooks/test", change.to_string())
            .await
    };
    let mut device = server.enrolled(Kind::Mac).await;
    change(json!({ "enabled": false })).await;
    device.connect().await.unwrap();
    assert_eq!(shown(&server).await["waiting"], 0);
    change(json!({ "enabled": true })).await;
    device.connect().await.unwrap();
    receiver.has_taken(1).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_hook_that_moves_takes_what_waits_along() {
    let server = TestServer::start().await;
    let nowhere = Receiver::nowhere().await;
    hook_to(&server, &format!("http://{nowhere}/"), json!({ "secret": "one" })).await;
    server.enrolled(Kind::Mac).await;
    eventually("a failure", async || {
        shown(&server).await["failing_since"].is_string()
    })
    .await;
    let receiver = Receiver::start().await;
    let moved = json!({ "url": receiver.url("/new"), "secret": "" });
    let answer = server
        .ask(Method::PATCH, "/v1/hooks/test", moved.to_string())
        .await;
    assert_eq!(answer["signed"], false);
    let taken = receiver.has_taken(2).await;
    assert!(taken.iter().all(|request| request.path == "/new"));
    assert!(
        taken
            .iter()
            .all(|request| request.header("x-hmac-signature").is_empty())
    );
}

#[tokio::test]
async fn a_removed_hook_gets_nothing_and_its_name_is_free() {
    let server = TestServer::start().await;
    let (first, second) = (
        Receiver::with(|_| Reaction::Status(500)).await,
        Receiver::start().await,
    );
    hook(&server, &first, json!({})).await;
    let mut device = server.enrolled(Kind::Mac).await;
    eventually("an attempt", async || !first.received().is_empty()).await;
    server.ask(Method::DELETE, "/v1/hooks/test", Vec::new()).await;
    hook(&server, &second, json!({})).await;
    device.connect().await.unwrap();
    second.has_taken(1).await;
    assert_eq!(
        second.received().len(),
        1,
        "what waited for the old one went with it"
    );
    assert_eq!(second.received()[0].topic(), "mdm.Connect");
}

#[tokio::test]
async fn only_an_admin_may_see_or_change_hooks() {
    let server = TestServer::start().await;
    let made = server
        .ask(
            Method::POST,
            "/v1/apikeys",
            json!({ "name": "other", "scopes": ["command", "read", "enroll"] }).to_string(),
        )
        .await;
    let other = russet::operator::client::Client::Remote {
        authority: server.operator_authority.clone(),
        key: made["key"].as_str().unwrap().to_owned(),
    };
    for (method, path) in [
        (Method::GET, "/v1/hooks"),
        (Method::POST, "/v1/hooks"),
        (Method::GET, "/v1/hooks/test"),
        (Method::PATCH, "/v1/hooks/test"),
        (Method::DELETE, "/v1/hooks/test"),
        (Method::GET, "/v1/hooks/test/deadletters"),
        (Method::DELETE, "/v1/hooks/test/deadletters"),
        (Method::POST, "/v1/hooks/test/replay"),
        (Method::POST, "/v1/hooks/test/test"),
    ] {
        let refused = other.request(method.clone(), path, Vec::new()).await;
        let text = format!("{refused:?}");
        assert!(text.contains("status: 403"), "{method} {path}: {text}");
    }
}

#[tokio::test]
async fn what_the_server_announces_reaches_the_hooks_that_ask_for_it() {
    let server = TestServer::start().await;
    let (usual, asking) = (Receiver::start().await, Receiver::start().await);
    hook(&server, &usual, json!({})).await;
    hook(
        &server,
        &asking,
        json!({ "name": "asking", "topics": ["russet.*"] }),
    )
    .await;
    let now = server.clock.now();
    for days_left in [7, 1] {
        let body = json!({ "topic": "com.apple.mgmt.x", "days_left": days_left });
        server
            .events
            .announce("russet.push_certificate_expiring", &body, now)
            .await
            .unwrap();
    }
    let taken = asking.has_taken(2).await;
    assert_eq!(taken[0].topic(), "russet.push_certificate_expiring");
    assert_eq!(taken[0].json()["russet_event"]["days_left"], 7);
    assert_eq!(taken[1].json()["russet_event"]["days_left"], 1, "in order");
    // NanoMDM's programs do not know such topics.
    server.enrolled(Kind::IPhone).await;
    usual.has_taken(2).await;
    assert!(
        usual
            .received()
            .iter()
            .all(|event| event.topic().starts_with("mdm."))
    );
}

#[tokio::test]
async fn f15_a_push_certificate_that_expires_is_announced() {
    let clock = manual_clock(Duration::from_secs(3600));
    let server = TestServer::at(clock.clone(), |_| {}).await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({ "topics": ["russet.*"] })).await;
    // Housekeeping, which sees it, is done at the start; once a day it says so.
    let mut server = server;
    for (days, expected) in [
        (360, "russet.push_certificate_expiring"),
        (10, "russet.push_certificate_expired"),
    ] {
        let before = receiver.taken().len();
        clock.advance(Duration::from_secs(days * 86_400));
        server = server.restart(|_| {}).await;
        let taken = receiver.has_taken(before + 1).await;
        assert_eq!(taken.last().unwrap().topic(), expected);
        let body = &taken.last().unwrap().json()["russet_event"];
        assert!(
            body["topic"].as_str().unwrap().starts_with("com.apple.mgmt."),
            "{body}"
        );
        assert!(
            body["days_left"].is_i64() && body["not_after"].is_string(),
            "{body}"
        );
    }
}

//! The control endpoint.

use hyper::Method;
use serde_json::{Value, json};

use super::*;
use crate::Request;
use crate::apns::{Record, Stats};
use crate::encode::lower_hex;

struct Control(crate::Client, String);

impl Control {
    fn of(apns: &FakeApns) -> Self {
        Self(
            crate::Client::plain(),
            format!("http://{}", apns.control().unwrap()),
        )
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = Request::new(method, &format!("{}{path}", self.1)).body(body.to_string());
        let response = self.0.send(request, None).await.unwrap();
        (response.status, serde_json::from_slice(&response.body).unwrap())
    }

    async fn done(&mut self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[tokio::test]
async fn faults_are_set_shown_and_ended_from_outside() {
    let apns = fake().await;
    let mut control = Control::of(&apns);
    let faults = json!({ "rules": [
        { "effect": { "answer": { "reason": "TooManyRequests", "retry_after": 3 } }, "next": 1 }
    ] });
    let set = control.done(Method::POST, "/faults", faults).await;
    assert_eq!(set, control.done(Method::GET, "/faults", Value::Null).await);
    let client = Client::connect(&apns).await;
    let reply = client.send(Push::right()).await.unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("3")));
    client.accepted(Push::right()).await;
    control.done(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(apns.faults(), Faults::default());

    for nonsense in [
        json!({ "latency": 1 }),
        json!("none"),
        json!({ "rules": [{ "effect": { "answer": { "reason": "X" } } }] }),
    ] {
        let (status, answer) = control.ask(Method::POST, "/faults", nonsense).await;
        assert!(status == 400 && answer["error"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn pushes_and_counters_are_told_without_the_magic() {
    let apns = fake().await;
    let mut control = Control::of(&apns);
    let client = Client::connect(&apns).await;
    client.accepted(Push::to(&[1], "MAGIC")).await;
    client.accepted(Push::to(&[2], "MAGIC")).await;
    let stats = control.done(Method::GET, "/stats", Value::Null).await;
    assert_eq!(serde_json::from_value::<Stats>(stats).unwrap(), apns.stats());
    let pushes = control.done(Method::GET, "/pushes?token=02", Value::Null).await;
    assert!(!pushes.to_string().contains("MAGIC"));
    let pushes: Vec<Record> = serde_json::from_value(pushes).unwrap();
    assert_eq!((pushes.len(), &*pushes[0].token), (1, "02"));
    let last = control.done(Method::GET, "/pushes?count=1", Value::Null).await;
    assert_eq!(last[0]["number"], 2);
    assert_eq!(
        control.ask(Method::GET, "/pushes?last=1", Value::Null).await.0,
        400
    );
    assert_eq!(control.ask(Method::GET, "/", Value::Null).await.0, 404);
}

#[tokio::test]
async fn tokens_are_registered_and_connections_ended_from_outside() {
    let apns = fake().await;
    let mut control = Control::of(&apns);
    let path = format!("/tokens/{}", lower_hex(TOKEN));
    let topic = json!({ "topic": "com.apple.mgmt.External.2" });
    control.done(Method::PUT, &path, topic).await;
    let mut client = Client::connect(&apns).await;
    assert_eq!(client.send(Push::right()).await.unwrap().status, 400);
    control.done(Method::PUT, &path, json!({ "topic": TOPIC })).await;
    client.accepted(Push::right()).await;
    let token = control.done(Method::GET, &path, Value::Null).await;
    assert_eq!(token, json!({ "accepted": 1, "topic": TOPIC, "kept": true }));

    control
        .done(Method::POST, "/goaway", json!({ "reason": "Shutdown" }))
        .await;
    client.ended().await.unwrap();
    let mut client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    control.done(Method::POST, "/close", Value::Null).await;
    assert!(client.ended().await.is_err());
}

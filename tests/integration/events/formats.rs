//! What the events say: NanoMDM's JSON and MicroMDM's, of a real enrollment; and of what they say nothing.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use axum::http::Method;
use russet_sim::{Channel, Kind, encode::base64, messages, plists};
use serde_json::{Value, json};

use super::hook;
use crate::support::{
    TestServer, eventually,
    messages::{Message, one_of_each, over_tls},
    receiver::{Received, Receiver},
    uuid,
};

/// The message that an event carries.
fn message(event: &Value) -> plists::Dictionary {
    use base64::Engine as _;

    let payload = event["raw_payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
    plists::decode(&payload).unwrap()
}

/// The keys of a JSON text's outermost object and of the objects in it, in the order in which they are written.
fn keys_in_order(request: &Received) -> Vec<String> {
    let parts = request.text().split('"').collect::<Vec<_>>();
    let mut keys = Vec::new();
    for at in (1..parts.len() - 1).step_by(2) {
        if parts[at + 1].trim_start().starts_with(':') {
            keys.push(parts[at].to_owned());
        }
    }
    keys
}

#[tokio::test]
async fn nanomdms_json_of_a_real_enrollment() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({})).await;
    let mut device = server.device(Kind::Mac);
    device
        .enroll(&format!("{}?foo=bar&foo=second", server.enroll_url()))
        .await
        .unwrap();
    let id = device.hardware.udid.clone();
    let uuid = server.enqueue(&id, "SecurityInfo").await;
    device.connect().await.unwrap();
    let requests = receiver.has_taken(4).await;
    for request in &requests {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/hook")
        );
        assert_eq!(request.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(request.header("x-hmac-signature"), "", "no secret, no signature");
        let json = request.json();
        let event_id = json["event_id"].as_str().unwrap();
        assert!(event_id.len() == 16 && event_id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(json["created_at"].as_str().unwrap().ends_with('Z'));
        let mut sorted: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
        sorted.sort();
        let written: Vec<_> = keys_in_order(request)
            .into_iter()
            .filter(|key| sorted.contains(key))
            .collect();
        assert_eq!(written, sorted, "alphabetical");
    }
    let event = |topic: &str, kind: &str| {
        let found = requests.iter().find(|request| request.topic() == topic);
        found.unwrap_or_else(|| panic!("no {topic}")).json()[kind].clone()
    };
    let authenticate = event("mdm.Authenticate", "checkin_event");
    assert_eq!(
        message(&authenticate)["MessageType"].as_string(),
        Some("Authenticate")
    );
    assert_eq!(authenticate["udid"], id);
    assert_eq!(authenticate["ids"], json!({ "id": id, "type": "Device" }));
    assert_eq!(authenticate.get("token_update_tally"), None);
    assert_eq!(authenticate.get("enrollment_id"), None);
    assert_eq!(authenticate["url_params"]["foo"], "bar", "{authenticate}");
    let token_update = event("mdm.TokenUpdate", "checkin_event");
    assert_eq!(
        message(&token_update)["MessageType"].as_string(),
        Some("TokenUpdate")
    );
    assert_eq!(token_update["token_update_tally"], 1);
    let reports: Vec<Value> = requests
        .iter()
        .filter(|request| request.topic() == "mdm.Connect")
        .map(|request| request.json()["acknowledge_event"].clone())
        .collect();
    let idle = reports.iter().find(|report| report["status"] == "Idle").unwrap();
    assert_eq!(idle.get("command_uuid"), None);
    let answer = reports
        .iter()
        .find(|report| report["status"] == "Acknowledged")
        .unwrap();
    assert_eq!(answer["command_uuid"], uuid);
    assert_eq!(message(answer)["CommandUUID"].as_string(), Some(uuid.as_str()));
    assert_eq!(answer["udid"], id);
}

#[tokio::test]
async fn micromdms_json_of_a_real_enrollment() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let made = hook(&server, &receiver, json!({ "format": "micromdm" })).await;
    assert_eq!(made["topics"].as_array().unwrap().len(), 6, "what MicroMDM tells");
    let mut device = server.device(Kind::IPhone);
    device.enroll(&server.enroll_url()).await.unwrap();
    device.connect().await.unwrap();
    let requests = receiver.has_taken(3).await;
    let first = &requests[0];
    assert_eq!(first.topic(), "mdm.Authenticate");
    assert!(
        first
            .text()
            .starts_with("{\n  \"topic\": \"mdm.Authenticate\",\n  \"event_id\": \""),
        "indented"
    );
    let keys = keys_in_order(first);
    assert_eq!(
        keys[..4],
        ["topic", "event_id", "created_at", "checkin_event"],
        "{keys:?}"
    );
    assert!(uuid::Uuid::parse_str(&first.event_id()).is_ok());
    let event = &first.json()["checkin_event"];
    assert_eq!(event["url_params"], Value::Null);
    assert!(
        event.as_object().unwrap().contains_key("url_params"),
        "always there"
    );
    assert_eq!(event["udid"], device.hardware.udid);
    assert_eq!(requests[1].topic(), "mdm.TokenUpdate");
}

#[tokio::test]
async fn user_channels_and_user_enrollments_name_their_parents() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({ "topics": ["mdm.TokenUpdate"] })).await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let user = mac.add_user("ada", "Ada");
    mac.user_token_update(&user).await.unwrap();
    let id = mac.enrollment_id(&user);
    let of_user = async || {
        receiver
            .taken()
            .into_iter()
            .find(|event| event.enrollment() == id)
    };
    eventually("the user's", async || of_user().await.is_some()).await;
    let ids = &of_user().await.unwrap().json()["checkin_event"]["ids"];
    assert_eq!(
        *ids,
        json!({ "id": id, "parent_id": mac.hardware.udid, "type": "User" })
    );
    let first = &receiver.taken()[0];
    assert_eq!(
        first.enrollment(),
        mac.hardware.udid,
        "a device's come before its users'"
    );
}

#[tokio::test]
async fn every_message_has_its_topic() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({})).await;
    let mut device = server.enrolled(Kind::Mac).await;
    let uuid = server.enqueue(&device.hardware.udid, "SecurityInfo").await;
    let mut all = one_of_each(&mut device, &Channel::Device, &uuid);
    // Its departure last, so that it is somebody's.
    all.sort_by_key(|message| message.name == "CheckOut");
    for message in &all {
        message.send(&mut device).await;
    }
    let told = async || {
        let topics: BTreeSet<String> = receiver.taken().iter().map(Received::topic).collect();
        topics
    };
    eventually("the CheckOut", async || told().await.contains("mdm.CheckOut")).await;
    let expected = [
        "mdm.Authenticate",
        "mdm.CheckOut",
        "mdm.Connect",
        "mdm.DeclarativeManagement",
        "mdm.GetBootstrapToken",
        "mdm.GetToken",
        "mdm.SetBootstrapToken",
        "mdm.TokenUpdate",
        "mdm.UserAuthenticate",
    ];
    assert_eq!(told().await, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn refused_requests_and_migrations_tell_nothing() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let mut other = server.enrolled(Kind::Mac).await;
    let stranger = TestServer::start().await.enrolled(Kind::Mac).await;
    let receiver = Receiver::start().await;
    hook(&server, &receiver, json!({})).await;
    // Another device's certificate, and one of another server.
    for foreign in [
        other.identity().unwrap().clone(),
        stranger.identity().unwrap().clone(),
    ] {
        for message in one_of_each(&mut device, &Channel::Device, &uuid()) {
            let response = message.send_as(&mut other, &over_tls(&foreign)).await;
            if message.name != "CheckOut" {
                assert_eq!(response.status, 403, "{}", message.name);
            }
        }
    }
    // One that the rules refuse: an unknown user's bootstrap token.
    let user = Channel::User("nobody".into());
    let token = messages::set_bootstrap_token(&device.ids(&user), Some(b"x"));
    Message::check_in(token).send(&mut device).await;
    // A device that an operator brings along.
    let mut newcomer = TestServer::start().await.enrolled(Kind::Mac).await;
    for message in [
        newcomer.authenticate_message().unwrap(),
        newcomer.token_update_message(&Channel::Device).unwrap(),
    ] {
        server
            .ask(Method::PUT, "/migration", plists::encode(&message).unwrap())
            .await;
    }
    // What comes afterwards is told, so what went before is not on its way.
    device.connect().await.unwrap();
    receiver.has_taken(1).await;
    let told: Vec<_> = receiver
        .received()
        .iter()
        .filter(|request| request.topic() != "mdm.SetBootstrapToken")
        .map(|request| (request.topic(), request.enrollment()))
        .collect();
    assert_eq!(told, [("mdm.Connect".to_owned(), device.hardware.udid.clone())]);
}

#[tokio::test]
async fn filters_choose_topics_and_statuses() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let filter = json!({ "topics": ["mdm.Connect"], "statuses": ["Acknowledged", "Error"] });
    hook(&server, &receiver, filter).await;
    let mut device = server.enrolled(Kind::IPad).await;
    for _ in 0..3 {
        device.connect().await.unwrap();
    }
    server.enqueue(&device.hardware.udid, "SecurityInfo").await;
    device.connect().await.unwrap();
    let taken = receiver.has_taken(1).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].json()["acknowledge_event"]["status"], "Acknowledged");
}

#[tokio::test]
async fn k_w9_requests_are_signed_as_nanomdm_does_and_with_their_time() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let made = hook(&server, &receiver, json!({ "generate_secret": true })).await;
    let secret = made["secret"].as_str().unwrap();
    server.enrolled(Kind::AppleTV).await;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    for request in receiver.has_taken(2).await {
        let tag = hmac::sign(&key, &request.body);
        assert_eq!(request.header("x-hmac-signature"), base64(tag.as_ref()));
        let timestamp = request.header("x-russet-timestamp");
        let age = server.clock.now().seconds() - timestamp.parse::<i64>().unwrap();
        assert!((0..60).contains(&age), "a receiver can refuse what is older");
        let signed = [timestamp.as_bytes(), b".", &request.body].concat();
        let tag = hmac::sign(&key, &signed);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(request.header("x-russet-signature"), format!("v1={hex}"));
    }
    // The secret shows once.
    let listed = server.ask(Method::GET, "/v1/hooks", Vec::new()).await.to_string();
    assert!(!listed.contains(secret) && listed.contains("\"signed\":true"));
}

#[tokio::test]
async fn credentials_in_a_url_become_basic_and_show_nowhere() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let url = format!("http://ada:s3cr3t@{}/hook", receiver.address);
    let made = super::hook_to(&server, &url, json!({})).await;
    assert_eq!(made["url"], receiver.url("/hook"));
    assert!(!made.to_string().contains("s3cr3t"));
    server.enrolled(Kind::Mac).await;
    let taken = receiver.has_taken(2).await;
    let expected = format!("Basic {}", base64(b"ada:s3cr3t"));
    assert!(
        taken
            .iter()
            .all(|request| request.header("authorization") == expected)
    );
}

//! Holds in Setup Assistant: what a device waits for, for how long, and what becomes of it.

mod devices;
mod profiles;
mod times;
mod users;

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Kind, device::Handled, encode::base64};
use serde_json::{Value, json};

use crate::{
    ade_door::{Boxed, Estate},
    support::eventually,
};

/// A configuration profile with this identifier.
fn mobileconfig(identifier: &str, payload_type: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict>\
         <key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>\
         <key>PayloadIdentifier</key><string>{identifier}</string><key>PayloadUUID</key><string>U-{identifier}</string>\
         <key>PayloadContent</key><array><dict><key>PayloadType</key><string>{payload_type}</string>\
         <key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>{identifier}.1</string>\
         <key>PayloadUUID</key><string>V-{identifier}</string></dict></array></dict></plist>"
    )
    .into_bytes()
}

fn profile_item(name: &str) -> Value {
    let content = mobileconfig(&format!("org.example.{name}"), "com.apple.wifi.managed");
    json!({ "name": name, "type": "profile", "content": base64(&content) })
}

fn app_item(store_id: u64) -> Value {
    json!({ "name": format!("app {store_id}"), "type": "app", "store_id": store_id, "licensed": true })
}

async fn create(estate: &Estate, profile: Value) -> Value {
    let answer = estate
        .server
        .ask(Method::POST, "/v1/hold-profiles", profile.to_string());
    answer.await
}

/// A device of this kind that has enrolled and is held.
async fn held(estate: &Estate, kind: Kind) -> Boxed {
    let mut boxed = estate.device(kind, None).await;
    boxed.device.options.awaiting_configuration = true;
    boxed.boot(&estate.url()).await.unwrap();
    boxed
}

async fn hold(estate: &Estate, boxed: &Boxed) -> Value {
    let path = format!("/v1/enrollments/{}/hold", boxed.device.hardware.udid);
    estate.server.ask(Method::GET, &path, Vec::new()).await
}

async fn queued(estate: &Estate, boxed: &Boxed) -> Vec<String> {
    let path = format!("/v1/queue/{}", boxed.device.hardware.udid);
    let answer = estate.server.ask(Method::GET, &path, Vec::new()).await;
    let commands = answer["commands"].as_array().unwrap().iter();
    commands
        .map(|command| command["request_type"].as_str().unwrap().to_owned())
        .collect()
}

/// The commands that a device has carried out in a conversation.
async fn conversation(boxed: &mut Boxed) -> Vec<String> {
    let handled = boxed.device.connect().await.unwrap();
    handled
        .iter()
        .map(|one: &Handled| one.request_type.clone())
        .collect()
}

/// Moves the clock, and waits until the server has queued what is due then.
async fn asked_after(estate: &Estate, boxed: &Boxed, time: Duration) {
    estate.server.clock.advance(time);
    eventually("the question how far apps are", async || {
        queued(estate, boxed)
            .await
            .contains(&"ManagedApplicationList".to_owned())
    })
    .await;
}

/// Tracked items by their state.
fn states(hold: &Value) -> Vec<(&str, &str)> {
    let items = hold["items"].as_array().unwrap().iter();
    items
        .map(|item| (item["name"].as_str().unwrap(), item["state"].as_str().unwrap()))
        .collect()
}

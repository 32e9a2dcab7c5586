//! PINs, tokens and codes: kept sealed, used, and shown only where an administrator asks for them.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use plist::Value as Plist;
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{act, obeys, post, supervised};
use crate::support::{TestServer, uuid};

async fn reveal(server: &TestServer, id: &str, secret: &str) -> Vec<Value> {
    let path = format!("/v1/enrollments/{id}/reveal/{secret}");
    let answer = server.ask(Method::POST, &path, Vec::new()).await;
    answer["values"].as_array().unwrap().clone()
}

/// Everything that lies in the server's data directory, and may not hold a secret in the clear.
fn on_disk(server: &TestServer) -> Vec<u8> {
    let mut all = Vec::new();
    let mut folders = vec![server.data.path("db")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.extend(std::fs::read(path).unwrap_or_default());
            }
        }
    }
    all
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

#[tokio::test]
async fn a_macs_pin_is_made_kept_and_shown_to_administrators_only() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let id = mac.hardware.udid.clone();
    let answer = act(&server, &id, "lock", json!({})).await;
    assert_eq!(answer["pin_kept"], true);
    let queue = server
        .ask(Method::GET, &format!("/v1/queue/{id}"), Vec::new())
        .await;
    assert_eq!(queue["commands"][0]["command"], Value::Null, "{queue}");
    let kept = reveal(&server, &id, "pin").await;
    let pin = kept[0]["value"].as_str().unwrap().to_owned();
    assert_eq!(kept[0]["command_uuid"], answer["commands"][0]["command_uuid"]);
    let sealed_on_disk = !holds(&on_disk(&server), format!("<string>{pin}</string>").as_bytes());
    assert!(sealed_on_disk, "the PIN lies on the disk in the clear");
    obeys(&mut mac, &["DeviceLock"]).await;
    assert_eq!(
        mac.state.locked.as_ref().unwrap().pin.as_deref(),
        Some(pin.as_str())
    );

    act(
        &server,
        &id,
        "wipe",
        json!({ "pin": "271828", "obliteration_behavior": "do_not_obliterate" }),
    )
    .await;
    obeys(&mut mac, &["EraseDevice"]).await;
    let erased = mac.state.erased.clone().unwrap();
    assert_eq!(erased.pin.as_deref(), Some("271828"));
    assert_eq!(erased.obliteration_behavior.as_deref(), Some("DoNotObliterate"));
    // Also once the record is gone.
    act(&server, &id, "delete", json!({ "force": true })).await;
    let kept = reveal(&server, &id, "pin").await;
    assert_eq!(
        (kept[0]["value"].as_str(), kept[1]["value"].as_str()),
        (Some("271828"), Some(&*pin))
    );
}

#[tokio::test]
async fn a_raw_commands_secrets_are_sealed_too_and_reach_the_device_as_they_were() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let id = mac.hardware.udid.clone();
    let command = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict><key>CommandUUID</key>\
         <string>{}</string><key>Command</key><dict><key>RequestType</key><string>DeviceLock</string>\
         <key>PIN</key><string>161803</string></dict></dict></plist>",
        uuid()
    );
    server
        .ask(Method::PUT, &format!("/v1/enqueue/{id}?nopush=1"), command)
        .await;
    assert!(!holds(&on_disk(&server), b"161803"));
    obeys(&mut mac, &["DeviceLock"]).await;
    assert_eq!(mac.state.locked.unwrap().pin.as_deref(), Some("161803"));
}

#[tokio::test]
async fn escrowed_tokens_are_revealed_as_they_were_escrowed() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let unlock = reveal(&server, &id, "unlock-token").await;
    assert_eq!(unlock[0]["value"], STANDARD.encode(&phone.state.unlock_token));
    let mut mac = server.enrolled(Kind::Mac).await;
    let token = mac.set_bootstrap_token().await.unwrap();
    let revealed = reveal(&server, &mac.hardware.udid, "bootstrap-token").await;
    assert_eq!(revealed[0]["value"], STANDARD.encode(&token));
    for (id, secret) in [
        (&id, "pin"),
        (&id, "bypass-code"),
        (&id, "bootstrap-token"),
        (&id, "diary"),
    ] {
        let path = format!("/v1/enrollments/{id}/reveal/{secret}");
        let refused = post(&server.operator, &path, json!({})).await.unwrap_err();
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (404, "nothing_escrowed"),
            "{secret}"
        );
    }
    let path = "/v1/enrollments/NOBODY/reveal/pin";
    let refused = post(&server.operator, path, json!({})).await.unwrap_err();
    assert_eq!(refused.1, "enrollment_unknown");
}

#[tokio::test]
async fn a_bypass_code_is_kept_and_not_shown_with_the_answer() {
    let server = TestServer::start().await;
    let mut phone = supervised(&server, Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let answer = act(&server, &id, "bypass-code", json!({})).await;
    let command = answer["commands"][0]["command_uuid"].as_str().unwrap().to_owned();
    let handled = phone.connect().await.unwrap();
    let code = handled[0].result["ActivationLockBypassCode"].as_string().unwrap();
    let kept = reveal(&server, &id, "bypass-code").await;
    assert_eq!(
        (kept[0]["value"].as_str(), &kept[0]["command_uuid"]),
        (Some(code), &json!(command))
    );
    let shown = server
        .ask(Method::GET, &format!("/v1/commands/{command}"), Vec::new())
        .await;
    assert_eq!(shown["enrollments"][0]["state"], "acknowledged");
    let raw = shown["enrollments"][0]["result_plist"].as_str().unwrap();
    assert!(!holds(&STANDARD.decode(raw).unwrap(), code.as_bytes()));
    assert!(!holds(&on_disk(&server), code.as_bytes()));
    assert!(!matches!(
        handled[0].result.get("UDID"),
        None | Some(Plist::Data(_))
    ));
}

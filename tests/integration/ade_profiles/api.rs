//! The API and the command line.

use axum::http::Method;
use russet::operator::client::ClientError;
use serde_json::{Value, json};

use super::add_token;
use crate::support::TestServer;

const PROFILES: &str = "/v1/ade/tokens/hq/profiles";

async fn server() -> TestServer {
    let server = TestServer::start().await;
    add_token(&*server.store, "hq").await;
    server
}

/// Status and body of a refusal.
async fn refused(server: &TestServer, method: Method, path: &str, body: Value) -> (u16, Value) {
    match server.try_ask(method, path, body.to_string()).await {
        Err(ClientError::Refused { status, body, .. }) => (status, body),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn profiles_are_made_shown_changed_and_deleted() {
    let server = server().await;
    let body = json!({
        "name": "Büro / 1", "description": "a note", "preset": "kiosk",
        "settings": { "support": { "department": "IT" }, "naming": null },
    });
    let made = server.ask(Method::POST, PROFILES, body.to_string()).await;
    assert_eq!(made["apple_profile"]["department"], "IT");
    assert_eq!(made["apple_profile"]["allow_pairing"], false);
    assert_eq!(made["settings"].get("naming"), None);
    assert!(!made["apple_profile"].to_string().contains("a note"), "e1");
    let url = made["apple_profile"]["url"].as_str().unwrap();
    assert!(url.starts_with(&server.url), "{url}");
    assert!(
        made["apple_profile"]["anchor_certs"][0].is_string(),
        "a development server has its own CA"
    );
    let path = format!("{PROFILES}/B%C3%BCro%20%2F%201");
    let shown = server.ask(Method::GET, &path, "").await;
    assert_eq!(shown, made);
    let twice = refused(&server, Method::POST, PROFILES, body).await;
    assert_eq!((twice.0, &twice.1["code"]), (409, &json!("ade_profile_exists")));

    let changed = server
        .ask(
            Method::PATCH,
            &path,
            json!({ "settings": { "locked": false } }).to_string(),
        )
        .await;
    assert_eq!(
        (&changed["revision"], &changed["settings"]["locked"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(changed["settings"]["support"]["department"], "IT");
    let body = json!({ "settings": { "platform": "ios" }, "description": "other" });
    let replaced = server.ask(Method::PUT, &path, body.to_string()).await;
    assert_eq!(
        (&replaced["description"], replaced["settings"].get("support")),
        (&json!("other"), None)
    );

    let default = server.ask(Method::PUT, &format!("{path}/default"), "").await;
    assert_eq!(default["default"], true);
    let kept = refused(&server, Method::DELETE, &path, json!({})).await;
    assert_eq!((kept.0, &kept.1["code"]), (409, &json!("ade_profile_in_use")));
    let listed = server.ask(Method::GET, PROFILES, "").await;
    assert_eq!(listed["profiles"][0]["default"], true);
    server.ask(Method::DELETE, &format!("{path}/default"), "").await;
    server.ask(Method::DELETE, &path, "").await;
    assert_eq!(refused(&server, Method::GET, &path, json!({})).await.0, 404);
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_422_and_its_fields() {
    let server = server().await;
    let settings = json!({
        "platform": "ios", "locked": true, "supervised": false, "colour": 1,
        "shared_ipad": { "lock_grace_seconds": 61 },
    });
    for validate_only in [true, false] {
        let body = json!({ "name": "x".repeat(126), "settings": settings, "validate_only": validate_only });
        let (status, answer) = refused(&server, Method::POST, PROFILES, body).await;
        assert_eq!((status, &answer["code"]), (422, &json!("ade_profile_invalid")));
        let fields: Vec<_> = answer["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["fields"].clone())
            .collect();
        for expected in [
            json!(["name"]),
            json!(["colour"]),
            json!(["locked", "supervised"]),
            json!(["shared_ipad", "supervised"]),
            json!(["shared_ipad.lock_grace_seconds"]),
        ] {
            assert!(fields.contains(&expected), "{expected} not in {fields:?}");
        }
        assert!(answer["detail"].as_str().unwrap().contains("locked, supervised"));
    }
    let preset = json!({ "name": "p", "preset": "kiosks" });
    assert_eq!(refused(&server, Method::POST, PROFILES, preset).await.0, 422);
}

#[tokio::test]
async fn validating_makes_nothing() {
    let server = server().await;
    let body = json!({ "name": "p", "preset": "shared-ipad", "validate_only": true,
        "settings": { "shared_ipad": { "temporary_session_only": true } } });
    let said = server.ask(Method::POST, PROFILES, body.to_string()).await;
    assert_eq!(
        (&said["valid"], &said["apple_profile"]["is_multi_user"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(said["not_applied"].as_array().unwrap().len(), 2, "h6");
    assert_eq!(server.ask(Method::GET, PROFILES, "").await["profiles"], json!([]));
}

#[tokio::test]
async fn the_token_may_be_left_out_where_there_is_no_doubt() {
    let server = server().await;
    let unnamed = "/v1/ade/tokens/-/profiles";
    server
        .ask(
            Method::POST,
            unnamed,
            json!({ "name": "p", "preset": "lab" }).to_string(),
        )
        .await;
    assert_eq!(
        server.ask(Method::GET, PROFILES, "").await["profiles"][0]["name"],
        "p"
    );
    add_token(&*server.store, "other").await;
    let (status, answer) = refused(&server, Method::GET, unnamed, json!({})).await;
    assert_eq!((status, &answer["code"]), (404, &json!("ade_token_unknown")));
}

#[tokio::test]
async fn panes_and_presets_are_listed() {
    let server = TestServer::start().await;
    let panes = server.ask(Method::GET, "/v1/ade/panes?platform=tvos", "").await;
    let keys: Vec<_> = panes["panes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pane| pane["key"].as_str().unwrap())
        .collect();
    assert!(keys.contains(&"TapToSetup") && !keys.contains(&"FileVault"));
    let presets = server.ask(Method::GET, "/v1/ade/presets", "").await;
    assert!(presets["presets"].as_array().unwrap().len() >= 5);
    assert_eq!(
        server
            .refusal(Method::GET, "/v1/ade/panes?platform=beos", "")
            .await,
        400
    );
}

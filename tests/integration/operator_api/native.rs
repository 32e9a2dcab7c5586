//! The native resources: enrollments, commands and their results, enrollment links.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet_sim::{Kind, plists};
use serde_json::{Value, json};

use super::{ask, code};
use crate::support::TestServer;

#[tokio::test]
async fn an_enrollment_shows_what_is_known_and_no_secret() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let token = device.set_bootstrap_token().await.unwrap();
    let udid = device.hardware.udid.clone();
    let shown = ask(&server, Method::GET, &format!("/v1/enrollments/{udid}"), "").await;
    let row = &shown.json;
    assert_eq!(row["id"], udid);
    assert_eq!(row["type"], "Device");
    assert_eq!(row["state"], "enrolled");
    assert_eq!(row["device"]["serial"], device.hardware.serial_number);
    assert_eq!(row["token_update_tally"], 1);
    assert_eq!(row["bootstrap_token_escrowed"], true);
    assert_eq!(row["allow_reenroll"], false);
    assert!(row["topic"].as_str().unwrap().starts_with("com.apple.mgmt."));
    let fingerprint = device.identity().unwrap().fingerprint().unwrap();
    assert_eq!(
        row["identity"]["fingerprint"].as_str().unwrap().to_uppercase(),
        fingerprint
    );
    let push = device.state.push.as_ref().unwrap();
    for secret in [
        STANDARD.encode(&token),
        push.magic.clone(),
        STANDARD.encode(&push.token),
    ] {
        assert!(!shown.text.contains(&secret), "{}", shown.text);
    }
}

#[tokio::test]
async fn enrollments_are_listed_by_serial_and_state_and_in_pages() {
    let server = TestServer::start().await;
    let mut gone = server.enrolled(Kind::IPhone).await;
    let here = server.enrolled(Kind::IPhone).await;
    gone.check_out().await.unwrap();
    let list = async |query: &str| {
        let answer = ask(&server, Method::GET, &format!("/v1/enrollments{query}"), "").await;
        let rows = answer.json["enrollments"].as_array().unwrap().clone();
        let ids: Vec<_> = rows
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, answer.json["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0.len(), 2);
    assert_eq!(list("?enabled=true").await.0, [here.hardware.udid.as_str()]);
    assert_eq!(list("?enabled=false").await.0, [gone.hardware.udid.as_str()]);
    let serial = format!("?serial={}", here.hardware.serial_number);
    assert_eq!(list(&serial).await.0, [here.hardware.udid.as_str()]);
    assert!(list("?serial=NOBODY").await.0.is_empty());
    let (first, cursor) = list("?limit=1").await;
    let (second, end) = list(&format!("?limit=1&cursor={}", cursor.unwrap())).await;
    assert_ne!(first, second);
    assert_eq!((first.len(), second.len()), (1, 1));
    if let Some(end) = end {
        assert!(list(&format!("?cursor={end}")).await.0.is_empty());
    }
}

#[tokio::test]
async fn a_commands_result_is_shown_as_json_and_as_it_came() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    let uuid = server.enqueue(&udid, "SecurityInfo").await;
    assert_eq!(server.command_state(&uuid, &udid).await, "queued");
    device.connect().await.unwrap();
    let shown = ask(&server, Method::GET, &format!("/v1/commands/{uuid}"), "").await;
    assert_eq!(shown.json["request_type"], "SecurityInfo");
    let status = &shown.json["enrollments"][0];
    assert_eq!(status["id"], udid);
    assert_eq!(status["state"], "acknowledged");
    assert_eq!(status["result"]["Status"], "Acknowledged");
    let raw = STANDARD.decode(status["result_plist"].as_str().unwrap()).unwrap();
    assert_eq!(
        plists::decode(&raw).unwrap()["CommandUUID"].as_string().unwrap(),
        uuid
    );
    let unknown = ask(&server, Method::GET, "/v1/commands/UNKNOWN", "").await;
    assert_eq!((unknown.status, code(&unknown)), (404, "command_unknown"));
}

#[tokio::test]
async fn a_command_is_cancelled_once_and_not_after_its_answer() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    let (cancelled, kept) = (
        server.enqueue(&udid, "DeviceInformation").await,
        server.enqueue(&udid, "SecurityInfo").await,
    );
    let path = |uuid: &str| format!("/v1/commands/{uuid}/enrollments/{udid}");
    assert_eq!(
        ask(&server, Method::DELETE, &path(&cancelled), "").await.status,
        204
    );
    assert_eq!(
        ask(&server, Method::DELETE, &path(&cancelled), "").await.status,
        404
    );
    let handled = device.connect().await.unwrap();
    assert_eq!(handled.len(), 1);
    assert_eq!(handled[0].command_uuid, kept);
    let late = ask(&server, Method::DELETE, &path(&kept), "").await;
    assert_eq!((late.status, code(&late)), (404, "command_unknown"));
    let unknown = ask(&server, Method::DELETE, &path("UNKNOWN"), "").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_link_enrolls_one_device_and_its_bounds_are_checked() {
    let server = TestServer::with(|config| config.enroll.open = false).await;
    let mut device = server.device(Kind::Mac);
    assert!(device.enroll(&server.enroll_url()).await.is_err());
    let url = server.link(json!({ "ttl_seconds": 60 })).await;
    device.enroll(&url).await.unwrap();
    let again = server.device(Kind::Mac).enroll(&url).await.unwrap_err();
    assert_eq!(again.status(), Some(403));
    for (wrong, status, named) in [
        (json!({ "ttl_seconds": 0 }), 422, "field_invalid"),
        (json!({ "ttl_seconds": 30 * 24 * 3600 + 1 }), 422, "field_invalid"),
        (json!({ "ttl_seconds": -1 }), 400, "bad_body"),
        (json!({ "ttl_seconds": "1h" }), 400, "bad_body"),
        (json!({ "serials": ["X"] }), 400, "bad_body"),
        (Value::Null, 400, "bad_body"),
    ] {
        let answer = ask(&server, Method::POST, "/v1/enroll-links", wrong.to_string()).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (status, named),
            "{wrong}: {}",
            answer.text
        );
    }
    let bound = ask(
        &server,
        Method::POST,
        "/v1/enroll-links",
        json!({ "serial": "S" }).to_string(),
    )
    .await;
    assert_eq!(bound.status, 201);
    assert!(bound.json["expires_at"].is_string());
    assert!(bound.text.contains("\"S\""), "{}", bound.text);
}

#[tokio::test]
async fn an_identity_is_renewed_and_a_wiped_device_let_in_on_request() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    let before = device.identity().unwrap().fingerprint().unwrap();
    let path = format!("/v1/enrollments/{udid}/renew-identity");
    let renewal = ask(&server, Method::POST, &path, "").await;
    assert_eq!(renewal.status, 202, "{}", renewal.text);
    device.connect().await.unwrap();
    assert_ne!(device.identity().unwrap().fingerprint().unwrap(), before);

    let path = format!("/v1/enrollments/{udid}/allow-reenroll");
    let allowed = ask(&server, Method::POST, &path, "").await;
    assert_eq!(allowed.json, json!({ "id": udid, "allow_reenroll": true }));
    device.enroll(&server.enroll_url()).await.unwrap();
    assert_eq!(server.enrollment(&udid).await["allow_reenroll"], false);

    for verb in ["renew-identity", "allow-reenroll"] {
        let unknown = ask(
            &server,
            Method::POST,
            &format!("/v1/enrollments/UNKNOWN/{verb}"),
            "",
        )
        .await;
        assert_eq!(
            (unknown.status, code(&unknown)),
            (404, "enrollment_unknown"),
            "{verb}"
        );
    }
}

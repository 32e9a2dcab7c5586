//! What NanoMDM's clients already use and its release has not: `/v1/enrollments/query` and `/v1/queue`.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet_sim::{Channel, Kind};
use serde_json::{Value, json};

use super::{ask, code};
use crate::support::{TestServer, command, uuid};

async fn query(server: &TestServer, parameters: &str, body: Value) -> Value {
    let path = format!("/v1/enrollments/query{parameters}");
    let answer = ask(server, Method::POST, &path, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

fn ids(answer: &Value) -> Vec<&str> {
    let rows = answer["enrollments"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_enrollment_has_the_drafts_fields() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    let user = device.enrollment_id(&Channel::User("ada".into()));
    let answer = query(&server, "", json!({ "options": { "include_device_cert": true } })).await;
    let rows = answer["enrollments"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let row = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    let own = row(&device.hardware.udid);
    assert_eq!(own["type"], "Device");
    assert_eq!(own["enabled"], true);
    assert_eq!(own["token_update_tally"], 1);
    assert_eq!(
        own["device"]["serial_number"],
        json!(device.hardware.serial_number)
    );
    let certificate = own["device"]["device_cert"].as_str().unwrap();
    assert_eq!(
        certificate.as_bytes(),
        device.identity().unwrap().certificate.to_pem().unwrap()
    );
    let users = row(&user);
    assert_eq!(users["type"], "User");
    assert_eq!(users["user"]["user_short_name"], "ada");
    assert_eq!(users["user"]["user_long_name"], "Ada Lovelace");

    let without = query(&server, "", json!({})).await;
    assert!(without["enrollments"][0]["device"].get("device_cert").is_none());
}

#[tokio::test]
async fn each_filter_filters() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await;
    let mut pad = server.enrolled(Kind::IPad).await;
    let (mac_id, pad_id) = (mac.hardware.udid.clone(), pad.hardware.udid.clone());
    let user = mac.enrollment_id(&Channel::User("ada".into()));
    pad.check_out().await.unwrap();
    let by = async |filter: Value| query(&server, "", json!({ "filter": filter })).await;
    assert_eq!(
        ids(&by(json!({ "ids": [pad_id, "UNKNOWN"] })).await),
        [pad_id.as_str()]
    );
    let serials = by(json!({ "serials": [mac.hardware.serial_number] })).await;
    assert!(ids(&serials).contains(&mac_id.as_str()) && !ids(&serials).contains(&pad_id.as_str()));
    assert_eq!(
        ids(&by(json!({ "user_short_names": ["ada"] })).await),
        [user.as_str()]
    );
    assert_eq!(ids(&by(json!({ "types": ["User"] })).await), [user.as_str()]);
    assert_eq!(ids(&by(json!({ "enabled": false })).await), [pad_id.as_str()]);
    assert_eq!(
        ids(&by(json!({ "enabled": true, "types": ["Device"] })).await),
        [mac_id.as_str()]
    );
    assert!(ids(&by(json!({ "ids": ["UNKNOWN"] })).await).is_empty());
    // An empty list filters nothing.
    assert_eq!(ids(&by(json!({ "ids": [], "serials": [] })).await).len(), 3);
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let server = TestServer::start().await;
    for _ in 0..5 {
        server.enrolled(Kind::IPhone).await;
    }
    let whole = query(&server, "", json!({})).await;
    let whole: Vec<_> = ids(&whole).into_iter().map(str::to_owned).collect();
    assert_eq!(whole.len(), 5);
    let mut by_offset = Vec::new();
    for offset in [0, 2, 4, 6] {
        let page = query(&server, &format!("?limit=2&offset={offset}"), json!({})).await;
        by_offset.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(by_offset, whole);
    let (mut by_cursor, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = query(&server, &format!("?limit=2{cursor}"), json!({})).await;
        by_cursor.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", russet_sim::encode::url_escape(next)),
            None => break,
        }
    }
    assert_eq!(by_cursor, whole);
}

#[tokio::test]
async fn an_unlock_token_is_not_in_any_list() {
    let server = TestServer::start().await;
    server.enrolled(Kind::IPhone).await;
    let body = json!({ "options": { "include_unlock_token": true } }).to_string();
    let answer = ask(&server, Method::POST, "/v1/enrollments/query", body).await;
    assert_eq!((answer.status, code(&answer)), (400, "bad_parameter"));
    for wrong in [
        "{",
        "{\"filter\":{\"ids\":\"X\"}}",
        "{\"filter\":{\"types\":[\"Toaster\"]}}",
    ] {
        let answer = ask(&server, Method::POST, "/v1/enrollments/query", wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text);
        assert_eq!(code(&answer), "bad_body", "{wrong}");
    }
}

#[tokio::test]
async fn a_queue_is_shown_in_order_and_cleared_for_all_or_for_some() {
    let server = TestServer::start().await;
    let (first, second) = (
        server.enrolled(Kind::Mac).await.hardware.udid,
        server.enrolled(Kind::IPad).await.hardware.udid,
    );
    let body = command(&uuid(), "DeviceInformation");
    let path = format!("/v1/enqueue/{first},{second}?nopush=1");
    assert_eq!(ask(&server, Method::PUT, &path, body.clone()).await.status, 200);
    let last = server.enqueue(&first, "SecurityInfo").await;
    let shown = ask(&server, Method::GET, &format!("/v1/queue/{first}"), "").await;
    let commands = shown.json["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 2);
    assert_eq!(commands[0]["request_type"], "DeviceInformation");
    assert_eq!(
        STANDARD.decode(commands[0]["command"].as_str().unwrap()).unwrap(),
        body
    );
    assert_eq!(commands[1]["command_uuid"], last);

    let some = ask(&server, Method::DELETE, &format!("/v1/queue/{first},UNKNOWN"), "").await;
    assert_eq!(some.status, 207);
    assert!(some.json["status"]["UNKNOWN"].is_string(), "{}", some.text);
    assert_eq!(some.json["status"].as_object().unwrap().len(), 1);
    assert!(server.queue(&first).await.is_empty());
    assert_eq!(server.queue(&second).await.len(), 1);

    let all = ask(
        &server,
        Method::DELETE,
        &format!("/v1/queue/{first},{second}"),
        "",
    )
    .await;
    assert_eq!((all.status, all.text.as_str()), (204, ""));
    assert!(server.queue(&second).await.is_empty());
    let none = ask(&server, Method::DELETE, "/v1/queue/UNKNOWN", "").await;
    assert_eq!(none.status, 500);
    let unknown = ask(&server, Method::GET, "/v1/queue/UNKNOWN", "").await;
    assert_eq!((unknown.status, code(&unknown)), (404, "enrollment_unknown"));
}

//! Jobs: many devices, all or none of them named rightly, none twice.

use axum::http::Method;
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{obeys, personal, post};
use crate::support::{TestServer, eventually};

async fn begin(server: &TestServer, job: Value) -> String {
    let job = post(&server.operator, "/v1/jobs", job).await.unwrap();
    job["id"].as_str().unwrap().to_owned()
}

pub async fn ended(server: &TestServer, id: &str) -> Value {
    let path = format!("/v1/jobs/{id}");
    eventually("the job's end", async || {
        server.ask(Method::GET, &path, Vec::new()).await["state"] != "running"
    })
    .await;
    server.ask(Method::GET, &path, Vec::new()).await
}

#[tokio::test]
async fn a_job_does_the_same_to_all_and_says_who_could_not() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let (mut mac, mut other) = (server.enrolled(Kind::Mac).await, server.enrolled(Kind::Mac).await);
    let tv = server.enrolled(Kind::AppleTV).await;
    let (_, own) = personal(&server).await;
    let ids = [
        &phone.hardware.udid,
        &tv.hardware.udid,
        &mac.hardware.udid,
        &own,
        &other.hardware.udid,
        &mac.hardware.udid,
    ];
    let job =
        json!({ "action": "lock", "parameters": { "message": "Fire drill" }, "targets": { "ids": ids } });
    let id = begin(&server, job).await;
    let job = ended(&server, &id).await;
    assert_eq!(
        (
            &job["state"],
            &job["total"],
            &job["done"],
            &job["refused"],
            &job["left"]
        ),
        (&json!("finished"), &json!(5), &json!(4), &json!(1), &json!(0)),
        "{job}"
    );
    assert_eq!(job["by"], "dev");
    assert_eq!(job["refusals"][0]["id"], tv.hardware.udid);
    assert_eq!(job["refusals"][0]["code"], "action_unsupported");
    for device in [&mut phone, &mut mac, &mut other] {
        obeys(device, &["DeviceLock"]).await;
        assert_eq!(
            device.state.locked.as_ref().unwrap().message.as_deref(),
            Some("Fire drill")
        );
    }
    let pin = |device: &russet_sim::Device| device.state.locked.clone().unwrap().pin.unwrap();
    assert_ne!(pin(&mac), pin(&other), "each Mac has a PIN of its own");
    let path = format!("/v1/enrollments/{}/reveal/pin", mac.hardware.udid);
    let revealed = server.ask(Method::POST, &path, Vec::new()).await;
    assert_eq!(revealed["values"][0]["value"], pin(&mac));
    let all = server.ask(Method::GET, "/v1/jobs", Vec::new()).await;
    assert_eq!(all["jobs"][0]["id"], id.as_str());
}

#[tokio::test]
async fn k_w2_a_job_with_one_target_that_does_not_exist_does_nothing_at_all() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let (udid, serial) = (&phone.hardware.udid, &phone.hardware.serial_number);
    for targets in [
        json!({ "ids": [udid, "NOBODY"] }),
        json!({ "ids": ["NOBODY"] }),
        json!({ "serials": [serial, "NOBODY"] }),
    ] {
        let job = json!({ "action": "restart", "targets": targets });
        let refused = post(&server.operator, "/v1/jobs", job).await.unwrap_err();
        assert_eq!((refused.0, refused.1.as_str()), (404, "enrollment_unknown"));
    }
    for (job, code) in [
        (json!({ "action": "restart", "targets": {} }), "field_invalid"),
        (
            json!({ "action": "restart", "targets": { "ids": [] } }),
            "field_invalid",
        ),
        (
            json!({ "action": "restart", "targets": { "ids": [udid], "serials": [serial] } }),
            "field_invalid",
        ),
        (
            json!({ "action": "restart", "targets": { "matching": { "platform": "Windows" } } }),
            "field_invalid",
        ),
        (
            json!({ "action": "restart", "parameters": { "fast": true }, "targets": { "ids": [udid] } }),
            "field_invalid",
        ),
        (
            json!({ "action": "explode", "targets": { "ids": [udid] } }),
            "action_unknown",
        ),
        (json!({ "action": "restart" }), "bad_body"),
    ] {
        assert_eq!(post(&server.operator, "/v1/jobs", job).await.unwrap_err().1, code);
    }
    assert_eq!(server.queue(udid).await, [""; 0]);
    let jobs = server.ask(Method::GET, "/v1/jobs", Vec::new()).await;
    assert_eq!(jobs["jobs"], json!([]));
}

#[tokio::test]
async fn jobs_find_devices_by_serial_number_and_by_what_they_are() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let mac = server.enrolled(Kind::Mac).await;
    let mut gone = server.enrolled(Kind::Mac).await;
    gone.check_out().await.unwrap();
    let serials = json!({ "serials": [phone.hardware.serial_number] });
    let id = begin(&server, json!({ "action": "refresh", "targets": serials })).await;
    assert_eq!(ended(&server, &id).await["done"], 1);
    assert_eq!(server.queue(&phone.hardware.udid).await.len(), 5);
    let macs = json!({ "matching": { "platform": "macos" } });
    let id = begin(&server, json!({ "action": "restart", "targets": macs })).await;
    let job = ended(&server, &id).await;
    assert_eq!((&job["total"], &job["done"]), (&json!(1), &json!(1)));
    assert_eq!(server.queue(&mac.hardware.udid).await.len(), 1);
    let everybody = json!({ "matching": { "enabled": false } });
    let id = begin(&server, json!({ "action": "delete", "targets": everybody })).await;
    assert_eq!(ended(&server, &id).await["done"], 1);
    assert!(!server.knows(&gone.hardware.udid).await);
    assert!(server.knows(&mac.hardware.udid).await);
}

#[tokio::test]
async fn a_job_ends_once() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = begin(
        &server,
        json!({ "action": "lock", "targets": { "ids": [phone.hardware.udid] } }),
    )
    .await;
    ended(&server, &id).await;
    let cancel = format!("/v1/jobs/{id}/cancel");
    let refused = post(&server.operator, &cancel, json!({})).await.unwrap_err();
    assert_eq!((refused.0, refused.1.as_str()), (409, "job_ended"));
    let refused = post(&server.operator, "/v1/jobs/none/cancel", json!({}))
        .await
        .unwrap_err();
    assert_eq!((refused.0, refused.1.as_str()), (404, "job_unknown"));
}

#[tokio::test]
async fn jobs_go_on_after_a_restart_and_nobody_is_asked_twice() {
    let mut server = TestServer::start().await;
    let mut devices = Vec::new();
    for _ in 0..3 {
        devices.push(server.enrolled(Kind::Mac).await);
    }
    let ids: Vec<_> = devices.iter().map(|mac| mac.hardware.udid.clone()).collect();
    let id = begin(&server, json!({ "action": "restart", "targets": { "ids": ids } })).await;
    server = server.restart(|_| {}).await;
    let job = ended(&server, &id).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("finished"), &json!(3)));
    for mac in &mut devices {
        obeys(mac, &["RestartDevice"]).await;
        assert_eq!(mac.state.restarts, 1);
    }
}

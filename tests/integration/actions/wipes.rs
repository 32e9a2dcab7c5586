//! Wipes: the device goes, comes back by itself where it is told to, and nobody wipes a fleet (trust.md K-W11).

use std::time::Duration;

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet_sim::{Client, Kind, Request, encode::base64};
use serde_json::json;

use super::{act, act_as, obeys, operator, post, profile, refusal};
use crate::support::{TestServer, command, eventually, manual_clock, uuid};

#[tokio::test]
async fn a_device_that_returns_to_service_enrolls_again_by_itself() {
    let server = TestServer::start().await;
    let mut ipad = server.enrolled(Kind::IPad).await;
    let id = ipad.hardware.udid.clone();
    let before = ipad.identity().unwrap().fingerprint().unwrap();
    let wifi = profile("com.apple.wifi.managed", "");
    let parameters = json!({
        "return_to_service": { "wifi_profile": STANDARD.encode(&wifi) },
        "disallow_proximity_setup": true,
        "preserve_data_plan": true,
    });
    act(&server, &id, "wipe", parameters).await;
    // The profile is made when the command is fetched: its challenge would be too old later.
    obeys(&mut ipad, &["EraseDevice"]).await;
    let erased = ipad.state.erased.clone().unwrap();
    assert!(erased.returns_to_service && erased.disallow_proximity_setup && erased.preserve_data_plan);
    assert_eq!(erased.wifi_profile, Some(base64(&wifi)));
    assert!(ipad.is_enrolled() && ipad.state.erasures == 1);
    assert_ne!(ipad.identity().unwrap().fingerprint().unwrap(), before);
    assert_eq!(server.enrollment(&id).await["state"], "enrolled");
    assert_eq!(ipad.connect().await.unwrap().len(), 0);
}

#[tokio::test]
async fn k_w11_no_more_devices_are_wiped_in_an_hour_than_may_be_whichever_way() {
    let clock = manual_clock(Duration::from_secs(3 * 3600));
    let server = TestServer::at(clock, |config| config.actions.max_wipes_per_hour = 2).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(server.enrolled(Kind::IPhone).await.hardware.udid);
    }
    act(&server, &ids[0], "wipe", json!({})).await;
    server.enqueue(&ids[1], "EraseDevice").await;
    assert_eq!(
        refusal(&server, &ids[2], "wipe", json!({})).await,
        (429, "wipe_limit".into())
    );
    let url = format!("http://{}/v1/enqueue/{}", server.operator_authority, ids[2]);
    let request = Request::new(Method::PUT, &url).body(command(&uuid(), "EraseDevice"));
    let request = request
        .header("authorization", &format!("Bearer {}", server.key))
        .unwrap();
    let answer = Client::plain().send(request, None).await.unwrap();
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3660).contains(&wait), "{wait}");
    let job = json!({ "action": "wipe", "targets": { "ids": [ids[2]] } });
    let refused = post(&server.operator, "/v1/jobs", job).await.unwrap_err();
    assert_eq!((refused.0, refused.1.as_str()), (429, "wipe_limit"));
    assert_eq!(server.queue(&ids[2]).await, [""; 0]);
    server.clock.advance(Duration::from_secs(wait));
    act(&server, &ids[2], "wipe", json!({})).await;
    act(&server, &ids[3], "lock", json!({})).await;
}

#[tokio::test]
async fn k_w11_several_wipes_need_an_administrator_who_has_counted_them() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.enrolled(Kind::IPhone).await.hardware.udid);
    }
    let commander = operator(&server, "commander", &["command"]).await;
    let job =
        |count: Option<u64>| json!({ "action": "wipe", "targets": { "ids": ids }, "confirm_count": count });
    let forbidden = post(&commander, "/v1/jobs", job(Some(3))).await.unwrap_err();
    assert_eq!((forbidden.0, forbidden.1.as_str()), (403, "key_scope"));
    for count in [None, Some(2), Some(4)] {
        let (status, code, problem) = post(&server.operator, "/v1/jobs", job(count)).await.unwrap_err();
        assert_eq!((status, code.as_str()), (422, "bulk_not_confirmed"));
        assert_eq!(problem["fields"][0]["fields"][0], "confirm_count");
    }
    // The other way around the same fence.
    let path = format!("/v1/enqueue/{}?nopush=1", ids.join(","));
    let raw = async |path: &str| {
        server
            .refusal(Method::PUT, path, command(&uuid(), "EraseDevice"))
            .await
    };
    assert_eq!(raw(&path).await, 422);
    assert_eq!(raw(&format!("{path}&confirm_count=2")).await, 422);
    for id in &ids {
        assert_eq!(server.queue(id).await, [""; 0]);
    }
    // One is no bulk, but it is one.
    let path = format!("/v1/enqueue/{}?nopush=1", ids[0]);
    assert_eq!(raw(&format!("{path}&confirm_count=2")).await, 422);
    act_as(&commander, &ids[0], "wipe", json!({})).await.unwrap();
    let made = post(&server.operator, "/v1/jobs", job(Some(3))).await.unwrap();
    let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
    eventually("the job's end", async || {
        server.ask(Method::GET, &path, Vec::new()).await["state"] == "finished"
    })
    .await;
    assert_eq!(server.queue(&ids[2]).await.len(), 1);
}

#[tokio::test]
async fn k_w11_a_job_that_meets_the_limit_waits_and_goes_on() {
    let clock = manual_clock(Duration::from_secs(5 * 3600));
    let server = TestServer::at(clock, |config| config.actions.max_wipes_per_hour = 2).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.enrolled(Kind::IPhone).await.hardware.udid);
    }
    let job = json!({ "action": "wipe", "targets": { "ids": &ids[..2] }, "confirm_count": 2 });
    let first = post(&server.operator, "/v1/jobs", job).await.unwrap();
    let path = format!("/v1/jobs/{}", first["id"].as_str().unwrap());
    eventually("the first job's end", async || {
        server.ask(Method::GET, &path, Vec::new()).await["state"] == "finished"
    })
    .await;
    let job = json!({ "action": "wipe", "targets": { "ids": &ids[2..] } });
    assert_eq!(post(&server.operator, "/v1/jobs", job).await.unwrap_err().0, 429);
    let everything = json!({ "action": "wipe", "targets": { "ids": ids }, "confirm_count": 3 });
    assert_eq!(
        post(&server.operator, "/v1/jobs", everything)
            .await
            .unwrap_err()
            .0,
        429
    );
}

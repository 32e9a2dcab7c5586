//! What is known of each device: its profile at Apple, what it was given, its bootstrap token, its end.

use std::time::Duration;

use axum::http::Method;
use russet::{
    protocol::ids::SerialNumber,
    storage::{AdeAssignment, AdeAssignmentState, AdeDeviceChange, AdeProfileRecord, RowRuling},
};
use russet_sim::{Device, Kind, Stage, Status, Then};
use serde_json::{Value, json};

use super::{id, interrupted, report, text};
use crate::{
    ade_door::Estate,
    support::{TestServer, eventually, manual_clock},
};

/// Changes what Apple says of a device.
async fn change(
    estate: &Estate,
    device: &Device,
    change: impl Fn(&mut russet::storage::AdeDeviceRecord) + Send + Sync + 'static,
) {
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new(device.hardware.serial_number.clone())],
        rule: Box::new(move |_, stored| {
            let mut record = stored.unwrap().clone();
            change(&mut record);
            RowRuling::Put(record)
        }),
    };
    let number = estate.token.number;
    estate
        .server
        .store
        .change_ade_devices(number, change)
        .await
        .unwrap();
}

async fn listed(estate: &Estate, query: &str) -> Vec<Value> {
    let list = report(&estate.server, &format!("/v1/ade/devices?{query}")).await;
    list["devices"].as_array().unwrap().clone()
}

#[tokio::test]
async fn g8_a_device_says_how_it_stands_with_its_profile_and_why() {
    let estate = Estate::start().await;
    let now = estate.server.clock.now();
    let assigned = estate
        .device(Kind::IPhone, Some(json!({ "platform": "ios" })))
        .await;
    let shortly = estate.device(Kind::IPhone, None).await;
    change(&estate, &shortly.device, move |record| record.due = Some(now)).await;
    let failed = estate.device(Kind::IPhone, None).await;
    change(&estate, &failed.device, move |record| {
        record.assignment = Some(AdeAssignment {
            profile_uuid: "P".into(),
            state: AdeAssignmentState::NotAccessible,
            at: now,
            attempts: 3,
        });
    })
    .await;
    for (boxed, state) in [
        (&assigned, "assigned"),
        (&shortly, "will_be_assigned_shortly"),
        (&failed, "failed"),
    ] {
        let query = format!("serial={}", boxed.device.hardware.serial_number);
        let device = listed(&estate, &query).await.remove(0);
        assert_eq!(device["profile_state"], state);
        assert_eq!(
            device["profile_state_cause"].is_string(),
            state == "failed",
            "{device}"
        );
        assert_eq!(
            device["profile_state_step"].is_string(),
            state == "failed",
            "{device}"
        );
    }
    let awaiting = listed(&estate, "awaiting=true").await;
    assert_eq!(awaiting.len(), 1);
    assert_eq!(listed(&estate, "").await.len(), 3);
    let list = report(&estate.server, "/v1/ade/devices").await;
    assert_eq!(list["last_fetch"], json!([{ "token": "hq", "at": null }]));
}

#[tokio::test]
async fn g9_a_device_that_never_fetched_its_profile_has_missed_its_assignment() {
    let estate = Estate::start().await;
    let now = estate.server.clock.now();
    let settings = json!({ "platform": "ios" });
    let waiting = estate.device(Kind::IPhone, Some(settings.clone())).await;
    let by_hand = estate.device(Kind::IPad, Some(settings.clone())).await;
    let fetched = estate.device(Kind::IPhone, Some(settings)).await;
    for (boxed, status) in [
        (&waiting, "assigned"),
        (&by_hand, "assigned"),
        (&fetched, "pushed"),
    ] {
        change(&estate, &boxed.device, move |record| {
            record.facts.profile_status = Some(status.to_owned());
            record.facts.profile_assign_time = Some(now);
        })
        .await;
    }
    let hints = async || {
        let mut hints = Vec::new();
        for boxed in [&waiting, &by_hand, &fetched] {
            let path = format!("/v1/ade/devices/{}", boxed.device.hardware.serial_number);
            let device = report(&estate.server, &path).await["devices"][0].clone();
            hints.push(text(&device["hint"]));
        }
        hints
    };
    assert_eq!(hints().await, ["", "", ""]);
    // Nobody manages it, until its user installs a profile by hand.
    let mut device = estate.server.twin(&by_hand.device);
    device.enroll(&estate.server.enroll_url()).await.unwrap();
    assert_eq!(hints().await, ["", "missed_assignment", ""]);
    estate.server.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(hints().await, ["missed_assignment", "missed_assignment", ""]);
}

#[tokio::test]
async fn g13_what_a_device_was_given_when_it_enrolled_does_not_change_with_its_profile() {
    let estate = Estate::start().await;
    let command =
        "<plist version=\"1.0\"><dict><key>RequestType</key><string>ProfileList</string></dict></plist>";
    let settings = json!({
        "platform": "ios",
        "naming": { "template": "Phone-{{SERIAL}}" },
        "initial_commands": [command],
    });
    let mut boxed = estate.device(Kind::IPhone, Some(settings)).await;
    boxed.boot(&estate.url()).await.unwrap();
    let path = format!("/v1/enrollments/{}/enrollment", id(&boxed.device));
    let given = report(&estate.server, &path).await;
    let policies = given["policies"].as_array().unwrap();
    let shown: Vec<_> = policies
        .iter()
        .map(|policy| (text(&policy["type"]), text(&policy["name"])))
        .collect();
    let has = |kind: &str, name: &str| shown.contains(&(kind.to_owned(), name.to_owned()));
    assert_eq!(shown[0].0, "ade_profile");
    assert!(has("setting", "naming.template"), "{shown:?}");
    assert!(has("command", "ProfileList"), "{shown:?}");
    let places: Vec<_> = policies
        .iter()
        .map(|policy| policy["priority"].as_u64().unwrap())
        .collect();
    assert_eq!(places, (1..=places.len() as u64).collect::<Vec<_>>());
    assert_eq!(
        policies[0]["target_device"],
        json!(boxed.device.hardware.serial_number)
    );
    assert_eq!(given["method"], "ade");
    assert_eq!(given["attempt"]["result"], "enrolled");

    let (number, name) = (estate.token.number, shown[0].1.clone());
    let rule = Box::new(move |stored: Option<&AdeProfileRecord>, _| {
        let mut profile = stored.unwrap().clone();
        profile.revision += 1;
        profile.settings = json!({ "platform": "ios", "locked": true });
        RowRuling::Put(profile)
    });
    estate
        .server
        .store
        .edit_ade_profile(number, &name, rule)
        .await
        .unwrap();
    boxed.device.connect().await.unwrap();
    let later = report(&estate.server, &path).await;
    assert_eq!(later["policies"], given["policies"]);
}

#[tokio::test]
async fn g14_g15_macs_say_whether_their_token_is_escrowed_and_their_user_approved() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    server.enrolled(Kind::IPhone).await;
    let shown = async || {
        let report = report(&server, "/v1/reports/bootstrap").await;
        assert_eq!(report["macs"].as_array().unwrap().len(), 1);
        let mac = &report["macs"][0];
        (
            mac["bootstrap_token_escrowed"].clone(),
            mac["user_approved"].clone(),
        )
    };
    assert_eq!(shown().await, (json!(false), json!(null)));
    mac.set_bootstrap_token().await.unwrap();
    assert_eq!(shown().await, (json!(true), json!(null)));
    server.enqueue(&mac.hardware.udid, "SecurityInfo").await;
    mac.connect().await.unwrap();
    assert_eq!(shown().await, (json!(true), json!(true)));
    let enrollment = report(&server, &format!("/v1/enrollments/{}/enrollment", id(&mac))).await;
    assert_eq!(enrollment["user_approved"], true);
    assert_eq!(enrollment["bootstrap_token_escrowed"], true);
    let missing = report(&server, "/v1/reports/bootstrap?escrowed=false").await;
    assert_eq!(missing["macs"], json!([]));
}

#[tokio::test]
async fn g16_a_record_goes_180_days_after_its_identity_has_expired() {
    let server = TestServer::at(manual_clock(Duration::from_secs(86_400)), |_| {}).await;
    let device = server.enrolled(Kind::IPhone).await;
    let day = |days: u64| Duration::from_secs(days * 86_400);
    let expiry = report(&server, "/v1/reports/expiry").await;
    assert_eq!(expiry["later"], 1);
    assert_eq!(expiry["enrollments"][0]["id"], json!(id(&device)));
    server.clock.advance(day(365 + 179));
    let server = server.restart(|_| {}).await;
    assert!(server.knows(&id(&device)).await);
    let expiry = report(&server, "/v1/reports/expiry").await;
    assert_eq!(expiry["expired"], 1);
    server.clock.advance(day(2));
    let server = server.restart(|_| {}).await;
    eventually("the record's end", async || !server.knows(&id(&device)).await).await;
    assert_eq!(
        report(&server, "/v1/reports/expiry").await["enrollments"],
        json!([])
    );
}

#[tokio::test]
async fn g16_an_identity_renews_by_itself_while_its_device_connects() {
    let day = |days: u64| Duration::from_secs(days * 86_400);
    // The device goes by the real time, in which both of its certificates have to be valid.
    let server = TestServer::at(manual_clock(day(320)), |_| {}).await;
    let mut device = server.enrolled(Kind::IPhone).await;
    let identity = async || server.enrollment(&id(&device)).await["identity"]["fingerprint"].clone();
    let first = identity().await;
    let udid = id(&device);
    server.clock.advance(day(304));
    assert!(device.connect().await.unwrap().is_empty());
    server.clock.advance(day(2));
    server.enqueue(&udid, "SecurityInfo").await;
    // It has no time now: the profile waits, is not made twice, and goes with its challenge.
    device.behaviour.not_now.insert("InstallProfile".into(), 2);
    let handled = device.connect().await.unwrap();
    let names = |handled: &[russet_sim::Handled]| -> Vec<String> {
        handled.iter().map(|one| one.request_type.clone()).collect()
    };
    assert_eq!(
        names(&handled),
        ["InstallProfile", "SecurityInfo", "InstallProfile"]
    );
    server.clock.advance(Duration::from_secs(20 * 60));
    assert!(device.connect().await.unwrap().is_empty());
    server.clock.advance(Duration::from_secs(7 * 3600));
    let handled = device.connect().await.unwrap();
    assert_eq!(names(&handled), ["InstallProfile"]);
    assert_eq!(handled[0].status, Status::Acknowledged, "{:?}", handled[0].result);
    let shown = server.enrollment(&udid).await;
    assert_ne!(shown["identity"]["fingerprint"], first);
    assert_eq!(
        (&shown["state"], &shown["pending"]),
        (&json!("enrolled"), &json!(null))
    );
    let expiry = report(&server, "/v1/reports/expiry").await;
    assert_eq!((&expiry["later"], &expiry["expired"]), (&json!(1), &json!(0)));
    server.clock.advance(day(1));
    assert!(device.connect().await.unwrap().is_empty(), "once is enough");
}

#[tokio::test]
async fn an_unknown_device_has_no_enrollment_to_show() {
    let server = TestServer::start().await;
    let path = "/v1/enrollments/nobody/enrollment";
    assert_eq!(server.refusal(Method::GET, path, Vec::new()).await, 404);
    let begun = interrupted(&server, Kind::Mac, Stage::Authenticate, Then::Pause).await;
    let shown = report(
        &server,
        &format!("/v1/enrollments/{}/enrollment", begun.hardware.udid),
    )
    .await;
    assert_eq!(shown["attempt"]["section"], "platform_screens");
    assert_eq!(shown["policies"], json!([]));
}

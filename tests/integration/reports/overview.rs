//! The tiles, stages and platforms.

use std::time::Duration;

use axum::http::Method;
use russet::config::Release;
use russet_sim::{Client, Kind, Request, Stage, Then};
use serde_json::json;

use super::{by_serial, held, interrupted, report, text, tiles};
use crate::{
    ade_door::Estate,
    support::{TestServer, manual_clock},
};

#[tokio::test]
async fn g1_g3_the_four_tiles_and_the_platforms_say_what_devices_did() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let server = &estate.server;
    assert_eq!(tiles(server).await, json!([0, 0, 0, 0]));
    for kind in [Kind::IPhone, Kind::Mac, Kind::AppleTV, Kind::VisionPro] {
        server.enrolled(kind).await;
    }
    for kind in [Kind::IPad, Kind::Mac] {
        let mut boxed = estate.device(kind, None).await;
        boxed.boot(&estate.url()).await.unwrap();
    }
    for stage in [Stage::Profile, Stage::Identity, Stage::Authenticate] {
        interrupted(server, Kind::IPhone, stage, Then::Abandon).await;
    }
    let held = held(&estate, Kind::IPhone).await;
    for _ in 0..2 {
        estate
            .device(Kind::IPhone, Some(json!({ "platform": "ios" })))
            .await;
    }
    for _ in 0..3 {
        interrupted(server, Kind::Mac, Stage::Authenticate, Then::Cancel).await;
    }
    assert_eq!(tiles(server).await, json!([6, 4, 2, 3]));

    let status = report(server, "/v1/reports/overview").await;
    let platforms = status["platforms"].as_array().unwrap();
    let totals: Vec<_> = platforms
        .iter()
        .map(|one| (text(&one["platform"]), one["total"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("ios_ade", 1),
        ("ios_manual", 1),
        ("macos_ade", 1),
        ("macos_manual", 1),
        ("tvos", 1),
        ("visionos", 1),
        ("watchos", 0),
    ];
    assert_eq!(totals, expected.map(|(name, total)| (name.to_owned(), total)));
    let sum: u64 = totals.iter().map(|(_, total)| total).sum();
    assert_eq!(json!(sum), status["enrolled"], "the totals add up to the tile");
    let macs = &platforms[3];
    assert_eq!(macs["last_7_days"], 1);
    assert_eq!(macs["failed_7_days"], 3);
    assert_eq!(macs["success_rate"], 25.0);
    assert_eq!(platforms[6]["success_rate"], json!(null));

    // Released, it counts as enrolled.
    let mut held = held;
    let path = format!("/v1/enrollments/{}/release", held.hardware.udid);
    server.ask(Method::POST, &path, Vec::new()).await;
    held.connect().await.unwrap();
    assert_eq!(tiles(server).await, json!([7, 3, 2, 3]));
    // A device that leaves is enrolled no more, and has not failed.
    held.check_out().await.unwrap();
    assert_eq!(tiles(server).await, json!([6, 3, 2, 3]));
}

#[tokio::test]
async fn g2_a_device_shows_with_its_stage_and_percent() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let server = &estate.server;
    let setup = interrupted(server, Kind::IPhone, Stage::Authenticate, Then::Pause).await;
    let policies = held(&estate, Kind::IPad).await;
    server.enqueue(&policies.hardware.udid, "InstallProfile").await;
    server
        .enqueue(&policies.hardware.udid, "InstallApplication")
        .await;
    let apps = held(&estate, Kind::Mac).await;
    server.enqueue(&apps.hardware.udid, "InstallApplication").await;

    let active = report(server, "/api/devices/enrollment-status/active").await;
    let stages = by_serial(&active["enrollments"], |row| {
        (
            text(&row["platform"]),
            text(&row["method"]),
            text(&row["stage_label"]),
            row["progress"].as_u64().unwrap(),
        )
    });
    let row = |device: &russet_sim::Device, platform: &str, method: &str, stage: &str, percent| {
        (
            device.hardware.serial_number.clone(),
            (platform.to_owned(), method.to_owned(), stage.to_owned(), percent),
        )
    };
    assert_eq!(
        stages,
        [
            row(&setup, "ios", "manual", "Device Setup", 25),
            row(&policies, "ios", "ade", "Applying Policies", 50),
            row(&apps, "macos", "ade", "Installing Apps", 75),
        ]
    );
    assert_eq!(active["enrollments"][0]["os_version"], "18.1");
    // One that was paused goes on.
    let mut setup = setup;
    setup.resume_enrollment().await.unwrap();
    let left = report(server, "/v1/reports/active?method=manual").await;
    assert_eq!(left["enrollments"], json!([]));
}

#[tokio::test]
async fn g3_the_average_is_the_time_from_the_profile_to_the_enrollment() {
    let server = TestServer::at(manual_clock(Duration::from_secs(86_400)), |_| {}).await;
    for minutes in [2, 4] {
        let mut device = interrupted(&server, Kind::Mac, Stage::Identity, Then::Pause).await;
        server.clock.advance(Duration::from_secs(minutes * 60));
        device.resume_enrollment().await.unwrap();
    }
    let platforms = report(&server, "/v1/reports/by-platform").await;
    assert_eq!(platforms["platforms"][3]["average_seconds"], 180);
    assert_eq!(platforms["platforms"][3]["success_rate"], 100.0);
    // Nothing is counted twice over a restart.
    let server = server.restart(|_| {}).await;
    assert_eq!(report(&server, "/v1/reports/by-platform").await, platforms);
    server.clock.advance(Duration::from_secs(8 * 86_400));
    let later = report(&server, "/v1/reports/by-platform").await;
    assert_eq!(later["platforms"][3]["last_7_days"], 0);
    assert_eq!(later["platforms"][3]["total"], 2);
}

#[tokio::test]
async fn m13_a_device_that_was_wiped_is_one_device_again() {
    let estate = Estate::start().await;
    let mut boxed = estate
        .device(Kind::IPhone, Some(json!({ "platform": "ios" })))
        .await;
    boxed.boot(&estate.url()).await.unwrap();
    assert_eq!(tiles(&estate.server).await, json!([1, 0, 0, 0]));
    boxed.device.wipe();
    boxed.device.options.awaiting_configuration = false;
    // The activation after the wipe gives it a new key, and so another message.
    boxed.built_in = crate::ade_door::Boxed::new(estate.server.device(Kind::IPhone)).built_in;
    boxed.boot(&estate.url()).await.unwrap();
    assert_eq!(tiles(&estate.server).await, json!([1, 0, 0, 0]));
    let overview = report(&estate.server, "/v1/reports/by-platform").await;
    assert_eq!(overview["platforms"][0]["last_7_days"], 2, "two enrollments");
}

#[tokio::test]
async fn the_figures_say_how_many_devices_stand_where() {
    let server = TestServer::start().await;
    server.enrolled(Kind::Mac).await;
    let url = format!("http://{}/metrics", server.operator_authority);
    let request = russet_sim::Request::new(Method::GET, &url);
    let answer = russet_sim::Client::plain().send(request, None).await.unwrap();
    let metrics = String::from_utf8(answer.body.to_vec()).unwrap();
    for figure in [
        "russet_devices{platform=\"macos\",method=\"manual\",state=\"enrolled\"}",
        "russet_devices{platform=\"any\",method=\"ade\",state=\"pending\"} 0",
        "russet_enrollments_total{method=\"manual\",platform=\"macos\",result=\"enrolled\",reason=\"\"}",
    ] {
        assert!(metrics.contains(figure), "{figure} is missing");
    }
}

/// The five paths of the seed, as it spells them.
const PATHS: [(Method, &str, &str); 5] = [
    (Method::GET, "/api/devices/enrollment-status", "read"),
    (Method::GET, "/api/devices/enrollment-status/active", "read"),
    (Method::GET, "/api/devices/enrollment-status/failures", "read"),
    (Method::GET, "/api/devices/esp-profiles", "read"),
    (Method::POST, "/api/devices/esp-profiles", "admin"),
];

#[tokio::test]
async fn g7_the_five_paths_are_there_described_and_for_those_who_may() {
    let server = TestServer::start().await;
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    for (method, path, scope) in PATHS {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        assert_eq!(
            operation["security"][0]["basic"],
            json!([scope]),
            "{method} {path}"
        );
        let url = format!("http://{}{path}", server.operator_authority);
        let request = Request::new(method.clone(), &url);
        let answer = Client::plain().send(request, None).await.unwrap();
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn g7_their_json_has_what_the_pages_show() {
    let estate = Estate::with(|config| config.ade.release = Release::Manual).await;
    let server = &estate.server;
    let has = |what: &str, row: &serde_json::Value, fields: &[&str]| {
        for field in fields {
            assert!(row.get(field).is_some(), "{what} has no {field}: {row}");
        }
    };
    held(&estate, Kind::IPhone).await;
    interrupted(server, Kind::Mac, Stage::Authenticate, Then::Cancel).await;
    let new = json!({ "profile": "Kiosk ESP", "timeout_minutes": 30, "assigned_groups": ["platform:tvos"],
        "blocking_apps": [{ "name": "Portal", "store_id": 1 }, { "name": "VPN Client", "store_id": 2 }] });
    let made = server
        .ask(Method::POST, "/api/devices/esp-profiles", new.to_string())
        .await;
    assert_eq!(made["blocking_apps"], 2);

    let status = report(server, "/api/devices/enrollment-status").await;
    has(
        "the overview",
        &status,
        &[
            "enrolled",
            "in_progress",
            "pending",
            "failed",
            "platforms",
            "failure_reasons",
        ],
    );
    let platform = &status["platforms"][0];
    has(
        "a platform",
        platform,
        &[
            "platform",
            "total",
            "last_7_days",
            "success_rate",
            "average_seconds",
        ],
    );
    has(
        "a reason",
        &status["failure_reasons"][0],
        &["code", "cause", "count"],
    );
    let active = report(server, "/api/devices/enrollment-status/active").await;
    let row = &active["enrollments"][0];
    has(
        "an active one",
        row,
        &[
            "device",
            "user",
            "platform",
            "os_version",
            "stage",
            "stage_label",
            "progress",
        ],
    );
    let failures = report(server, "/api/devices/enrollment-status/failures").await;
    let row = &failures["failures"][0];
    has(
        "a failure",
        row,
        &[
            "device",
            "platform",
            "os_version",
            "user",
            "ended_at",
            "code",
            "cause",
            "step",
        ],
    );
    has("the failures", &failures, &["reasons"]);
    let table = report(server, "/api/devices/esp-profiles").await;
    let fields = [
        "profile",
        "blocking_apps",
        "timeout_minutes",
        "assigned_groups",
        "status",
    ];
    has("a hold profile", &table["esp_profiles"][0], &fields);
}

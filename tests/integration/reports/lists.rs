//! Failures, and what was not completed.

use std::time::Duration;

use axum::http::Method;
use russet::{
    error::Code,
    storage::{AttemptChange, AttemptFacts, AttemptStep, AttemptSubject, EnrollmentMethod},
};
use russet_sim::{Client, Kind, Request, Stage, Then};
use serde_json::json;

use super::{by_serial, interrupted, report, text, tiles};
use crate::{
    ade_door::{Estate, post},
    support::{TestServer, eventually, manual_clock},
};

#[tokio::test]
async fn g4_g12_a_cancelled_enrollment_is_a_row_with_what_to_do() {
    let server = TestServer::start().await;
    let device = interrupted(&server, Kind::Mac, Stage::Authenticate, Then::Cancel).await;
    let failures = report(&server, "/api/devices/enrollment-status/failures").await;
    let row = &failures["failures"][0];
    assert_eq!(row["device"]["serial"], json!(device.hardware.serial_number));
    assert_eq!(row["code"], "user_cancelled");
    assert_eq!(row["platform"], "macos");
    assert_eq!(row["method"], "manual");
    assert_eq!(row["os_version"], "15.1");
    assert!(text(&row["cause"]).contains("cancelled"));
    assert!(text(&row["step"]).len() > 10);
    let path = format!("/v1/reports/failures/{}", row["id"]);
    assert_eq!(report(&server, &path).await, *row);
    let unknown = server
        .refusal(Method::GET, "/v1/reports/failures/999999", Vec::new())
        .await;
    assert_eq!(unknown, 404);
}

#[tokio::test]
async fn g5_common_reasons_are_counted_and_the_most_frequent_is_first() {
    let estate = Estate::with(|config| {
        config.ade.minimum_os = [("ios".to_owned(), "99.0".to_owned())].into();
    })
    .await;
    let server = &estate.server;
    for _ in 0..4 {
        interrupted(server, Kind::Mac, Stage::Profile, Then::Fail).await;
    }
    for _ in 0..3 {
        interrupted(server, Kind::Mac, Stage::Authenticate, Then::Cancel).await;
    }
    for _ in 0..2 {
        let boxed = estate.device(Kind::IPhone, None).await;
        let message = boxed.message_with(|info| {
            info.remove("MDM_CAN_REQUEST_SOFTWARE_UPDATE");
        });
        assert_eq!(post(server, &estate.url(), message).await.status, 403);
    }
    let stranger = crate::ade_door::Boxed::new(server.device(Kind::IPad));
    assert_eq!(post(server, &estate.url(), stranger.message()).await.status, 403);

    let failures = report(server, "/v1/reports/failures").await;
    let reasons = failures["reasons"].as_array().unwrap();
    let reasons: Vec<_> = reasons
        .iter()
        .map(|reason| (text(&reason["code"]), reason["count"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("scep_challenge_unknown", 4),
        ("user_cancelled", 3),
        ("os_too_old", 2),
        ("unassigned", 1),
    ];
    assert_eq!(reasons, expected.map(|(code, count)| (code.to_owned(), count)));
    let old = report(server, "/v1/reports/failures?code=os_too_old").await;
    assert_eq!(old["failures"].as_array().unwrap().len(), 2);
    assert_eq!(old["failures"][0]["method"], "ade");
    let found = by_serial(
        &report(server, "/v1/reports/failures?code=unassigned").await["failures"],
        |row| text(&row["platform"]),
    );
    assert_eq!(
        found,
        [(stranger.device.hardware.serial_number.clone(), "ios".to_owned())]
    );
}

#[tokio::test]
async fn m12_a_profile_that_was_installed_too_late_is_a_failure_of_its_device() {
    let server = TestServer::at(manual_clock(Duration::from_secs(86_400)), |_| {}).await;
    let mut device = interrupted(&server, Kind::IPhone, Stage::Profile, Then::Pause).await;
    server.clock.advance(Duration::from_secs(16 * 60));
    device.resume_enrollment().await.unwrap_err();
    let failures = report(&server, "/v1/reports/failures").await;
    let row = &failures["failures"][0];
    assert_eq!(row["code"], "scep_challenge_expired");
    assert_eq!(row["device"]["serial"], json!(device.hardware.serial_number));
    assert!(text(&row["step"]).contains("Download a new profile"));
    assert_eq!(tiles(&server).await, json!([0, 0, 0, 1]));
}

#[tokio::test]
async fn g12_failures_are_found_by_user_and_listed_page_by_page() {
    let server = TestServer::start().await;
    for (number, user) in ["ada", "bob", "Ada L", "carl"].iter().enumerate() {
        let change = AttemptChange {
            subject: AttemptSubject {
                udid: Some(russet::protocol::ids::Udid::new(format!("U{number}"))),
                ..AttemptSubject::default()
            },
            facts: AttemptFacts {
                user: Some((*user).to_owned()),
                device_name: Some("=1+1".into()),
                ..AttemptFacts::default()
            },
            method: Some(EnrollmentMethod::Ade),
            step: AttemptStep::Failed {
                code: Code::OsTooOld,
                detail: Some("18.0 is needed".into()),
            },
            at: server.clock.now(),
        };
        server.store.note_attempt(change).await.unwrap();
    }
    let found = report(&server, "/v1/reports/failures?user=ada").await;
    let users: Vec<_> = found["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| text(&row["user"]))
        .collect();
    assert_eq!(users, ["Ada L", "ada"]);
    let mut users = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = report(&server, &format!("/v1/reports/failures?limit=3{cursor}")).await;
        users.extend(
            page["failures"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| text(&row["user"])),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(users, ["carl", "Ada L", "bob", "ada"]);

    let url = format!("http://{}/v1/reports/failures?limit=1", server.operator_authority);
    let request = Request::new(Method::GET, &url)
        .header("accept", "text/csv")
        .unwrap();
    let request = request
        .header("authorization", &format!("Bearer {}", server.key))
        .unwrap();
    let answer = Client::plain().send(request, None).await.unwrap();
    let csv = String::from_utf8(answer.body.to_vec()).unwrap();
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("last_at,device,serial,user,"), "{csv}");
    assert!(lines[1].contains(",'=1+1,,carl,unknown,"), "{csv}");
    assert!(answer.headers.contains_key("x-next-cursor"));
}

#[tokio::test]
async fn g10_each_way_to_leave_an_enrollment_is_a_row() {
    let server = TestServer::at(manual_clock(Duration::from_secs(86_400)), |_| {}).await;
    interrupted(&server, Kind::Mac, Stage::Authenticate, Then::Cancel).await;
    let mut anew = interrupted(&server, Kind::IPhone, Stage::Authenticate, Then::Abandon).await;
    anew.options.interruption = None;
    anew.enroll(&server.enroll_url()).await.unwrap();
    let idle = interrupted(&server, Kind::IPad, Stage::Authenticate, Then::Abandon).await;
    server.clock.advance(Duration::from_secs(29 * 60));
    let server = server.restart(|_| {}).await;
    let causes = async |server: &TestServer| {
        let report = report(server, "/v1/reports/incomplete").await;
        let rows = report["enrollments"].as_array().unwrap().clone();
        let mut causes: Vec<_> = rows.iter().map(|row| text(&row["incomplete"])).collect();
        causes.sort();
        causes
    };
    assert_eq!(causes(&server).await, ["closed", "stopped"]);
    assert_eq!(tiles(&server).await, json!([1, 1, 0, 1]));
    server.clock.advance(Duration::from_secs(2 * 60));
    let server = server.restart(|_| {}).await;
    eventually("the idle one", async || causes(&server).await.len() == 3).await;
    assert_eq!(causes(&server).await, ["closed", "idle", "stopped"]);
    let failures = report(&server, "/v1/reports/failures?code=enrollment_timed_out").await;
    assert_eq!(
        failures["failures"][0]["device"]["serial"],
        json!(idle.hardware.serial_number)
    );

    // G11
    let all = report(&server, "/v1/reports/incomplete").await;
    assert_eq!(all["days"], 14);
    assert_eq!(all["daily"].as_array().unwrap().len(), 14);
    assert_eq!(all["initiated"], 4);
    assert_eq!(all["incomplete"], 3);
    assert_eq!(all["incomplete_rate"], 75.0);
    let screens: u64 = all["daily"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| day["platform_screens"].as_u64().unwrap())
        .sum();
    assert_eq!(screens, 3);
    let month = report(&server, "/v1/reports/incomplete?days=30").await;
    assert_eq!(month["daily"].as_array().unwrap().len(), 30);
    let macs = report(&server, "/v1/reports/incomplete?platform=macos").await;
    assert_eq!((&macs["initiated"], &macs["incomplete"]), (&json!(1), &json!(1)));
    let none = report(&server, "/v1/reports/incomplete?section=activation").await;
    assert_eq!(
        (&none["incomplete"], &none["enrollments"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test]
async fn g11_a_report_over_more_than_thirty_days_is_refused() {
    let server = TestServer::start().await;
    for path in ["/v1/reports/incomplete?days=31", "/v1/reports/incomplete?days=0"] {
        assert_eq!(server.refusal(Method::GET, path, Vec::new()).await, 422, "{path}");
    }
    for path in [
        "/v1/reports/incomplete?section=nowhere",
        "/v1/reports/failures?platform=windows",
        "/v1/reports/active?method=autopilot",
        "/v1/reports/overview?format=xml",
    ] {
        assert_eq!(server.refusal(Method::GET, path, Vec::new()).await, 400, "{path}");
    }
}

/// Whoever asks for profiles in the names of many devices fills nothing.
#[tokio::test]
async fn k_a4_a_stranger_at_the_open_door_begins_few_attempts() {
    let server = TestServer::start().await;
    let device = server.device(Kind::IPhone);
    for number in 0..30 {
        let url = format!("{}?serial=STRANGER{number}", server.enroll_url());
        let mut asking = server.twin(&device);
        asking.fetch_profile(&url).await.unwrap();
    }
    let active = report(&server, "/v1/reports/active").await;
    assert_eq!(active["enrollments"].as_array().unwrap().len(), 20);
}

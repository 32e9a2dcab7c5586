//! Enrollment of every kind of device, in every form of the connection, and what the profile says.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{
    Channel, Endpoint, HttpVersion, Kind, Present, Problem, Step,
    profile::{EnrollmentProfile, Profile},
};
use serde_json::json;

use crate::support::{
    TestServer, fingerprint, manual_clock,
    messages::{self, REPORT},
    scep_payload,
};

#[tokio::test]
async fn every_kind_of_device_enrolls() {
    let server = TestServer::start().await;
    for kind in Kind::ALL {
        let mut device = server.device(kind);
        let enrolled = device.enroll(&server.enroll_url()).await.unwrap();
        assert!(enrolled.verified, "the profile is signed by somebody it trusts");

        let shown = server.enrollment(&device.hardware.udid).await;
        assert_eq!(shown["type"], "Device", "{kind:?}");
        assert_eq!(shown["state"], "enrolled");
        assert_eq!(shown["token_update_tally"], 1);
        assert_eq!(shown["device"]["serial"], *device.hardware.serial_number);
        assert_eq!(shown["device"]["product_name"], *device.hardware.product_name);
        assert_eq!(
            shown["identity"]["fingerprint"],
            *fingerprint(device.identity().unwrap())
        );
        assert_eq!(shown["unlock_token_escrowed"], kind != Kind::Mac);
        assert_eq!(device.connect().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_mac_enrolls_with_its_user() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await;
    let user = mac.enrollment_id(&Channel::User("ada".into()));
    assert_eq!(
        user,
        format!("{}:{}", mac.hardware.udid, mac.state.users[0].user_id)
    );
    let shown = server.enrollment(&user).await;
    assert_eq!(shown["type"], "User");
    assert_eq!(shown["state"], "enrolled");
    assert_eq!(shown["user"]["short_name"], "ada");
    assert_eq!(
        shown["device"]["serial"], *mac.hardware.serial_number,
        "its device's"
    );
}

#[tokio::test]
async fn u4_a_user_enrollment_has_an_id_of_its_own_and_leaves_no_trace_to_the_next() {
    let server = TestServer::start().await;
    let mut phone = server.device(Kind::IPhone);
    phone.options.user_enrollment = true;
    phone.enroll(&server.enroll_url()).await.unwrap();
    let first = phone.enrollment_id(&Channel::Device);
    let shown = server.enrollment(&first).await;
    assert_eq!(shown["type"], "User Enrollment (Device)");
    assert_eq!(shown["state"], "enrolled");
    assert!(shown["device"]["udid"].is_null() && shown["device"]["serial"].is_null());
    assert!(!server.knows(&phone.hardware.udid).await);
    server.enqueue(&first, "SecurityInfo").await;
    assert_eq!(phone.connect().await.unwrap().len(), 1);

    phone.check_out().await.unwrap();
    phone.enroll(&server.enroll_url()).await.unwrap();
    assert_ne!(phone.enrollment_id(&Channel::Device), first);
    assert_eq!(server.enrollment(&first).await["state"], "checked_out");
}

#[tokio::test]
async fn a_macs_user_enrollment_has_a_user_channel() {
    let server = TestServer::start().await;
    let mut mac = server.device(Kind::Mac);
    mac.options.user_enrollment = true;
    mac.enroll(&server.enroll_url()).await.unwrap();
    let ids = (
        mac.state.enrollment_id.clone().unwrap(),
        mac.state.enrollment_user_id.clone().unwrap(),
    );
    let shown = server.enrollment(&format!("{}:{}", ids.0, ids.1)).await;
    assert_eq!(shown["type"], "User Enrollment");
    assert_eq!(shown["state"], "enrolled");
}

#[tokio::test]
async fn the_users_of_a_shared_ipad_are_told_apart_by_their_short_names() {
    let server = TestServer::start().await;
    let mut ipad = server.device(Kind::IPad);
    ipad.options.shared_ipad = true;
    ipad.enroll(&server.enroll_url()).await.unwrap();
    let users = ["ada@example.com", "grace@example.com"].map(|name| ipad.add_user(name, "A user"));
    for user in &users {
        ipad.user_token_update(user).await.unwrap();
    }
    let [ada, grace] = users.clone().map(|user| ipad.enrollment_id(&user));
    assert_eq!(ada, format!("{}:ada@example.com", ipad.hardware.udid));
    for id in [&ada, &grace] {
        assert_eq!(server.enrollment(id).await["type"], "Shared iPad");
    }
    let command = server.enqueue(&grace, "SecurityInfo").await;
    assert_eq!(ipad.connect_on(&users[0]).await.unwrap().len(), 0);
    assert_eq!(ipad.connect_on(&users[1]).await.unwrap()[0].command_uuid, command);
}

#[tokio::test]
async fn devices_speak_http_1_and_http_2() {
    let server = TestServer::start().await;
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Either] {
        let mut device = server.device(Kind::IPhone);
        device.client = server.client().version(version);
        device.enroll(&server.enroll_url()).await.unwrap();
        server.enqueue(&device.hardware.udid, "SecurityInfo").await;
        assert_eq!(device.connect().await.unwrap().len(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_device_may_prove_itself_by_signature_alone() {
    let server = TestServer::with(|config| config.enroll.sign_message = true).await;
    let mut mac = server.device(Kind::Mac);
    mac.options.present = Present::Signature;
    mac.enroll(&server.enroll_url()).await.unwrap();
    assert!(mac.enrollment().unwrap().mdm.sign_message);
    assert!(mac.credentials().tls.is_none());
    server.enqueue(&mac.hardware.udid, "SecurityInfo").await;
    assert_eq!(mac.connect().await.unwrap().len(), 1);
    assert_eq!(server.enrollment(&mac.hardware.udid).await["state"], "enrolled");
}

#[tokio::test]
async fn check_ins_can_have_a_url_of_their_own() {
    let server = TestServer::with(|config| config.enroll.split_check_in = true).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let mdm = phone.enrollment().unwrap().mdm.clone();
    assert_eq!(mdm.check_in_url, format!("{}/checkin", server.url));
    assert_eq!(mdm.server_url, format!("{}/mdm", server.url));
    server.enqueue(&phone.hardware.udid, "SecurityInfo").await;
    assert_eq!(phone.connect().await.unwrap().len(), 1);

    let report = messages::idle(&phone, &Channel::Device).body();
    let misled = phone
        .request_raw(Endpoint::CheckIn, Some(REPORT), report, None)
        .await;
    assert_eq!(misled.unwrap().status, 400, "a report is no check-in");
}

#[tokio::test]
async fn p8_the_profile_says_what_a_device_needs() {
    let server = TestServer::start().await;
    let mut device = server.device(Kind::IPad);
    let raw = device.fetch_profile(&server.enroll_url()).await.unwrap();
    let profile = EnrollmentProfile::parse(&raw).unwrap();
    let certificates = server.ask(Method::GET, "/v1/pushcerts", Vec::new()).await;
    assert_eq!(
        profile.mdm.topic,
        certificates["push_certificates"][0]["topic"].as_str().unwrap()
    );
    assert_eq!(profile.mdm.server_url, format!("{}/mdm", server.url));
    assert_eq!(profile.mdm.access_rights, Some(8191));
    assert!(profile.mdm.check_out_when_removed && !profile.mdm.sign_message);
    for capability in ["per-user-connections", "bootstraptoken", "token"] {
        assert!(profile.mdm.offers(capability), "{capability}");
    }
    let scep = scep_payload(&raw);
    assert_eq!(
        (scep.url, scep.key_size, scep.key_usage),
        (format!("{}/scep", server.url), 2048, 5)
    );
    assert!(scep.ca_fingerprint.is_some());

    let again = device.fetch_profile(&server.enroll_url()).await.unwrap();
    assert_ne!(scep.challenge, scep_payload(&again).challenge);
    let mut forged = raw.clone();
    let at = raw
        .windows(8)
        .position(|text| text == b"SCEP</st")
        .unwrap_or(raw.len() / 3);
    forged[at] ^= 1;
    assert!(Profile::parse(&forged).is_err(), "the signature covers it");
}

#[tokio::test]
async fn the_profile_is_not_kept_by_caches() {
    let server = TestServer::start().await;
    let response = server
        .request(Method::GET, &server.enroll_url(), "*/*", None)
        .await;
    assert_eq!(response.media_type(), "application/x-apple-aspen-config");
    assert_eq!(response.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn query_parameters_of_the_address_come_back_with_every_request() {
    let server = TestServer::start().await;
    let mut phone = server.device(Kind::IPhone);
    let url = format!("{}?site=Z%C3%BCrich&area=1%262&download=1", server.enroll_url());
    phone.enroll(&url).await.unwrap();
    let shown = server.enrollment(&phone.hardware.udid).await;
    assert_eq!(
        shown["url_params"],
        json!({ "area": "1&2", "site": "Zürich" }),
        "all but our own"
    );
}

#[tokio::test]
async fn a_profile_made_for_a_device_enrolls_no_other() {
    let server = TestServer::start().await;
    let (mut own, mut other) = (server.device(Kind::Mac), server.device(Kind::Mac));
    let error = other
        .enroll(&own.bound_url(&server.enroll_url()))
        .await
        .unwrap_err();
    assert_eq!((error.step, error.status()), (Step::Authenticate, Some(403)));
    assert!(!server.knows(&other.hardware.udid).await);
    own.enroll(&own.bound_url(&server.enroll_url())).await.unwrap();
    assert!(own.is_enrolled());
}

#[tokio::test]
async fn m12_a_challenge_works_for_fifteen_minutes() {
    let server = TestServer::at(manual_clock(Duration::from_secs(3600)), |_| {}).await;
    for (seconds, works) in [(14 * 60 + 59, true), (15 * 60 + 1, false)] {
        let mut device = server.device(Kind::IPhone);
        let profile = device.fetch_profile(&server.enroll_url()).await.unwrap();
        server.clock.advance(Duration::from_secs(seconds));
        match device.enroll_with(&profile).await {
            Ok(_) => assert!(works, "it was taken after {seconds} seconds"),
            Err(error) => {
                assert!(!works, "it was refused after {seconds} seconds: {error}");
                let text = error.to_string();
                assert!(matches!(error.problem, Problem::ScepFailure { .. }));
                assert!(text.contains("download a new profile"), "{text}");
            }
        }
        assert_eq!(server.knows(&device.hardware.udid).await, works);
    }
}

#[tokio::test]
async fn p9_without_a_push_certificate_nobody_enrolls_and_everybody_is_told_why() {
    let server = TestServer::with(|config| config.dev.enabled = false).await;
    for accept in ["*/*", "text/html"] {
        let response = server
            .request(Method::GET, &server.enroll_url(), accept, None)
            .await;
        assert_eq!(response.status, 503, "{accept}");
        assert!(response.headers.contains_key("retry-after"));
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(text.contains("push certificate"), "{text}");
    }
}

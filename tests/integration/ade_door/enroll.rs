//! Devices of ours get in, once or again.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Channel, Kind, Request, encode::base64, encode::url_escape, profile::EnrollmentProfile};
use serde_json::json;

use super::{Estate, post};
use crate::support::{fingerprint, messages, messages::over_tls, scep_payload, shared_key};

#[tokio::test]
async fn a_device_of_ours_enrolls_out_of_its_box() {
    let estate = Estate::start().await;
    for kind in Kind::ALL {
        let settings = json!({ "platform": "ios", "await_configuration": false });
        let mut boxed = estate.device(kind, Some(settings)).await;
        boxed.boot(&estate.url()).await.expect("it enrolls");
        let shown = estate.enrollment(&boxed.device).await;
        assert_eq!(shown["state"], "enrolled");
        assert_eq!(shown["ade"]["token"], json!(estate.token.number));
        assert!(shown["ade"]["profile_uuid"].is_string());
        assert_eq!(shown["ade"]["user"], json!(null));
        let profile = boxed.device.enrollment().unwrap();
        assert!(!profile.raw.is_empty());
    }
}

/// E21: whoever was given this address by Apple is let in, though we do not know by which profile.
#[tokio::test]
async fn e21_a_device_without_a_profile_that_we_know_is_served_and_an_unknown_one_is_not() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::IPhone, None).await;
    boxed.boot(&estate.url()).await.expect("it enrolls");
    let stranger = super::Boxed::new(estate.server.device(Kind::IPhone));
    let refused = post(&estate.server, &estate.url(), stranger.message()).await;
    assert_eq!(
        (refused.status, super::code(&refused).as_str()),
        (403, "unassigned")
    );
}

#[tokio::test]
async fn the_message_may_come_as_a_body_a_header_or_a_query() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPad, None).await;
    let (url, message) = (estate.url(), base64(&boxed.message()));
    let header = |request: Request| request.header("x-apple-aspen-deviceinfo", &message).unwrap();
    let query = format!("{url}?deviceinfo={}", url_escape(&message));
    // As Macs escape: only the padding.
    let loose = format!("{url}?deviceinfo={}", message.replace('=', "%3D"));
    for request in [
        header(Request::new(Method::GET, &url)),
        header(Request::new(Method::POST, &url)),
        Request::new(Method::GET, &query),
        Request::new(Method::GET, &loose),
        Request::new(Method::POST, &url).body(boxed.message()),
    ] {
        let answer = estate.server.client().send(request.clone(), None).await.unwrap();
        assert_eq!(answer.status, 200, "{} {}", request.method, request.url);
        assert_eq!(answer.media_type(), "application/x-apple-aspen-config");
        assert_eq!(answer.body[0], 0x30, "it is signed");
        EnrollmentProfile::parse(&answer.body).unwrap();
    }
}

/// The profile's challenge is good for this device alone.
#[tokio::test]
async fn a_profile_of_the_door_is_of_no_use_to_another_device() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let mut thief = estate.server.device(Kind::IPhone);
    let profile = boxed.fetch(&estate.url()).await;
    assert_eq!(thief.enroll_with(&profile).await.unwrap_err().status(), Some(403));
    assert!(!estate.server.knows(&thief.hardware.udid).await);
}

/// M12: a challenge lives for 15 minutes, and its refusal says what to do.
#[tokio::test]
async fn m12_the_identity_has_to_be_asked_for_within_fifteen_minutes() {
    let estate = Estate::start().await;
    for (minutes, taken) in [(14, true), (16, false)] {
        let mut boxed = estate.device(Kind::IPhone, None).await;
        let profile = boxed.fetch(&estate.url()).await;
        estate.server.clock.advance(Duration::from_secs(minutes * 60));
        let enrolled = boxed.device.enroll_with(&profile).await;
        assert_eq!(enrolled.is_ok(), taken, "after {minutes} minutes: {enrolled:?}");
        if let Err(error) = enrolled {
            let text = format!("{error} {error:?}");
            assert!(
                text.contains("download a new profile") && text.contains("reset"),
                "{text}"
            );
        }
    }
}

/// A device that repeats its request with the same profile gets the same certificate.
#[tokio::test]
async fn a_repeated_scep_request_within_the_session_works() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let profile = boxed.fetch(&estate.url()).await;
    let (payload, key) = (scep_payload(&profile), shared_key());
    let ask = async || {
        let options = russet_sim::scep::ScepOptions::default();
        let mut client = estate.server.client();
        russet_sim::scep::enrol(&mut client, &payload, &key, &options, None)
            .await
            .unwrap()
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!(fingerprint(&first), fingerprint(&second));
}

/// M13: erased and out of its box again: one record, an empty queue, and the old identity opens nothing.
#[tokio::test]
async fn m13_an_erased_device_comes_back_as_the_same_one() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::IPhone, None).await;
    boxed.boot(&estate.url()).await.unwrap();
    let old = boxed.device.identity().unwrap().clone();
    let udid = boxed.device.hardware.udid.clone();
    estate.server.enqueue(&udid, "EraseDevice").await;
    boxed.device.connect().await.unwrap();
    assert!(!boxed.device.is_enrolled());
    estate.server.enqueue(&udid, "SecurityInfo").await;

    // Activated anew: another built-in identity.
    let mut boxed = super::Boxed::new(boxed.device);
    estate.server.clock.advance(Duration::from_secs(3600));
    boxed.boot(&estate.url()).await.unwrap();
    let path = format!("/v1/enrollments?serial={}", boxed.device.hardware.serial_number);
    let listed = estate.server.ask(Method::GET, &path, Vec::new()).await;
    assert_eq!(listed["enrollments"].as_array().unwrap().len(), 1);
    assert_eq!(estate.server.queue(&udid).await, [""; 0]);
    let idle = messages::idle(&boxed.device, &Channel::Device);
    let refused = idle.send_as(&mut boxed.device, &over_tls(&old)).await;
    assert_eq!(refused.status, 403);
    boxed.device.connect().await.unwrap();
}

/// M14: `profiles renew -type enrollment` on a Mac that was never erased, with the very same message.
#[tokio::test]
async fn m14_a_mac_enrolls_again_without_being_erased() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::Mac, None).await;
    boxed.boot(&estate.url()).await.unwrap();
    let before = estate.enrollment(&boxed.device).await;
    estate.server.clock.advance(Duration::from_secs(86_400));
    boxed.boot(&estate.url()).await.unwrap();
    let after = estate.enrollment(&boxed.device).await;
    assert_ne!(before["identity"], after["identity"]);
    assert_eq!(after["state"], "enrolled");
}

/// M15: what a device under foreign management makes of our profile is its own refusal; nothing remains of it here.
#[tokio::test]
async fn m15_a_device_that_does_not_install_the_profile_leaves_no_enrollment() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::IPhone, None).await;
    boxed.fetch(&estate.url()).await;
    assert!(!estate.server.knows(&boxed.device.hardware.udid).await);
    assert!(estate.refusal(&boxed.device).await.is_null());
    boxed
        .boot(&estate.url())
        .await
        .expect("once it has left the other server");
}

/// E5: since iOS 13 a device is supervised, whatever its profile says.
#[tokio::test]
async fn e5_the_record_says_supervised_since_ios_13() {
    let estate = Estate::start().await;
    for (os, build, supervised) in [("18.1", "22B83", true), ("12.5", "16H5", false)] {
        let settings = json!({ "platform": "ios", "supervised": false, "await_configuration": false });
        let mut boxed = estate.device(Kind::IPhone, Some(settings)).await;
        boxed.device.hardware.os_version = os.into();
        boxed.device.hardware.build_version = build.into();
        boxed.boot(&estate.url()).await.unwrap();
        let shown = estate.enrollment(&boxed.device).await;
        assert_eq!(shown["ade"]["supervised"], json!(supervised), "{os}");
    }
}

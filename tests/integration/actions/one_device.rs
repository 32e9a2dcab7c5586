//! Each verb on one device: the device does it, or the operator is told at once why it can't.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet::{
    protocol::{ids::EnrollmentId, ids::Fingerprint, time::Timestamp},
    storage::{AdeEnrollment, Change, Ruling, Situation},
};
use russet_sim::{Channel, Kind};
use serde_json::json;

use super::{act, act_as, obeys, operator, profile, refusal, supervised};
use crate::support::TestServer;

#[tokio::test]
async fn a_supervised_iphone_obeys_each_verb() {
    let server = TestServer::start().await;
    let mut phone = supervised(&server, Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    act(
        &server,
        &id,
        "lock",
        json!({ "message": "Return me", "phone_number": "112" }),
    )
    .await;
    obeys(&mut phone, &["DeviceLock"]).await;
    let lock = phone.state.locked.clone().unwrap();
    assert_eq!((lock.message.as_deref(), lock.pin), (Some("Return me"), None));

    act(&server, &id, "clear-passcode", json!({})).await;
    obeys(&mut phone, &["ClearPasscode"]).await;
    assert_eq!(phone.state.locked, None);

    act(
        &server,
        &id,
        "lost-mode-on",
        json!({ "message": "Lost", "footnote": "Call" }),
    )
    .await;
    act(&server, &id, "locate", json!({})).await;
    act(&server, &id, "play-sound", json!({})).await;
    obeys(
        &mut phone,
        &["EnableLostMode", "DeviceLocation", "PlayLostModeSound"],
    )
    .await;
    let lost = phone.state.lost_mode.clone().unwrap();
    assert_eq!(
        (lost.message.as_deref(), lost.footnote.as_deref(), lost.sounds),
        (Some("Lost"), Some("Call"), 1)
    );
    act(&server, &id, "lost-mode-off", json!({})).await;
    obeys(&mut phone, &["DisableLostMode"]).await;
    assert_eq!(phone.state.lost_mode, None);

    act(&server, &id, "rename", json!({ "name": "Lectern" })).await;
    act(&server, &id, "restart", json!({})).await;
    obeys(&mut phone, &["Settings", "RestartDevice"]).await;
    assert_eq!(
        (phone.state.device_name.as_str(), phone.state.restarts),
        ("Lectern", 1)
    );
    act(&server, &id, "shutdown", json!({})).await;
    obeys(&mut phone, &["ShutDownDevice"]).await;
    assert_eq!(phone.state.shut_downs, 1);

    let wifi = profile("com.apple.wifi.managed", "");
    act(
        &server,
        &id,
        "install-profile",
        json!({ "mobileconfig": STANDARD.encode(&wifi) }),
    )
    .await;
    act(&server, &id, "list-profiles", json!({})).await;
    obeys(&mut phone, &["InstallProfile", "ProfileList"]).await;
    assert_eq!(phone.state.profiles[0].raw, wifi);
    act(
        &server,
        &id,
        "remove-profile",
        json!({ "identifier": "org.example.profile" }),
    )
    .await;
    obeys(&mut phone, &["RemoveProfile"]).await;
    assert!(phone.state.profiles.is_empty());

    act(
        &server,
        &id,
        "install-app",
        json!({ "store_id": 361309726, "licensed": true }),
    )
    .await;
    obeys(&mut phone, &["InstallApplication"]).await;
    assert!(phone.state.managed_apps.contains("com.example.app361309726"));
}

#[tokio::test]
async fn a_refresh_asks_for_everything_at_once() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let id = mac.hardware.udid.clone();
    let answer = act(&server, &id, "refresh", json!({})).await;
    let uuids: Vec<_> = answer["commands"].as_array().unwrap().iter().collect();
    assert_eq!(uuids.len(), 5);
    let expected = [
        "DeviceInformation",
        "SecurityInfo",
        "ProfileList",
        "InstalledApplicationList",
        "CertificateList",
    ];
    obeys(&mut mac, &expected).await;
    let uuid = uuids[0]["command_uuid"].as_str().unwrap();
    assert_eq!(server.command_state(uuid, &id).await, "acknowledged");
}

#[tokio::test]
async fn a_retired_device_leaves_and_its_record_stays_until_it_is_deleted() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    assert_eq!(
        refusal(&server, &id, "delete", json!({})).await,
        (409, "enrollment_active".into())
    );
    act(&server, &id, "retire", json!({})).await;
    phone.connect().await.unwrap();
    assert!(!phone.is_enrolled());
    assert_eq!(server.enrollment(&id).await["state"], "checked_out");
    assert_eq!(
        refusal(&server, &id, "lock", json!({})).await,
        (409, "enrollment_left".into())
    );
    act(&server, &id, "delete", json!({})).await;
    assert!(!server.knows(&id).await);
    assert_eq!(
        refusal(&server, &id, "delete", json!({})).await,
        (404, "enrollment_unknown".into())
    );
}

#[tokio::test]
async fn an_enrolled_device_that_is_deleted_has_to_enroll_again() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    act(&server, &id, "delete", json!({ "force": true })).await;
    assert!(!server.knows(&id).await);
    assert!(phone.connect().await.is_err());
    assert!(phone.is_enrolled(), "it was not told to leave");
    phone.enroll(&server.enroll_url()).await.unwrap();
    assert_eq!(server.enrollment(&id).await["state"], "enrolled");
}

#[tokio::test]
async fn what_a_device_can_not_do_is_refused_before_it_is_queued() {
    let server = TestServer::start().await;
    let (mac, tv) = (
        server.enrolled(Kind::Mac).await,
        server.enrolled(Kind::AppleTV).await,
    );
    let (mac_id, tv_id) = (mac.hardware.udid.clone(), tv.hardware.udid.clone());
    let phone = server.enrolled(Kind::IPhone).await;
    let phone_id = phone.hardware.udid.clone();
    for (id, verb, parameters, expected) in [
        (&mac_id, "locate", json!({}), (409, "action_unsupported")),
        (&mac_id, "clear-passcode", json!({}), (409, "action_unsupported")),
        (&mac_id, "log-out", json!({}), (409, "action_unsupported")),
        (
            &mac_id,
            "wipe",
            json!({ "return_to_service": {} }),
            (409, "action_unsupported"),
        ),
        (
            &mac_id,
            "wipe",
            json!({ "preserve_data_plan": true }),
            (422, "field_invalid"),
        ),
        (&tv_id, "lock", json!({}), (409, "action_unsupported")),
        (
            &phone_id,
            "lock",
            json!({ "pin": "123456" }),
            (422, "field_invalid"),
        ),
        (&phone_id, "log-out", json!({}), (409, "action_unsupported")),
        (
            &phone_id,
            "restart",
            json!({ "notify_user": true }),
            (422, "field_invalid"),
        ),
        (&phone_id, "release", json!({}), (409, "not_held")),
        (&phone_id, "rename", json!({ "name": "" }), (422, "field_invalid")),
        (&phone_id, "rename", json!({}), (400, "bad_body")),
        (&phone_id, "lock", json!({ "colour": "red" }), (400, "bad_body")),
    ] {
        let refused = refusal(&server, id, verb, parameters.clone()).await;
        assert_eq!(
            refused,
            (expected.0, expected.1.to_owned()),
            "{verb} {parameters}"
        );
    }
    let mac_user = mac.enrollment_id(&Channel::User("ada".into()));
    assert_eq!(
        refusal(&server, &mac_user, "lock", json!({})).await,
        (409, "action_unsupported".into())
    );
    for id in [mac_id, tv_id, phone_id] {
        assert_eq!(server.queue(&id).await, [""; 0]);
    }
}

#[tokio::test]
async fn u7_what_needs_supervision_is_refused_where_there_is_none() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let unsupervised = |situation: &Situation| {
        let mut record = situation.enrollment.clone().unwrap();
        record.ade = Some(AdeEnrollment {
            token: 1,
            profile_uuid: None,
            user: None,
            supervised: false,
            machine_info: Fingerprint::new([0; 32]),
            at: Timestamp::from_seconds(0),
        });
        Ruling::Write(Box::new(Change::of(record)))
    };
    server
        .store
        .check_in(&EnrollmentId::new(&id), None, Box::new(unsupervised))
        .await
        .unwrap();
    for (verb, parameters) in [
        ("lost-mode-on", json!({ "message": "Lost" })),
        ("locate", json!({})),
        ("restart", json!({})),
        ("shutdown", json!({})),
        ("bypass-code", json!({})),
        ("rename", json!({ "name": "Lectern" })),
    ] {
        assert_eq!(
            refusal(&server, &id, verb, parameters).await,
            (409, "supervision_needed".into()),
            "{verb}"
        );
    }
    assert_eq!(server.queue(&id).await, [""; 0]);
}

#[tokio::test]
async fn profiles_are_looked_at_before_they_are_queued() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let signed = phone.enrollment().unwrap().raw.clone();
    for bytes in [
        b"<html>".to_vec(),
        profile("com.apple.mdm", ""),
        signed,
        vec![0x30, 0x03, 1, 2, 3],
    ] {
        let parameters = json!({ "mobileconfig": STANDARD.encode(bytes) });
        let (status, code, problem) = act_as(&server.operator, &id, "install-profile", parameters)
            .await
            .unwrap_err();
        assert_eq!((status, code.as_str()), (422, "profile_refused"));
        assert_eq!(problem["fields"][0]["fields"][0], "mobileconfig");
    }
    assert_eq!(server.queue(&id).await, [""; 0]);
}

#[tokio::test]
async fn each_verb_asks_for_its_scope() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let helpdesk = operator(&server, "helpdesk", &["read", "support"]).await;
    let viewer = operator(&server, "viewer", &["read"]).await;
    let commander = operator(&server, "commander", &["command"]).await;
    for (verb, parameters, for_helpdesk) in [
        ("lock", json!({}), true),
        ("refresh", json!({}), true),
        ("rename", json!({ "name": "Lectern" }), true),
        ("wipe", json!({}), false),
        ("retire", json!({}), false),
        ("delete", json!({ "force": true }), false),
        ("clear-passcode", json!({}), false),
        ("remove-profile", json!({ "identifier": "x" }), false),
    ] {
        let forbidden = act_as(&viewer, &id, verb, parameters.clone()).await.unwrap_err();
        assert_eq!((forbidden.0, forbidden.1.as_str()), (403, "key_scope"), "{verb}");
        let asked = act_as(&helpdesk, &id, verb, parameters).await;
        assert_eq!(asked.is_ok(), for_helpdesk, "{verb}: {asked:?}");
    }
    act_as(&commander, &id, "lock", json!({})).await.unwrap();
    let path = format!("/v1/enrollments/{id}/reveal/unlock-token");
    for operator in [&helpdesk, &viewer, &commander] {
        let forbidden = super::post(operator, &path, json!({})).await.unwrap_err();
        assert_eq!(forbidden.0, 403);
    }
    server.ask(Method::POST, &path, Vec::new()).await;
}

//! Defining, assigning and removing profiles; what activating devices see of it.

use hyper::Method;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn each_fault_of_a_profile_has_its_word() {
    let (_abm, _, mut dep) = stocked(0).await;
    let long = |length| "a".repeat(length);
    let right = json!({ "profile_name": "p", "url": "https://mdm.example.com/ade" });
    for (key, value, word) in [
        ("url", Value::Null, "CONFIG_URL_REQUIRED"),
        ("url", "".into(), "CONFIG_URL_REQUIRED"),
        ("url", "mdm".into(), "CONFIG_URL_INVALID"),
        (
            "url",
            format!("https://a/{}", long(2000)).into(),
            "CONFIG_URL_INVALID",
        ),
        ("profile_name", Value::Null, "CONFIG_NAME_REQUIRED"),
        ("profile_name", long(126).into(), "CONFIG_NAME_INVALID"),
        ("department", long(126).into(), "DEPARTMENT_INVALID"),
        ("support_phone_number", long(51).into(), "SUPPORT_PHONE_INVALID"),
        ("support_email_address", long(251).into(), "SUPPORT_EMAIL_INVALID"),
        ("org_magic", long(257).into(), "MAGIC_INVALID"),
        ("is_mdm_removable", false.into(), "FLAGS_INVALID"),
        ("language", "English".into(), "LOCALE_INVALID"),
        ("region", "us".into(), "LOCALE_INVALID"),
        ("is_supervised", "yes".into(), "MALFORMED_REQUEST_BODY"),
        ("skip_setup_items", json!([1]), "MALFORMED_REQUEST_BODY"),
    ] {
        let mut profile = right.clone();
        profile[key] = value;
        assert_eq!(
            dep.post("/profile", profile).await.refusal(),
            (400, word.into()),
            "{key}"
        );
    }
    dep.post("/profile", right).await.json();
}

#[tokio::test]
async fn a_profile_is_shown_as_it_was_defined_to_its_own_server_only() {
    let (abm, bought, mut dep) = stocked(1).await;
    let profile = json!({
        "profile_name": "p", "url": "https://mdm.example.com/ade", "is_supervised": true,
        "is_mdm_removable": false, "skip_setup_items": ["Siri"], "await_device_configured": true,
        "devices": [bought[0], "UNKNOWN"],
    });
    let answer = dep.post("/profile", profile.clone()).await.json();
    assert_eq!(
        answer["devices"],
        json!({ &*bought[0]: "SUCCESS", "UNKNOWN": "NOT_ACCESSIBLE" })
    );
    let uuid = answer["profile_uuid"].as_str().unwrap();
    assert!(uuid.len() == 32 && abm.portal().profiles("hq").unwrap() == [uuid]);
    assert_eq!(Value::Object(abm.portal().profile(uuid).unwrap()), profile);
    let path = format!("/profile?profile_uuid={uuid}");
    let shown = dep.get(&path).await.json();
    assert_eq!(
        (&shown["skip_setup_items"], &shown["profile_uuid"]),
        (&json!(["Siri"]), &json!(uuid))
    );
    assert_eq!(
        dep.get("/profile").await.refusal(),
        (400, "PROFILE_UUID_REQUIRED".into())
    );
    abm.portal().add_bare_server("other").unwrap();
    let mut other = Dep::of(&abm, "other");
    assert_eq!(other.get(&path).await.refusal(), (400, "NOT_FOUND".into()));
}

#[tokio::test]
async fn profiles_are_assigned_by_post_and_put_and_change_a_devices_status() {
    let (abm, bought, mut dep) = stocked(3).await;
    let (_, cursor) = dep.fetch(100).await;
    let uuid = dep.define().await;
    let body = |serial: &str| json!({ "profile_uuid": uuid, "devices": [serial, "UNKNOWN"] });
    for (method, serial) in [(Method::POST, &bought[0]), (Method::PUT, &bought[1])] {
        let answer = dep.ask(method, "/profile/devices", body(serial)).await.json();
        assert_eq!(
            answer["devices"],
            json!({ &**serial: "SUCCESS", "UNKNOWN": "NOT_ACCESSIBLE" })
        );
        assert_eq!(answer["profile_uuid"], uuid);
    }
    let status = |serial: &str| abm.portal().device(serial).unwrap()["profile_status"].clone();
    assert_eq!(
        (status(&bought[0]), status(&bought[2])),
        ("assigned".into(), "empty".into())
    );
    let (changes, cursor) = dep.sync(&cursor, 100).await;
    assert_eq!(serials(&changes), bought[..2]);
    assert_eq!(
        (&changes[0]["op_type"], &changes[0]["profile_uuid"]),
        (&json!("modified"), &json!(uuid))
    );
    // Once more changes nothing.
    dep.assign(&uuid, &bought[..2]).await;
    let (changes, cursor) = dep.sync(&cursor, 100).await;
    assert!(changes.is_empty());

    let activation = abm.lookup().activate(&bought[0]).await.unwrap();
    let Activation::Managed(managed) = activation else {
        panic!("the device is a consumer's");
    };
    assert_eq!(managed.profile["profile_uuid"], uuid);
    assert_eq!(status(&bought[0]), "pushed");
    assert_eq!(
        abm.lookup().activate(&bought[2]).await.unwrap(),
        Activation::Consumer
    );
    assert_eq!(dep.sync(&cursor, 100).await.0[0]["profile_status"], "pushed");

    let body = json!({ "devices": bought });
    let answer = dep.ask(Method::DELETE, "/profile/devices", body).await.json();
    assert!(
        answer["devices"]
            .as_object()
            .unwrap()
            .values()
            .all(|s| s == "SUCCESS")
    );
    assert_eq!(
        (status(&bought[0]), status(&bought[1])),
        ("removed".into(), "empty".into())
    );
    assert_eq!(
        abm.lookup().activate(&bought[0]).await.unwrap(),
        Activation::Consumer
    );
    dep.assign(&uuid, &bought).await;
    assert_eq!(abm.portal().count_with_profile("hq", Some(&uuid)).unwrap(), 3);
}

#[tokio::test]
async fn wrong_assignments_are_refused_by_their_words() {
    let (_abm, bought, mut dep) = stocked(1).await;
    let many: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    for (body, expected) in [
        (json!({ "profile_uuid": "x" }), (400, "DEVICE_ID_REQUIRED")),
        (json!({ "devices": bought }), (400, "PROFILE_UUID_REQUIRED")),
        (
            json!({ "profile_uuid": "x", "devices": bought }),
            (404, "PROFILE_NOT_FOUND"),
        ),
        (
            json!({ "profile_uuid": "x", "devices": many }),
            (400, "DEVICE_LIMIT_EXCEEDED"),
        ),
    ] {
        let (status, word) = dep.post("/profile/devices", body).await.refusal();
        assert_eq!((status, &*word), expected);
    }
    let refusal = dep
        .ask(Method::DELETE, "/profile/devices", json!({}))
        .await
        .refusal();
    assert_eq!(refusal, (400, "DEVICE_ID_REQUIRED".into()));
}

#[tokio::test]
async fn throttled_devices_pass_when_their_time_is_over() {
    let (abm, bought, mut dep) = stocked(200).await;
    abm.set_faults(Faults::throttle(Throttle::share(0.3, 86_400)).device(&bought[0], DeviceStatus::Failed))
        .unwrap();
    let uuid = dep.define().await;
    let answer = dep.assign(&uuid, &bought).await;
    assert_eq!(answer["retry_after_seconds"], 86_400);
    assert_eq!(answer["devices"][&bought[0]], "FAILED");
    let throttled: Vec<String> = bought
        .iter()
        .filter(|s| answer["devices"][s] == "THROTTLED")
        .cloned()
        .collect();
    assert!((40..80).contains(&throttled.len()), "{}", throttled.len());
    abm.clock().advance(Duration::from_secs(3600));
    dep.session = None;
    let answer = dep.assign(&uuid, &throttled[..1]).await;
    assert_eq!(answer["retry_after_seconds"], 82_800);
    assert_eq!(abm.stats().early_assignments, 1);
    // Before version 9 there was no word for it, before version 10 no time.
    dep.version = Some("7");
    let answer = dep.assign(&uuid, &throttled[..1]).await;
    assert_eq!(
        answer,
        json!({ "profile_uuid": uuid, "devices": { &*throttled[0]: "FAILED" } })
    );
    dep.version = Some("10");
    abm.clock().advance(Duration::from_secs(82_800));
    dep.session = None;
    let answer = dep.assign(&uuid, &throttled).await;
    assert!(
        answer["devices"]
            .as_object()
            .unwrap()
            .values()
            .all(|status| status == "SUCCESS")
    );

    let repeats = Throttle {
        repeats: Some(2),
        ..Throttle::share(0.0, 60)
    };
    abm.set_faults(Faults::throttle(repeats)).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let uuid = dep.define().await;
        statuses.push(dep.assign(&uuid, &bought[..1]).await["devices"][&bought[0]].clone());
    }
    assert_eq!(statuses, ["SUCCESS", "SUCCESS", "THROTTLED"]);
}

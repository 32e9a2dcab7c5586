//! Fetch, sync, details, disown.

use hyper::Method;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_fetch_tells_every_device_once_and_then_its_cursor_is_exhausted() {
    let (abm, bought, mut dep) = stocked(250).await;
    let (devices, cursor) = dep.fetch(100).await;
    assert_eq!(serials(&devices), bought);
    assert_eq!(devices[0]["profile_status"], "empty");
    assert!(devices[0].get("op_type").is_none() && devices[0].get("profile_uuid").is_none());
    assert_eq!(devices[0]["device_assigned_date"], "2027-01-15T08:00:00Z");
    let pages: Vec<_> = abm.requests_to(Endpoint::Fetch).iter().map(|r| r.page).collect();
    assert_eq!(pages, [Some(1), Some(2), Some(3)]);
    let again = dep.post("/server/devices", json!({ "cursor": cursor })).await;
    assert_eq!(again.refusal(), (400, "EXHAUSTED_CURSOR".into()));
    let (changes, next) = dep.sync(&cursor, 100).await;
    assert!(changes.is_empty() && next != cursor);
}

#[tokio::test]
async fn limits_are_100_unless_set_and_1000_at_most() {
    let (_abm, _, mut dep) = stocked(1100).await;
    for (request, expected) in [
        (json!({}), 100),
        (json!({ "limit": 0 }), 100),
        (json!({ "limit": 7, "cursor": "" }), 7),
        (json!({ "limit": 5000, "cursor": null }), 1000),
    ] {
        let page = dep.post("/server/devices", request).await.json();
        assert_eq!(page["devices"].as_array().unwrap().len(), expected);
        assert_eq!(page["more_to_follow"], true);
    }
}

#[tokio::test]
async fn a_sync_tells_what_was_added_modified_and_deleted_in_order() {
    let (abm, bought, mut dep) = stocked(5).await;
    let (_, cursor) = dep.fetch(100).await;
    let portal = abm.portal();
    portal.add_bare_server("other").unwrap();
    portal.set_asset_tag(&bought[0], "A1").unwrap();
    portal.unassign(&bought[1..2]).unwrap();
    portal.assign("other", &bought[2..3]).unwrap();
    portal.assign("hq", &bought[1..2]).unwrap();
    portal.replace(&bought[3], "NEWSERIAL1").unwrap();
    let (changes, cursor) = dep.sync(&cursor, 2).await;
    let told: Vec<_> = changes
        .iter()
        .map(|c| {
            (
                c["serial_number"].as_str().unwrap(),
                c["op_type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (&*bought[0], "modified"),
            (&*bought[1], "deleted"),
            (&*bought[2], "deleted"),
            (&*bought[1], "added"),
            (&*bought[3], "deleted"),
            ("NEWSERIAL1", "added"),
        ]
    );
    assert_eq!(changes[0]["asset_tag"], "A1");
    assert!(changes[1]["op_date"].as_str() < changes[3]["op_date"].as_str());
    assert_eq!(changes[4]["released_by_replacement"], true);
    assert_eq!(changes[5]["is_replacement_device"], true);
    let pages: Vec<_> = abm.requests_to(Endpoint::Sync).iter().map(|r| r.page).collect();
    assert_eq!(pages, [Some(1), Some(2), Some(3)]);
    assert!(dep.sync(&cursor, 100).await.0.is_empty());

    let details = dep
        .get("/device/replacementDetails?device=NEWSERIAL1")
        .await
        .json();
    assert_eq!(details["original_device_serial_number"], bought[3]);
    assert_eq!(details["replacement_date"], "2027-01-15");
    let path = format!("/device/replacementDetails?device={}", bought[0]);
    assert_eq!(dep.get(&path).await.refusal(), (404, "DEVICE_NOT_FOUND".into()));
}

#[tokio::test]
async fn cursors_are_good_for_a_week_and_for_one_server() {
    let (abm, _, mut dep) = stocked(5).await;
    let (_, cursor) = dep.fetch(100).await;
    for (body, word) in [
        (json!({}), "CURSOR_REQUIRED"),
        (json!({ "cursor": "nonsense" }), "INVALID_CURSOR"),
        (json!({ "cursor": "A".repeat(1001) }), "INVALID_CURSOR"),
    ] {
        assert_eq!(
            dep.post("/devices/sync", body).await.refusal(),
            (400, word.into())
        );
    }
    abm.portal().add_bare_server("other").unwrap();
    let mut other = Dep::of(&abm, "other");
    for path in ["/devices/sync", "/server/devices"] {
        let refusal = other.post(path, json!({ "cursor": cursor })).await.refusal();
        assert_eq!(refusal, (400, "INVALID_CURSOR".into()));
    }
    abm.clock().advance(Duration::from_secs(7 * 86_400));
    dep.session = None;
    let (_, next) = dep.sync(&cursor, 100).await;
    abm.clock().advance(Duration::from_secs(1));
    let refusal = dep
        .post("/devices/sync", json!({ "cursor": cursor }))
        .await
        .refusal();
    assert_eq!(refusal, (400, "EXPIRED_CURSOR".into()));
    dep.sync(&next, 100).await;
}

#[tokio::test]
async fn details_tell_only_of_devices_of_this_server() {
    let (abm, bought, mut dep) = stocked(2).await;
    let stranger = abm.portal().buy(1, Mix::default()).remove(0);
    let body = json!({ "devices": [bought[0], stranger, "UNKNOWN"] });
    let answer = dep.post("/devices", body).await.json();
    assert_eq!(answer["devices"][&bought[0]]["response_status"], "SUCCESS");
    assert_eq!(answer["devices"][&bought[0]]["serial_number"], bought[0]);
    for serial in [&*stranger, "UNKNOWN"] {
        assert_eq!(
            answer["devices"][serial],
            json!({ "response_status": "NOT_ACCESSIBLE" })
        );
    }
    for body in [json!({}), json!({ "devices": [] })] {
        assert_eq!(
            dep.post("/devices", body).await.refusal(),
            (400, "DEVICE_ID_REQUIRED".into())
        );
    }
}

#[tokio::test]
async fn devices_are_disowned_only_where_that_is_allowed() {
    let (abm, bought, mut dep) = stocked(2).await;
    let body = json!({ "devices": [bought[0], "UNKNOWN"] });
    let answer = dep.post("/devices/disown", body.clone()).await.json();
    assert_eq!(
        answer["devices"],
        json!({ &*bought[0]: "FAILED", "UNKNOWN": "NOT_ACCESSIBLE" })
    );
    abm.portal().allow_disown("hq", true).unwrap();
    let answer = dep.post("/devices/disown", body).await.json();
    assert_eq!(answer["devices"][&bought[0]], "SUCCESS");
    assert_eq!(abm.portal().device(&bought[0]), None);
    assert_eq!(dep.fetch(100).await.0.len(), 1);
}

#[tokio::test]
async fn activation_lock_programs_and_discovery_answer_as_described() {
    let (abm, _, mut dep) = stocked(0).await;
    let portal = abm.portal();
    portal.add_by_hand("hq", "PHONE", Family::IPhone).unwrap();
    portal.add_by_hand("hq", "TV", Family::AppleTV).unwrap();
    for (body, expected) in [
        (
            json!({ "device": "PHONE", "escrow_key": "00ff", "lost_message": "x" }),
            "SUCCESS",
        ),
        (json!({ "device": "PHONE" }), "DEVICE_ALREADY_LOCKED"),
        (json!({ "device": "TV" }), "DEVICE_NOT_SUPPORTED"),
        (json!({ "device": "UNKNOWN" }), "NOT_ACCESSIBLE"),
    ] {
        let answer = dep.post("/device/activationlock", body).await.json();
        assert_eq!(answer["response_status"], expected);
    }
    for body in [json!({}), json!({ "device": "PHONE", "escrow_key": "no" })] {
        let refusal = dep.post("/device/activationlock", body).await.refusal();
        assert_eq!(refusal, (400, "MALFORMED_REQUEST_BODY".into()));
    }
    let tokens = dep.get("/os-beta-enrollment/tokens").await.json();
    assert_eq!(tokens["betaEnrollmentTokens"][0]["os"], "iOS");
    portal.set_organisation(Organisation {
        seed_for_it: false,
        ..Organisation::default()
    });
    let refusal = dep.get("/os-beta-enrollment/tokens").await.refusal();
    assert_eq!(refusal, (403, "APPLE_SEED_FOR_IT_TURNED_OFF".into()));

    let path = "/account-driven-enrollment/profile";
    assert_eq!(dep.get(path).await.refusal(), (404, "NOT_FOUND".into()));
    for (url, word) in [
        ("", "MDM_SERVICE_DISCOVERY_URL_REQUIRED"),
        ("http://a", "MDM_SERVICE_DISCOVERY_URL_NOT_VALID"),
    ] {
        let refusal = dep
            .post(path, json!({ "mdm_service_discovery_url": url }))
            .await
            .refusal();
        assert_eq!(refusal, (400, word.into()));
    }
    dep.post(path, json!({ "mdm_service_discovery_url": "https://a/b" }))
        .await
        .json();
    assert_eq!(
        dep.get(path).await.json()["mdm_service_discovery_url"],
        "https://a/b"
    );
    assert_eq!(dep.ask(Method::DELETE, path, json!({})).await.status, 200);
    assert_eq!(dep.ask(Method::DELETE, path, json!({})).await.status, 404);
}

//! Hold profiles through the operator's API.

use axum::http::Method;
use russet::operator::client::ClientError;
use russet_sim::{Kind, encode::base64};
use serde_json::{Value, json};

use super::*;

/// The fields that are to blame.
async fn blamed(estate: &Estate, method: Method, path: &str, body: Value) -> String {
    match estate.server.try_ask(method, path, body.to_string()).await {
        Err(ClientError::Refused { status, body, .. }) => {
            assert_eq!(status, 422, "{body}");
            body["fields"].to_string()
        }
        other => panic!("{path} was not refused: {other:?}"),
    }
}

const ALL: &str = "/v1/hold-profiles";
const ESP: &str = "/api/devices/esp-profiles";

#[tokio::test]
async fn g6_a_hold_profile_comes_back_as_it_was_given() {
    let estate = Estate::start().await;
    let given = json!({
        "name": "Executive ESP",
        "description": "For the board",
        "status": "active",
        "assigned_to": { "kind": "users", "values": ["ceo@example.com"] },
        "timeout_minutes": 90,
        "on_timeout": "keep",
        "release_on_failure": true,
        "show_error": false,
        "allow_retry": false,
        "allow_reset": true,
        "message": "Nearly there.",
        "device_phase": { "items": [profile_item("wifi"), app_item(7)], "blocking": "selected",
            "blocking_items": ["wifi"] },
    });
    let made = create(&estate, given.clone()).await;
    let path = format!("{ALL}/Executive%20ESP");
    let shown = estate.server.ask(Method::GET, &path, Vec::new()).await;
    assert_eq!(made, shown);
    for key in given
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| *key != "device_phase")
    {
        assert_eq!(shown[key], given[key], "{key}");
    }
    let item = &shown["device_phase"]["items"][0];
    assert_eq!(item["identifier"], "org.example.wifi");
    assert!(item["content"].is_null(), "it may hold passwords");
    let content = format!("{path}/contents/{}", item["content_sha256"].as_str().unwrap());
    let content = estate
        .server
        .refusal(Method::GET, &format!("{content}0"), Vec::new())
        .await;
    assert_eq!(content, 404);

    // What comes out can be sent back.
    let replaced = estate.server.ask(Method::PUT, &path, shown.to_string()).await;
    assert_eq!(replaced["device_phase"], shown["device_phase"]);
    assert_eq!(replaced["revision"], 2);
    // But not twice: somebody has changed it since.
    assert_eq!(
        estate.server.refusal(Method::PUT, &path, shown.to_string()).await,
        409
    );
    let changed = json!({ "timeout_minutes": 30, "status": "inactive" });
    let changed = estate.server.ask(Method::PATCH, &path, changed.to_string()).await;
    assert_eq!(
        (&changed["timeout_minutes"], &changed["message"]),
        (&json!(30), &json!("Nearly there."))
    );
    let names = estate.server.refusal(Method::POST, ALL, given.to_string()).await;
    assert_eq!(names, 409);
    estate
        .server
        .try_ask(Method::DELETE, &path, Vec::new())
        .await
        .unwrap();
    assert_eq!(estate.server.refusal(Method::GET, &path, Vec::new()).await, 404);
}

#[tokio::test]
async fn g6_g7_the_table_shows_what_the_profiles_say() {
    let estate = Estate::start().await;
    let app = |number: u64| json!({ "name": number.to_string(), "store_id": number });
    for (name, apps, timeout, groups, status) in [
        ("Executive ESP", 5, 90, json!(["user:ceo@example.com"]), "active"),
        ("Kiosk ESP", 2, 30, json!(["platform:tvos"]), "inactive"),
        ("Default ESP", 3, 60, json!(["All Devices"]), "active"),
    ] {
        let apps: Vec<_> = (1..=apps).map(app).collect();
        let new = json!({ "profile": name, "blocking_apps": apps, "timeout_minutes": timeout,
            "assigned_groups": groups, "status": status });
        let made = estate.server.ask(Method::POST, ESP, new.to_string()).await;
        assert_eq!(made["profile"], name);
    }
    let table = estate.server.ask(Method::GET, ESP, Vec::new()).await;
    let rows: Vec<_> = table["esp_profiles"].as_array().unwrap().iter().collect();
    let row = |row: &Value| {
        let columns = [
            "profile",
            "blocking_apps",
            "timeout_minutes",
            "assigned_groups",
            "status",
        ];
        json!(columns.map(|column| row[column].clone()))
    };
    assert_eq!(
        rows.into_iter().map(row).collect::<Vec<_>>(),
        [
            json!(["Executive ESP", 5, 90, ["user:ceo@example.com"], "active"]),
            json!(["Kiosk ESP", 2, 30, ["platform:tvos"], "inactive"]),
            json!(["Default ESP", 3, 60, ["All Devices"], "active"]),
        ]
    );
}

#[tokio::test]
async fn x3_101_items_are_too_many() {
    let estate = Estate::start().await;
    let items = |count: u64| (1..=count).map(app_item).collect::<Vec<_>>();
    let phase = |count: u64| json!({ "name": "n", "device_phase": { "items": items(count) } });
    assert!(
        blamed(&estate, Method::POST, ALL, phase(101))
            .await
            .contains("device_phase.items")
    );
    let names: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let listed = json!({ "name": "n", "device_phase": { "blocking": "selected", "blocking_items": names } });
    assert!(
        blamed(&estate, Method::POST, ALL, listed)
            .await
            .contains("device_phase.blocking_items")
    );
    create(&estate, phase(100)).await;
}

#[tokio::test]
async fn a_broken_field_is_named() {
    let estate = Estate::start().await;
    let mdm = base64(&mobileconfig("org.example.mdm", "com.apple.mdm"));
    let item = |item: Value| json!({ "name": "n", "device_phase": { "items": [item] } });
    let cases = [
        (json!({}), "name"),
        (json!({ "name": "a/b" }), "name"),
        (json!({ "name": "n", "timeout_minutes": 0 }), "timeout_minutes"),
        (json!({ "name": "n", "timeout_minutes": 1441 }), "timeout_minutes"),
        (json!({ "name": "n", "priority": 2 }), "priority"),
        (json!({ "name": "n", "message": "a\u{7}" }), "message"),
        (
            json!({ "name": "n", "assigned_to": { "kind": "ade_tokens", "values": ["nobody"] } }),
            "assigned_to.values",
        ),
        (
            json!({ "name": "n", "assigned_to": { "kind": "platforms", "values": ["android"] } }),
            "assigned_to.values",
        ),
        (
            json!({ "name": "n", "assigned_to": { "kind": "serials", "values": [] } }),
            "assigned_to.values",
        ),
        (
            item(json!({ "name": "d", "type": "declaration" })),
            "device_phase.items[0].type",
        ),
        (
            item(json!({ "name": "a", "type": "app" })),
            "device_phase.items[0]",
        ),
        (
            item(json!({ "name": "a", "type": "app", "manifest_url": "http://apps.example.com/a.plist" })),
            "device_phase.items[0].manifest_url",
        ),
        (
            item(json!({ "name": "a", "type": "app", "store_id": 1, "manifest_url": "https://a.example/" })),
            "device_phase.items[0]",
        ),
        (
            item(json!({ "name": "p", "type": "profile" })),
            "device_phase.items[0].content",
        ),
        (
            item(json!({ "name": "p", "type": "profile", "content": "%%%" })),
            "device_phase.items[0].content",
        ),
        (
            item(json!({ "name": "p", "type": "profile", "content": base64(b"hello") })),
            "device_phase.items[0].content",
        ),
        (
            item(json!({ "name": "p", "type": "profile", "content": mdm })),
            "device_phase.items[0].content",
        ),
        (
            json!({ "name": "n", "user_phase": { "items": [app_item(1)] } }),
            "user_phase.items",
        ),
    ];
    for (body, field) in cases {
        let fields = blamed(&estate, Method::POST, ALL, body.clone()).await;
        assert!(fields.contains(&format!("\"{field}\"")), "{body}: {fields}");
    }
    let listed = estate.server.ask(Method::GET, ALL, Vec::new()).await;
    assert_eq!(listed["hold_profiles"], json!([]));
}

#[tokio::test]
async fn x6_the_order_is_the_operators_and_a_device_profile_goes_first() {
    let estate = Estate::start().await;
    for (name, kind, values) in [
        ("everyone", "all_devices", json!([])),
        ("phones", "platforms", json!(["ios"])),
        ("macs", "platforms", json!(["macos"])),
        ("hq", "ade_tokens", json!(["hq"])),
    ] {
        let assigned = json!({ "kind": kind, "values": values });
        create(&estate, json!({ "name": name, "assigned_to": assigned })).await;
    }
    let boxed = held(&estate, Kind::IPhone).await;
    assert_eq!(hold(&estate, &boxed).await["hold_profile"], "phones");
    let order = json!({ "names": ["everyone", "hq", "phones", "macs"] });
    let path = format!("{ALL}/reorder");
    let ordered = estate.server.ask(Method::POST, &path, order.to_string()).await;
    let first = &ordered["hold_profiles"][1];
    assert_eq!((&first["name"], &first["priority"]), (&json!("hq"), &json!(2)));
    let boxed = held(&estate, Kind::IPhone).await;
    assert_eq!(hold(&estate, &boxed).await["hold_profile"], "hq");
    let off = json!({ "status": "inactive" }).to_string();
    estate.server.ask(Method::PATCH, &format!("{ALL}/hq"), off).await;
    let boxed = held(&estate, Kind::AppleTV).await;
    assert_eq!(hold(&estate, &boxed).await["hold_profile"], "everyone");
    for wrong in [
        json!({ "names": ["hq"] }),
        json!({ "names": ["hq", "hq", "phones", "macs"] }),
    ] {
        blamed(&estate, Method::POST, &path, wrong).await;
    }
    let unknown = json!({ "names": ["nobody"] }).to_string();
    assert_eq!(estate.server.refusal(Method::POST, &path, unknown).await, 404);
}

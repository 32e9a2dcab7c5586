//! Hold profiles and who is held.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_a_hold_profile_is_made_filled_changed_ordered_and_removed() {
    let server = furnished().await;
    let form = "name=desks&description=For+desks&active=yes&assigned_to.kind=platforms&assigned_to.values=ios%0D%0Amacos\
                &timeout_minutes=30&on_timeout=keep&allow_retry=yes&message=Wait&device_phase.blocking=all\
                &user_phase.blocking=selected&user_phase.blocking_items=wifi";
    let made = send(&server, "/hold-profiles", form).await;
    assert_eq!(
        (made.status, made.header("location")),
        (303, "/hold-profiles/desks?done=hold-added"),
        "{}",
        made.text
    );
    let stored = async || {
        server
            .ask(Method::GET, "/v1/hold-profiles/desks", Vec::new())
            .await
    };
    let shown = stored().await;
    assert_eq!(
        shown["assigned_to"],
        serde_json::json!({ "kind": "platforms", "values": ["ios", "macos"] })
    );
    assert_eq!(
        (
            &shown["timeout_minutes"],
            &shown["on_timeout"],
            &shown["show_error"]
        ),
        (&30.into(), &"keep".into(), &false.into())
    );
    assert_eq!(shown["user_phase"]["blocking_items"][0], "wifi");
    assert_sound(&visit(&server, "/hold-profiles/desks").await);

    let profile = mobileconfig("org.example.wifi", "com.apple.wifi.managed");
    let parts: &[(&str, &[u8])] = &[
        ("revision", b"1"),
        ("name", b"wifi"),
        ("phase", b"device_phase"),
        ("platforms", b"ios"),
        ("content", &profile),
    ];
    let added = send_parts(&server, "/hold-profiles/desks/profiles", parts).await;
    assert_eq!(added.status, 303, "{}", added.text);
    let app = "revision=2&name=notes&store_id=7&bundle_id=com.example.notes&licensed=yes&platforms=ios&platforms=macos";
    assert_eq!(send(&server, "/hold-profiles/desks/apps", app).await.status, 303);
    let items = stored().await["device_phase"]["items"].clone();
    assert_eq!(
        (
            &items[0]["identifier"],
            &items[1]["store_id"],
            &items[1]["licensed"]
        ),
        (&"org.example.wifi".into(), &7.into(), &true.into())
    );
    assert_eq!(items[1]["platforms"], serde_json::json!(["ios", "macos"]));
    // What it installs stays when its settings change.
    let form = "revision=3&description=&assigned_to.kind=all_devices&assigned_to.values=&timeout_minutes=90\
                &on_timeout=release&device_phase.blocking=selected&device_phase.blocking_items=wifi&user_phase.blocking=all";
    let changed = send(&server, "/hold-profiles/desks", form).await;
    assert_eq!(changed.status, 303, "{}", changed.text);
    let shown = stored().await;
    assert_eq!(
        (&shown["status"], &shown["timeout_minutes"]),
        (&"inactive".into(), &90.into())
    );
    assert_eq!(shown["device_phase"]["items"].as_array().unwrap().len(), 2);
    let gone = send(
        &server,
        "/hold-profiles/desks/remove-item",
        "revision=4&phase=device_phase&item=wifi",
    )
    .await;
    assert_eq!(gone.status, 303);
    assert_eq!(stored().await["device_phase"]["items"][0]["name"], "notes");

    let first = send(&server, "/hold-profiles/desks/move?to=1", "").await;
    assert_eq!(first.status, 303);
    assert_eq!(stored().await["priority"], 1);
    assert_sound(&visit(&server, "/hold-profiles").await);
    assert_eq!(send(&server, "/hold-profiles/desks/remove", "").await.status, 303);
    assert_eq!(visit(&server, "/hold-profiles/desks").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_hold_profile_is_said_beside_its_field() {
    let server = furnished().await;
    let good = "name=desks&active=yes&assigned_to.kind=all_devices&timeout_minutes=30&on_timeout=keep\
                &device_phase.blocking=all&user_phase.blocking=all";
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for (from, to, field) in [
        ("name=desks", "name=a%2Fb".to_owned(), "name"),
        ("name=desks", "name=".to_owned(), "name"),
        (
            "timeout_minutes=30",
            "timeout_minutes=0".to_owned(),
            "timeout_minutes",
        ),
        (
            "timeout_minutes=30",
            format!("timeout_minutes={hostile}"),
            "timeout_minutes",
        ),
        ("on_timeout=keep", format!("on_timeout={hostile}"), "on_timeout"),
        (
            "assigned_to.kind=all_devices",
            format!("assigned_to.kind=platforms&assigned_to.values={hostile}"),
            "assigned_to-values",
        ),
        (
            "device_phase.blocking=all",
            "device_phase.blocking=all&device_phase.blocking_items=x".to_owned(),
            "device_phase-blocking_items",
        ),
    ] {
        let form = good.replace(from, &to);
        let refused = send(&server, "/hold-profiles", &form).await;
        assert!(matches!(refused.status, 400 | 422), "{to}: {}", refused.status);
        assert_sound(&refused);
        let id = format!("#f-{field}-problem");
        assert!(
            !text_of(&refused.html(), &id).is_empty(),
            "{to}: {}",
            refused.text
        );
        assert!(!refused.text.contains("<script>alert"), "{to}");
    }
    let taken = good.replace("name=desks", "name=floor&description=Kept+text");
    let refused = send(&server, "/hold-profiles", &taken).await;
    assert_eq!(refused.status, 409);
    assert!(!text_of(&refused.html(), "#f-name-problem").is_empty());
    assert!(refused.text.contains("value=\"Kept text\""));
    // An older edition is not changed, and neither is one that is none.
    for (revision, status) in [("7", 409), ("garbage", 422)] {
        let late = format!("revision={revision}&{good}");
        let refused = send(&server, "/hold-profiles/floor", &late).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert_sound(&refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_item_is_said_in_its_own_form() {
    let server = furnished().await;
    let problem =
        |visit: &Visit, form: &str, field: &str| text_of(&visit.html(), &format!("#{form}-{field}-problem"));
    for (form, field) in [
        ("name=", "name"),
        ("name=x&store_id=many", "store_id"),
        ("name=x&manifest_url=http%3A%2F%2Fplain.example", "manifest_url"),
        ("name=x&store_id=7&bundle_id=%3Cscript%3E", "bundle_id"),
        ("name=x", "name"),
    ] {
        let refused = send(&server, "/hold-profiles/floor/apps", form).await;
        assert_eq!(refused.status, 422, "{form}: {}", refused.text);
        assert_sound(&refused);
        assert!(
            !problem(&refused, "apps", field).is_empty(),
            "{form}: {}",
            refused.text
        );
    }
    for (content, name) in [(&b""[..], "x"), (b"nothing", "x")] {
        let parts: &[(&str, &[u8])] = &[("name", name.as_bytes()), ("content", content)];
        let refused = send_parts(&server, "/hold-profiles/floor/profiles", parts).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_sound(&refused);
        assert!(
            !problem(&refused, "profiles", "content").is_empty(),
            "{}",
            refused.text
        );
        assert_eq!(all(&refused.html(), "#profiles-name[value=x]").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_who_is_held_shows_with_what_has_failed() {
    let server = furnished().await;
    let page = visit(&server, "/holds").await;
    assert_sound(&page);
    let row = text_of(&page.html(), "tbody tr");
    assert!(
        row.contains("Applying Policies") && row.contains("floor"),
        "{row}"
    );
    let tab = visit(&server, "/devices/00008120-000A/hold").await;
    assert_sound(&tab);
    assert!(tab.text.contains("&lt;script&gt;alert"), "{}", tab.text);
    assert!(text_of(&tab.html(), "table").contains("Installed"));
    // It did not come by Automated Device Enrollment: there is nothing to try again.
    let refused = send(&server, "/devices/00008120-000A/hold/retry", "").await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_sound(&refused);
    let released = send(&server, "/devices/00008120-000A/release", "").await;
    assert_eq!(released.status, 303);
    assert!(
        queued(&server, "00008120-000A")
            .await
            .contains(&"DeviceConfigured".to_owned())
    );
    let id = EnrollmentId::new("FREE");
    let record = EnrollmentRecord {
        awaiting_configuration: false,
        ..enrollment(&id, server.clock.now())
    };
    let rule = move |_: &_| Ruling::Write(Box::new(Change::of(record.clone())));
    server.store.check_in(&id, None, Box::new(rule)).await.unwrap();
    let never = visit(&server, "/devices/FREE/hold").await;
    assert_eq!(never.status, 200);
    assert!(text_of(&never.html(), "main").contains("never held"));
}

//! Shared iPad, rule by rule.

use super::*;
use crate::protocol::catalogue::OsVersion;

fn shared(change: Value) -> Value {
    ios(json!({ "shared_ipad": change }))
}

#[test]
fn h1_a_shared_ipad_is_supervised_and_without_affinity() {
    valid(shared(json!({})));
    assert_eq!(
        wrong(ios(json!({ "shared_ipad": {}, "affinity": "with" }))),
        [["shared_ipad", "affinity"]]
    );
    assert_eq!(
        wrong(ios(json!({ "shared_ipad": {}, "affinity": "shared" }))),
        [["shared_ipad", "affinity"]]
    );
    assert_eq!(
        wrong(ios(json!({ "shared_ipad": {}, "supervised": false }))),
        [["shared_ipad", "supervised"]]
    );
    let profile = at_apple(shared(json!({})));
    assert_eq!(
        (&profile["is_multi_user"], &profile["is_supervised"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(valid(ios(json!({ "shared_ipad": false }))).shared_ipad, None);
}

#[test]
fn h2_only_an_ipad_with_13_4_can_be_shared() {
    let settings = valid(shared(json!({})));
    let objection = |product, os| shared_ipad_objection(&settings, Some(product), OsVersion::parse(os));
    assert_eq!(objection("iPad14,3", "13.4"), None);
    assert!(objection("iPad14,3", "13.3.1").is_some_and(|text| text.contains("13.4")));
    assert!(objection("iPhone17,2", "18.0").is_some_and(|text| text.contains("iPhone17,2")));
    assert_eq!(
        shared_ipad_objection(&valid(ios(json!({}))), Some("iPhone17,2"), None),
        None
    );
}

#[test]
fn h3_there_is_room_for_1_to_24_users() {
    let field = "shared_ipad.maximum_cached_users";
    for users in [1, 24] {
        valid(shared(json!({ "maximum_cached_users": users })));
    }
    for users in [0, 25, -1] {
        assert_eq!(wrong(shared(json!({ "maximum_cached_users": users }))), [[field]]);
    }
}

#[test]
fn h4_the_grace_after_the_lock_is_one_of_six() {
    for seconds in [0, 60, 300, 900, 3_600, 14_400] {
        valid(shared(json!({ "lock_grace_seconds": seconds })));
    }
    for seconds in [1, 61, 14_401] {
        assert_eq!(
            wrong(shared(json!({ "lock_grace_seconds": seconds }))),
            [["shared_ipad.lock_grace_seconds"]]
        );
    }
}

#[test]
fn h5_a_user_session_ends_after_30_seconds_at_the_earliest_or_never() {
    for seconds in [0, 30, 86_400] {
        valid(shared(json!({ "user_session_timeout": seconds })));
    }
    for seconds in [1, 29, -30] {
        assert_eq!(
            wrong(shared(json!({ "user_session_timeout": seconds }))),
            [["shared_ipad.user_session_timeout"]]
        );
    }
}

#[test]
fn h6_guests_only_cancels_what_is_for_users() {
    let settings = valid(shared(json!({
        "maximum_cached_users": 5, "lock_grace_seconds": 60, "user_session_timeout": 60, "temporary_session_only": true,
    })));
    let cancelled: Vec<_> = not_applied(&settings)
        .into_iter()
        .flat_map(|finding| finding.fields)
        .collect();
    assert_eq!(
        cancelled,
        [
            "shared_ipad.maximum_cached_users",
            "shared_ipad.lock_grace_seconds",
            "shared_ipad.user_session_timeout",
        ]
    );
    assert!(not_applied(&valid(shared(json!({ "maximum_cached_users": 5 })))).is_empty());
}

#[test]
fn h7_the_timeout_of_guests_needs_guests_only() {
    let field = "shared_ipad.temporary_session_timeout";
    valid(shared(
        json!({ "temporary_session_timeout": 30, "temporary_session_only": true }),
    ));
    let only = "shared_ipad.temporary_session_only";
    assert_eq!(
        wrong(shared(json!({ "temporary_session_timeout": 30 }))),
        [[field, only]]
    );
    assert_eq!(
        wrong(shared(
            json!({ "temporary_session_timeout": 29, "temporary_session_only": true })
        )),
        [[field]]
    );
}

#[test]
fn h8_a_shared_ipad_shows_no_pane_whatever_the_settings() {
    let panes = json!({ "hide_all": true, "show": ["Siri", "AppleID"] });
    let profile = at_apple(ios(json!({ "shared_ipad": {}, "panes": panes })));
    let all = at_apple(ios(json!({ "panes": { "hide_all": true } })));
    assert_eq!(profile["skip_setup_items"], all["skip_setup_items"]);
    let settings = valid(ios(json!({ "shared_ipad": {}, "panes": panes })));
    assert!(
        not_applied(&settings)
            .iter()
            .any(|finding| finding.names("panes.show"))
    );
    assert!(!warned(ios(json!({ "shared_ipad": {} })), "is shown"));
}

#[test]
fn h10_a_passcode_policy_for_a_shared_ipad_is_marked_as_not_applicable() {
    let policy = STANDARD.encode("<plist>com.apple.mobiledevice.passwordpolicy</plist>");
    let command = format!(
        "<plist version=\"1.0\"><dict><key>RequestType</key><string>InstallProfile</string><key>Payload</key>\
         <data>{policy}</data></dict></plist>"
    );
    let settings = |shared: bool| ios(json!({ "shared_ipad": shared, "initial_commands": [command] }));
    assert!(warned(settings(true), "passcode policy is not applicable"));
    assert!(!warned(settings(false), "not applicable"));
}

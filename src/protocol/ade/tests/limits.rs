//! Whatever settings are valid, Apple takes the profile.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

fn text(longest: usize) -> impl Strategy<Value = Value> {
    option::of(vec(any::<char>(), 0..=longest + 8)).prop_map(|text| json!(text.map(String::from_iter)))
}

fn number() -> impl Strategy<Value = Value> {
    option::of(prop_oneof![-1_i64..70, select(vec![300, 900, 3_600, 14_400])])
        .prop_map(|number| json!(number))
}

fn pane_names() -> impl Strategy<Value = Value> {
    vec(
        select(panes().iter().map(|pane| pane.key).collect::<Vec<_>>()),
        0..6,
    )
    .prop_map(|keys| json!(keys))
}

prop_compose! {
    fn sections()(
        department in text(125), phone in text(50), email in text(250), magic in text(256),
        users in number(), grace in number(), session in number(), guests in number(),
        guests_only: bool, hide_all: bool, hide in pane_names(), show in pane_names(),
        language in select(vec!["en", "deu", "EN"]), region in select(vec!["US", "us"]),
    ) -> Value {
        json!({
            "support": { "department": department, "phone": phone, "email": email },
            "apple": { "org_magic": magic, "language": language, "region": region },
            "shared_ipad": {
                "maximum_cached_users": users, "lock_grace_seconds": grace, "user_session_timeout": session,
                "temporary_session_only": guests_only, "temporary_session_timeout": guests,
            },
            "panes": { "hide_all": hide_all, "hide": hide, "show": show },
        })
    }
}

prop_compose! {
    /// Anything that an operator might say, valid or not.
    fn settings()(
        sections in sections(), chosen in vec(any::<bool>(), 4),
        platform in select(vec!["ios", "macos", "tvos", "visionos"]),
        affinity in select(vec!["with", "without", "shared"]),
        method in option::of(select(vec!["companion_app", "legacy", "modern"])),
        supervised: Option<bool>, locked: bool, held: Option<bool>,
        pairing in option::of(select(vec!["allow_all", "deny_all"])),
    ) -> Value {
        let mut settings = json!({
            "platform": platform, "affinity": affinity, "auth": { "method": method }, "supervised": supervised,
            "locked": locked, "await_configuration": held, "pairing": pairing.map(|mode| json!({ "mode": mode })),
        });
        for ((key, value), chosen) in sections.as_object().unwrap().iter().zip(chosen) {
            if chosen {
                settings[key] = value.clone();
            }
        }
        settings
    }
}

fn length(profile: &Value, key: &str) -> usize {
    profile[key].as_str().map_or(0, |text| text.chars().count())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_settings_keep_to_apples_limits(settings in settings()) {
        let Ok(settings) = Settings::parse(&settings) else { return Ok(()) };
        let name = "n".repeat(125);
        let profile = render(&name, &settings, &addresses());
        for (key, limit) in [
            ("profile_name", 125), ("url", 2_000), ("configuration_web_url", 2_000), ("department", 125),
            ("support_phone_number", 50), ("support_email_address", 250), ("org_magic", 256),
        ] {
            prop_assert!(length(&profile, key) <= limit, "{key}");
        }
        prop_assert!(length(&profile, "url") > 0);
        // FLAGS_INVALID
        prop_assert!(profile["is_mdm_removable"] == true || profile["is_supervised"] == true);
        prop_assert!(profile["is_multi_user"] == false || profile["await_device_configured"] == false);
        let keys = profile["skip_setup_items"].as_array().unwrap();
        let distinct: std::collections::BTreeSet<_> = keys.iter().map(|key| key.as_str()).collect();
        prop_assert_eq!(distinct.len(), keys.len());
        prop_assert_eq!(Settings::parse(&settings.to_value()), Ok(settings));
    }
}

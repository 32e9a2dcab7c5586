//! Each rule by its id.

use super::*;

#[test]
fn e2_affinity_is_with_without_or_shared() {
    for affinity in ["with", "without", "shared"] {
        valid(ios(json!({ "affinity": affinity })));
    }
    assert_eq!(wrong(ios(json!({ "affinity": "maybe" }))), [["affinity"]]);
    assert_eq!(wrong(json!({ "affinity": "with" })), [["platform"]]);
}

#[test]
fn e3_only_modern_authentication_sends_a_web_page() {
    let method = |method: &str| ios(json!({ "affinity": "with", "auth": { "method": method } }));
    let page = |settings| at_apple(settings)["configuration_web_url"].clone();
    assert_eq!(page(method("modern")), "https://mdm.example.com/ade/login");
    assert_eq!(
        page(ios(json!({ "affinity": "with" }))),
        "https://mdm.example.com/ade/login"
    );
    for method in [
        method("legacy"),
        method("companion_app"),
        ios(json!({ "affinity": "shared" })),
    ] {
        assert_eq!(page(method), Value::Null);
    }
    assert_eq!(
        wrong(ios(json!({ "auth": { "method": "modern" } }))),
        [["auth.method", "affinity"]]
    );
    let own = json!({ "affinity": "with", "auth": { "method": "legacy" }, "apple": { "configuration_web_url": "https://a.b/" } });
    assert_eq!(wrong(ios(own)), [["apple.configuration_web_url", "auth.method"]]);
}

#[test]
fn e4_old_systems_fall_back_to_legacy_authentication() {
    let on = |platform: &str, os| {
        let settings = valid(json!({ "platform": platform, "affinity": "with" }));
        authentication(&settings, crate::protocol::catalogue::OsVersion::parse(os))
    };
    assert_eq!(on("ios", "12.5.7"), Authentication::Legacy);
    assert_eq!(on("ios", "13.0"), Authentication::Web);
    assert_eq!(on("macos", "10.14.6"), Authentication::Legacy);
    assert_eq!(on("macos", "10.15"), Authentication::Web);
    assert_eq!(on("ios", ""), Authentication::Web);
    assert_eq!(authentication(&valid(ios(json!({}))), None), Authentication::None);
}

#[test]
fn e5_since_ios_13_every_device_is_supervised() {
    let settings = valid(ios(json!({ "supervised": false })));
    let version = crate::protocol::catalogue::OsVersion::parse;
    assert!(!is_supervised(&settings, version("12.4")));
    assert!(is_supervised(&settings, version("13.0")));
    assert_eq!(
        at_apple(ios(json!({ "supervised": false })))["is_supervised"],
        false
    );
    assert!(warned(ios(json!({ "supervised": false })), "iOS 13"));
}

#[test]
fn e6_only_a_supervised_device_is_locked() {
    assert_eq!(
        wrong(ios(json!({ "locked": true, "supervised": false }))),
        [["locked", "supervised"]]
    );
    let profile = at_apple(ios(json!({ "locked": true })));
    assert_eq!(
        (&profile["is_mdm_removable"], &profile["is_supervised"]),
        (&json!(false), &json!(true))
    );
    let profile = at_apple(json!({ "platform": "macos", "locked": true }));
    assert_eq!(
        (&profile["is_mdm_removable"], &profile["is_supervised"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn e8_initial_commands_are_property_lists_with_a_request_type() {
    let plist = |body: &str| format!("<plist version=\"1.0\"><dict>{body}</dict></plist>");
    let bare = plist("<key>RequestType</key><string>SecurityInfo</string>");
    let whole = plist(
        "<key>CommandUUID</key><string>X</string><key>Command</key><dict><key>RequestType</key>\
         <string>ProfileList</string></dict>",
    );
    let settings = valid(ios(json!({ "initial_commands": [bare, whole] })));
    let types: Vec<String> = settings
        .initial_commands
        .iter()
        .map(|text| initial_command(text).unwrap().request_type)
        .collect();
    assert_eq!(types, ["SecurityInfo", "ProfileList"]);
    let command = initial_command(&settings.initial_commands[1])
        .unwrap()
        .to_plist("U-1")
        .unwrap();
    let text = String::from_utf8(command).unwrap();
    assert!(text.contains("U-1") && text.contains("ProfileList") && !text.contains("<string>X<"));
    for bad in [
        "",
        "SecurityInfo",
        "<plist version=\"1.0\"><array/></plist>",
        &plist("<key>A</key><string>b</string>"),
    ] {
        assert_eq!(
            wrong(ios(json!({ "initial_commands": [bad] }))),
            [["initial_commands"]],
            "{bad}"
        );
    }
    let too_many = vec![plist("<key>RequestType</key><string>SecurityInfo</string>"); 51];
    assert_eq!(
        wrong(ios(json!({ "initial_commands": too_many }))),
        [["initial_commands"]]
    );
}

#[test]
fn e10_pairing_is_for_all_for_none_or_for_those_with_a_certificate() {
    let pairing = |mode: &str, certificates: Vec<String>| {
        ios(json!({ "pairing": { "mode": mode, "certificates": certificates } }))
    };
    assert_eq!(at_apple(ios(json!({})))["allow_pairing"], true);
    assert_eq!(at_apple(pairing("allow_all", vec![]))["allow_pairing"], true);
    assert_eq!(at_apple(pairing("deny_all", vec![]))["allow_pairing"], false);
    let fields = [["pairing.certificates", "pairing.mode"]];
    assert_eq!(wrong(pairing("configurator_by_certificate", vec![])), fields);
    assert_eq!(wrong(pairing("deny_all", vec![certificate()])), fields);
    let pem = certificate();
    let der = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .unwrap()
        .1
        .contents;
    let profile = at_apple(pairing("configurator_by_certificate", vec![pem]));
    assert_eq!(profile["supervising_host_certs"], json!([STANDARD.encode(der)]));
    assert_eq!(profile["allow_pairing"], false);
}

#[test]
fn e11_a_new_profile_holds_devices_and_an_imported_one_does_not() {
    assert_eq!(at_apple(ios(json!({})))["await_device_configured"], true);
    let old = json!({ "profile_name": "Old", "url": "https://old.example.com/", "is_supervised": true });
    let imported = import(old.as_object().unwrap(), "ios");
    assert_eq!(valid(imported.settings).await_configuration, Some(false));
}

#[test]
fn e12_a_shared_ipad_can_not_be_held() {
    let both = ios(json!({ "shared_ipad": {}, "affinity": "without", "await_configuration": true }));
    assert_eq!(wrong(both), [["await_configuration", "shared_ipad", "affinity"]]);
    assert_eq!(
        at_apple(ios(json!({ "shared_ipad": true })))["await_device_configured"],
        false
    );
}

#[test]
fn e14_the_carriers_server_is_reached_over_https() {
    valid(ios(
        json!({ "esim": { "server_url": "https://esim.example.com/activate" } }),
    ));
    for bad in [
        "http://esim.example.com",
        "https://",
        "esim.example.com",
        "https://a b",
        "https://u@h/",
    ] {
        assert_eq!(
            wrong(ios(json!({ "esim": { "server_url": bad } }))),
            [["esim.server_url"]],
            "{bad}"
        );
    }
}

#[test]
fn e15_who_helps_lands_in_apples_keys() {
    let profile = at_apple(ios(
        json!({ "support": { "department": "IT", "phone": "+1 555 0100", "email": "it@example.com" } }),
    ));
    assert_eq!(profile["department"], "IT");
    assert_eq!(profile["support_phone_number"], "+1 555 0100");
    assert_eq!(profile["support_email_address"], "it@example.com");
    let long = |field: &str, length: usize| wrong(ios(json!({ "support": { field: "x".repeat(length) } })));
    assert_eq!(long("department", 126), [["support.department"]]);
    assert_eq!(long("phone", 51), [["support.phone"]]);
    assert_eq!(long("email", 251), [["support.email"]]);
}

#[test]
fn e22_apples_other_keys_are_passed_on_and_unknown_ones_refused() {
    let apple = json!({
        "auto_advance_setup": true, "is_mandatory": false, "language": "de", "region": "CH", "org_magic": "m",
        "configuration_web_url": "https://login.example.com/", "do_not_use_profile_from_backup": true,
        "is_return_to_service": true,
    });
    let profile = at_apple(ios(json!({ "apple": apple, "affinity": "with" })));
    for (key, value) in apple.as_object().unwrap() {
        assert_eq!(profile[key], *value, "{key}");
    }
    assert_eq!(
        wrong(ios(json!({ "apple": { "is_shiny": true } }))),
        [["apple.is_shiny"]]
    );
    assert_eq!(
        wrong(ios(json!({ "apple": { "language": "German", "region": "ch" } }))),
        [["apple.language"], ["apple.region"]]
    );
    assert!(warned(
        ios(json!({ "apple": { "auto_advance_setup": true } })),
        "macos and tvos"
    ));
}

#[test]
fn e23_a_mac_has_no_shared_ipad_and_is_neither_named_nor_unsupervised() {
    let mac = |change: Value| wrong(over(json!({ "platform": "macos" }), &change));
    for (change, field) in [
        (json!({ "shared_ipad": {} }), "shared_ipad"),
        (json!({ "supervised": true }), "supervised"),
        (json!({ "naming": { "template": "x" } }), "naming.template"),
        (json!({ "pairing": { "mode": "deny_all" } }), "pairing"),
        (
            json!({ "esim": { "server_url": "https://a.b" } }),
            "esim.server_url",
        ),
    ] {
        assert_eq!(mac(change), [[field, "platform"]]);
    }
    let profile = at_apple(
        json!({ "platform": "macos", "affinity": "with", "locked": true, "support": { "department": "IT" } }),
    );
    assert!(profile.get("allow_pairing").is_none());
}

#[test]
fn w1_a_pane_is_hidden_by_its_key_and_shown_by_its_absence() {
    for pane in panes() {
        for platform in AdePlatform::ALL
            .into_iter()
            .filter(|platform| pane.on(*platform).is_some())
        {
            let settings = json!({ "platform": platform, "panes": { "hide": [pane.key] } });
            assert_eq!(at_apple(settings)["skip_setup_items"], json!([pane.key]));
        }
    }
    assert_eq!(at_apple(ios(json!({})))["skip_setup_items"], json!([]));
    let by_label =
        ios(json!({ "panes": { "hide": ["Apple ID", "passcode"], "extra": ["DeviceFeaturesTour"] } }));
    assert_eq!(
        at_apple(by_label)["skip_setup_items"],
        json!(["AppleID", "Passcode", "DeviceFeaturesTour"])
    );
    assert_eq!(
        wrong(ios(json!({ "panes": { "hide": ["Passcod"] } }))),
        [["panes.hide"]]
    );
}

#[test]
fn w2_a_pane_that_no_device_has_is_warned_about() {
    let hide = |change: Value| {
        over(
            ios(change),
            &json!({ "panes": { "hide": ["FileVault", "Zoom", "Intelligence"] } }),
        )
    };
    assert!(warned(hide(json!({})), "no pane FileVault"));
    assert!(!warned(hide(json!({})), "Zoom"));
    assert!(warned(
        hide(json!({ "targets": { "minimum_os": "17.0" } })),
        "Zoom is gone"
    ));
    assert!(warned(
        hide(json!({ "targets": { "maximum_os": "17.7" } })),
        "Intelligence comes"
    ));
    let backwards = json!({ "targets": { "minimum_os": "18", "maximum_os": "17" } });
    assert_eq!(
        wrong(ios(backwards)),
        [["targets.minimum_os", "targets.maximum_os"]]
    );
}

#[test]
fn w3_hide_all_hides_what_the_platform_has_but_the_exceptions() {
    for platform in AdePlatform::ALL {
        let skipped = skipped_panes(&valid(
            json!({ "platform": platform, "panes": { "hide_all": true } }),
        ));
        let has = panes()
            .iter()
            .filter(|pane| pane.on(platform).is_some() && pane.key != "Registration");
        assert_eq!(skipped, has.map(|pane| pane.key).collect::<Vec<_>>());
    }
    let but = ios(json!({ "panes": { "hide_all": true, "show": ["Apple ID"] } }));
    let skipped = skipped_panes(&valid(but));
    assert!(skipped.iter().any(|key| key == "Siri") && !skipped.iter().any(|key| key == "AppleID"));
    assert_eq!(
        wrong(ios(json!({ "panes": { "show": ["Siri"] } }))),
        [["panes.show", "panes.hide_all"]]
    );
    let both = ios(json!({ "panes": { "hide_all": true, "show": ["Siri"], "hide": ["Siri"] } }));
    assert_eq!(wrong(both), [["panes.hide", "panes.show"]]);
}

#[test]
fn w4_shown_passcode_panes_are_warned_about() {
    assert!(warned(ios(json!({})), "Passcode is shown") && warned(ios(json!({})), "Biometric is shown"));
    let hidden = json!({ "panes": { "hide": ["Passcode", "Touch ID"] } });
    assert!(!warned(ios(hidden), "14.5"));
    assert!(!warned(
        ios(json!({ "targets": { "maximum_os": "14.4" } })),
        "14.5"
    ));
}

#[test]
fn w5_a_shown_device_to_device_migration_is_warned_about() {
    assert!(warned(ios(json!({})), "DeviceToDeviceMigration is shown"));
    assert!(!warned(
        ios(json!({ "panes": { "hide_all": true } })),
        "DeviceToDeviceMigration"
    ));
}

#[test]
fn w6_hiding_accessibility_on_a_mac_is_warned_about() {
    let mac = |panes: Value| json!({ "platform": "macos", "panes": panes });
    assert!(warned(mac(json!({ "hide": ["Accessibility"] })), "VoiceOver"));
    assert!(warned(mac(json!({ "hide_all": true })), "VoiceOver"));
    assert!(!warned(mac(json!({})), "VoiceOver"));
}

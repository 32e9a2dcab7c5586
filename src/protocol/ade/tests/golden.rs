//! Whole profiles, as Apple gets them.

use super::*;

#[test]
fn a_kiosk() {
    let mut profile = at_apple(preset("kiosk").unwrap().settings);
    let skipped = profile["skip_setup_items"].take();
    assert_eq!(
        profile,
        json!({
            "profile_name": "P",
            "url": "https://mdm.example.com/ade/enroll",
            "allow_pairing": false,
            "auto_advance_setup": false,
            "await_device_configured": true,
            "is_mandatory": true,
            "is_mdm_removable": false,
            "is_multi_user": false,
            "is_supervised": true,
            "skip_setup_items": null,
        })
    );
    assert_eq!(
        skipped,
        json!([
            "AccessibilityAppearance",
            "ActionButton",
            "Android",
            "Appearance",
            "AppleID",
            "AppStore",
            "Biometric",
            "CameraButton",
            "DeviceToDeviceMigration",
            "Diagnostics",
            "DisplayTone",
            "EnableLockdownMode",
            "HomeButtonSensitivity",
            "iMessageAndFaceTime",
            "Intelligence",
            "Keyboard",
            "LiquidGlass",
            "Location",
            "MessagingActivationUsingPhoneNumber",
            "Multitasking",
            "OnBoarding",
            "OSShowcase",
            "Passcode",
            "Payment",
            "Privacy",
            "Restore",
            "RestoreCompleted",
            "Safety",
            "SafetyAndHandling",
            "ScreenTime",
            "SIMSetup",
            "Siri",
            "SoftwareUpdate",
            "SpokenLanguage",
            "TermsOfAddress",
            "TOS",
            "UpdateCompleted",
            "WatchMigration",
            "WebContentFiltering",
            "Welcome",
            "Zoom",
        ])
    );
}

#[test]
fn one_with_everything() {
    let settings = json!({
        "platform": "tvos",
        "affinity": "with",
        "locked": true,
        "await_configuration": false,
        "support": { "department": "IT", "phone": "0100", "email": "it@example.com" },
        "naming": { "template": "TV {{SERIAL}}" },
        "panes": { "hide": ["TVRoom", "Siri"] },
        "apple": {
            "is_mandatory": false, "auto_advance_setup": true, "language": "en", "region": "US", "org_magic": "M",
            "do_not_use_profile_from_backup": true, "is_return_to_service": true,
        },
    });
    let mut addresses = addresses();
    addresses.anchors = vec![vec![1, 2, 3]];
    assert_eq!(
        render("Lobby", &valid(settings), &addresses),
        json!({
            "profile_name": "Lobby",
            "url": "https://mdm.example.com/ade/enroll",
            "configuration_web_url": "https://mdm.example.com/ade/login",
            "anchor_certs": ["AQID"],
            "auto_advance_setup": true,
            "await_device_configured": false,
            "department": "IT",
            "do_not_use_profile_from_backup": true,
            "is_mandatory": false,
            "is_mdm_removable": false,
            "is_multi_user": false,
            "is_return_to_service": true,
            "is_supervised": true,
            "language": "en",
            "org_magic": "M",
            "region": "US",
            "skip_setup_items": ["Siri", "TVRoom"],
            "support_email_address": "it@example.com",
            "support_phone_number": "0100",
        })
    );
}

#[test]
fn e1_a_description_and_a_devices_name_are_not_told_to_apple() {
    let profile = at_apple(ios(json!({ "naming": { "template": "secret-{{SERIAL}}" } }))).to_string();
    assert!(!profile.contains("secret") && !profile.contains("description"));
}

#[test]
fn what_apple_has_is_imported_and_means_the_same() {
    let pem = certificate();
    let pairing = json!({ "mode": "configurator_by_certificate", "certificates": [pem] });
    let settings = ios(json!({
        "affinity": "with", "locked": true, "pairing": pairing,
        "support": { "department": "IT" }, "panes": { "hide": ["Siri"], "extra": ["NewPane"] },
        "apple": { "configuration_web_url": "https://login.example.com/", "org_magic": "M" },
    }));
    let profile = at_apple(settings);
    let mut told = profile.as_object().unwrap().clone();
    told.insert("profile_uuid".into(), json!("88FC4E378FEC4021A9F6ACB1EAA1E3F5"));
    told.insert("is_novel".into(), json!(true));
    let imported = import(&told, "ios");
    assert_eq!(
        (imported.name.as_str(), imported.url.as_str()),
        ("P", "https://mdm.example.com/ade/enroll")
    );
    assert_eq!(imported.lost.len(), 1);
    assert!(imported.lost[0].names("is_novel"));
    assert_eq!(render("P", &valid(imported.settings), &addresses()), profile);

    let shared = at_apple(ios(json!({ "shared_ipad": {}, "locked": true })));
    let imported = import(shared.as_object().unwrap(), "ios");
    assert_eq!(render("P", &valid(imported.settings), &addresses()), shared);
}

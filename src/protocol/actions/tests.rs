//! Reading actions, and what they come to.

use plist::{Dictionary, Value};
use serde_json::json;

use super::{
    mobileconfig::{Mobileconfig, ProfileError},
    *,
};
use crate::protocol::{catalogue, catalogue::Platform, ids::CommandUuid, plist::parse};

fn action(verb: &str, parameters: serde_json::Value) -> Action {
    Action::read(verb, parameters).unwrap()
}

/// Parameters with which each verb can be read.
fn minimal(verb: &str) -> serde_json::Value {
    match verb {
        "install-app" => json!({ "store_id": 361309726 }),
        "install-profile" => json!({ "mobileconfig": "AAAA" }),
        "lost-mode-on" => json!({ "message": "Lost" }),
        "remove-profile" => json!({ "identifier": "org.example.wifi" }),
        "rename" => json!({ "name": "Lectern" }),
        _ => json!({}),
    }
}

#[test]
fn every_command_is_in_apples_catalogue() {
    for verb in VERBS {
        let action = action(verb, minimal(verb));
        assert_eq!(action.verb(), *verb);
        for platform in [Platform::Ios, Platform::Macos] {
            let circumstances = Circumstances {
                platform: Some(platform),
                ..Circumstances::default()
            };
            for draft in action.drafts(&circumstances) {
                assert!(
                    catalogue::command(draft.request_type).is_some(),
                    "{}",
                    draft.request_type
                );
            }
        }
    }
}

#[test]
fn verbs_are_alphabetical() {
    assert!(VERBS.is_sorted());
}

#[test]
fn bad_parameters_are_refused_by_name() {
    let field = |verb, parameters| match Action::read(verb, parameters) {
        Err(ActionError::Field { field, .. }) => field.to_owned(),
        Err(ActionError::Unreadable(misread)) => misread.field.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(field("lost-mode-on", json!({ "footnote": "x" })), "message");
    assert_eq!(field("lock", json!({ "message": " " })), "message");
    assert_eq!(field("rename", json!({ "name": "a\u{7}" })), "name");
    assert_eq!(field("install-app", json!({})), "manifest_url");
    assert_eq!(
        field(
            "install-app",
            json!({ "manifest_url": "http://apps.example/a.plist" })
        ),
        "manifest_url"
    );
    assert_eq!(
        field("install-app", json!({ "store_id": 1, "bundle_id": "a" })),
        "manifest_url"
    );
    assert_eq!(
        field("install-profile", json!({ "mobileconfig": "" })),
        "mobileconfig"
    );
    assert_eq!(field("lock", json!({ "colour": "red" })), "colour");
    assert_eq!(field("restart", json!({ "notify_user": 1 })), "notify_user");
    assert_eq!(field("shutdown", json!({ "now": true })), "now");
    assert_eq!(field("lock", json!({ "pin": "31415" })), "pin");
    let not_an_object = Action::read("shutdown", json!([])).unwrap_err();
    assert!(not_an_object.to_string().contains("object"));
    assert_eq!(
        Action::read("explode", json!({})),
        Err(ActionError::Unknown("explode".into()))
    );
}

#[test]
fn a_pin_has_six_digits_and_stays_out_of_debug_and_failures() {
    let lock = action("lock", json!({ "pin": "314159" }));
    assert!(!format!("{lock:?}").contains("314159"));
    for bad in ["31415", "3141592", "31415a", "३१४१५९"] {
        let error = Action::read("lock", json!({ "pin": bad }))
            .unwrap_err()
            .to_string();
        assert!(error.contains("six digits") && !error.contains(bad), "{error}");
    }
    assert_eq!(Pin::from_random([0; 8]).reveal(), "000000");
    assert!(Pin::parse(Pin::from_random([255; 8]).reveal()).is_some());
}

#[test]
fn a_wipe_has_the_keys_of_apples_reference() {
    let wipe = action(
        "wipe",
        json!({
            "return_to_service": { "wifi_profile": "d2lmaQ==" },
            "disallow_proximity_setup": true,
            "preserve_data_plan": true,
            "obliteration_behavior": "do_not_obliterate",
        }),
    );
    let pin = Pin::parse("123456").unwrap();
    let drafts = wipe.drafts(&Circumstances {
        pin: Some(&pin),
        ..Circumstances::default()
    });
    let plist = parse(&drafts[0].to_plist(&CommandUuid::new("U")).unwrap()).unwrap();
    let whole = plist.as_dictionary().unwrap();
    assert_eq!(whole["CommandUUID"].as_string(), Some("U"));
    let command = whole["Command"].as_dictionary().unwrap();
    assert_eq!(command["RequestType"].as_string(), Some("EraseDevice"));
    assert_eq!(command["PIN"].as_string(), Some("123456"));
    assert_eq!(
        command["ObliterationBehavior"].as_string(),
        Some("DoNotObliterate")
    );
    assert_eq!(command["DisallowProximitySetup"].as_boolean(), Some(true));
    assert_eq!(command["PreserveDataPlan"].as_boolean(), Some(true));
    let service = command["ReturnToService"].as_dictionary().unwrap();
    assert_eq!(service["WiFiProfileData"].as_data(), Some(&b"wifi"[..]));
    assert_eq!(service["MDMProfileData"].as_data(), Some(ENROLLMENT_PROFILE));
    let automated = wipe.drafts(&Circumstances {
        automated: true,
        ..Circumstances::default()
    });
    let service = automated[0].keys["ReturnToService"].as_dictionary().unwrap();
    assert!(!service.contains_key("MDMProfileData"));
}

#[test]
fn an_app_by_manifest_comes_to_another_command_on_a_mac() {
    let app = action(
        "install-app",
        json!({ "manifest_url": "https://apps.example/a.plist" }),
    );
    let type_on = |platform| {
        let circumstances = Circumstances {
            platform: Some(platform),
            ..Circumstances::default()
        };
        app.drafts(&circumstances)[0].request_type
    };
    assert_eq!(type_on(Platform::Macos), "InstallEnterpriseApplication");
    assert_eq!(type_on(Platform::Ios), "InstallApplication");
}

fn payload(kind: &str, settings: &[(&str, Value)]) -> Value {
    let mut payload = Dictionary::from_iter([("PayloadType".to_owned(), Value::from(kind))]);
    payload.extend(
        settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    payload.into()
}

fn profile(payloads: Vec<Value>) -> Dictionary {
    Dictionary::from_iter([
        ("PayloadType".to_owned(), Value::from("Configuration")),
        ("PayloadUUID".to_owned(), "1".into()),
        ("PayloadIdentifier".to_owned(), "org.example.p".into()),
        ("PayloadContent".to_owned(), Value::Array(payloads)),
    ])
}

fn read(profile: &Dictionary) -> Result<Mobileconfig, ProfileError> {
    Mobileconfig::read(&crate::protocol::plist::to_xml(profile).unwrap())
}

#[test]
fn what_is_no_profile_for_devices_is_refused() {
    assert_eq!(
        read(&profile(vec![payload("com.apple.mdm", &[])])).unwrap_err(),
        ProfileError::Mdm
    );
    let mut without = profile(Vec::new());
    without.remove("PayloadIdentifier");
    assert_eq!(
        read(&without).unwrap_err(),
        ProfileError::Missing("PayloadIdentifier")
    );
    let mut other = profile(Vec::new());
    other.insert("PayloadType".into(), "Profile Service".into());
    assert_eq!(read(&other).unwrap_err(), ProfileError::NotConfiguration);
    assert!(matches!(
        Mobileconfig::read(b"<html>"),
        Err(ProfileError::Plist(_))
    ));
    assert_eq!(read(&profile(Vec::new())).unwrap().identifier, "org.example.p");
}

#[test]
fn u3_any_passcode_setting_becomes_six_digits_that_are_not_simple() {
    let kind = "com.apple.mobiledevice.passwordpolicy";
    let settings = [("maxPINAgeInDays", Value::from(30)), ("allowSimple", true.into())];
    let mut profile = read(&profile(vec![payload(kind, &settings)])).unwrap();
    assert!(user_enrollment::asks_for_passcode(&profile) && !user_enrollment::passcode_fits(&profile));
    user_enrollment::reduce_passcode(&mut profile);
    let reduced = profile.payloads().next().unwrap();
    assert_eq!(reduced.get("maxPINAgeInDays"), None);
    assert_eq!(reduced["allowSimple"].as_boolean(), Some(false));
    assert_eq!(reduced["minLength"].as_signed_integer(), Some(6));
    assert!(user_enrollment::passcode_fits(&profile));
}

#[test]
fn u6_restrictions_that_a_user_enrollment_does_not_obey_are_named() {
    let settings = [
        ("allowCamera", Value::from(false)),
        ("allowScreenShot", false.into()),
        ("allowAppInstallation", false.into()),
    ];
    let profile = read(&profile(vec![payload("com.apple.applicationaccess", &settings)])).unwrap();
    assert_eq!(
        user_enrollment::disobeyed(&profile),
        ["allowAppInstallation", "allowCamera"]
    );
}

//! Settings, their rules, and what Apple gets.

mod golden;
mod limits;
mod rules;
mod shared_ipad;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::*;

pub(super) fn addresses() -> Addresses {
    Addresses {
        url: "https://mdm.example.com/ade/enroll".into(),
        configuration_web_url: "https://mdm.example.com/ade/login".into(),
        anchors: Vec::new(),
    }
}

/// A certificate as PEM.
pub(super) fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["host.example.com".to_owned()]).unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

/// The settings laid over an ordinary iOS profile.
pub(super) fn over(mut base: Value, change: &Value) -> Value {
    for (key, value) in change.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

pub(super) fn ios(change: Value) -> Value {
    over(json!({ "platform": "ios" }), &change)
}

pub(super) fn valid(value: Value) -> Settings {
    Settings::parse(&value).unwrap_or_else(|findings| panic!("{value}: {findings:?}"))
}

/// The fields of each finding about settings that are wrong.
pub(super) fn wrong(value: Value) -> Vec<Vec<String>> {
    let findings = Settings::parse(&value).expect_err(&value.to_string());
    findings.into_iter().map(|finding| finding.fields).collect()
}

/// As it goes to Apple.
pub(super) fn at_apple(value: Value) -> Value {
    render("P", &valid(value), &addresses())
}

pub(super) fn warned(value: Value, part: &str) -> bool {
    let warnings = warnings(&valid(value));
    warnings.iter().any(|warning| warning.to_string().contains(part))
}

#[test]
fn settings_survive_being_stored() {
    for preset in presets() {
        let settings = valid(preset.settings);
        assert_eq!(Settings::stored(&settings.to_value()).unwrap(), settings);
        assert_eq!(
            valid(settings.to_value()),
            settings,
            "parsing again changes nothing"
        );
    }
}

#[test]
fn certificates_are_kept_as_base64_of_the_der() {
    let pem = certificate();
    let der = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .unwrap()
        .1
        .contents;
    let settings = valid(ios(
        json!({ "apple": { "anchor_certs": [pem, STANDARD.encode(&der)] } }),
    ));
    assert_eq!(settings.apple.anchor_certs, [STANDARD.encode(&der)]);
    for bad in [
        "",
        "AAAA",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "?",
    ] {
        assert_eq!(
            wrong(ios(json!({ "apple": { "anchor_certs": [bad] } }))),
            [["apple.anchor_certs"]]
        );
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let settings = json!({
        "platform": "ios",
        "affinity": "group",
        "colour": "red",
        "locked": true,
        "supervised": false,
        "shared_ipad": { "maximum_cached_users": 25, "beds": 2 },
        "support": { "phone": 7 },
    });
    let wrong = wrong(settings);
    for fields in [
        &["affinity"][..],
        &["colour"],
        &["locked", "supervised"],
        &["shared_ipad.maximum_cached_users"],
        &["shared_ipad.beds"],
        &["support.phone"],
    ] {
        assert!(
            wrong.iter().any(|found| found == fields),
            "{fields:?} not in {wrong:?}"
        );
    }
    assert_eq!(Settings::parse(&json!([])).unwrap_err()[0].fields, ["settings"]);
}

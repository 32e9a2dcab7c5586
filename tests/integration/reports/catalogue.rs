//! G12: every failure that the server can emit has a cause and a step, and every place that can refuse a device names one.

use std::{collections::BTreeSet, fs, path::Path};

use russet::{
    error::{Code, Kind},
    service::{
        identity::refused,
        issuance::words,
        reports::{REFUSALS, advice},
    },
    storage::{ATTEMPT_CODES, IssuanceRefusal, Refusal},
};

#[test]
fn g12_every_failure_has_a_cause_and_a_step() {
    for code in Code::ALL {
        let advice = advice(code.as_str());
        assert!(advice.cause.ends_with('.') && advice.cause.len() > 10, "{code:?}");
        assert!(advice.step.len() > 10, "{code:?}");
    }
    let newer = advice("something_that_a_newer_release_wrote");
    assert!(!newer.cause.is_empty() && !newer.step.is_empty());
}

/// Codes that a door names and that end no attempt of a device: our own trouble, and what operators or strangers do.
const NO_DEVICES: [&str; 10] = [
    "AccountExists",
    "BadParameter",
    "BadPkiMessage",
    "EnrollmentClosed",
    "EnrollmentUnknown",
    "NoPushCertificate",
    "NotEnrolled",
    "NotFound",
    "ScepIdentityRefused",
    "TooManyRefusals",
];

#[test]
fn g12_every_place_that_can_refuse_a_device_maps_to_a_failure_of_the_catalogue() {
    for refusal in [
        IssuanceRefusal::ExpiredChallenge,
        IssuanceRefusal::UnknownChallenge,
        IssuanceRefusal::UsedChallenge,
    ] {
        assert!(REFUSALS.contains(&words(refusal).0), "{refusal:?}");
    }
    for refusal in [
        Refusal::Alive,
        Refusal::BoundElsewhere,
        Refusal::MadeForAnother,
        Refusal::NotBound,
    ] {
        assert!(REFUSALS.contains(&refused(refusal).code()), "{refusal:?}");
    }
    let known: BTreeSet<String> = REFUSALS
        .iter()
        .chain(&ATTEMPT_CODES)
        .map(|code| format!("{code:?}"))
        .chain(NO_DEVICES.map(str::to_owned))
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let mut seen = 0;
    for file in [
        "ade/door/mod.rs",
        "ade/door/visit.rs",
        "enrollment.rs",
        "identity.rs",
        "issuance.rs",
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for part in text.split("Code::").skip(1) {
            let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
            seen += 1;
            assert!(
                known.contains(&name),
                "{file} names {name}: is it a device's failure?"
            );
        }
    }
    assert!(seen > 20, "the source is not read as it should be");
    // None of them is our own fault.
    for code in REFUSALS.iter().chain(&ATTEMPT_CODES) {
        assert_ne!(code.kind(), Kind::Internal, "{code:?}");
    }
}

//! Enrollment profiles that a device must take, and that it must refuse.

use crate::pki::csr::rsa_key;
use crate::pki::identity::Identity;
use crate::plists::{Dictionary, Value, decode, dictionary, encode};
use crate::profile::*;

fn payload(kind: &str, uuid: &str) -> Dictionary {
    dictionary([
        ("PayloadType", kind.into()),
        ("PayloadVersion", 1.into()),
        ("PayloadIdentifier", format!("org.example.{uuid}").into()),
        ("PayloadUUID", uuid.into()),
    ])
}

fn array(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(items.into_iter().collect())
}

fn subject() -> Value {
    array([array([array(["CN".into(), "dev".into()])])])
}

/// An enrollment profile, after `change` had its way with the MDM payload and the SCEP content.
fn profile(change: impl FnOnce(&mut Dictionary, &mut Dictionary)) -> Vec<u8> {
    let mut mdm = payload("com.apple.mdm", "M");
    mdm.insert("IdentityCertificateUUID".into(), "S".into());
    mdm.insert("Topic".into(), "com.apple.mgmt.External.1".into());
    mdm.insert("ServerURL".into(), "https://mdm.example/mdm?site=1".into());
    mdm.insert("AccessRights".into(), 8191.into());
    let mut content = dictionary([
        ("URL", "https://mdm.example/scep".into()),
        ("Subject", subject()),
        ("Keysize", 2048.into()),
        ("Key Usage", 5.into()),
    ]);
    change(&mut mdm, &mut content);
    let mut scep = payload("com.apple.security.scep", "S");
    scep.insert("PayloadContent".into(), content.into());
    let mut profile = payload("Configuration", "P");
    profile.insert("PayloadContent".into(), array([scep.into(), mdm.into()]));
    encode(&profile).unwrap()
}

fn refusal(change: impl FnOnce(&mut Dictionary, &mut Dictionary)) -> String {
    EnrollmentProfile::parse(&profile(change))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_plain_profile_is_read() {
    let read = EnrollmentProfile::parse(&profile(|_, _| {})).unwrap();
    assert_eq!(read.mdm.check_in_url, "https://mdm.example/mdm?site=1");
    let IdentityPayload::Scep(scep) = &read.identity else {
        panic!("not SCEP")
    };
    assert_eq!((scep.key_size, scep.key_usage, scep.retries), (2048, 5, 3));
    assert_eq!(scep.subject, [("CN".to_string(), "dev".to_string())]);
}

#[test]
fn a_signed_profile_is_verified_and_a_changed_one_refused() {
    let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    let mut signed = identity.signed_data(&profile(|_, _| {})).unwrap();
    let read = Profile::parse(&signed).unwrap();
    assert!(read.is_verified(std::slice::from_ref(&identity.certificate)));
    assert!(!read.is_verified(&[]));
    let at = signed.windows(11).position(|w| w == b"mdm.example").unwrap();
    signed[at] = b'x';
    assert!(Profile::parse(&signed).is_err());
}

#[test]
fn wrong_subject_nesting_is_refused() {
    for flat in [
        array(["CN".into(), "dev".into()]),
        array([array(["CN".into(), "dev".into()])]),
        array([]),
    ] {
        assert!(refusal(|_, scep| drop(scep.insert("Subject".into(), flat))).contains("Subject"));
    }
}

#[test]
fn missing_and_wrong_keys_are_refused() {
    assert!(refusal(|mdm, _| drop(mdm.remove("Topic"))).contains("Topic"));
    assert!(
        refusal(|mdm, _| drop(mdm.insert("Topic".into(), "com.example".into()))).contains("com.apple.mgmt.")
    );
    assert!(refusal(|mdm, _| drop(mdm.remove("AccessRights"))).contains("AccessRights"));
    assert!(refusal(|mdm, _| drop(mdm.insert("AccessRights".into(), 2.into()))).contains("mask"));
    assert!(
        refusal(|mdm, _| drop(mdm.insert("IdentityCertificateUUID".into(), "X".into()))).contains("names no")
    );
    assert!(refusal(|_, scep| drop(scep.insert("Keysize".into(), "2048".into()))).contains("Keysize"));
}

#[test]
fn an_update_must_keep_the_immutable_keys() {
    let mdm = |change: fn(&mut Dictionary)| EnrollmentProfile::parse(&profile(|m, _| change(m))).unwrap().mdm;
    let old = mdm(|_| {});
    assert!(
        old.check_update(&mdm(|m| drop(m.insert("SignMessage".into(), true.into()))))
            .is_ok()
    );
    assert!(
        old.check_update(&mdm(|m| drop(
            m.insert("ServerURL".into(), "https://other".into())
        )))
        .is_err()
    );
    assert!(
        mdm(|m| drop(m.insert("AccessRights".into(), 1.into())))
            .check_update(&old)
            .is_err()
    );
    assert!(decode(b"<plist><dict/></plist>").is_ok());
}

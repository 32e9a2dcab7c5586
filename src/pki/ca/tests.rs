//! The authority's certificates, read by OpenSSL and x509-parser.

use openssl::{stack::Stack, x509::X509, x509::X509StoreContext, x509::store::X509StoreBuilder};
use x509_parser::prelude::*;

use super::*;
use crate::pki::testing::{NOW, Peer, authority};

fn issue(days: u32, now: Timestamp) -> Result<Issued, CaError> {
    let key = PublicKey::from_spki(&Peer::rsa().spki()).unwrap();
    authority().issue(
        &Template {
            public_key: &key,
            serial: "00a1b2c3",
            subject: &[
                SubjectAttribute::CommonName("C02XY".into()),
                SubjectAttribute::SerialNumber("C02XY-1".into()),
            ],
            alternative_names: &[AlternativeName::Uri("urn:uuid:1".into())],
            days,
            key_encipherment: true,
        },
        now,
    )
}

#[test]
fn openssl_accepts_the_chain() {
    let issued = issue(365, NOW).unwrap();
    let leaf = X509::from_der(&issued.der).unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store
        .add_cert(X509::from_der(authority().certificate()).unwrap())
        .unwrap();
    let mut parameters = openssl::x509::verify::X509VerifyParam::new().unwrap();
    parameters.set_time(NOW.seconds());
    parameters
        .set_purpose(openssl::x509::X509PurposeId::SSL_CLIENT)
        .unwrap();
    store.set_param(&parameters).unwrap();
    let trusted = X509StoreContext::new()
        .unwrap()
        .init(&store.build(), &leaf, &Stack::new().unwrap(), |context| {
            let ok = context.verify_cert()?;
            assert!(ok, "{}", context.error());
            Ok(ok)
        })
        .unwrap();
    assert!(trusted);
}

#[test]
fn a_certificate_says_what_its_template_said() {
    let issued = issue(365, NOW).unwrap();
    let (_, read) = X509Certificate::from_der(&issued.der).unwrap();
    assert_eq!(read.subject().to_string(), "CN=C02XY, serialNumber=C02XY-1");
    assert_eq!(read.raw_serial_as_string(), "00:a1:b2:c3");
    assert_eq!(issued.not_before, NOW.minus(BACKDATING));
    assert_eq!(issued.not_after, NOW.plus(days(365)));
    let usage = read.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    let view = Certificate::parse(&issued.der).unwrap();
    assert_eq!(view.serial_hex(), "a1b2c3");
    assert!(view.issued_by(&Certificate::parse(authority().certificate()).unwrap()));
}

#[test]
fn no_certificate_outlives_the_authority() {
    let end = Certificate::parse(authority().certificate()).unwrap().not_after;
    assert_eq!(issue(36_500, NOW).unwrap().not_after, end);
    assert_eq!(issue(365, end), Err(CaError::Expired));
    assert_eq!(issue(0, NOW), Err(CaError::Expired));
}

#[test]
fn an_authority_survives_being_stored() {
    let stored = authority().to_pkcs8().unwrap();
    let loaded = DeviceAuthority::load(&stored, authority().certificate()).unwrap();
    assert_eq!(loaded.certificate(), authority().certificate());
    assert_eq!(
        DeviceAuthority::load(&stored, &issue(1, NOW).unwrap().der).err(),
        Some(CaError::Mismatch)
    );
    assert!(!format!("{loaded:?}").contains("Key"));
}

#[test]
fn serials_and_names_are_checked() {
    for bad in [
        "",
        "0",
        "00",
        "zz",
        "80",
        "abc",
        "0102030405060708090a0b0c0d0e0f101112131415",
    ] {
        assert_eq!(encode::serial(bad), Err(CaError::Serial), "{bad}");
    }
    assert_eq!(encode::serial("7f00"), Ok(vec![0x7f, 0]));
    for bad in ["", &"x".repeat(65), "line\nbreak"] {
        assert_eq!(
            encode::name(&[SubjectAttribute::CommonName(bad.into())]),
            Err(CaError::Name)
        );
    }
    assert_eq!(
        encode::name(&[SubjectAttribute::SerialNumber("ü".into())]),
        Err(CaError::Name)
    );
    assert!(encode::serial(&random_serial().unwrap()).is_ok());
}

/// The lint is the last line: each fault, forged with the authority's own key, is caught.
#[test]
fn the_lint_catches_what_must_never_leave() {
    let peer = Peer::rsa();
    let key = PublicKey::from_spki(&peer.spki()).unwrap();
    let subject = [SubjectAttribute::CommonName("x".into())];
    let template = Template {
        public_key: &key,
        serial: "01",
        subject: &subject,
        alternative_names: &[],
        days: 1,
        key_encipherment: false,
    };
    let ca = Certificate::parse(authority().certificate()).unwrap();
    let name = encode::name(&subject).unwrap();
    let forge = |extensions: &[Vec<u8>], not_after, spki: &[u8]| {
        let der = encode::certificate(&encode::Fields {
            serial: &[1],
            issuer: ca.subject,
            not_before: NOW,
            not_after,
            subject: &name,
            spki,
            extensions,
            key: &authority().signing,
        });
        lint::check(&der.unwrap(), &template, &ca)
    };
    let good = encode::device_extensions(&template, &[1], &[2]).unwrap();
    let later = NOW.plus(days(1));
    assert_eq!(forge(&good, later, key.spki()), Ok(()));
    assert_eq!(
        forge(&encode::authority_extensions(&[1]), later, key.spki()),
        Err(CaError::Lint("basicConstraints"))
    );
    assert_eq!(
        forge(&good[..2], later, key.spki()),
        Err(CaError::Lint("extKeyUsage"))
    );
    assert_eq!(
        forge(&good, ca.not_after.plus(days(1)), key.spki()),
        Err(CaError::Lint("validity"))
    );
    assert_eq!(forge(&good, later, ca.spki), Err(CaError::Lint("public key")));
}

//! What is issued, whatever was asked for; and which keys and message types are refused.

use std::time::Duration;

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};
use russet::clock::Clock;
use russet_sim::{
    Kind, der,
    pki::{
        certificate::{KeyUsage, extension, is_ca, key_usage},
        csr::{AlternativeName, Digest, Extension, rsa_key},
        oids,
        scep::{Style, Transaction},
    },
    scep::certificate_request,
};

use super::{BAD_ALG, BAD_CERT_ID, BAD_REQUEST, Caller, common_name, fail_info, key};
use crate::support::TestServer;

/// The DER of an extendedKeyUsage with these purposes.
fn usages(purposes: &[&str]) -> Vec<u8> {
    let purposes: Vec<Vec<u8>> = purposes.iter().map(|oid| der::oid(oid).unwrap()).collect();
    der::sequence(&[&purposes.concat()])
}

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const ANY_USAGE: &str = "2.5.29.37.0";

#[tokio::test]
async fn an_identity_begins_ten_minutes_ago_and_ends_when_the_policy_says() {
    let server = TestServer::at(Clock::manual(Clock::system().now()), |config| {
        config.identity.identity_days = 30;
        config.enroll.organization = "Example & Söhne".into();
    })
    .await;
    let device = server.device(Kind::IPad);
    let mut caller = Caller::at(&server, &server.bound_link(&device).await).await;
    let transaction = caller.request(&key());
    let certificate = caller.send(&transaction).await.unwrap().certificate;

    let seconds = server.clock.now().millis() / 1000;
    let at = |offset: i64| Asn1Time::from_unix(seconds + offset).unwrap();
    let is = |time: &Asn1TimeRef, offset| time.diff(&at(offset)).unwrap();
    let ten_minutes_ago = is(certificate.not_before(), -600);
    assert!(ten_minutes_ago.days == 0 && ten_minutes_ago.secs.abs() <= 1);
    let thirty_days = is(certificate.not_after(), 30 * 24 * 3600);
    assert!(
        thirty_days.days == 0 && thirty_days.secs.abs() <= 600,
        "{}",
        certificate.not_after()
    );

    assert_eq!(common_name(&certificate), device.hardware.serial_number);
    let organization = certificate.subject_name().entries_by_nid(Nid::ORGANIZATIONNAME);
    let organization: Vec<_> = organization
        .map(|o| String::from_utf8(o.data().as_slice().to_vec()).unwrap())
        .collect();
    assert_eq!(organization, ["Example & Söhne"]);
    assert_eq!(
        extension(&certificate, oids::EXTENDED_KEY_USAGE).unwrap(),
        Some(usages(&[CLIENT_AUTH]))
    );
    assert!(certificate.serial_number().to_bn().unwrap().num_bits() >= 64);
}

/// K-S6
#[tokio::test]
async fn k_s6_extensions_of_the_request_never_reach_the_certificate() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let mut request = certificate_request(&caller.payload, Digest::Sha256);
    request.key_usage = 0;
    request.alternative_names = vec![AlternativeName::Dns("mdm.example.com".into())];
    request.extensions = vec![
        Extension::certificate_authority(),
        Extension {
            id: oids::KEY_USAGE.into(),
            critical: true,
            // keyCertSign and cRLSign.
            value: der::tlv(der::tag::BIT_STRING, &[1, 0x06]),
        },
        Extension {
            id: oids::EXTENDED_KEY_USAGE.into(),
            critical: true,
            value: usages(&[SERVER_AUTH, ANY_USAGE]),
        },
        Extension {
            // privateKeyUsagePeriod of thirty years, as good as any extension that asks for time.
            id: "2.5.29.16".into(),
            critical: false,
            value: der::sequence(&[&der::tlv(0x81, b"20560101000000Z")]),
        },
    ];
    let transaction = Transaction::enrol(&key(), &request, Style::default()).unwrap();
    let certificate = caller.send(&transaction).await.unwrap().certificate;
    assert!(!is_ca(&certificate).unwrap());
    assert_eq!(
        key_usage(&certificate).unwrap(),
        Some(KeyUsage {
            digital_signature: true,
            key_encipherment: false,
            cert_sign: false,
        })
    );
    assert_eq!(
        extension(&certificate, oids::EXTENDED_KEY_USAGE).unwrap(),
        Some(usages(&[CLIENT_AUTH]))
    );
    assert!(certificate.subject_alt_names().is_none());
    assert_eq!(extension(&certificate, "2.5.29.16").unwrap(), None);
    let lifetime = certificate.not_before().diff(certificate.not_after()).unwrap();
    assert!((364..=366).contains(&lifetime.days), "{} days", lifetime.days);
}

#[tokio::test]
async fn key_encipherment_is_granted_where_it_is_asked_for() {
    let server = TestServer::start().await;
    for (asked, granted) in [(0, false), (1, false), (4, true), (5, true)] {
        let mut caller = Caller::new(&server).await;
        caller.payload.key_usage = asked;
        let transaction = caller.request(&key());
        let certificate = caller.send(&transaction).await.unwrap().certificate;
        let usage = key_usage(&certificate).unwrap().unwrap();
        assert_eq!(usage.key_encipherment, granted, "Key Usage {asked}");
        assert!(usage.digital_signature);
    }
}

/// K-S11
#[tokio::test]
async fn k_s11_weak_keys_are_refused_and_cost_no_challenge() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let elliptic = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
    for (name, weak) in [
        ("RSA 512", rsa_key(512).unwrap()),
        ("RSA 1024", rsa_key(1024).unwrap()),
        ("P-256", elliptic),
    ] {
        let transaction = caller.request(&weak);
        assert_eq!(fail_info(caller.send(&transaction).await), BAD_ALG, "{name}");
    }
    // A strong temporary key that asks for a weak one.
    let mut transaction = caller.request(&rsa_key(1024).unwrap());
    transaction.signer = russet_sim::pki::identity::Identity::self_signed(&key()).unwrap();
    assert_eq!(fail_info(caller.send(&transaction).await), BAD_ALG);
    let transaction = caller.request(&key());
    caller.send(&transaction).await.unwrap();
}

/// K-S7
#[tokio::test]
async fn k_s7_of_all_message_types_none_gets_a_certificate_without_a_challenge() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    caller.payload.challenge = None;
    let transaction = caller.request(&key());
    let numbers = (0..=255).map(|number: u8| number.to_string());
    let oddities = [
        "",
        "019",
        "19 ",
        "+19",
        "1",
        "-1",
        "nineteen",
        "99999999999999999999",
    ];
    for message_type in numbers.chain(oddities.map(str::to_owned)) {
        let message = transaction
            .message(&message_type, &transaction.request, &caller.ca.encryption)
            .unwrap()
            .build()
            .unwrap();
        let refused = fail_info(caller.send_message(&transaction, message).await);
        let expected = match message_type.as_str() {
            "17" => BAD_CERT_ID,
            // A poll holds another content than a request.
            "20" => super::BAD_MESSAGE_CHECK,
            _ => BAD_REQUEST,
        };
        assert_eq!(refused, expected, "messageType {message_type:?}");
    }
}

#[tokio::test]
async fn a_poll_tells_only_the_holder_of_the_key() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let mut transaction = caller.request(&key());
    let ca = caller.ca.clone();

    let early = transaction.poll(&ca.ca, &ca.encryption).unwrap();
    assert_eq!(
        fail_info(caller.send_message(&transaction, early).await),
        BAD_CERT_ID
    );

    let issued = caller.send(&transaction).await.unwrap();
    let poll = transaction.poll(&ca.ca, &ca.encryption).unwrap();
    let polled = caller.send_message(&transaction, poll).await.unwrap();
    assert_eq!(polled.fingerprint().unwrap(), issued.fingerprint().unwrap());

    let mut thief = caller.request(&rsa_key(2048).unwrap());
    thief.id.clone_from(&transaction.id);
    let poll = thief.poll(&ca.ca, &ca.encryption).unwrap();
    assert_eq!(fail_info(caller.send_message(&thief, poll).await), BAD_CERT_ID);
}

#[tokio::test]
async fn a_request_signed_with_another_key_than_its_own_is_refused() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let mut transaction = caller.request(&key());
    transaction.signer = russet_sim::pki::identity::Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    assert_eq!(
        fail_info(caller.send(&transaction).await),
        super::BAD_MESSAGE_CHECK
    );
}

/// K-S3's quiet sibling: a challenge that nobody uses in time leaves nothing behind that could be used later.
#[tokio::test]
async fn an_expired_challenge_stays_expired_after_a_restart() {
    let server = TestServer::at(Clock::manual(Clock::system().now()), |_| {}).await;
    let payload = Caller::new(&server).await.payload;
    server.clock.advance(Duration::from_secs(3600));
    let server = server.restart(|_| {}).await;
    let mut caller = Caller::new(&server).await;
    caller.payload.challenge = payload.challenge;
    let transaction = caller.request(&key());
    assert_eq!(fail_info(caller.send(&transaction).await), BAD_REQUEST);
}

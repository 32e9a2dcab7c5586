//! MachineInfo as devices of several kinds sign it, made by hand with OpenSSL's keys; and a real one, where it is there.

use std::{env, fs, path::Path};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{X509, X509NameBuilder, extension::BasicConstraints},
};

use super::*;
use crate::{
    pki::{
        asn1::{self, tag},
        certificate::Certificate,
        device_trust::{APPLE, TrustError, certificates, quoted, recognize},
        keys::DigestAlgorithm,
        oid, pem,
        testing::{attribute, rsa_key, sign},
    },
    protocol::machine_info::MachineInfo,
};

const CONTENT: &[u8] = b"<plist version=\"1.0\"><dict/></plist>";

struct Holder {
    key: PKey<Private>,
    certificate: X509,
}

impl Holder {
    fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }
}

#[derive(Clone, Copy)]
struct Made<'a> {
    name: &'a str,
    ca: bool,
    issuer: Option<&'a Holder>,
    digest: fn() -> MessageDigest,
}

fn make(made: Made<'_>, key: PKey<Private>) -> Holder {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, made.name).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(0x71).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    let issuer = made.issuer.map(|issuer| issuer.certificate.subject_name());
    builder.set_issuer_name(issuer.unwrap_or(&name)).unwrap();
    // Long over, as Apple's device CA is.
    builder
        .set_not_before(&Asn1Time::from_unix(1_000_000_000).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(1_100_000_000).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    if made.ca {
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
    }
    let signer = made.issuer.map_or(&key, |issuer| &issuer.key);
    builder.sign(signer, (made.digest)()).unwrap();
    Holder {
        certificate: builder.build(),
        key,
    }
}

fn authority(name: &str, issuer: Option<&Holder>) -> Holder {
    let made = Made {
        name,
        ca: true,
        issuer,
        digest: MessageDigest::sha256,
    };
    make(made, rsa_key(2048))
}

fn device(issuer: &Holder) -> Holder {
    let made = Made {
        name: "device",
        ca: false,
        issuer: Some(issuer),
        digest: MessageDigest::sha256,
    };
    make(made, rsa_key(1024))
}

fn trusting(authority: &Holder) -> DeviceTrust {
    let mut trust = DeviceTrust::default();
    trust.add_configured(&authority.der()).unwrap();
    trust
}

#[derive(Clone, Copy)]
struct Form {
    sha1: bool,
    attributes: bool,
    ber: bool,
}

fn message(signer: &Holder, chain: &[Vec<u8>], content: &[u8], form: Form) -> Vec<u8> {
    let (digest_oid, digest, algorithm) = if form.sha1 {
        (oid::SHA1, MessageDigest::sha1(), DigestAlgorithm::Sha1)
    } else {
        (oid::SHA256, MessageDigest::sha256(), DigestAlgorithm::Sha256)
    };
    let der = signer.der();
    let view = Certificate::parse(&der).unwrap();
    let (attributes, signature) = if form.attributes {
        let list = asn1::set_of(vec![
            attribute(&oid::CONTENT_TYPE, asn1::oid(&oid::DATA)),
            attribute(
                &oid::MESSAGE_DIGEST,
                asn1::primitive(tag::OCTET_STRING, algorithm.digest(content)),
            ),
        ]);
        let signature = sign(&signer.key, digest, &list);
        let mut implicit = list;
        implicit[0] = tag::context(0);
        (implicit, signature)
    } else {
        (Vec::new(), sign(&signer.key, digest, content))
    };
    let signature_algorithm = if signer.key.id() == openssl::pkey::Id::EC {
        asn1::sequence(&[asn1::oid(&oid::ECDSA_WITH_SHA256)])
    } else {
        asn1::algorithm(&oid::RSA_ENCRYPTION)
    };
    let info = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::sequence(&[view.issuer, &asn1::primitive(tag::INTEGER, view.serial)]),
        asn1::algorithm(&digest_oid),
        attributes,
        signature_algorithm,
        asn1::primitive(tag::OCTET_STRING, signature),
    ]);
    let mut included = vec![der.clone()];
    included.extend(chain.iter().cloned());
    let attached = if form.ber {
        // Constructed, in pieces, as a device that streams writes it.
        let mut pieces = vec![0x24, 0x80];
        for piece in content.chunks(10) {
            pieces.extend(asn1::primitive(tag::OCTET_STRING, piece));
        }
        pieces.extend([0, 0]);
        pieces
    } else {
        asn1::primitive(tag::OCTET_STRING, content)
    };
    let signed = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::element(tag::SET, &[asn1::algorithm(&digest_oid)]),
        asn1::sequence(&[asn1::oid(&oid::DATA), asn1::element(tag::context(0), &[attached])]),
        asn1::element(tag::context(0), &included),
        asn1::element(tag::SET, &[info]),
    ]);
    asn1::sequence(&[
        asn1::oid(&oid::SIGNED_DATA),
        asn1::element(tag::context(0), &[signed]),
    ])
}

const PLAIN: Form = Form {
    sha1: false,
    attributes: false,
    ber: false,
};

#[test]
fn every_form_that_devices_use_is_read() {
    let authority = authority("Device CA", None);
    let device = device(&authority);
    let trust = trusting(&authority);
    for sha1 in [true, false] {
        for attributes in [true, false] {
            for ber in [true, false] {
                for chain in [vec![], vec![authority.der()]] {
                    let form = Form {
                        sha1,
                        attributes,
                        ber,
                    };
                    let signed = verify(&message(&device, &chain, CONTENT, form), &trust).unwrap();
                    assert_eq!(signed.content, CONTENT);
                    assert_eq!(signed.voucher.anchor, "Device CA");
                    assert!(!signed.voucher.apple);
                }
            }
        }
    }
}

#[test]
fn an_elliptic_key_signs_too() {
    let authority = authority("Device CA", None);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let made = Made {
        name: "device",
        ca: false,
        issuer: Some(&authority),
        digest: MessageDigest::sha256,
    };
    let device = make(made, key);
    let message = message(&device, &[], CONTENT, PLAIN);
    assert!(verify(&message, &trusting(&authority)).is_ok());
}

#[test]
fn an_intermediate_may_stand_between_if_it_is_a_ca_and_is_sent() {
    let root = authority("Root", None);
    let middle = authority("Middle", Some(&root));
    let device = device(&middle);
    let trust = trusting(&root);
    assert!(verify(&message(&device, &[middle.der()], CONTENT, PLAIN), &trust).is_ok());
    let alone = message(&device, &[], CONTENT, PLAIN);
    assert_eq!(verify(&alone, &trust), Err(MachineInfoError::Stranger));

    let made = Made {
        name: "Middle",
        ca: false,
        issuer: Some(&root),
        digest: MessageDigest::sha256,
    };
    let no_ca = make(made, middle.key.clone());
    let forged = message(&device, &[no_ca.der()], CONTENT, PLAIN);
    assert_eq!(verify(&forged, &trust), Err(MachineInfoError::Stranger));
}

/// K-A1: self-signed, from another CA, from a namesake with another key, with a changed content.
#[test]
fn k_a1_what_nobody_vouches_for_is_refused() {
    let (authority, other) = (authority("Device CA", None), authority("Device CA", None));
    let trust = trusting(&authority);
    let stranger = message(&device(&other), &[other.der()], CONTENT, PLAIN);
    assert_eq!(verify(&stranger, &trust), Err(MachineInfoError::Stranger));
    let itself = message(&other, &[], CONTENT, PLAIN);
    assert_eq!(verify(&itself, &trust), Err(MachineInfoError::Stranger));
    let honest = message(&device(&authority), &[], CONTENT, PLAIN);
    assert_eq!(
        verify(&honest, &DeviceTrust::default()),
        Err(MachineInfoError::Stranger)
    );
    let at = honest.windows(4).position(|four| four == b"dict").unwrap();
    let mut tampered = honest;
    tampered[at] ^= 1;
    assert_eq!(
        verify(&tampered, &trust),
        Err(MachineInfoError::Cms(CmsError::BadSignature))
    );
    assert!(matches!(
        verify(b"<plist/>", &trust),
        Err(MachineInfoError::Cms(_))
    ));
    assert_eq!(
        verify(&vec![0x30; MAX_LENGTH + 1], &trust),
        Err(MachineInfoError::TooLong)
    );
}

#[test]
fn only_apple_may_sign_certificates_with_sha_1() {
    let authority = authority("Device CA", None);
    let made = Made {
        name: "device",
        ca: false,
        issuer: Some(&authority),
        digest: MessageDigest::sha1,
    };
    let device = make(made, rsa_key(1024));
    let message = message(&device, &[], CONTENT, PLAIN);
    assert_eq!(
        verify(&message, &trusting(&authority)),
        Err(MachineInfoError::Stranger)
    );
}

#[test]
fn only_authorities_become_anchors_and_only_apples_own_are_apples() {
    let authority = authority("Apple iPhone Device CA", None);
    let mut trust = DeviceTrust::default();
    assert_eq!(trust.add_apple(&authority.der()), Ok(false));
    assert_eq!(recognize(&authority.der()), None);
    let leaf = device(&authority);
    assert_eq!(trust.add_configured(&leaf.der()), Err(TrustError::NotAnAuthority));
    assert_eq!(trust.add_configured(b"nothing"), Err(TrustError::NoCertificate));
    assert!(trust.is_empty());
    assert_eq!(trust.missing().count(), APPLE.len());
}

#[test]
fn certificates_are_found_in_files_and_on_pages() {
    let der = authority("Device CA", None).der();
    let text = pem::encode("CERTIFICATE", &der);
    assert_eq!(certificates(&der), Ok(vec![der.clone()]));
    assert_eq!(certificates(text.as_bytes()), Ok(vec![der.clone()]));
    let page = format!(
        "<html><pre class=\"x\">{}</pre></html>",
        text.replace('\n', "<br/>")
    );
    assert_eq!(quoted(&page), [der]);
    assert!(quoted("<p>nothing</p>").is_empty());
    assert_eq!(certificates(b"nothing"), Err(TrustError::NoCertificate));
}

fn shared(variable: &str, beside: &str, file: &str) -> Vec<u8> {
    let place = env::var_os(variable).unwrap_or_else(|| beside.into());
    fs::read(Path::new(&place).join(file)).unwrap()
}

#[test]
#[cfg_attr(
    not(all(apple_roots, captures)),
    ignore = "no captured message or no Apple certificates beside the project or in RUSSET_CAPTURES and RUSSET_APPLE_ROOTS"
)]
fn a_real_devices_message_is_believed() {
    let message = shared("RUSSET_CAPTURES", "../shared/captures", "ota_playload_phase_2");
    let chain = shared(
        "RUSSET_APPLE_ROOTS",
        "../shared/apple-roots",
        "apple-iphone-device-ca-fullchain.pem",
    );
    let chain = certificates(&chain).unwrap();
    let names: Vec<_> = chain
        .iter()
        .filter_map(|der| recognize(der))
        .map(|found| found.name)
        .collect();
    assert_eq!(names.len(), APPLE.len(), "{names:?}");

    // Each of the three alone is enough: the message brings the CAs between. So is none: Apple's are known.
    for anchors in [&chain[..0], &chain[0..1], &chain[1..2], &chain[2..3], &chain[..]] {
        let mut trust = DeviceTrust::default();
        for der in anchors {
            assert_eq!(trust.add_apple(der), Ok(true));
        }
        let signed = verify(&message, &trust).unwrap();
        assert!(signed.voucher.apple, "{:?}", signed.voucher);
        let info = MachineInfo::decode(&signed.content).unwrap();
        assert_eq!(info.serial.unwrap().as_str(), "ZDL2M9PTJ3");
        assert_eq!(info.product, "VirtualMac2,1");
    }
    let mut tampered = message.clone();
    let at = tampered.windows(10).position(|ten| ten == b"ZDL2M9PTJ3").unwrap();
    tampered[at] = b'Y';
    assert!(verify(&tampered, &DeviceTrust::default()).is_err());
}

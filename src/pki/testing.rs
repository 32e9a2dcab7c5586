//! What the tests of this group share: OpenSSL as the other side, and keys made once.

use std::sync::OnceLock;

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Signer,
    x509::{X509, X509Name, extension::SubjectKeyIdentifier},
};

use super::{
    asn1::{self, tag},
    ca::{DeviceAuthority, SubjectAttribute},
    oid,
};
use crate::protocol::time::Timestamp;

/// The tests' present, in 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

/// A peer's key and certificate, made by OpenSSL.
pub(crate) struct Peer {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Peer {
    /// A self-signed one around `key`.
    pub(crate) fn new(key: PKey<Private>, common_name: &str) -> Self {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, common_name).unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder
            .set_serial_number(&BigNum::from_u32(0x80a1).unwrap().to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder
            .set_not_before(&Asn1Time::from_unix(NOW.seconds() - 86_400).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::from_unix(NOW.seconds() + 86_400).unwrap())
            .unwrap();
        let id = SubjectKeyIdentifier::new()
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(id).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self {
            key,
            certificate: builder.build(),
        }
    }

    /// A self-signed one with an RSA-2048 key that all tests share.
    pub(crate) fn rsa() -> &'static Self {
        static PEER: OnceLock<Peer> = OnceLock::new();
        PEER.get_or_init(|| Self::new(rsa_key(2048), "MDM SCEP SIGNER"))
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.key.public_key_to_der().unwrap()
    }
}

/// The certificate of `subject`, issued by `issuer`.
pub(crate) fn cross_signed(subject: &Peer, issuer: &Peer) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(0x80a2).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder
        .set_subject_name(subject.certificate.subject_name())
        .unwrap();
    builder
        .set_issuer_name(issuer.certificate.subject_name())
        .unwrap();
    builder.set_pubkey(&subject.key).unwrap();
    builder.set_not_before(subject.certificate.not_before()).unwrap();
    builder.set_not_after(subject.certificate.not_after()).unwrap();
    builder.sign(&issuer.key, MessageDigest::sha256()).unwrap();
    builder.build().to_der().unwrap()
}

pub(crate) fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

pub(crate) fn authority() -> &'static DeviceAuthority {
    static AUTHORITY: OnceLock<DeviceAuthority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let subject = [
            SubjectAttribute::Organization("Russet".into()),
            SubjectAttribute::CommonName("Devices".into()),
        ];
        DeviceAuthority::generate(&subject, NOW).unwrap()
    })
}

/// Signs as OpenSSL does: RSA PKCS #1 v1.5 or ECDSA, by the key.
pub(crate) fn sign(key: &PKey<Private>, digest: MessageDigest, message: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(digest, key).unwrap();
    signer.sign_oneshot_to_vec(message).unwrap()
}

/// A PKCS #10 request with the given attributes (DER), signed by `key` with SHA-256.
pub(crate) fn csr(key: &PKey<Private>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let unit = |text: &str| {
        let pair = asn1::sequence(&[
            asn1::oid(&oid::ORGANIZATIONAL_UNIT),
            asn1::primitive(tag::UTF8_STRING, text),
        ]);
        asn1::element(tag::SET, &[pair])
    };
    let info = asn1::sequence(&[
        asn1::integer(&[0]),
        asn1::sequence(&[unit("one"), unit("two")]),
        key.public_key_to_der().unwrap(),
        asn1::element(tag::context(0), attributes),
    ]);
    let signature = sign(key, MessageDigest::sha256(), &info);
    asn1::sequence(&[
        info,
        asn1::algorithm(&oid::SHA256_WITH_RSA),
        asn1::bit_string(&signature),
    ])
}

/// One attribute with one value.
pub(crate) fn attribute(id: &der::oid::ObjectIdentifier, value: Vec<u8>) -> Vec<u8> {
    asn1::sequence(&[asn1::oid(id), asn1::element(tag::SET, &[value])])
}

/// One extension, not critical.
pub(crate) fn extension(id: &der::oid::ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    asn1::sequence(&[asn1::oid(id), asn1::primitive(tag::OCTET_STRING, value)])
}

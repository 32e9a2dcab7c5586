//! Apple's part in the life of a push certificate: whatever certificate a test wants, for whatever key.

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    hash::MessageDigest,
    nid::Nid,
    pkey::{HasPublic, PKeyRef},
    x509::{X509, X509NameBuilder, X509Req},
};
use russet::protocol::time::Timestamp;

use super::{shared_key, uuid};

/// A push certificate to be made.
#[derive(Clone, Debug)]
pub struct PushLeaf {
    /// The subject's UID; left out if empty.
    pub topic: String,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
}

impl PushLeaf {
    /// As Apple makes them: valid for 365 days.
    pub fn new(topic: impl Into<String>, now: Timestamp) -> Self {
        Self {
            topic: topic.into(),
            not_before: now,
            not_after: now.plus(std::time::Duration::from_secs(365 * 86_400)),
        }
    }

    /// Makes it for a key.
    pub fn certify<T: HasPublic>(&self, key: &PKeyRef<T>) -> X509 {
        let mut subject = X509NameBuilder::new().unwrap();
        if !self.topic.is_empty() {
            subject.append_entry_by_nid(Nid::USERID, &self.topic).unwrap();
        }
        subject.append_entry_by_text("CN", "APSP:test").unwrap();
        let mut issuer = X509NameBuilder::new().unwrap();
        issuer
            .append_entry_by_text("CN", "Fake Apple Application Integration")
            .unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(120, MsbOption::ONE, false).unwrap();
        builder
            .set_serial_number(&serial.to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&subject.build()).unwrap();
        builder.set_issuer_name(&issuer.build()).unwrap();
        let time = |at: Timestamp| Asn1Time::from_unix(at.seconds()).unwrap();
        builder.set_not_before(&time(self.not_before)).unwrap();
        builder.set_not_after(&time(self.not_after)).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(&shared_key(), MessageDigest::sha256()).unwrap();
        builder.build()
    }

    /// What the portal gives for a request: PEM.
    pub fn answer(&self, request: &str) -> String {
        let request = X509Req::from_pem(request.as_bytes()).unwrap();
        let key = request.public_key().unwrap();
        assert!(request.verify(&key).unwrap());
        pem(&self.certify(&key))
    }

    /// The certificate and a key of the test's own, PEM.
    pub fn with_key(&self) -> (String, String) {
        let key = shared_key();
        let pkcs8 = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (pem(&self.certify(&key)), pkcs8)
    }
}

/// A topic that nobody else has.
pub fn new_topic() -> String {
    format!("com.apple.mgmt.External.{}", uuid().to_lowercase())
}

/// As text.
pub fn pem(certificate: &X509) -> String {
    String::from_utf8(certificate.to_pem().unwrap()).unwrap()
}

/// The serial number as the operator API shows it.
pub fn serial(certificate_pem: &str) -> String {
    let certificate = X509::from_pem(certificate_pem.as_bytes()).unwrap();
    let serial = certificate.serial_number().to_bn().unwrap();
    serial.to_hex_str().unwrap().to_lowercase()
}

//! A CA in miniature, for tests.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Req};

use super::cms::{Signed, SignedData};
use super::csr::{Digest, attribute, rsa_key};
use super::identity::Identity;
use super::{envelope, oids};
use crate::der::{self, Encoding, tag};

/// Issues to anybody and can be told to misbehave.
pub(crate) struct MiniCa {
    pub(crate) identity: Identity,
    pub(crate) status: &'static str,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) message_type_tag: u8,
    pub(crate) key: Option<PKey<Private>>,
    pub(crate) days: u32,
}

impl MiniCa {
    pub(crate) fn new() -> Self {
        let key = rsa_key(2048).unwrap();
        let certificate = issue("Mini CA", &key, &key, None, 365);
        let identity = Identity { key, certificate };
        Self {
            identity,
            status: "0",
            nonce: None,
            message_type_tag: tag::PRINTABLE_STRING,
            key: None,
            days: 30,
        }
    }

    pub(crate) fn answer(&self, message: &[u8]) -> Vec<u8> {
        let signed = Signed::parse(message).unwrap();
        let signer = signed.signer_certificate().unwrap();
        signed.verify(signer, None).unwrap();
        let (request, cipher) = envelope::open(signed.content.as_deref().unwrap(), &self.identity).unwrap();
        let request = X509Req::from_der(&request).unwrap();
        let key = request.public_key().unwrap();
        assert!(request.verify(&key).unwrap());

        let content = (self.status == "0").then(|| {
            let subject = PKey::public_key_from_der(
                &self
                    .key
                    .as_ref()
                    .map_or(key.public_key_to_der(), |k| k.public_key_to_der())
                    .unwrap(),
            );
            let issued = issue(
                "dev",
                &subject.unwrap(),
                &self.identity.key,
                Some(&self.identity.certificate),
                self.days,
            );
            envelope::seal(&degenerate(&issued), signer, cipher, Encoding::Der).unwrap()
        });
        let raw = |oid| signed.attribute(oid).unwrap().unwrap();
        let nonce = self.nonce.clone().map(|n| der::tlv(tag::OCTET_STRING, &n));
        let mut attributes = vec![
            attribute(oids::MESSAGE_TYPE, &der::tlv(self.message_type_tag, b"3")).unwrap(),
            attribute(oids::PKI_STATUS, &der::printable(self.status)).unwrap(),
            attribute(oids::TRANSACTION_ID, &raw(oids::TRANSACTION_ID)).unwrap(),
            attribute(oids::RECIPIENT_NONCE, &nonce.unwrap_or(raw(oids::SENDER_NONCE))).unwrap(),
            attribute(oids::SENDER_NONCE, &der::tlv(tag::OCTET_STRING, &[1; 16])).unwrap(),
        ];
        if self.status == "2" {
            attributes.push(attribute(oids::FAIL_INFO, &der::printable("2")).unwrap());
        }
        SignedData {
            content: content.as_deref(),
            attached: true,
            signer: &self.identity,
            digest: Digest::Sha256,
            attributes,
            encoding: Encoding::Der,
        }
        .build()
        .unwrap()
    }
}

fn issue<T: openssl::pkey::HasPublic>(
    name: &str,
    subject: &PKey<T>,
    issuer: &PKey<Private>,
    ca: Option<&X509>,
    days: u32,
) -> X509 {
    let mut subject_name = X509NameBuilder::new().unwrap();
    subject_name.append_entry_by_text("CN", name).unwrap();
    let subject_name = subject_name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(if ca.is_some() { 200 } else { 1 }).unwrap();
    builder
        .set_serial_number(&Asn1Integer::from_bn(&serial).unwrap())
        .unwrap();
    builder.set_subject_name(&subject_name).unwrap();
    builder
        .set_issuer_name(ca.map_or(&subject_name, |c| c.subject_name()))
        .unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(1_600_000_000).unwrap())
        .unwrap();
    let end = if days == 0 {
        Asn1Time::from_unix(1_600_000_001)
    } else {
        Asn1Time::days_from_now(days)
    };
    builder.set_not_after(&end.unwrap()).unwrap();
    builder.set_pubkey(subject).unwrap();
    if ca.is_none() {
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .digital_signature()
            .key_encipherment()
            .build();
        builder.append_extension(usage.unwrap()).unwrap();
    } else {
        builder
            .append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap())
            .unwrap();
    }
    builder.sign(issuer, MessageDigest::sha256()).unwrap();
    builder.build()
}

fn degenerate(certificate: &X509) -> Vec<u8> {
    let signed = der::sequence(&[
        &der::integer(1),
        &der::tlv(tag::SET, &[]),
        &der::sequence(&[&der::oid(oids::DATA).unwrap()]),
        &der::tlv(tag::CONTEXT_0, &certificate.to_der().unwrap()),
        &der::tlv(tag::SET, &[]),
    ]);
    der::sequence(&[
        &der::oid(oids::SIGNED_DATA).unwrap(),
        &der::tlv(tag::CONTEXT_0, &signed),
    ])
}

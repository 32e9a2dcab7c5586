//! The SCEP client against a CA in miniature.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Req};

use super::scep::*;
use super::*;
use crate::der::{Encoding, tag};
use crate::pki::cms::{Signed, SignedData, issuer_and_serial};
use crate::pki::csr::{CertificateRequest, Digest, attribute, rsa_key};
use crate::pki::envelope::Cipher;
use crate::pki::identity::Identity;
use crate::{Problem, der};

/// Issues to anybody and can be told to misbehave.
struct MiniCa {
    identity: Identity,
    status: &'static str,
    nonce: Option<Vec<u8>>,
    message_type_tag: u8,
    key: Option<PKey<Private>>,
    days: u32,
}

impl MiniCa {
    fn new() -> Self {
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

    fn answer(&self, message: &[u8]) -> Vec<u8> {
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

    fn serve(&self, style: Style) -> Result<Reply, Problem> {
        let transaction = transaction(style);
        let ca = &self.identity.certificate;
        transaction.open(&self.answer(&transaction.first(ca).unwrap()), ca, ca)
    }
}

fn transaction(style: Style) -> Transaction {
    let mut request = CertificateRequest::new(vec![("CN".into(), "dev".into())]);
    request.challenge = Some("secret".into());
    Transaction::enrol(&rsa_key(2048).unwrap(), &request, style).unwrap()
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

fn refusal(ca: &MiniCa) -> String {
    ca.serve(Style::default()).unwrap_err().to_string()
}

#[test]
fn every_style_enrols() {
    let ca = MiniCa::new();
    for cipher in [Cipher::Aes128, Cipher::Aes256, Cipher::Des3] {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            for outer in [Encoding::Der, Encoding::Ber] {
                let style = Style {
                    cipher,
                    digest,
                    outer,
                    ..Style::default()
                };
                assert!(matches!(ca.serve(style), Ok(Reply::Issued(_))), "{style:?}");
            }
        }
    }
}

#[test]
fn a_renewal_is_signed_and_decrypted_by_the_present_identity() {
    let ca = MiniCa::new();
    let Ok(Reply::Issued(present)) = ca.serve(Style::default()) else {
        panic!("not issued")
    };
    let request = CertificateRequest::new(vec![("CN".into(), "dev".into())]);
    let transaction =
        Transaction::renew(&rsa_key(2048).unwrap(), &request, &present, Style::default()).unwrap();
    let authority = &ca.identity.certificate;
    let reply = ca.answer(&transaction.first(authority).unwrap());
    assert!(matches!(
        transaction.open(&reply, authority, authority),
        Ok(Reply::Issued(_))
    ));
}

#[test]
fn pending_and_failure_are_told_apart() {
    let mut ca = MiniCa::new();
    ca.status = "3";
    assert!(matches!(ca.serve(Style::default()), Ok(Reply::Pending)));
    ca.status = "2";
    assert!(
        matches!(ca.serve(Style::default()), Err(Problem::ScepFailure { fail_info, .. }) if fail_info == "2")
    );
}

#[test]
fn a_wrong_nonce_is_refused() {
    let ca = MiniCa {
        nonce: Some(vec![0; 16]),
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("recipientNonce"));
}

#[test]
fn a_message_type_that_is_no_printable_string_is_refused() {
    let ca = MiniCa {
        message_type_tag: tag::UTF8_STRING,
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("tag"));
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let ca = MiniCa {
        key: Some(rsa_key(2048).unwrap()),
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("another key"));
}

#[test]
fn an_expired_certificate_is_refused() {
    let ca = MiniCa {
        days: 0,
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("expired"));
}

#[test]
fn a_reply_signed_by_somebody_else_is_refused() {
    let (ca, other) = (MiniCa::new(), MiniCa::new());
    let transaction = transaction(Style::default());
    let reply = ca.answer(&transaction.first(&ca.identity.certificate).unwrap());
    assert!(
        transaction
            .open(&reply, &other.identity.certificate, &ca.identity.certificate)
            .is_err()
    );
}

#[test]
fn a_certificate_authority_is_recognised() {
    let ca = MiniCa::new();
    assert!(certificate::is_ca(&ca.identity.certificate).unwrap());
    assert!(!certificate::is_ca(&transaction(Style::default()).temporary.certificate).unwrap());
    CaCertificates::single(&ca.identity.certificate.to_der().unwrap()).unwrap();
    assert!(
        issuer_and_serial(&ca.identity.certificate)
            .unwrap()
            .ends_with(&[2, 1, 1])
    );
}

//! Whole SCEP messages, made here and by OpenSSL.

mod accepted;
mod refused;

use openssl::hash::MessageDigest;

use super::*;
use crate::pki::{
    asn1::{self, tag},
    certificate::Certificate,
    cipher::ContentCipher,
    cms::{self, SignedData},
    oid,
    testing::{Peer, attribute, authority, csr, extension, sign},
};

/// A device's message, with everything a hostile one may change.
struct Message<'a> {
    signer: &'a Peer,
    message_type: &'a str,
    digest: der::oid::ObjectIdentifier,
    envelope: Vec<u8>,
    transaction_id: Option<&'a str>,
}

impl<'a> Message<'a> {
    fn new(signer: &'a Peer, content: &[u8]) -> Self {
        let ca = Certificate::parse(authority().certificate()).unwrap();
        let envelope = cms::encrypt(content, &ca, ContentCipher::Aes128Cbc).unwrap();
        Self {
            signer,
            message_type: "19",
            digest: oid::SHA256,
            envelope,
            transaction_id: Some("A1B2"),
        }
    }

    fn with_envelope(signer: &'a Peer, envelope: Vec<u8>) -> Self {
        Self {
            envelope,
            ..Self::new(signer, b"")
        }
    }

    fn encode(&self) -> Vec<u8> {
        let certificate = self.signer.der();
        let view = Certificate::parse(&certificate).unwrap();
        let digest = openssl::hash::hash(MessageDigest::sha256(), &self.envelope).unwrap();
        let mut attributes = vec![
            attribute(&oid::CONTENT_TYPE, asn1::oid(&oid::DATA)),
            attribute(&oid::MESSAGE_DIGEST, asn1::primitive(tag::OCTET_STRING, digest)),
            attribute(
                &oid::SCEP_MESSAGE_TYPE,
                asn1::primitive(tag::PRINTABLE_STRING, self.message_type),
            ),
            attribute(
                &oid::SCEP_SENDER_NONCE,
                asn1::primitive(tag::OCTET_STRING, [7; 8]),
            ),
        ];
        if let Some(id) = self.transaction_id {
            attributes.push(attribute(
                &oid::SCEP_TRANSACTION_ID,
                asn1::primitive(tag::PRINTABLE_STRING, id),
            ));
        }
        let attributes = asn1::set_of(attributes);
        let signature = sign(&self.signer.key, MessageDigest::sha256(), &attributes);
        let mut implicit = attributes;
        implicit[0] = tag::context(0);
        let digest = asn1::algorithm(&self.digest);
        let info = asn1::sequence(&[
            asn1::integer(&[1]),
            asn1::sequence(&[view.issuer, &asn1::primitive(tag::INTEGER, view.serial)]),
            digest.clone(),
            implicit,
            asn1::algorithm(&oid::RSA_ENCRYPTION),
            asn1::primitive(tag::OCTET_STRING, signature),
        ]);
        let content = asn1::element(
            tag::context(0),
            &[asn1::primitive(tag::OCTET_STRING, &self.envelope)],
        );
        let signed = asn1::sequence(&[
            asn1::integer(&[1]),
            asn1::element(tag::SET, &[digest]),
            asn1::sequence(&[asn1::oid(&oid::DATA), content]),
            asn1::element(tag::context(0), &[&certificate]),
            asn1::element(tag::SET, &[info]),
        ]);
        asn1::sequence(&[
            asn1::oid(&oid::SIGNED_DATA),
            asn1::element(tag::context(0), &[signed]),
        ])
    }

    fn open(&self) -> Result<Request, RequestError> {
        open(&self.encode())
    }
}

fn open(body: &[u8]) -> Result<Request, RequestError> {
    Request::open(body, authority(), &Options::default())
}

fn refusal(result: Result<Request, RequestError>) -> (FailInfo, Reason) {
    match result {
        Err(RequestError::Refused(refusal)) => {
            assert_eq!(refusal.transaction.id, "A1B2");
            (refusal.fail_info, refusal.reason)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn challenge(tag: u8, text: &str) -> Vec<u8> {
    attribute(&oid::CHALLENGE_PASSWORD, asn1::primitive(tag, text))
}

fn extensions(list: &[Vec<u8>]) -> Vec<u8> {
    attribute(&oid::EXTENSION_REQUEST, asn1::sequence(list))
}

fn good_csr() -> Vec<u8> {
    let usage = extension(&oid::KEY_USAGE, &[3, 2, 5, 0xa0]);
    csr(
        &Peer::rsa().key,
        &[challenge(tag::PRINTABLE_STRING, "secret"), extensions(&[usage])],
    )
}

fn csr_of(request: &Request) -> &Csr {
    match &request.content {
        Content::Certification(csr) => csr,
        Content::Poll(_) => panic!("a poll"),
    }
}

fn printable(signed: &SignedData<'_>, id: &der::oid::ObjectIdentifier) -> String {
    let value = signed.signers[0].attribute(id, "attribute").unwrap().unwrap();
    assert_eq!(value.tag, tag::PRINTABLE_STRING);
    value.text().unwrap()
}

//! Requests that are good, and their answers as OpenSSL reads them.

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    stack::Stack,
    symm::Cipher,
    x509::X509,
};

use super::*;
use crate::pki::{
    asn1::Reader,
    ca::{SubjectAttribute, Template, random_serial},
    testing::{NOW, rsa_key},
};

#[test]
fn a_request_is_opened_and_answered_as_openssl_reads_it() {
    let request = Message::new(Peer::rsa(), &good_csr()).open().unwrap();
    assert_eq!(request.message_type, MessageType::PkcsReq);
    assert_eq!(
        request.transaction,
        Transaction {
            id: "A1B2".into(),
            sender_nonce: Some(vec![7; 8])
        }
    );
    assert!(request.is_signed_by_requested_key());
    let csr = csr_of(&request);
    assert_eq!(csr.challenge.as_deref(), Some("secret"));
    assert_eq!(csr.subject, "OU=one, OU=two");
    assert!(csr.key_encipherment);
    assert!(!format!("{request:?}").contains("secret"));

    let template = Template {
        public_key: &csr.public_key,
        serial: &random_serial().unwrap(),
        subject: &[SubjectAttribute::CommonName("chosen here".into())],
        alternative_names: &[],
        days: 365,
        key_encipherment: csr.key_encipherment,
    };
    let issued = authority().issue(&template, NOW).unwrap();
    let reply = success(authority(), &request, &issued.der).unwrap();

    let ca = X509::from_der(authority().certificate()).unwrap();
    let mut certificates = Stack::new().unwrap();
    certificates.push(ca).unwrap();
    let mut envelope = Vec::new();
    CmsContentInfo::from_der(&reply)
        .unwrap()
        .verify(
            Some(&certificates),
            None,
            None,
            Some(&mut envelope),
            CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::NOINTERN | CMSOptions::BINARY,
        )
        .unwrap();
    let opened = CmsContentInfo::from_der(&envelope)
        .unwrap()
        .decrypt(&Peer::rsa().key, &Peer::rsa().certificate)
        .unwrap();
    let certificates = SignedData::parse(&opened).unwrap().certificates;
    assert_eq!(certificates, [issued.der.as_slice(), authority().certificate()]);

    let signed = SignedData::parse(&reply).unwrap();
    assert_eq!(printable(&signed, &oid::SCEP_MESSAGE_TYPE), "3");
    assert_eq!(printable(&signed, &oid::SCEP_PKI_STATUS), "0");
    assert_eq!(printable(&signed, &oid::SCEP_TRANSACTION_ID), "A1B2");
    let nonce = signed.signers[0]
        .attribute(&oid::SCEP_RECIPIENT_NONCE, "recipientNonce")
        .unwrap()
        .unwrap();
    assert_eq!(nonce.value, [7; 8]);
    assert!(signed.verified_signer(None).unwrap().is_ca().unwrap());
}

#[test]
fn failures_and_pendings_carry_no_content() {
    let transaction = Transaction {
        id: "T".into(),
        sender_nonce: None,
    };
    let reply = failure(authority(), &transaction, FailInfo::BadTime, Some("too late")).unwrap();
    let signed = SignedData::parse(&reply).unwrap();
    assert_eq!(signed.content, None);
    assert_eq!(printable(&signed, &oid::SCEP_PKI_STATUS), "2");
    assert_eq!(printable(&signed, &oid::SCEP_FAIL_INFO), "3");
    assert_eq!(
        signed.verified_signer(None).unwrap().der,
        authority().certificate(),
    );
    let reply = pending(authority(), &transaction).unwrap();
    let signed = SignedData::parse(&reply).unwrap();
    assert_eq!(
        (signed.content, printable(&signed, &oid::SCEP_PKI_STATUS)),
        (None, "3".into())
    );
}

/// K-S15: an envelope that OpenSSL streams in indefinite lengths, as Apple's devices do; and DER ones of each
/// cipher.
#[test]
fn envelopes_made_by_openssl_are_opened() {
    let mut recipients = Stack::new().unwrap();
    recipients
        .push(X509::from_der(authority().certificate()).unwrap())
        .unwrap();
    for (cipher, expected) in [
        (Cipher::aes_128_cbc(), ContentCipher::Aes128Cbc),
        (Cipher::aes_256_cbc(), ContentCipher::Aes256Cbc),
        (Cipher::des_ede3_cbc(), ContentCipher::TripleDesCbc),
    ] {
        let envelope = CmsContentInfo::encrypt(&recipients, &good_csr(), cipher, CMSOptions::BINARY).unwrap();
        let der = envelope.to_der().unwrap();
        let request = Message::with_envelope(Peer::rsa(), der.clone()).open().unwrap();
        assert_eq!(request.cipher, expected);
        let request = Message::with_envelope(Peer::rsa(), streamed(&der))
            .open()
            .unwrap();
        assert_eq!(csr_of(&request).challenge.as_deref(), Some("secret"));
    }
}

/// Re-encodes an EnvelopedData as a streaming sender would: indefinite lengths all the way to the encrypted
/// content, which is cut into segments.
fn streamed(der: &[u8]) -> Vec<u8> {
    fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        [&[tag, 0x80][..], &parts.concat(), &[0, 0]].concat()
    }
    let mut info = Reader::new(der).sequence().unwrap();
    let kind = info.any().unwrap().raw;
    let mut enveloped = info.any().unwrap().reader().sequence().unwrap();
    let (version, recipients) = (enveloped.any().unwrap().raw, enveloped.any().unwrap().raw);
    let mut content = enveloped.sequence().unwrap();
    let (data, algorithm) = (content.any().unwrap().raw, content.any().unwrap().raw);
    let segments: Vec<u8> = content
        .any()
        .unwrap()
        .value
        .chunks(100)
        .flat_map(|chunk| asn1::primitive(tag::OCTET_STRING, chunk))
        .collect();
    let encrypted = indefinite(tag::context(0), &[&segments]);
    let content = indefinite(tag::SEQUENCE, &[data, algorithm, &encrypted]);
    let enveloped = indefinite(tag::SEQUENCE, &[version, recipients, &content]);
    indefinite(
        tag::SEQUENCE,
        &[kind, &indefinite(tag::context(0), &[&enveloped])],
    )
}

/// K-S6: what a request asks for beyond its key and keyEncipherment is read past.
#[test]
fn a_greedy_request_gets_nothing_of_what_it_asks() {
    let greedy = extensions(&[
        extension(&oid::BASIC_CONSTRAINTS, &[0x30, 3, 1, 1, 0xff]),
        extension(&oid::KEY_USAGE, &[3, 2, 2, 0xa4]),
        extension(&oid::EXTENDED_KEY_USAGE, &[0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0]),
        extension(&oid::SUBJECT_ALT_NAME, &[0x30, 2, 0x82, 0]),
        extension(&der::oid::ObjectIdentifier::new_unwrap("1.2.3.4"), b"\x05\x00"),
    ]);
    let request = Message::new(Peer::rsa(), &csr(&Peer::rsa().key, &[greedy]))
        .open()
        .unwrap();
    let csr = csr_of(&request);
    let template = Template {
        public_key: &csr.public_key,
        serial: "01",
        subject: &[SubjectAttribute::CommonName("x".into())],
        alternative_names: &[],
        days: 30,
        key_encipherment: csr.key_encipherment,
    };
    let issued = authority().issue(&template, NOW).unwrap();
    let leaf = Certificate::parse(&issued.der).unwrap();
    assert!(!leaf.is_ca().unwrap());
    assert_eq!(leaf.extension(&oid::SUBJECT_ALT_NAME), Ok(None));
    assert_eq!(leaf.extension(&oid::KEY_USAGE), Ok(Some(&[3, 2, 5, 0xa0][..])));
    assert!(leaf.has_purpose(&oid::CLIENT_AUTH).unwrap());
    assert_eq!(
        issued.not_after,
        NOW.plus(std::time::Duration::from_secs(30 * 86_400))
    );
}

#[test]
fn a_poll_names_the_pending_request() {
    let name = |text: &str| {
        let pair = asn1::sequence(&[
            asn1::oid(&oid::COMMON_NAME),
            asn1::primitive(tag::UTF8_STRING, text),
        ]);
        asn1::sequence(&[asn1::element(tag::SET, &[pair])])
    };
    let content = asn1::sequence(&[name("issuer"), name("subject")]);
    let request = Message {
        message_type: "20",
        ..Message::new(Peer::rsa(), &content)
    }
    .open()
    .unwrap();
    match request.content {
        Content::Poll(poll) => {
            assert_eq!(
                (poll.issuer, poll.subject_text.as_str()),
                (name("issuer"), "CN=subject")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn challenges_are_read_in_every_string_type() {
    let tags = [
        tag::PRINTABLE_STRING,
        tag::UTF8_STRING,
        tag::IA5_STRING,
        tag::TELETEX_STRING,
    ];
    for (tag, text) in tags.into_iter().zip(["Abc1", "geh_eim@", "a_b", "abc"]) {
        let csr = Csr::parse(&csr(&Peer::rsa().key, &[challenge(tag, text)])).unwrap();
        assert_eq!(csr.challenge.as_deref(), Some(text));
    }
    let twice = [challenge(tag::UTF8_STRING, "a"), challenge(tag::UTF8_STRING, "b")];
    assert!(Csr::parse(&csr(&Peer::rsa().key, &twice)).is_err());
}

#[test]
fn a_request_signed_by_another_key_shows_it() {
    let other = rsa_key(2048);
    let request = Message::new(Peer::rsa(), &csr(&other, &[])).open().unwrap();
    assert!(!request.is_signed_by_requested_key());
}

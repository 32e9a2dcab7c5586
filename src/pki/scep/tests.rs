//! Whole SCEP messages: made here or by OpenSSL, answered, and read by OpenSSL.

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    hash::MessageDigest,
    stack::Stack,
    symm::Cipher,
    x509::X509,
};
use proptest::prelude::*;

use super::*;
use crate::pki::{
    asn1::{self, Reader, tag},
    ca::{SubjectAttribute, Template, random_serial},
    certificate::Certificate,
    cipher::{ContentCipher, LegacyCiphers},
    cms::{self, CmsError, SignedData},
    keys::SigningKey,
    oid,
    testing::{NOW, Peer, attribute, authority, csr, extension, rsa_key, sign},
    weak_key::WeakKey,
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

/// K-S7: every message type but three is refused, in whatever form it is written.
#[test]
fn only_three_message_types_are_handled() {
    let content = good_csr();
    let mut message = Message::new(Peer::rsa(), &content);
    let types: Vec<String> = (0..=255).map(|number| number.to_string()).collect();
    for text in types
        .iter()
        .map(String::as_str)
        .chain(["019", "19 ", "", "-1", "0x13"])
    {
        message.message_type = text;
        match (text, message.open()) {
            ("17", result) => assert_eq!(result.unwrap().message_type, MessageType::RenewalReq),
            ("19", result) => assert_eq!(result.unwrap().message_type, MessageType::PkcsReq),
            // A certification request is not what a poll contains.
            ("20", result) => assert_eq!(refusal(result).0, FailInfo::BadMessageCheck),
            (_, result) => assert_eq!(refusal(result), (FailInfo::BadRequest, Reason::MessageType)),
        }
    }
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

/// K-S11: weak keys, at the signer and inside the request.
#[test]
fn weak_keys_are_refused() {
    for (bits, reason) in [(512, WeakKey::TooShort), (1024, WeakKey::TooShort)] {
        let weak = Peer::new(rsa_key(bits), "weak");
        let content = csr(&weak.key, &[]);
        assert_eq!(
            refusal(Message::new(&weak, &content).open()),
            (FailInfo::BadAlg, reason.into())
        );
    }
    let weak = csr(&rsa_key(1024), &[]);
    assert_eq!(
        refusal(Message::new(Peer::rsa(), &weak).open()),
        (FailInfo::BadAlg, WeakKey::TooShort.into())
    );
    let ec = SigningKey::generate_p256().unwrap().to_pkcs8().unwrap();
    let ec = Peer::new(openssl::pkey::PKey::private_key_from_der(&ec).unwrap(), "ec");
    assert_eq!(
        refusal(Message::new(&ec, &good_csr()).open()),
        (FailInfo::BadAlg, WeakKey::NotRsa.into())
    );
}

/// K-S12: MD5, RC2, and single DES without a policy for it.
#[test]
fn broken_algorithms_are_refused() {
    let md5 = der::oid::ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
    let message = Message {
        digest: md5,
        ..Message::new(Peer::rsa(), &good_csr())
    };
    assert_eq!(
        refusal(message.open()),
        (FailInfo::BadAlg, CmsError::UnsupportedAlgorithm.into())
    );

    let ca = Certificate::parse(authority().certificate()).unwrap();
    let des = cms::encrypt(&good_csr(), &ca, ContentCipher::DesCbc).unwrap();
    let message = Message::with_envelope(Peer::rsa(), des);
    assert_eq!(refusal(message.open()), (FailInfo::BadAlg, Reason::Cipher));
    let options = Options {
        legacy_ciphers: LegacyCiphers::All,
    };
    assert!(Request::open(&message.encode(), authority(), &options).is_ok());

    let mut rc2 = cms::encrypt(&good_csr(), &ca, ContentCipher::TripleDesCbc).unwrap();
    let des3 = oid::DES_EDE3_CBC;
    let at = rc2
        .windows(des3.as_bytes().len())
        .position(|bytes| bytes == des3.as_bytes())
        .unwrap();
    rc2[at + des3.as_bytes().len() - 1] = 2;
    let message = Message::with_envelope(Peer::rsa(), rc2);
    assert_eq!(
        refusal(message.open()),
        (FailInfo::BadAlg, CmsError::UnsupportedAlgorithm.into())
    );

    let message = Message::with_envelope(
        Peer::rsa(),
        cms::encrypt(&good_csr(), &ca, ContentCipher::TripleDesCbc).unwrap(),
    );
    let options = Options {
        legacy_ciphers: LegacyCiphers::Refused,
    };
    assert_eq!(
        refusal(Request::open(&message.encode(), authority(), &options)),
        (FailInfo::BadAlg, Reason::Cipher)
    );
}

/// K-S13: bad padding, a key of another length, another key, damaged contents and a damaged request inside are
/// one answer.
#[test]
fn every_broken_envelope_is_the_same_failure() {
    let uniform = (FailInfo::BadMessageCheck, Reason::Cms(CmsError::Envelope));
    let ca = Certificate::parse(authority().certificate()).unwrap();
    let good = cms::encrypt(&good_csr(), &ca, ContentCipher::Aes128Cbc).unwrap();
    let transport = good
        .windows(4)
        .position(|bytes| bytes == [4, 0x82, 1, 0])
        .unwrap()
        + 4;

    let mut padding = good.clone();
    padding[transport + 100] ^= 1;
    let mut contents = good.clone();
    *contents.last_mut().unwrap() ^= 1;
    // The key of another cipher: well padded, but of a wrong length.
    let mut other_length = good.clone();
    let longer = cms::encrypt(b"", &ca, ContentCipher::Aes256Cbc).unwrap();
    let from = longer
        .windows(4)
        .position(|bytes| bytes == [4, 0x82, 1, 0])
        .unwrap()
        + 4;
    other_length[transport..transport + 256].copy_from_slice(&longer[from..from + 256]);
    let mut other_key = good.clone();
    let another = cms::encrypt(b"", &ca, ContentCipher::Aes128Cbc).unwrap();
    other_key[transport..transport + 256].copy_from_slice(&another[transport..transport + 256]);
    let mut zero = good.clone();
    zero[transport..transport + 256].fill(0);
    for envelope in [padding, contents, other_length, other_key, zero] {
        assert_eq!(
            refusal(Message::with_envelope(Peer::rsa(), envelope).open()),
            uniform
        );
    }

    let mut signature = good_csr();
    *signature.last_mut().unwrap() ^= 1;
    for content in [&b""[..], b"not a request", &signature, &good_csr()[1..]] {
        assert_eq!(refusal(Message::new(Peer::rsa(), content).open()), uniform);
    }
}

#[test]
fn an_envelope_for_somebody_else_is_refused() {
    let other = Peer::new(rsa_key(2048), "another authority").der();
    let envelope = cms::encrypt(
        &good_csr(),
        &Certificate::parse(&other).unwrap(),
        ContentCipher::Aes128Cbc,
    )
    .unwrap();
    assert_eq!(
        refusal(Message::with_envelope(Peer::rsa(), envelope).open()),
        (FailInfo::BadMessageCheck, CmsError::NotRecipient.into())
    );
}

#[test]
fn a_tampered_message_is_refused() {
    let message = Message::new(Peer::rsa(), &good_csr()).encode();
    let at = message.windows(4).position(|bytes| bytes == [7; 4]).unwrap();
    let mut nonce = message.clone();
    nonce[at] ^= 1;
    assert_eq!(
        refusal(open(&nonce)),
        (FailInfo::BadMessageCheck, CmsError::BadSignature.into())
    );
}

#[test]
fn a_message_without_transaction_cannot_be_answered() {
    let message = Message {
        transaction_id: None,
        ..Message::new(Peer::rsa(), &good_csr())
    };
    assert_eq!(
        message.open().err(),
        Some(RequestError::Undecodable(CmsError::Attribute("transactionID")))
    );
    for id in ["", "line\nbreak", &"x".repeat(256)] {
        let message = Message {
            transaction_id: Some(id),
            ..Message::new(Peer::rsa(), &good_csr())
        };
        assert!(matches!(message.open(), Err(RequestError::Undecodable(_))));
    }
    for body in [&b""[..], b"GARBAGE", &[0x30, 0x80], &[0x30, 0]] {
        assert!(matches!(open(body), Err(RequestError::Undecodable(_))));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// K-S14: whatever is changed or cut, a message ends in a request or an error.
    #[test]
    fn mutated_messages_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        static MESSAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut body = MESSAGE.get_or_init(|| Message::new(Peer::rsa(), &good_csr()).encode()).clone();
        for (index, value) in changes {
            let at = index.index(body.len());
            body[at] = value;
        }
        let _ = open(&body);
        body.truncate(cut.index(body.len()));
        let _ = open(&body);
    }

    #[test]
    fn mutated_requests_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        static REQUEST: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut der = REQUEST.get_or_init(good_csr).clone();
        for (index, value) in changes {
            let at = index.index(der.len());
            der[at] = value;
        }
        let _ = Csr::parse(&der);
    }
}

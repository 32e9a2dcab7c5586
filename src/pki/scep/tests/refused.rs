//! Requests that are refused, and those that can't be answered at all.

use proptest::prelude::*;

use super::*;
use crate::pki::{
    cipher::LegacyCiphers, cms::CmsError, keys::SigningKey, testing::rsa_key, weak_key::WeakKey,
};

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

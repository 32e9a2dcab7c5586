//! CMS against OpenSSL: what it makes is read, what is made here it reads.

use openssl::{
    cms::{CMSOptions, CmsContentInfo},
    hash::MessageDigest,
    stack::Stack,
    x509::X509,
};
use proptest::prelude::*;

use super::*;
use crate::pki::{
    asn1,
    ber::to_der,
    certificate::Certificate,
    cipher::ContentCipher,
    keys::SigningKey,
    oid,
    testing::{NOW, Peer, attribute, authority, sign as sign_raw},
};

fn openssl_signed(content: &[u8], options: CMSOptions) -> Vec<u8> {
    let peer = Peer::rsa();
    let signed = CmsContentInfo::sign(
        Some(&peer.certificate),
        Some(&peer.key),
        None,
        Some(content),
        options | CMSOptions::BINARY,
    );
    signed.unwrap().to_der().unwrap()
}

/// A SignedData by `peer` around the given signerInfos parts, for what OpenSSL would not write.
fn hand_made(
    peer: &Peer,
    digest: &der::oid::ObjectIdentifier,
    attributes: &[u8],
    signature: &[u8],
) -> Vec<u8> {
    let certificate = peer.der();
    let view = Certificate::parse(&certificate).unwrap();
    let info = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::sequence(&[view.issuer, &asn1::primitive(tag::INTEGER, view.serial)]),
        asn1::algorithm(digest),
        attributes.to_vec(),
        asn1::algorithm(&oid::RSA_ENCRYPTION),
        asn1::primitive(tag::OCTET_STRING, signature),
    ]);
    wrap(&certificate, &[info])
}

fn wrap(certificate: &[u8], signers: &[Vec<u8>]) -> Vec<u8> {
    let signed = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::element::<&[u8]>(tag::SET, &[]),
        asn1::sequence(&[asn1::oid(&oid::DATA)]),
        asn1::element(tag::context(0), &[certificate]),
        asn1::element(tag::SET, signers),
    ]);
    asn1::sequence(&[
        asn1::oid(&oid::SIGNED_DATA),
        asn1::element(tag::context(0), &[signed]),
    ])
}

#[test]
fn openssls_detached_signatures_verify() {
    for extra in [CMSOptions::empty(), CMSOptions::NOATTR, CMSOptions::USE_KEYID] {
        let der = openssl_signed(b"body", CMSOptions::DETACHED | extra);
        let signed = SignedData::parse(&der).unwrap();
        let certificate = signed.verified_signer(Some(b"body")).unwrap();
        assert_eq!(certificate.der, Peer::rsa().der());
        assert!(signed.verified_signer(Some(b"swapped")).is_err());
        let stated = signed.sole_signer().unwrap().signing_time().unwrap();
        assert_eq!(stated.is_some(), !extra.contains(CMSOptions::NOATTR));
    }
}

#[test]
fn attached_content_must_be_the_expected_one() {
    let der = openssl_signed(b"body", CMSOptions::empty());
    let signed = SignedData::parse(&der).unwrap();
    assert_eq!(signed.content, Some(&b"body"[..]));
    assert!(signed.verified_signer(None).is_ok());
    assert!(signed.verified_signer(Some(b"body")).is_ok());
    assert_eq!(
        signed.verified_signer(Some(b"else")).err(),
        Some(CmsError::ContentMismatch)
    );
}

/// K-S15: a streamed message, its content in segments, verifies as its DER form does.
#[test]
fn indefinite_lengths_do_not_disturb_a_signature() {
    let der = openssl_signed(b"a body in two segments", CMSOptions::empty());
    let mut info = Reader::new(&der).sequence().unwrap();
    let kind = info.any().unwrap().raw;
    let fields = info.any().unwrap().reader().sequence().unwrap();
    let mut streamed = vec![0x30, 0x80];
    streamed.extend([kind, &[0xa0, 0x80, 0x30, 0x80]].concat());
    let mut fields = fields;
    streamed.extend([fields.any().unwrap().raw, fields.any().unwrap().raw].concat());
    fields.any().unwrap();
    streamed.extend(
        [
            &[0x30, 0x80][..],
            &asn1::oid(&oid::DATA),
            &[0xa0, 0x80, 0x24, 0x80],
        ]
        .concat(),
    );
    for segment in [&b"a body "[..], b"in two segments"] {
        streamed.extend(asn1::primitive(tag::OCTET_STRING, segment));
    }
    streamed.extend([0; 6]);
    while !fields.is_empty() {
        streamed.extend(fields.any().unwrap().raw);
    }
    streamed.extend([0; 6]);
    assert_eq!(to_der(&streamed).unwrap().as_ref(), der);
    let der = to_der(&streamed).unwrap();
    assert!(
        SignedData::parse(&der)
            .unwrap()
            .verified_signer(Some(b"a body in two segments"))
            .is_ok()
    );
}

#[test]
fn every_digest_that_is_spoken_verifies_and_md5_does_not() {
    let peer = Peer::rsa();
    let md5 = der::oid::ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
    for (oid, digest, accepted) in [
        (oid::SHA1, MessageDigest::sha1(), true),
        (oid::SHA256, MessageDigest::sha256(), true),
        (oid::SHA384, MessageDigest::sha384(), true),
        (oid::SHA512, MessageDigest::sha512(), true),
        (md5, MessageDigest::md5(), false),
    ] {
        let der = hand_made(peer, &oid, &[], &sign_raw(&peer.key, digest, b"body"));
        let result = SignedData::parse(&der)
            .unwrap()
            .verified_signer(Some(b"body"))
            .map(|_| ());
        assert_eq!(
            result,
            if accepted {
                Ok(())
            } else {
                Err(CmsError::UnsupportedAlgorithm)
            }
        );
    }
}

/// Attributes sent out of DER's order verify whether they were signed as sent or sorted.
#[test]
fn unsorted_attributes_verify_either_way() {
    let peer = Peer::rsa();
    let digest = openssl::hash::hash(MessageDigest::sha256(), b"body").unwrap();
    let sorted = asn1::set_of(vec![
        attribute(&oid::MESSAGE_DIGEST, asn1::primitive(tag::OCTET_STRING, digest)),
        attribute(&oid::CONTENT_TYPE, asn1::oid(&oid::DATA)),
    ]);
    let mut reader = Reader::single(&sorted, tag::SET).unwrap().reader();
    let (first, second) = (reader.any().unwrap().raw, reader.any().unwrap().raw);
    let unsorted = asn1::element(tag::SET, &[second, first]);
    let mut sent = unsorted.clone();
    sent[0] = tag::context(0);
    for signed_form in [&sorted, &unsorted] {
        let signature = sign_raw(&peer.key, MessageDigest::sha256(), signed_form);
        let der = hand_made(peer, &oid::SHA256, &sent, &signature);
        assert!(
            SignedData::parse(&der)
                .unwrap()
                .verified_signer(Some(b"body"))
                .is_ok()
        );
    }
    let der = hand_made(
        peer,
        &oid::SHA256,
        &sent,
        &sign_raw(&peer.key, MessageDigest::sha256(), b"x"),
    );
    let result = SignedData::parse(&der)
        .unwrap()
        .verified_signer(Some(b"body"))
        .map(|_| ());
    assert_eq!(result, Err(CmsError::BadSignature));
}

#[test]
fn attributes_that_are_repeated_or_missing_are_refused() {
    let peer = Peer::rsa();
    let kind = attribute(&oid::CONTENT_TYPE, asn1::oid(&oid::DATA));
    let digest = openssl::hash::hash(MessageDigest::sha256(), b"body").unwrap();
    let digest = attribute(&oid::MESSAGE_DIGEST, asn1::primitive(tag::OCTET_STRING, digest));
    for (parts, missing) in [
        (vec![kind.clone()], "messageDigest"),
        (vec![digest.clone()], "contentType"),
        (vec![kind.clone(), kind.clone(), digest.clone()], "contentType"),
        (vec![kind, digest.clone(), digest], "messageDigest"),
    ] {
        let mut attributes = asn1::set_of(parts);
        let signature = sign_raw(&peer.key, MessageDigest::sha256(), &attributes);
        attributes[0] = tag::context(0);
        let der = hand_made(peer, &oid::SHA256, &attributes, &signature);
        let result = SignedData::parse(&der)
            .unwrap()
            .verified_signer(Some(b"body"))
            .map(|_| ());
        assert_eq!(result, Err(CmsError::Attribute(missing)));
    }
}

/// K-M7 and K-S14: two signers, none, no certificate, and more attributes than anyone needs.
#[test]
fn odd_numbers_of_parts_are_refused() {
    let der = openssl_signed(b"body", CMSOptions::DETACHED);
    let signed = SignedData::parse(&der).unwrap();
    let certificate = Peer::rsa().der();
    let mut info = content_info(&der, &oid::SIGNED_DATA).unwrap().reader();
    let mut last = info.any().unwrap();
    while !info.is_empty() {
        last = info.any().unwrap();
    }
    let signer = last.value.to_vec();
    assert_eq!(signed.signers.len(), 1);
    for (count, signers) in [(0, vec![]), (2, vec![signer.clone(), signer.clone()])] {
        let der = wrap(&certificate, &signers);
        let result = SignedData::parse(&der)
            .unwrap()
            .verified_signer(Some(b"body"))
            .map(|_| ());
        assert_eq!(result, Err(CmsError::Signers(count)));
    }
    let none = openssl_signed(b"body", CMSOptions::DETACHED | CMSOptions::CMS_NOCERTS);
    let result = SignedData::parse(&none)
        .unwrap()
        .verified_signer(Some(b"body"))
        .map(|_| ());
    assert_eq!(result, Err(CmsError::NoCertificate));

    let many = asn1::element(
        tag::context(0),
        &vec![attribute(&oid::DATA, asn1::oid(&oid::DATA)); 100_000],
    );
    let der = hand_made(Peer::rsa(), &oid::SHA256, &many, b"");
    assert_eq!(SignedData::parse(&der).err(), Some(CmsError::TooMany));
}

#[test]
fn openssl_reads_what_is_signed_here() {
    let chain = [authority().certificate().to_vec()];
    let p256 = SigningKey::generate_p256().unwrap();
    let pkey = openssl::pkey::PKey::private_key_from_der(&p256.to_pkcs8().unwrap()).unwrap();
    let ec = Peer::new(pkey, "profiles");
    let rsa = SigningKey::from_der(&Peer::rsa().key.private_key_to_der().unwrap()).unwrap();
    for (key, certificate) in [(&p256, ec.der()), (&rsa, Peer::rsa().der())] {
        let signer = Signer {
            certificate: &certificate,
            key,
            chain: &chain,
        };
        let attributes = vec![Attribute::signing_time(NOW)];
        let made = sign(Content::Attached(b"<plist/>"), &signer, attributes).unwrap();
        let mut content = Vec::new();
        CmsContentInfo::from_der(&made)
            .unwrap()
            .verify(
                None,
                None,
                None,
                Some(&mut content),
                CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY,
            )
            .unwrap();
        assert_eq!(content, b"<plist/>");
        let signed = SignedData::parse(&made).unwrap();
        assert_eq!(
            signed.certificates,
            [certificate.as_slice(), authority().certificate()]
        );
        assert_eq!(signed.sole_signer().unwrap().signing_time(), Ok(Some(NOW)));
        assert!(signed.verified_signer(None).is_ok());

        let detached = sign(Content::Detached(b"body"), &signer, Vec::new()).unwrap();
        let signed = SignedData::parse(&detached).unwrap();
        assert!(signed.content.is_none() && signed.verified_signer(Some(b"body")).is_ok());
    }
}

#[test]
fn openssl_opens_what_is_encrypted_here() {
    let peer = Peer::rsa();
    let der = peer.der();
    for cipher in [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::TripleDesCbc,
    ] {
        let made = encrypt(b"content", &Certificate::parse(&der).unwrap(), cipher).unwrap();
        let opened = CmsContentInfo::from_der(&made)
            .unwrap()
            .decrypt(&peer.key, &peer.certificate)
            .unwrap();
        assert_eq!(opened, b"content");
    }
}

#[test]
fn one_recipient_among_several_opens_an_envelope() {
    let mut recipients = Stack::new().unwrap();
    recipients.push(Peer::rsa().certificate.clone()).unwrap();
    recipients
        .push(X509::from_der(authority().certificate()).unwrap())
        .unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let made = CmsContentInfo::encrypt(&recipients, b"content", cipher, CMSOptions::BINARY).unwrap();
    let der = made.to_der().unwrap();
    let opened = EnvelopedData::parse(&der)
        .unwrap()
        .open(&authority().recipient().unwrap());
    assert_eq!(opened.unwrap(), b"content");
}

proptest! {
    /// K-S14: arbitrary changes to a message end in a result.
    #[test]
    fn mutated_messages_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        static SIGNED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        static SEALED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut signed = SIGNED.get_or_init(|| openssl_signed(b"body", CMSOptions::empty())).clone();
        let mut sealed = SEALED
            .get_or_init(|| {
                let ca = Certificate::parse(authority().certificate()).unwrap();
                encrypt(b"content", &ca, ContentCipher::Aes128Cbc).unwrap()
            })
            .clone();
        for (index, value) in changes {
            let (at, other) = (index.index(signed.len()), index.index(sealed.len()));
            signed[at] = value;
            sealed[other] = value;
        }
        if let Ok(signed) = to_der(&signed).as_deref().map(SignedData::parse) {
            let _ = signed.map(|signed| signed.verified_signer(None).map(|_| ()));
        }
        if let Ok(Ok(envelope)) = to_der(&sealed).as_deref().map(EnvelopedData::parse) {
            let _ = envelope.open(&authority().recipient().unwrap());
        }
    }
}

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

fn openssl_detached(content: &[u8], extra: CMSOptions) -> Vec<u8> {
    let peer = Peer::rsa();
    let options = CMSOptions::DETACHED | CMSOptions::BINARY | extra;
    let signed = CmsContentInfo::sign(
        Some(&peer.certificate),
        Some(&peer.key),
        None,
        Some(content),
        options,
    )
    .unwrap();
    signed.to_der().unwrap()
}

#[test]
fn openssls_detached_signatures_verify() {
    for extra in [CMSOptions::empty(), CMSOptions::NOATTR] {
        let der = openssl_detached(b"body", extra);
        let signed = SignedData::parse(&der).unwrap();
        assert_eq!(signed.content, None);
        assert_eq!(
            signed.verified_signer(Some(b"body")).unwrap().der,
            Peer::rsa().der()
        );
        assert!(signed.verified_signer(Some(b"swapped")).is_err());
        let stated = signed.sole_signer().unwrap().signing_time().unwrap();
        assert_eq!(stated.is_some(), !extra.contains(CMSOptions::NOATTR));
    }
}

//! The `Mdm-Signature` header: a detached CMS signature of the device's identity over the body of a check-in or a
//! result, sent when the profile's `SignMessage` is set (Apple, "Implementing Device Management").

use std::time::Duration;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    ber::{self, BerError},
    cms::{CmsError, SignedData},
    identity::{ClientCertificate, IdentityCache, IdentityError},
};
use crate::protocol::time::Timestamp;

/// How far a stated signing time may be from ours unless configured otherwise: five minutes. A fresh iPad's clock
/// is seconds off.
pub const DEFAULT_SKEW: Duration = Duration::from_secs(5 * 60);

/// Why a signed message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MdmSignatureError {
    /// The header is not base64.
    #[error("the Mdm-Signature header is not base64")]
    Base64,
    /// The signature is not valid CMS over this body by one signer.
    #[error("the Mdm-Signature is not valid: {0}")]
    Cms(#[from] CmsError),
    /// The signer's certificate can't be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The stated signing time is too far from ours.
    #[error("the Mdm-Signature's signing time is too far from the server's")]
    SigningTime,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Verifies the header over the exact bytes of the body, and returns who signed.
///
/// The signature proves possession of the certificate's key and nothing else: whether the certificate is ours and
/// valid is [`ClientCertificate::standing`], and whose it is the caller knows. A signing time, which only some
/// platforms state, must be within `skew` of `now`.
pub fn verify_mdm_signature(
    header: &[u8],
    body: &[u8],
    now: Timestamp,
    skew: Duration,
    identities: &IdentityCache,
) -> Result<ClientCertificate, MdmSignatureError> {
    let ber = decode(header)?;
    let der = ber::to_der(&ber).map_err(|error: BerError| CmsError::from(error))?;
    let signed = SignedData::parse(&der)?;
    let signer = signed.sole_signer()?;
    let client = identities.identify(signed.certificate_of(signer)?)?;
    signed.verify(signer, &client.public_key, Some(body))?;
    let apart = |at: Timestamp| at.since(now).max(now.since(at));
    if signer.signing_time()?.is_some_and(|at| apart(at) > skew) {
        return Err(MdmSignatureError::SigningTime);
    }
    Ok(client)
}

/// The certificate that a header claims to be signed with. Nothing is verified: good for refusing early what could not
/// be accepted, and for nothing else.
pub fn claimed_signer(
    header: &[u8],
    identities: &IdentityCache,
) -> Result<ClientCertificate, MdmSignatureError> {
    let ber = decode(header)?;
    let der = ber::to_der(&ber).map_err(|error: BerError| CmsError::from(error))?;
    let signed = SignedData::parse(&der)?;
    Ok(identities.identify(signed.certificate_of(signed.sole_signer()?)?)?)
}

/// Standard base64, with or without padding and white space.
fn decode(header: &[u8]) -> Result<Vec<u8>, MdmSignatureError> {
    let decoded = if header.iter().any(u8::is_ascii_whitespace) {
        let dense: Vec<u8> = header
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        BASE64.decode(dense)
    } else {
        BASE64.decode(header)
    };
    decoded.map_err(|_| MdmSignatureError::Base64)
}

#[cfg(test)]
mod tests {
    use openssl::cms::{CMSOptions, CmsContentInfo};

    use super::*;
    use crate::pki::{
        ca::{SubjectAttribute, Template},
        cms::{Attribute, Content, Signer, sign},
        identity::{Standing, TrustAnchors},
        keys::{PublicKey, SigningKey},
        testing::{NOW, Peer, authority},
    };

    const BODY: &[u8] = b"<plist><dict/></plist>";

    fn cache() -> IdentityCache {
        IdentityCache::new(TrustAnchors::new([authority().certificate()]).unwrap(), 100)
    }

    /// A device: a key, and the certificate the authority issued for it.
    fn device() -> (SigningKey, Vec<u8>) {
        let key = SigningKey::from_der(&Peer::rsa().key.private_key_to_der().unwrap()).unwrap();
        let public = PublicKey::from_spki(&Peer::rsa().spki()).unwrap();
        let template = Template {
            public_key: &public,
            serial: "77",
            subject: &[SubjectAttribute::CommonName("device".into())],
            alternative_names: &[],
            days: 30,
            key_encipherment: false,
        };
        (key, authority().issue(&template, NOW).unwrap().der)
    }

    fn header(body: &[u8], at: Option<Timestamp>) -> String {
        let (key, certificate) = device();
        let signer = Signer {
            certificate: &certificate,
            key: &key,
            chain: &[],
        };
        let attributes = at.map(Attribute::signing_time).into_iter().collect();
        BASE64.encode(sign(Content::Detached(body), &signer, attributes).unwrap())
    }

    fn verify(header: &str, body: &[u8]) -> Result<Standing, MdmSignatureError> {
        verify_mdm_signature(header.as_bytes(), body, NOW, DEFAULT_SKEW, &cache())
            .map(|client| client.standing(NOW))
    }

    #[test]
    fn openssls_signature_by_an_issued_certificate_is_trusted() {
        let (_, certificate) = device();
        let certificate = openssl::x509::X509::from_der(&certificate).unwrap();
        for (extra, expected) in [
            (CMSOptions::NOATTR, Ok(Standing::Trusted)),
            // OpenSSL states the time of the machine, which is not the tests' present.
            (CMSOptions::empty(), Err(MdmSignatureError::SigningTime)),
        ] {
            let options = CMSOptions::DETACHED | CMSOptions::BINARY | extra;
            let made = CmsContentInfo::sign(
                Some(&certificate),
                Some(&Peer::rsa().key),
                None,
                Some(BODY),
                options,
            );
            let header = BASE64.encode(made.unwrap().to_der().unwrap());
            let far = NOW.plus(Duration::from_secs(20 * 365 * 86_400));
            let result = verify_mdm_signature(header.as_bytes(), BODY, far, DEFAULT_SKEW, &cache());
            let result = result.map(|client| client.standing(NOW));
            assert_eq!(result, expected);
        }
    }

    /// K-M7: a swapped body, a signature over another body, attached content.
    #[test]
    fn a_signature_is_for_its_body_alone() {
        assert_eq!(verify(&header(BODY, None), BODY), Ok(Standing::Trusted));
        assert_eq!(
            verify(&header(BODY, None), b"<plist/>"),
            Err(MdmSignatureError::Cms(CmsError::DigestMismatch))
        );
        let (key, certificate) = device();
        let signer = Signer {
            certificate: &certificate,
            key: &key,
            chain: &[],
        };
        let attached = BASE64.encode(sign(Content::Attached(BODY), &signer, Vec::new()).unwrap());
        assert_eq!(verify(&attached, BODY), Ok(Standing::Trusted));
        assert_eq!(
            verify(&attached, b"else"),
            Err(MdmSignatureError::Cms(CmsError::ContentMismatch))
        );
    }

    /// K-M7: signing times.
    #[test]
    fn a_signing_time_must_be_near() {
        let seconds = Duration::from_secs;
        for at in [NOW, NOW.plus(seconds(299)), NOW.minus(seconds(299))] {
            assert_eq!(verify(&header(BODY, Some(at)), BODY), Ok(Standing::Trusted));
        }
        for at in [
            NOW.plus(seconds(2 * 86_400)),
            NOW.minus(seconds(2 * 86_400)),
            NOW.plus(seconds(301)),
        ] {
            assert_eq!(
                verify(&header(BODY, Some(at)), BODY),
                Err(MdmSignatureError::SigningTime)
            );
        }
    }

    #[test]
    fn base64_may_be_folded_and_unpadded() {
        let header = header(BODY, None);
        let folded = header
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join("\r\n ");
        assert_eq!(verify(&folded, BODY), Ok(Standing::Trusted));
        assert_eq!(verify(header.trim_end_matches('='), BODY), Ok(Standing::Trusted));
        assert_eq!(verify("***", BODY), Err(MdmSignatureError::Base64));
        assert!(matches!(verify("", BODY), Err(MdmSignatureError::Cms(_))));
    }

    #[test]
    fn a_stranger_is_named_as_one() {
        let peer = Peer::rsa();
        let key = SigningKey::from_der(&peer.key.private_key_to_der().unwrap()).unwrap();
        let signer = Signer {
            certificate: &peer.der(),
            key: &key,
            chain: &[],
        };
        let header = BASE64.encode(sign(Content::Detached(BODY), &signer, Vec::new()).unwrap());
        assert_eq!(verify(&header, BODY), Ok(Standing::Foreign));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_headers_never_panic(header in ".{0,200}") {
            let _ = verify(&header, BODY);
        }
    }
}

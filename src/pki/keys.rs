//! Public and private keys, and the signatures they make: RSA PKCS #1 v1.5 (RFC 8017 §8.2) and ECDSA (RFC 5480).

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm},
};
use der::oid::ObjectIdentifier;

use super::{
    asn1::{self, Asn1Error, Reader, tag},
    oid,
};

/// Why a key or a signature is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key's encoding is broken.
    #[error("the key is malformed: {0}")]
    Malformed(#[from] Asn1Error),
    /// A key type, curve or digest that is not spoken here.
    #[error("the algorithm is not supported")]
    Unsupported,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The cryptographic library refused the key or failed.
    #[error("the key cannot be used")]
    Unusable,
}

/// A digest algorithm that signatures may use. MD5 and everything older is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1: read from old devices, never written.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The digest of an AlgorithmIdentifier's object identifier.
    pub fn from_oid(contents: &[u8]) -> Result<Self, KeyError> {
        [
            (oid::SHA256, Self::Sha256),
            (oid::SHA1, Self::Sha1),
            (oid::SHA384, Self::Sha384),
            (oid::SHA512, Self::Sha512),
        ]
        .into_iter()
        .find_map(|(oid, digest)| (oid.as_bytes() == contents).then_some(digest))
        .ok_or(KeyError::Unsupported)
    }

    /// The digest inside a signature algorithm's object identifier (`sha256WithRSAEncryption`, …).
    pub fn of_signature(contents: &[u8]) -> Result<Self, KeyError> {
        [
            (oid::SHA256_WITH_RSA, Self::Sha256),
            (oid::ECDSA_WITH_SHA256, Self::Sha256),
            (oid::SHA1_WITH_RSA, Self::Sha1),
            (oid::SHA384_WITH_RSA, Self::Sha384),
            (oid::ECDSA_WITH_SHA384, Self::Sha384),
            (oid::SHA512_WITH_RSA, Self::Sha512),
            (oid::ECDSA_WITH_SHA512, Self::Sha512),
        ]
        .into_iter()
        .find_map(|(oid, digest)| (oid.as_bytes() == contents).then_some(digest))
        .ok_or(KeyError::Unsupported)
    }

    /// The digest of `message`.
    pub fn digest(self, message: &[u8]) -> digest::Digest {
        digest::digest(
            match self {
                Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                Self::Sha256 => &digest::SHA256,
                Self::Sha384 => &digest::SHA384,
                Self::Sha512 => &digest::SHA512,
            },
            message,
        )
    }
}

/// A public key: RSA, P-256 or P-384. Thousands of them are kept in memory, so it holds each number once.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Box<[u8]>,
    key_type: KeyType,
}

/// The types of keys that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyType {
    P256,
    P384,
    Rsa,
}

/// What an RSA key is made of; both numbers big-endian, without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaNumbers<'a> {
    /// The modulus n.
    pub modulus: &'a [u8],
    /// The public exponent e.
    pub exponent: &'a [u8],
}

impl<'a> RsaNumbers<'a> {
    /// Reads an RSAPublicKey (RFC 8017 §A.1.1).
    fn read(key: &'a [u8]) -> Result<Self, Asn1Error> {
        let mut numbers = Reader::single(key, tag::SEQUENCE)?.reader();
        let modulus = asn1::unsigned(numbers.read(tag::INTEGER)?.value)?;
        let exponent = asn1::unsigned(numbers.read(tag::INTEGER)?.value)?;
        numbers.finish()?;
        Ok(Self { modulus, exponent })
    }
}

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::single(spki, tag::SEQUENCE)?.reader();
        let (algorithm, parameters) = reader.algorithm()?;
        let key = reader.bit_string()?;
        reader.finish()?;
        if algorithm == oid::RSA_ENCRYPTION.as_bytes() {
            RsaNumbers::read(key)?;
            let spki = asn1::sequence(&[asn1::algorithm(&oid::RSA_ENCRYPTION), asn1::bit_string(key)]);
            return Ok(Self {
                spki: spki.into(),
                key_type: KeyType::Rsa,
            });
        }
        if algorithm != oid::EC_PUBLIC_KEY.as_bytes() {
            return Err(KeyError::Unsupported);
        }
        let curve = parameters
            .filter(|element| element.tag == tag::OID)
            .map(|element| element.value);
        let (key_type, curve) = [(KeyType::P256, oid::P256), (KeyType::P384, oid::P384)]
            .into_iter()
            .find(|(_, oid)| curve == Some(oid.as_bytes()))
            .ok_or(KeyError::Unsupported)?;
        let algorithm = asn1::sequence(&[asn1::oid(&oid::EC_PUBLIC_KEY), asn1::oid(&curve)]);
        Ok(Self {
            spki: asn1::sequence(&[algorithm, asn1::bit_string(key)]).into(),
            key_type,
        })
    }

    /// The DER of the SubjectPublicKeyInfo, in one form for one key: whatever parameters the sender put beside an
    /// RSA key are gone, so that equal keys are equal and nothing of a sender's choice is certified.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The numbers of an RSA key.
    pub fn rsa_numbers(&self) -> Option<RsaNumbers<'_>> {
        if !self.is_rsa() {
            return None;
        }
        let mut reader = Reader::single(&self.spki, tag::SEQUENCE).ok()?.reader();
        reader.algorithm().ok()?;
        RsaNumbers::read(reader.bit_string().ok()?).ok()
    }

    /// Whether the key is RSA, which SCEP needs to encrypt to it.
    pub fn is_rsa(&self) -> bool {
        self.key_type == KeyType::Rsa
    }

    /// Verifies `signature` over `message`. RSA keys from 1024 bits on are accepted, since Apple signed old
    /// devices' identities so; what may *enroll* is decided by [`super::weak_key`].
    pub fn verify(&self, digest: DigestAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.key_type, digest) {
            (KeyType::Rsa, DigestAlgorithm::Sha1) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (KeyType::Rsa, DigestAlgorithm::Sha256) => {
                &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
            }
            (KeyType::Rsa, DigestAlgorithm::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (KeyType::Rsa, DigestAlgorithm::Sha512) => {
                &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
            }
            (KeyType::P256, DigestAlgorithm::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (KeyType::P256, DigestAlgorithm::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (KeyType::P256, DigestAlgorithm::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (KeyType::P384, DigestAlgorithm::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (KeyType::P384, DigestAlgorithm::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (KeyType::P384, DigestAlgorithm::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (KeyType::P256 | KeyType::P384, DigestAlgorithm::Sha1) => return Err(KeyError::Unsupported),
        };
        UnparsedPublicKey::new(algorithm, &self.spki)
            .verify(message, signature)
            .map_err(|_| KeyError::BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_type {
            KeyType::P256 => f.write_str("PublicKey(P-256)"),
            KeyType::P384 => f.write_str("PublicKey(P-384)"),
            KeyType::Rsa => {
                let bits = self.rsa_numbers().map_or(0, |numbers| numbers.modulus.len() * 8);
                write!(f, "PublicKey(RSA-{bits})")
            }
        }
    }
}

/// A private key that signs with SHA-256: RSA (PKCS #1 v1.5) or P-256.
pub enum SigningKey {
    /// A P-256 key.
    P256(EcdsaKeyPair),
    /// An RSA key of 2048 to 8192 bits.
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Reads an unencrypted private key: PKCS #8, or the RSA form of PKCS #1, or the EC form of SEC 1.
    pub fn from_der(key: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key)) {
            return Ok(Self::Rsa(key));
        }
        EcdsaKeyPair::from_private_key_der(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, key)
            .map(Self::P256)
            .map_err(|_| KeyError::Unusable)
    }

    /// A fresh RSA key of 2048 bits. Takes about a tenth of a second.
    pub fn generate_rsa() -> Result<Self, KeyError> {
        RsaKeyPair::generate(KeySize::Rsa2048)
            .map(Self::Rsa)
            .map_err(|_| KeyError::Unusable)
    }

    /// A fresh P-256 key.
    pub fn generate_p256() -> Result<Self, KeyError> {
        EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)
            .map(Self::P256)
            .map_err(|_| KeyError::Unusable)
    }

    /// The key's PKCS #8 form. Secret: to be sealed before it is stored.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::P256(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Self::Rsa(key) => AsDer::<Pkcs8V1Der>::as_der(key).map(|der| der.as_ref().to_vec()),
        }
        .map_err(|_| KeyError::Unusable)
    }

    /// The public half.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let spki = match self {
            Self::P256(key) => AsDer::<PublicKeyX509Der>::as_der(key.public_key()),
            Self::Rsa(key) => AsDer::<PublicKeyX509Der>::as_der(key.public_key()),
        };
        PublicKey::from_spki(spki.map_err(|_| KeyError::Unusable)?.as_ref())
    }

    /// Signs `message` with SHA-256; ECDSA signatures are DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) => key
                .sign(&random, message)
                .map(|made| made.as_ref().to_vec())
                .map_err(|_| KeyError::Unusable),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Unusable)?;
                Ok(signature)
            }
        }
    }

    /// The AlgorithmIdentifier of [`SigningKey::sign`]'s signatures in a certificate.
    pub fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => asn1::sequence(&[asn1::oid(&oid::ECDSA_WITH_SHA256)]),
            Self::Rsa(_) => asn1::algorithm(&oid::SHA256_WITH_RSA),
        }
    }

    /// The AlgorithmIdentifier of [`SigningKey::sign`]'s signatures in a SignerInfo: for RSA the key's own,
    /// which every CMS reader knows.
    pub fn cms_signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => self.signature_algorithm(),
            Self::Rsa(_) => asn1::algorithm(&oid::RSA_ENCRYPTION),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256(_) => "SigningKey(P-256)",
            Self::Rsa(_) => "SigningKey(RSA)",
        })
    }
}

/// Whether a SignerInfo's signatureAlgorithm may go with its digest: the key's own identifier says nothing of a
/// digest, a combined one must name the same.
pub fn signature_goes_with(algorithm: &[u8], digest: DigestAlgorithm) -> Result<(), KeyError> {
    // Some senders put ecdsa-with-Specified (1.2.840.10045.4.3), whose digest stands elsewhere.
    const ECDSA_WITH_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3");
    let bare = [oid::RSA_ENCRYPTION, oid::EC_PUBLIC_KEY, ECDSA_WITH_SPECIFIED];
    if bare.iter().any(|oid| oid.as_bytes() == algorithm)
        || DigestAlgorithm::of_signature(algorithm)? == digest
    {
        return Ok(());
    }
    Err(KeyError::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_key_sign_what_their_public_half_verifies() {
        for key in [
            SigningKey::generate_rsa().unwrap(),
            SigningKey::generate_p256().unwrap(),
        ] {
            let public = key.public_key().unwrap();
            let signature = key.sign(b"message").unwrap();
            assert_eq!(
                public.verify(DigestAlgorithm::Sha256, b"message", &signature),
                Ok(())
            );
            assert_eq!(
                public.verify(DigestAlgorithm::Sha256, b"massage", &signature),
                Err(KeyError::BadSignature)
            );
            let again = SigningKey::from_der(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.public_key().unwrap(), public);
            assert!(!format!("{key:?}").contains("Pair"));
        }
    }

    #[test]
    fn a_signature_algorithm_must_name_the_digest_it_goes_with() {
        let sha256 = DigestAlgorithm::Sha256;
        assert_eq!(
            signature_goes_with(oid::RSA_ENCRYPTION.as_bytes(), sha256),
            Ok(())
        );
        assert_eq!(
            signature_goes_with(oid::SHA256_WITH_RSA.as_bytes(), sha256),
            Ok(())
        );
        assert_eq!(
            signature_goes_with(oid::SHA1_WITH_RSA.as_bytes(), sha256),
            Err(KeyError::Unsupported)
        );
    }

    /// K-S6: parameters that a sender hides beside its key don't reach a certificate.
    #[test]
    fn a_key_has_one_form() {
        let key = SigningKey::generate_rsa().unwrap().public_key().unwrap();
        let mut fields = Reader::new(key.spki()).sequence().unwrap();
        fields.algorithm().unwrap();
        let numbers = fields.any().unwrap().raw;
        for parameters in [&[][..], b"\x05\x00", b"\x04\x04junk"] {
            let algorithm = asn1::sequence(&[&asn1::oid(&oid::RSA_ENCRYPTION), parameters]);
            let spki = asn1::sequence(&[&algorithm, numbers]);
            assert_eq!(PublicKey::from_spki(&spki).unwrap(), key);
        }
    }
}

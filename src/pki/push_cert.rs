//! The MDM push certificate as an operator uploads it: PEM of the certificate from Apple's portal, with its private
//! key or without, when the key was made here. The topic is the subject's UID (Apple, "Setting Up Push Notifications
//! for Your MDM Customers").

use std::fmt;

use super::{
    ca::fingerprint,
    certificate::Certificate,
    keys::SigningKey,
    oid,
    pem::{self, Block},
};
use crate::{
    pki::asn1::{Asn1Error, Reader, tag},
    protocol::{
        ids::{Fingerprint, Topic},
        time::Timestamp,
    },
};

/// What every topic of MDM begins with.
const TOPIC_PREFIX: &str = "com.apple.mgmt.";

/// Why an upload is refused, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushCertificateError {
    /// A PEM block is cut off or damaged.
    #[error("a PEM block is incomplete or damaged: copy the whole files, from the first dash to the last")]
    Damaged,
    /// The private key is protected by a passphrase.
    #[error("the private key is encrypted: decrypt it first, with `openssl pkey -in key.pem -out plain.pem`")]
    EncryptedKey,
    /// The certificate can't be read.
    #[error("the certificate can't be read: download it again from identity.apple.com")]
    Malformed,
    /// No certificate belongs to the key.
    #[error(
        "the private key does not belong to the certificate: use the key that made the signing request for it"
    )]
    Mismatch,
    /// There is no certificate.
    #[error("there is no certificate: paste the .pem downloaded from identity.apple.com")]
    NoCertificate,
    /// There is no private key, and none that is known already fits.
    #[error(
        "there is no private key in it, and none of this server's own keys fits: add the key, or use the certificate \
         made from the request of `russet push-cert csr`"
    )]
    NoKey,
    /// The subject names no MDM topic.
    #[error(
        "the certificate is not an MDM push certificate (no com.apple.mgmt. topic in its subject): \
         create one at identity.apple.com"
    )]
    NoTopic,
    /// The private key, or the certificate's, is not RSA, or of a size that can't be used.
    #[error("the key is not a usable RSA key: Apple's push certificates need RSA with 2048 bits")]
    NotRsa,
    /// Several private keys.
    #[error("there are several private keys: paste only the one that belongs to the certificate")]
    SeveralKeys,
}

/// What was uploaded, before it is clear which certificate belongs to which key.
#[derive(Debug)]
pub struct Upload {
    certificates: Vec<Vec<u8>>,
    key: Option<SigningKey>,
}

impl Upload {
    /// Reads an upload: blocks in any order, with text between them.
    pub fn parse(upload: &str) -> Result<Self, PushCertificateError> {
        let blocks = pem::blocks(upload).map_err(|_| PushCertificateError::Damaged)?;
        let (keys, others): (Vec<Block>, Vec<Block>) = blocks
            .into_iter()
            .partition(|block| block.label.ends_with("PRIVATE KEY"));
        let certificates: Vec<Vec<u8>> = others
            .into_iter()
            .filter(|block| {
                matches!(
                    block.label.as_str(),
                    "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
                )
            })
            .map(|block| block.der)
            .collect();
        if certificates.is_empty() {
            return Err(PushCertificateError::NoCertificate);
        }
        for der in &certificates {
            Certificate::parse(der).map_err(|_| PushCertificateError::Malformed)?;
        }
        let key = match keys.as_slice() {
            [] => None,
            [key] if key.encrypted => return Err(PushCertificateError::EncryptedKey),
            [key] => {
                let key = SigningKey::from_der(&key.der).ok().filter(is_rsa);
                Some(key.ok_or(PushCertificateError::NotRsa)?)
            }
            _ => return Err(PushCertificateError::SeveralKeys),
        };
        Ok(Self { certificates, key })
    }

    /// Whether a private key came with it.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Finds the certificate that belongs to the uploaded key; if none was, to one of `known`. Whether the certificate
    /// has expired is for the caller to say.
    pub fn resolve(self, known: Vec<SigningKey>) -> Result<PushCertificate, PushCertificateError> {
        let Self {
            certificates: mut chain,
            key,
        } = self;
        let (absent, keys) = match key {
            Some(key) => (PushCertificateError::Mismatch, vec![key]),
            None => (PushCertificateError::NoKey, known),
        };
        let mut any_rsa = false;
        let mut own = None;
        for (index, der) in chain.iter().enumerate() {
            let certificate = Certificate::parse(der).map_err(|_| PushCertificateError::Malformed)?;
            let Ok(certified) = certificate.public_key() else {
                continue;
            };
            any_rsa |= certified.is_rsa();
            let fits = |key: &&SigningKey| key.public_key().is_ok_and(|public| public == certified);
            if let Some(key) = keys.iter().find(fits) {
                own = Some((index, key, certified));
            }
        }
        if !any_rsa {
            return Err(PushCertificateError::NotRsa);
        }
        let (index, key, public) = own.ok_or(absent)?;
        let leaf = chain.remove(index);
        chain.insert(0, leaf.clone());

        let certificate = Certificate::parse(&leaf).map_err(|_| PushCertificateError::Malformed)?;
        let topic = user_id(certificate.subject)
            .map_err(|_| PushCertificateError::Malformed)?
            .filter(|topic| topic.len() > TOPIC_PREFIX.len() && topic.starts_with(TOPIC_PREFIX))
            .ok_or(PushCertificateError::NoTopic)?;
        Ok(PushCertificate {
            topic: Topic::new(topic),
            key_pkcs8: key.to_pkcs8().map_err(|_| PushCertificateError::NotRsa)?,
            key_hash: fingerprint(public.spki()),
            fingerprint: fingerprint(&leaf),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            chain,
        })
    }
}

fn is_rsa(key: &SigningKey) -> bool {
    matches!(key, SigningKey::Rsa(_))
}

/// A push certificate with its key. The key does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PushCertificate {
    /// The topic, to which devices' tokens belong.
    pub topic: Topic,
    /// The certificate, then whatever else was uploaded with it, as DER.
    pub chain: Vec<Vec<u8>>,
    /// The private key as PKCS #8. Secret: to be sealed before it is stored.
    pub key_pkcs8: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_hash: Fingerprint,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
}

impl fmt::Debug for PushCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushCertificate")
            .field("topic", &self.topic)
            .field("fingerprint", &self.fingerprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The UID of a Name.
fn user_id(name: &[u8]) -> Result<Option<String>, Asn1Error> {
    let mut sets = Reader::single(name, tag::SEQUENCE)?.reader();
    while !sets.is_empty() {
        let mut set = sets.read(tag::SET)?.reader();
        while !set.is_empty() {
            let mut pair = set.sequence()?;
            if pair.oid()? == oid::USER_ID.as_bytes() {
                return pair.any()?.text().map(Some);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::{dev, testing};

    fn development() -> &'static dev::PushPems {
        static PEMS: std::sync::OnceLock<dev::PushPems> = std::sync::OnceLock::new();
        PEMS.get_or_init(|| dev::push_certificate(testing::NOW).unwrap())
    }

    fn read(upload: &str) -> Result<PushCertificate, PushCertificateError> {
        Upload::parse(upload)?.resolve(Vec::new())
    }

    #[test]
    fn every_form_of_the_right_upload_is_read() {
        let dev::PushPems { certificate, key } = development();
        let rsa = openssl::rsa::Rsa::private_key_from_pem(key.as_bytes()).unwrap();
        let pkcs1 = String::from_utf8(rsa.private_key_to_pem().unwrap()).unwrap();
        assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"));
        let authority = pem::encode("CERTIFICATE", testing::authority().certificate());
        let first = read(&format!("{certificate}{key}")).unwrap();
        assert!(first.topic.as_str().starts_with("com.apple.mgmt.External."));
        assert!(!format!("{first:?}").contains("key"));
        for upload in [
            format!("{key}{certificate}"),
            format!("{certificate}{pkcs1}"),
            format!("\u{feff}{}{key}", certificate.trim_end()),
            format!("{certificate}{key}").replace('\n', "\r\n"),
            // Fused boundaries, as when files without a last line feed are concatenated.
            format!("{}{}", certificate.trim_end(), key.trim_end()),
            format!("{}{}", key.trim_end(), certificate.trim_end()),
        ] {
            assert_eq!(read(&upload).unwrap(), first);
        }
        let with_chain = read(&format!("{authority}{certificate}{key}")).unwrap();
        assert_eq!(
            (with_chain.chain.len(), &with_chain.chain[0]),
            (2, &first.chain[0])
        );
    }

    #[test]
    fn a_certificate_alone_is_joined_with_a_key_that_is_known_already() {
        let dev::PushPems { certificate, key } = development();
        let whole = read(&format!("{certificate}{key}")).unwrap();
        let known = || SigningKey::from_der(&whole.key_pkcs8).unwrap();
        let other = || SigningKey::generate_rsa().unwrap();
        let resolve = |known| Upload::parse(certificate).unwrap().resolve(known);
        assert_eq!(resolve(vec![other(), known()]), Ok(whole.clone()));
        assert_eq!(resolve(vec![other()]), Err(PushCertificateError::NoKey));
        // A key that was uploaded is the one that is meant.
        let peer = testing::Peer::rsa();
        let wrong = String::from_utf8(peer.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let upload = Upload::parse(&format!("{certificate}{wrong}")).unwrap();
        assert!(upload.has_key());
        assert_eq!(upload.resolve(vec![known()]), Err(PushCertificateError::Mismatch));
    }

    #[test]
    fn every_wrong_upload_is_named() {
        use PushCertificateError::*;
        let dev::PushPems { certificate, key } = development();
        let peer = testing::Peer::rsa();
        let other_key = String::from_utf8(peer.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let other_certificate = pem::encode("CERTIFICATE", &peer.der());
        let ec = openssl::ec::EcKey::generate(
            &openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap(),
        );
        let ec = ec.unwrap();
        let ec_key = openssl::pkey::PKey::from_ec_key(ec.clone()).unwrap();
        let ec = String::from_utf8(ec.private_key_to_pem().unwrap()).unwrap();
        let cipher = openssl::symm::Cipher::aes_128_cbc();
        let encrypted = peer
            .key
            .private_key_to_pem_pkcs8_passphrase(cipher, b"pass")
            .unwrap();
        let rsa = peer.key.rsa().unwrap();
        let encrypted_pkcs1 = rsa.private_key_to_pem_passphrase(cipher, b"pass").unwrap();
        let on_a_curve = pem::encode("CERTIFICATE", &testing::Peer::new(ec_key.clone(), "EC").der());
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        for (upload, error) in [
            (String::new(), NoCertificate),
            (key.clone(), NoCertificate),
            (certificate.clone(), NoKey),
            (on_a_curve, NotRsa),
            (format!("{certificate}{other_key}"), Mismatch),
            (format!("{other_certificate}{other_key}"), NoTopic),
            (format!("{certificate}{ec}"), NotRsa),
            (format!("{certificate}{}", text(encrypted)), EncryptedKey),
            (format!("{certificate}{}", text(encrypted_pkcs1)), EncryptedKey),
            (format!("{certificate}{key}{other_key}"), SeveralKeys),
            (format!("{certificate}{}", &key[..500]), Damaged),
            (format!("{}{key}", pem::encode("CERTIFICATE", b"junk")), Malformed),
        ] {
            assert_eq!(read(&upload).err(), Some(error));
        }
    }

    proptest! {
        #[test]
        fn mutated_uploads_never_panic(at in any::<prop::sample::Index>(), with in any::<char>()) {
            let dev::PushPems { certificate, key } = development();
            let mut upload: Vec<char> = format!("{certificate}{key}").chars().collect();
            let at = at.index(upload.len());
            upload[at] = with;
            let _ = read(&upload.into_iter().collect::<String>());
        }
    }
}

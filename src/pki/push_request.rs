//! The way to a push certificate: the PKCS #10 request (RFC 2986) for a key made here, and around it the push
//! certificate request, which only a vendor's MDM CSR signing certificate can make and which Apple's portal takes
//! (Apple, "Setting Up Push Notifications for Your MDM Customers").

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    asn1::{self, tag},
    certificate::Certificate,
    keys::{KeyError, SigningKey},
    oid, pem,
};
use crate::protocol::{plist, time::Timestamp};

/// The commonName of requests. Apple replaces the subject by its own.
const COMMON_NAME: &str = "Russet MDM push certificate";

/// A PKCS #10 request for `key`, as DER. One key has one request.
pub fn signing_request(key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let pair = asn1::sequence(&[
        asn1::oid(&oid::COMMON_NAME),
        asn1::primitive(tag::UTF8_STRING, COMMON_NAME),
    ]);
    let info = asn1::sequence(&[
        asn1::integer(&[0]),
        asn1::sequence(&[asn1::element(tag::SET, &[pair])]),
        key.public_key()?.spki().to_vec(),
        asn1::element::<&[u8]>(tag::context(0), &[]),
    ]);
    let signature = asn1::bit_string(&key.sign(&info)?);
    Ok(asn1::sequence(&[info, key.signature_algorithm(), signature]))
}

/// Why a vendor's certificate is of no use. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VendorError {
    /// A certificate's issuer is not there.
    #[error(
        "the chain lacks the issuer of {0}: add it to push.vendor_chain (Apple's intermediate, then Apple Root CA)"
    )]
    BrokenChain(String),
    /// A file is not PEM, or what is in it can't be read.
    #[error("{0} can't be read: give PEM files, the key unencrypted")]
    Damaged(&'static str),
    /// A certificate of the chain is not valid now.
    #[error("{0} is not valid at present: renew the vendor certificate at developer.apple.com")]
    Expired(String),
    /// No certificate belongs to the key.
    #[error("push.vendor_key does not belong to push.vendor_certificate")]
    Mismatch,
    /// The key does not sign as Apple requires.
    #[error("push.vendor_key is not a usable RSA key")]
    NotRsa,
}

/// An MDM vendor's CSR signing certificate, its chain up to the root, and its key. The key never shows in `Debug`.
pub struct Vendor {
    /// Leaf first, root last, as DER.
    chain: Vec<Vec<u8>>,
    key: SigningKey,
}

/// The whole of what the portal takes; all three values are text.
#[derive(Serialize)]
struct PushCertificateRequest {
    #[serde(rename = "PushCertRequestCSR")]
    csr: String,
    #[serde(rename = "PushCertCertificateChain")]
    chain: String,
    #[serde(rename = "PushCertSignature")]
    signature: String,
}

impl Vendor {
    /// From PEM texts: the certificate, its key, and its issuers in any order (they may also stand in the first text).
    pub fn new(certificate: &str, key: &str, issuers: &str) -> Result<Self, VendorError> {
        let key = pem::blocks(key)
            .map_err(|_| VendorError::Damaged("push.vendor_key"))?
            .into_iter()
            .find(|block| block.label.ends_with("PRIVATE KEY") && !block.encrypted)
            .ok_or(VendorError::Damaged("push.vendor_key"))?;
        let key = match SigningKey::from_der(&key.der) {
            Ok(key @ SigningKey::Rsa(_)) => key,
            _ => return Err(VendorError::NotRsa),
        };
        let mut others = certificates(certificate, "push.vendor_certificate")?;
        others.extend(certificates(issuers, "push.vendor_chain")?);
        let public = key.public_key().map_err(|_| VendorError::NotRsa)?;
        let own = |der: &Vec<u8>| {
            Certificate::parse(der)
                .is_ok_and(|certificate| certificate.public_key().is_ok_and(|key| key == public))
        };
        let leaf = others.iter().position(own).ok_or(VendorError::Mismatch)?;
        let mut chain = vec![others.swap_remove(leaf)];
        while let Some(issuer) = issuer_of(chain.last().map_or(&[], Vec::as_slice), &others)? {
            chain.push(others.swap_remove(issuer));
        }
        Ok(Self { chain, key })
    }

    /// Whether the whole chain is valid at `now`.
    pub fn check(&self, now: Timestamp) -> Result<(), VendorError> {
        for der in &self.chain {
            let certificate = parse(der)?;
            if now < certificate.not_before || now > certificate.not_after {
                return Err(VendorError::Expired(certificate.subject_text()));
            }
        }
        Ok(())
    }

    /// The push certificate request around a PKCS #10 request (DER): the text to be uploaded at
    /// identity.apple.com/pushcert.
    pub fn sign(&self, csr: &[u8], now: Timestamp) -> Result<String, VendorError> {
        self.check(now)?;
        let signature = self.key.sign(csr).map_err(|_| VendorError::NotRsa)?;
        let request = PushCertificateRequest {
            csr: STANDARD.encode(csr),
            chain: self
                .chain
                .iter()
                .map(|der| pem::encode("CERTIFICATE", der))
                .collect(),
            signature: STANDARD.encode(signature),
        };
        let plist = plist::to_xml(&request).map_err(|_| VendorError::Damaged("the request"))?;
        Ok(STANDARD.encode(plist))
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vendor({} certificates)", self.chain.len())
    }
}

fn certificates(text: &str, name: &'static str) -> Result<Vec<Vec<u8>>, VendorError> {
    let blocks = pem::blocks(text).map_err(|_| VendorError::Damaged(name))?;
    let certificates = blocks.into_iter().filter(|block| block.label == "CERTIFICATE");
    let ders: Vec<_> = certificates.map(|block| block.der).collect();
    for der in &ders {
        Certificate::parse(der).map_err(|_| VendorError::Damaged(name))?;
    }
    Ok(ders)
}

fn parse(der: &[u8]) -> Result<Certificate<'_>, VendorError> {
    Certificate::parse(der).map_err(|_| VendorError::Damaged("the vendor's chain"))
}

/// Where the issuer of `der` stands among `others`; `None` if it is its own.
fn issuer_of(der: &[u8], others: &[Vec<u8>]) -> Result<Option<usize>, VendorError> {
    let certificate = parse(der)?;
    if certificate.issued_by(&certificate) {
        return Ok(None);
    }
    let is_issuer =
        |other: &Vec<u8>| Certificate::parse(other).is_ok_and(|other| certificate.issued_by(&other));
    let found = others.iter().position(is_issuer);
    let broken = || VendorError::BrokenChain(certificate.subject_text());
    found.map(Some).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use ::plist::{Dictionary, Value};
    use openssl::{hash::MessageDigest, sign::Verifier, x509::X509Req};

    use super::*;
    use crate::pki::testing::{self, NOW, Peer};

    #[test]
    fn p1_a_request_parses_and_is_signed_with_sha256_by_a_key_of_2048_bits() {
        let key = SigningKey::generate_rsa().unwrap();
        let der = signing_request(&key).unwrap();
        assert_eq!(signing_request(&key).unwrap(), der, "one key has one request");
        let request = X509Req::from_der(&der).unwrap();
        let public = request.public_key().unwrap();
        assert!(request.verify(&public).unwrap());
        assert_eq!((public.bits(), request.version()), (2048, 0));
        let text = String::from_utf8(request.to_text().unwrap()).unwrap();
        assert!(text.contains("sha256WithRSAEncryption"), "{text}");
        assert!(text.contains(COMMON_NAME), "{text}");
    }

    fn key_pem(peer: &Peer) -> String {
        String::from_utf8(peer.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    fn certificate_pem(certificate: &[u8]) -> String {
        pem::encode("CERTIFICATE", certificate)
    }

    /// A vendor's certificate, its intermediate and its root.
    fn chain() -> (Peer, [Vec<u8>; 3]) {
        let root = Peer::new(testing::rsa_key(2048), "Root");
        let intermediate = Peer::new(testing::rsa_key(2048), "Intermediate");
        let vendor = Peer::new(testing::rsa_key(2048), "Vendor");
        let chain = [
            testing::cross_signed(&vendor, &intermediate),
            testing::cross_signed(&intermediate, &root),
            root.der(),
        ];
        (vendor, chain)
    }

    #[test]
    fn a_vendors_signature_and_chain_are_what_apple_asks_for() {
        let (vendor, chain) = chain();
        let [own, intermediate, root] = chain.each_ref().map(|der| certificate_pem(der));
        let csr = signing_request(&SigningKey::generate_rsa().unwrap()).unwrap();
        for (certificate, issuers) in [
            (own.clone(), format!("{intermediate}{root}")),
            (own.clone(), format!("{root}{intermediate}")),
            (format!("{root}{own}{intermediate}"), String::new()),
        ] {
            let signer = Vendor::new(&certificate, &key_pem(&vendor), &issuers).unwrap();
            let upload = signer.sign(&csr, NOW).unwrap();
            let xml = STANDARD.decode(upload).unwrap();
            assert!(xml.starts_with(b"<?xml"));
            let Value::Dictionary(request) = Value::from_reader_xml(&xml[..]).unwrap() else {
                panic!("no dictionary");
            };
            let text = |request: &Dictionary, key: &str| request[key].as_string().unwrap().to_owned();
            assert_eq!(request.len(), 3);
            assert_eq!(
                STANDARD.decode(text(&request, "PushCertRequestCSR")).unwrap(),
                csr
            );
            let named = text(&request, "PushCertCertificateChain");
            assert_eq!(
                named,
                format!("{own}{intermediate}{root}"),
                "leaf first, root last"
            );
            assert!(named.lines().all(|line| line.len() <= 64));
            let signature = STANDARD.decode(text(&request, "PushCertSignature")).unwrap();
            let mut verifier = Verifier::new(MessageDigest::sha256(), &vendor.key).unwrap();
            assert!(verifier.verify_oneshot(&signature, &csr).unwrap());
            assert!(!format!("{signer:?}").contains("Pair"));
        }
    }

    #[test]
    fn a_vendors_files_that_can_not_serve_are_named() {
        let (vendor, chain) = chain();
        let [own, intermediate, root] = chain.each_ref().map(|der| certificate_pem(der));
        let key = key_pem(&vendor);
        let error =
            |certificate: &str, key: &str, issuers: &str| Vendor::new(certificate, key, issuers).err();
        assert_eq!(
            error(&own, &key_pem(Peer::rsa()), &format!("{intermediate}{root}")),
            Some(VendorError::Mismatch)
        );
        for issuers in [String::new(), intermediate.clone(), root.clone()] {
            let lacking = error(&own, &key, &issuers);
            assert!(
                matches!(lacking, Some(VendorError::BrokenChain(_))),
                "{lacking:?}"
            );
        }
        assert_eq!(
            error(&own, "no key", ""),
            Some(VendorError::Damaged("push.vendor_key"))
        );
        assert_eq!(
            error(&own[..200], &key, ""),
            Some(VendorError::Damaged("push.vendor_certificate"))
        );
        let signer = Vendor::new(&own, &key, &format!("{intermediate}{root}")).unwrap();
        let late = NOW.plus(std::time::Duration::from_secs(2 * 86_400));
        assert!(matches!(signer.sign(b"", late), Err(VendorError::Expired(_))));
    }
}

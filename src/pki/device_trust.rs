//! Who vouches for a device before it has an identity of ours: Apple's device CAs, known by their fingerprints, and CAs
//! that a configuration names for tests.
//!
//! The certificates are Apple's, at <https://www.apple.com/certificateauthority/>, and are not part of this program. Only
//! their SHA-256 fingerprints are, so that whatever file is called one of them can be told from any other.

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    asn1::{self, Asn1Error, tag},
    certificate::{Certificate, common_name},
    keys::{DigestAlgorithm, PublicKey},
    oid, pem,
};
use crate::protocol::ids::Fingerprint;

/// A CA of Apple's that signs devices' built-in identities, or signs such a CA.
#[derive(Debug, PartialEq, Eq)]
pub struct AppleAuthority {
    /// Its common name.
    pub name: &'static str,
    /// What its file is called in a data directory.
    pub file: &'static str,
    /// SHA-256 of its DER, in hexadecimal.
    pub sha256: &'static str,
}

/// All of them, the root first.
pub const APPLE: [AppleAuthority; 3] = [
    AppleAuthority {
        name: "Apple Root CA",
        file: "apple-root-ca.pem",
        sha256: "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024",
    },
    AppleAuthority {
        name: "Apple iPhone Certification Authority",
        file: "apple-iphone-ca.pem",
        sha256: "e4e2936d3c076ec4aea8ac37277524950ca005894b39bba2d347fa33155ae5fa",
    },
    AppleAuthority {
        name: "Apple iPhone Device CA",
        file: "apple-iphone-device-ca.pem",
        sha256: "76f27d00e1333bc88de0e2916c38c9a7f2b75774c25a794c092a80e3c4c66cce",
    },
];

/// Apple's pages that hold them or lead to them, tried in this order: files, the page that lists files, and a chapter of
/// the documentation that quotes the certificates as text.
pub const APPLE_PAGES: [&str; 4] = [
    "https://www.apple.com/appleca/AppleIncRootCertificate.cer",
    "https://www.apple.com/certificateauthority/AppleiPhoneCA.cer",
    "https://www.apple.com/certificateauthority/",
    "https://developer.apple.com/library/archive/documentation/NetworkingInternet/Conceptual/iPhoneOTAConfiguration/\
     profile-service/profile-service.html",
];

/// Why a certificate does not become an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Neither PEM nor DER of a certificate.
    #[error("it holds no certificate")]
    NoCertificate,
    /// A certificate, but not of a CA.
    #[error("it is not a CA's certificate")]
    NotAnAuthority,
    /// A key that can't be used.
    #[error("its key is of a kind that is not used here")]
    Key,
}

impl From<Asn1Error> for TrustError {
    fn from(_: Asn1Error) -> Self {
        Self::NoCertificate
    }
}

/// SHA-256 of a certificate.
pub fn fingerprint(der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    Fingerprint::new(bytes)
}

/// Which of Apple's this certificate is, if it is one of them, byte for byte.
pub fn recognize(der: &[u8]) -> Option<&'static AppleAuthority> {
    let found = fingerprint(der).to_string();
    APPLE.iter().find(|authority| authority.sha256 == found)
}

/// The certificates in a file: PEM, or one in DER.
pub fn certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, TrustError> {
    if file.first() == Some(&tag::SEQUENCE) {
        return Certificate::parse(file)
            .map(|_| vec![file.to_vec()])
            .map_err(Into::into);
    }
    let text = std::str::from_utf8(file).map_err(|_| TrustError::NoCertificate)?;
    let blocks = pem::blocks(text).map_err(|_| TrustError::NoCertificate)?;
    let found: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| block.der)
        .collect();
    if found.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    Ok(found)
}

/// The certificates that a page quotes as text, tags and all.
pub fn quoted(page: &str) -> Vec<Vec<u8>> {
    let mut text = String::with_capacity(page.len());
    let mut in_tag = false;
    for character in page.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push('\n');
            }
            _ if !in_tag => text.push(character),
            _ => {}
        }
    }
    certificates(text.as_bytes()).unwrap_or_default()
}

/// A CA that may have signed a device's certificate, or the certificate of a CA that has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Anchor {
    name: String,
    subject: Vec<u8>,
    key: PublicKey,
    apple: bool,
}

impl Anchor {
    fn read(der: &[u8], apple: bool) -> Result<Self, TrustError> {
        let certificate = Certificate::parse(der)?;
        if !certificate.is_ca()? {
            return Err(TrustError::NotAnAuthority);
        }
        Ok(Self {
            name: common_name(certificate.subject).unwrap_or_else(|| certificate.subject_text()),
            subject: certificate.subject.to_vec(),
            key: certificate.public_key().map_err(|_| TrustError::Key)?,
            apple,
        })
    }

    /// Whether this CA issued `certificate`. Apple signed with SHA-1, and nobody else may.
    fn issued(&self, certificate: &Certificate<'_>) -> bool {
        let is_sha1 =
            DigestAlgorithm::of_signature(certificate.signature_algorithm) == Ok(DigestAlgorithm::Sha1);
        (self.apple || !is_sha1) && certificate.issuer == self.subject && certificate.signed_with(&self.key)
    }
}

/// Who vouched for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The anchor's common name.
    pub anchor: String,
    /// Whether it is Apple.
    pub apple: bool,
}

/// How many CAs may stand between a device's certificate and an anchor: Apple has one or two.
const MAX_CHAIN: usize = 3;

/// The CAs whose word is taken for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTrust {
    anchors: Vec<Anchor>,
    known: Vec<&'static str>,
}

impl DeviceTrust {
    /// Takes one of Apple's certificates; `false` if this is none of them.
    pub fn add_apple(&mut self, der: &[u8]) -> Result<bool, TrustError> {
        let Some(authority) = recognize(der) else {
            return Ok(false);
        };
        if !self.known.contains(&authority.name) {
            self.anchors.push(Anchor::read(der, true)?);
            self.known.push(authority.name);
        }
        Ok(true)
    }

    /// Takes a CA that the configuration names.
    pub fn add_configured(&mut self, der: &[u8]) -> Result<(), TrustError> {
        let anchor = Anchor::read(der, false)?;
        if !self.anchors.contains(&anchor) {
            self.anchors.push(anchor);
        }
        Ok(())
    }

    /// Apple's that are not here.
    pub fn missing(&self) -> impl Iterator<Item = &'static AppleAuthority> {
        APPLE
            .iter()
            .filter(|authority| !self.known.contains(&authority.name))
    }

    /// Whether real devices can be told from others.
    pub fn knows_apple(&self) -> bool {
        !self.known.is_empty()
    }

    /// Whether nobody's word is taken.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Who vouches for a device's certificate: an anchor, through the CAs among `others` if need be.
    ///
    /// Validity times are not looked at: the CA that signs today's devices expired in 2014, and their own certificates
    /// are not renewed before they are erased. Names, signatures and, for CAs, basicConstraints count. Apple's root signs
    /// much else, so below an anchor of Apple's the immediate issuer has to bear the device CA's name.
    pub fn vouch(&self, certificate: &Certificate<'_>, others: &[&[u8]]) -> Option<Voucher> {
        let others: Vec<_> = others
            .iter()
            .filter_map(|der| Certificate::parse(der).ok())
            .filter(|other| other.is_ca() == Ok(true))
            .collect();
        let signs_devices = certificate.issuer == device_authority_name();
        self.climb(certificate, &others, MAX_CHAIN, signs_devices)
    }

    fn climb(
        &self,
        certificate: &Certificate<'_>,
        others: &[Certificate<'_>],
        steps: usize,
        signs_devices: bool,
    ) -> Option<Voucher> {
        let found = self
            .anchors
            .iter()
            .find(|anchor| (signs_devices || !anchor.apple) && anchor.issued(certificate));
        if let Some(anchor) = found {
            return Some(Voucher {
                anchor: anchor.name.clone(),
                apple: anchor.apple,
            });
        }
        let steps = steps.checked_sub(1)?;
        let mut issuers = others.iter().filter(|other| {
            // Apple's own certificate needs no file: its fingerprint is known.
            certificate.der != other.der && certificate.issued_by(other)
        });
        issuers.find_map(|issuer| {
            if signs_devices && let Some(authority) = recognize(issuer.der) {
                return Some(Voucher {
                    anchor: authority.name.to_owned(),
                    apple: true,
                });
            }
            let voucher = self.climb(issuer, others, steps, signs_devices)?;
            let is_sha1 =
                DigestAlgorithm::of_signature(certificate.signature_algorithm) == Ok(DigestAlgorithm::Sha1);
            (voucher.apple || !is_sha1).then_some(voucher)
        })
    }
}

/// `C=US, O=Apple Inc., OU=Apple iPhone, CN=Apple iPhone Device CA`, as DER; its strings are as Apple encodes them.
fn device_authority_name() -> Vec<u8> {
    let part = |id: &der::oid::ObjectIdentifier, kind: u8, text: &str| {
        asn1::element(
            tag::SET,
            &[asn1::sequence(&[asn1::oid(id), asn1::primitive(kind, text)])],
        )
    };
    asn1::sequence(&[
        part(&oid::COUNTRY, tag::PRINTABLE_STRING, "US"),
        part(&oid::ORGANIZATION, tag::PRINTABLE_STRING, "Apple Inc."),
        part(&oid::ORGANIZATIONAL_UNIT, tag::PRINTABLE_STRING, "Apple iPhone"),
        part(&oid::COMMON_NAME, tag::PRINTABLE_STRING, "Apple iPhone Device CA"),
    ])
}

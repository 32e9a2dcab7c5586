//! The device certificate authority: an RSA key that signs device identities (RFC 5280), opens SCEP envelopes and
//! signs SCEP answers (RFC 8894).
//!
//! A request contributes its public key and nothing else: names, usages and validity are the caller's and this
//! module's, and every certificate is read back and judged before it leaves.

mod encode;
mod lint;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use aws_lc_rs::{
    digest, rand,
    rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey},
};

use super::{
    asn1::Asn1Error,
    certificate::{Certificate, hex},
    cms::{Recipient, Signer},
    keys::{KeyError, PublicKey, SigningKey},
    weak_key,
};
use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// How far back a certificate's validity begins, so that a device whose clock is behind accepts it.
pub const BACKDATING: Duration = Duration::from_secs(10 * 60);

/// How long a generated authority is valid: ten years.
pub const AUTHORITY_VALIDITY: Duration = days(3652);

const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 86_400)
}

/// Why a certificate was not issued, or an authority not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// The authority's certificate has expired, or the asked-for validity is empty.
    #[error("the authority's certificate has expired")]
    Expired,
    /// The key can't be used, or is not the certificate's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The issued certificate is not what it should be; it was discarded.
    #[error("the issued certificate failed its check: {0}")]
    Lint(&'static str),
    /// The authority's certificate can't be read.
    #[error("the authority's certificate is malformed: {0}")]
    Malformed(#[from] Asn1Error),
    /// The certificate is not a CA's.
    #[error("the certificate is not a certificate authority's")]
    NotAuthority,
    /// The private key is not the one of the certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// A serial number that is not 1 to 20 octets of hexadecimal, positive.
    #[error("the serial number is not valid")]
    Serial,
    /// A subject value that is empty, too long or of the wrong characters.
    #[error("the subject or an alternative name is not valid")]
    Name,
}

/// One attribute of a server-chosen subject; each becomes an RDN of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAttribute {
    /// commonName, at most 64 characters.
    CommonName(String),
    /// organizationName, at most 64 characters.
    Organization(String),
    /// organizationalUnitName, at most 64 characters.
    OrganizationalUnit(String),
    /// serialNumber (of the device), at most 64 printable characters.
    SerialNumber(String),
}

/// A server-chosen alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A dNSName, ASCII.
    Dns(String),
    /// A uniformResourceIdentifier, ASCII.
    Uri(String),
}

/// What a device's certificate is to say.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// The key to certify: all that is taken from the request.
    pub public_key: &'a PublicKey,
    /// The serial number in hexadecimal; see [`random_serial`].
    pub serial: &'a str,
    /// The subject, in order.
    pub subject: &'a [SubjectAttribute],
    /// The subjectAltName; left out when empty.
    pub alternative_names: &'a [AlternativeName],
    /// Days of validity from now; cut at the authority's own end.
    pub days: u32,
    /// Whether keyEncipherment is allowed beside digitalSignature.
    pub key_encipherment: bool,
}

/// A certificate as it left the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, as DER.
    pub der: Vec<u8>,
    /// SHA-256 of the DER.
    pub fingerprint: Fingerprint,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
}

/// The device authority: certificate and private key. The key never shows in `Debug`.
pub struct DeviceAuthority {
    certificate: Vec<u8>,
    signing: SigningKey,
    decrypting: Pkcs1PrivateDecryptingKey,
}

impl DeviceAuthority {
    /// Makes an authority with a fresh RSA-2048 key, valid for [`AUTHORITY_VALIDITY`].
    ///
    /// To keep it, store [`DeviceAuthority::certificate`] and, sealed, [`DeviceAuthority::to_pkcs8`].
    pub fn generate(subject: &[SubjectAttribute], now: Timestamp) -> Result<Self, CaError> {
        let key = SigningKey::generate_rsa()?;
        let public = key.public_key()?;
        let name = encode::name(subject)?;
        let certificate = encode::certificate(&encode::Fields {
            serial: &encode::serial(&random_serial()?)?,
            issuer: &name,
            not_before: now.minus(days(1)),
            not_after: now.plus(AUTHORITY_VALIDITY),
            subject: &name,
            spki: public.spki(),
            extensions: &encode::authority_extensions(&key_id(public.spki())?),
            key: &key,
        })?;
        Self::assemble(key, certificate)
    }

    /// Loads an authority from its private key (PKCS #8 or PKCS #1) and its certificate, both DER.
    pub fn load(key: &[u8], certificate: &[u8]) -> Result<Self, CaError> {
        Self::assemble(SigningKey::from_der(key)?, certificate.to_vec())
    }

    fn assemble(signing: SigningKey, certificate: Vec<u8>) -> Result<Self, CaError> {
        let view = Certificate::parse(&certificate)?;
        let public = signing.public_key()?;
        if view.public_key()? != public {
            return Err(CaError::Mismatch);
        }
        if !view.is_ca()? || weak_key::check(&public).is_err() {
            return Err(CaError::NotAuthority);
        }
        let decrypting = PrivateDecryptingKey::from_pkcs8(&signing.to_pkcs8()?)
            .ok()
            .and_then(|key| Pkcs1PrivateDecryptingKey::new(key).ok())
            .ok_or(KeyError::Unusable)?;
        Ok(Self {
            certificate,
            signing,
            decrypting,
        })
    }

    /// The authority's certificate, as DER: the answer to GetCACert.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// SHA-1 of the certificate: the digest that all devices know for a SCEP payload's `CAFingerprint`.
    pub fn sha1_fingerprint(&self) -> Vec<u8> {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.certificate)
            .as_ref()
            .to_vec()
    }

    /// The private key, as PKCS #8. Secret: to be sealed before it is stored.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, CaError> {
        Ok(self.signing.to_pkcs8()?)
    }

    /// The authority as the signer of a CMS message.
    pub fn signer(&self) -> Signer<'_> {
        Signer {
            certificate: &self.certificate,
            key: &self.signing,
            chain: &[],
        }
    }

    /// The authority as the recipient of an envelope.
    pub fn recipient(&self) -> Result<Recipient<'_>, CaError> {
        Ok(Recipient {
            certificate: Certificate::parse(&self.certificate)?,
            key: &self.decrypting,
        })
    }

    /// Issues a device certificate: clientAuth, CA:FALSE, valid from [`BACKDATING`] before `now`, never beyond the
    /// authority's own end.
    pub fn issue(&self, template: &Template<'_>, now: Timestamp) -> Result<Issued, CaError> {
        let authority = Certificate::parse(&self.certificate)?;
        let not_before = now.minus(BACKDATING);
        let not_after = now.plus(days(template.days)).min(authority.not_after);
        if not_after <= now {
            return Err(CaError::Expired);
        }
        let authority_key_id = match authority.subject_key_id()? {
            Some(id) => id.to_vec(),
            None => key_id(authority.spki)?,
        };
        let extensions =
            encode::device_extensions(template, &key_id(template.public_key.spki())?, &authority_key_id)?;
        let der = encode::certificate(&encode::Fields {
            serial: &encode::serial(template.serial)?,
            issuer: authority.subject,
            not_before,
            not_after,
            subject: &encode::name(template.subject)?,
            spki: template.public_key.spki(),
            extensions: &extensions,
            key: &self.signing,
        })?;
        lint::check(&der, template, &authority)?;
        let fingerprint = fingerprint(&der);
        let issued = Certificate::parse(&der)?;
        let (not_before, not_after) = (issued.not_before, issued.not_after);
        Ok(Issued {
            der,
            fingerprint,
            not_before,
            not_after,
        })
    }
}

impl fmt::Debug for DeviceAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthority")
            .field("certificate", &fingerprint(&self.certificate))
            .finish_non_exhaustive()
    }
}

/// SHA-256 of a certificate.
pub fn fingerprint(der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    Fingerprint::new(bytes)
}

/// A fresh serial number: 126 random bits in 16 octets, in hexadecimal.
pub fn random_serial() -> Result<String, CaError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| KeyError::Unusable)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(hex(&serial))
}

/// A key identifier: the first 160 bits of the SHA-256 of the public key (RFC 7093 §2, method 1).
fn key_id(spki: &[u8]) -> Result<Vec<u8>, Asn1Error> {
    use super::asn1::{Reader, tag};
    let mut fields = Reader::single(spki, tag::SEQUENCE)?.reader();
    fields.algorithm()?;
    let digest = digest::digest(&digest::SHA256, fields.bit_string()?);
    Ok(digest.as_ref().iter().take(20).copied().collect())
}

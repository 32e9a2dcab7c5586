//! What may be shown of the authority that issues the devices' identities.

use crate::{
    error::{Error, Result},
    pki::{ca::fingerprint, certificate::Certificate, pem},
    protocol::{ids::Fingerprint, time::Timestamp},
};

/// A CA certificate, for people. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFacts {
    /// Its subject, as text.
    pub subject: String,
    /// Its serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of it.
    pub fingerprint: Fingerprint,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity: nothing is issued after it.
    pub not_after: Timestamp,
    /// The certificate, as PEM.
    pub pem: String,
}

impl AuthorityFacts {
    /// Of a certificate (DER).
    pub fn of(der: &[u8]) -> Result<Self> {
        let certificate = Certificate::parse(der).map_err(Error::internal)?;
        Ok(Self {
            subject: certificate.subject_text(),
            serial: certificate.serial_hex(),
            fingerprint: fingerprint(der),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            pem: pem::encode("CERTIFICATE", der),
        })
    }
}

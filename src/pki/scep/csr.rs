//! PKCS #10 certification requests (RFC 2986), as SCEP carries them.
//!
//! Only the public key, the challengePassword and the wish for keyEncipherment are taken out; names and all
//! other extensions are read past, whatever they ask for.

use std::fmt;

use crate::pki::{
    asn1::{Asn1Error, Reader, Tlv, tag},
    certificate::{common_name, name_text},
    keys::{DigestAlgorithm, KeyError, PublicKey},
    oid,
};

/// Why a certification request is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not a well-formed request.
    #[error("the certification request is malformed: {0}")]
    Malformed(#[from] Asn1Error),
    /// The key is of no known type, or its signature over the request does not verify.
    #[error("the certification request is not signed by its key: {0}")]
    Key(#[from] KeyError),
}

/// A certification request whose signature has been verified with its own key.
#[derive(Clone, PartialEq, Eq)]
pub struct Csr {
    /// The request, as DER.
    pub der: Vec<u8>,
    /// The key that wants to be certified.
    pub public_key: PublicKey,
    /// The subject asked for, in text form: for logs, never for the certificate.
    pub subject: String,
    /// The commonName asked for.
    pub common_name: Option<String>,
    /// The challengePassword.
    pub challenge: Option<String>,
    /// Whether the requested keyUsage includes keyEncipherment.
    pub key_encipherment: bool,
}

impl Csr {
    /// Reads one DER request and verifies its signature; SHA-1 is accepted here, for old devices.
    pub fn parse(der: &[u8]) -> Result<Self, CsrError> {
        let mut whole = Reader::single(der, tag::SEQUENCE)?.reader();
        let info = whole.read(tag::SEQUENCE)?;
        let (algorithm, _) = whole.algorithm()?;
        let signature = whole.bit_string()?;
        whole.finish()?;

        let mut fields = info.reader();
        fields.small_integer()?;
        let subject = fields.read(tag::SEQUENCE)?.raw;
        let public_key = PublicKey::from_spki(fields.read(tag::SEQUENCE)?.raw)?;
        let mut challenge = None;
        let mut key_encipherment = false;
        if let Some(attributes) = fields.optional(tag::context(0))? {
            let mut attributes = attributes.reader();
            while !attributes.is_empty() {
                let mut attribute = attributes.sequence()?;
                let id = attribute.oid()?;
                let mut values = attribute.read(tag::SET)?.reader();
                if id == oid::CHALLENGE_PASSWORD.as_bytes() {
                    let text = values.any()?.text()?;
                    // Two passwords: which one counts must not depend on who reads them.
                    if challenge.replace(text).is_some() || !values.is_empty() {
                        return Err(Asn1Error::Value.into());
                    }
                } else if id == oid::EXTENSION_REQUEST.as_bytes() {
                    key_encipherment |= wants_key_encipherment(values.any()?)?;
                }
            }
        }
        fields.finish()?;
        public_key.verify(DigestAlgorithm::of_signature(algorithm)?, info.raw, signature)?;
        Ok(Self {
            der: der.to_vec(),
            public_key,
            subject: name_text(subject),
            common_name: common_name(subject),
            challenge,
            key_encipherment,
        })
    }
}

/// Whether an extensionRequest's keyUsage has bit 2 set (RFC 5280 §4.2.1.3).
fn wants_key_encipherment(extensions: Tlv<'_>) -> Result<bool, Asn1Error> {
    let mut extensions = extensions.expect(tag::SEQUENCE)?.reader();
    let mut wanted = false;
    while !extensions.is_empty() {
        let mut extension = extensions.sequence()?;
        let id = extension.oid()?;
        extension.optional(tag::BOOLEAN)?;
        let value = extension.read(tag::OCTET_STRING)?.value;
        if id == oid::KEY_USAGE.as_bytes() {
            let bits = Reader::single(value, tag::BIT_STRING)?.value;
            wanted |= bits.get(1).is_some_and(|first| first & 0x20 != 0);
        }
    }
    Ok(wanted)
}

impl fmt::Debug for Csr {
    /// Without the challenge, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csr")
            .field("subject", &self.subject)
            .field("public_key", &self.public_key)
            .field("key_encipherment", &self.key_encipherment)
            .finish_non_exhaustive()
    }
}

//! X.509 certificates (RFC 5280), as far as this group looks into them.
//!
//! A view borrows the encoding and costs well under a microsecond, which is what lets a message's signer be
//! found among its certificates without parsing them all.

use x509_parser::{prelude::FromDer, x509::X509Name};

use super::{
    asn1::{self, Asn1Error, Reader, tag},
    keys::{DigestAlgorithm, KeyError, PublicKey},
    oid,
};
use crate::protocol::time::Timestamp;

/// The parts of a certificate, borrowed from its DER encoding.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The whole encoding.
    pub der: &'a [u8],
    /// The TBSCertificate: what the issuer signed.
    pub tbs: &'a [u8],
    /// The serial number's contents octets, sign octet included.
    pub serial: &'a [u8],
    /// The issuer's Name, as DER.
    pub issuer: &'a [u8],
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
    /// The subject's Name, as DER.
    pub subject: &'a [u8],
    /// The SubjectPublicKeyInfo, as DER.
    pub spki: &'a [u8],
    /// The object identifier of the signature algorithm.
    pub signature_algorithm: &'a [u8],
    /// The issuer's signature.
    pub signature: &'a [u8],
    extensions: Option<Reader<'a>>,
}

impl<'a> Certificate<'a> {
    /// Reads one DER certificate.
    pub fn parse(der: &'a [u8]) -> Result<Self, Asn1Error> {
        let mut whole = Reader::single(der, tag::SEQUENCE)?.reader();
        let tbs = whole.read(tag::SEQUENCE)?;
        let (signature_algorithm, _) = whole.algorithm()?;
        let signature = whole.bit_string()?;
        whole.finish()?;

        let mut fields = tbs.reader();
        fields.optional(tag::context(0))?;
        let serial = fields.read(tag::INTEGER)?.value;
        fields.algorithm()?;
        let issuer = fields.read(tag::SEQUENCE)?.raw;
        let mut validity = fields.sequence()?;
        let (not_before, not_after) = (validity.any()?.time()?, validity.any()?.time()?);
        validity.finish()?;
        let subject = fields.read(tag::SEQUENCE)?.raw;
        let spki = fields.read(tag::SEQUENCE)?.raw;
        fields.optional(tag::context_primitive(1))?;
        fields.optional(tag::context_primitive(2))?;
        let extensions = match fields.optional(tag::context(3))? {
            Some(explicit) => Some(Reader::single(explicit.value, tag::SEQUENCE)?.reader()),
            None => None,
        };
        fields.finish()?;
        Ok(Self {
            der,
            tbs: tbs.raw,
            serial,
            issuer,
            not_before,
            not_after,
            subject,
            spki,
            signature_algorithm,
            signature,
            extensions,
        })
    }

    /// The value of an extension, if the certificate has it; an error if it has it twice.
    pub fn extension(&self, id: &der::oid::ObjectIdentifier) -> Result<Option<&'a [u8]>, Asn1Error> {
        let mut found = None;
        let mut extensions = self.extensions.unwrap_or(Reader::new(&[]));
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let this = extension.oid()?;
            extension.optional(tag::BOOLEAN)?;
            let value = extension.read(tag::OCTET_STRING)?.value;
            if this == id.as_bytes() && found.replace(value).is_some() {
                return Err(Asn1Error::Value);
            }
        }
        Ok(found)
    }

    /// Whether basicConstraints make it a CA certificate.
    pub fn is_ca(&self) -> Result<bool, Asn1Error> {
        let Some(constraints) = self.extension(&oid::BASIC_CONSTRAINTS)? else {
            return Ok(false);
        };
        let ca = Reader::single(constraints, tag::SEQUENCE)?
            .reader()
            .optional(tag::BOOLEAN)?;
        Ok(ca.is_some_and(|flag| flag.value != [0]))
    }

    /// Whether extKeyUsage names `purpose`. Without the extension no purpose is named.
    pub fn has_purpose(&self, purpose: &der::oid::ObjectIdentifier) -> Result<bool, Asn1Error> {
        let Some(usage) = self.extension(&oid::EXTENDED_KEY_USAGE)? else {
            return Ok(false);
        };
        let mut purposes = Reader::single(usage, tag::SEQUENCE)?.reader();
        let mut found = false;
        while !purposes.is_empty() {
            found |= purposes.oid()? == purpose.as_bytes();
        }
        Ok(found)
    }

    /// The subjectKeyIdentifier.
    pub fn subject_key_id(&self) -> Result<Option<&'a [u8]>, Asn1Error> {
        match self.extension(&oid::SUBJECT_KEY_IDENTIFIER)? {
            Some(value) => Ok(Some(Reader::single(value, tag::OCTET_STRING)?.value)),
            None => Ok(None),
        }
    }

    /// The keyIdentifier of the authorityKeyIdentifier.
    pub fn authority_key_id(&self) -> Result<Option<&'a [u8]>, Asn1Error> {
        let Some(value) = self.extension(&oid::AUTHORITY_KEY_IDENTIFIER)? else {
            return Ok(None);
        };
        let mut fields = Reader::single(value, tag::SEQUENCE)?.reader();
        Ok(fields.optional(tag::context_primitive(0))?.map(|id| id.value))
    }

    /// The subject's public key.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_spki(self.spki)
    }

    /// The serial number in lower-case hexadecimal, without leading zero octets.
    pub fn serial_hex(&self) -> String {
        serial_hex(self.serial)
    }

    /// The subject in the usual text form, for logs and lists.
    pub fn subject_text(&self) -> String {
        name_text(self.subject)
    }

    /// Whether `issuer` issued this certificate: names, key identifiers where both have one, and the signature.
    pub fn issued_by(&self, issuer: &Certificate<'_>) -> bool {
        let ids = (self.authority_key_id(), issuer.subject_key_id());
        self.issuer == issuer.subject
            && !matches!(ids, (Ok(Some(named)), Ok(Some(own))) if named != own)
            && issuer.public_key().is_ok_and(|key| self.signed_with(&key))
    }

    /// Whether the signature verifies with `key`.
    pub fn signed_with(&self, key: &PublicKey) -> bool {
        DigestAlgorithm::of_signature(self.signature_algorithm)
            .and_then(|digest| key.verify(digest, self.tbs, self.signature))
            .is_ok()
    }
}

/// A serial number's contents octets in lower-case hexadecimal, without leading zero octets.
pub(super) fn serial_hex(serial: &[u8]) -> String {
    hex(asn1::unsigned(serial).unwrap_or(serial))
}

/// A Name's usual text form; empty if it can't be read.
pub fn name_text(name: &[u8]) -> String {
    X509Name::from_der(name)
        .map(|(_, name)| name.to_string())
        .unwrap_or_default()
}

/// A Name's first commonName, if it has one that is text.
pub fn common_name(name: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(name).ok()?;
    name.iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

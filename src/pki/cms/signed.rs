//! SignedData (RFC 5652 §5): reading and verifying.

use super::{CmsError, MAX_PARTS, content_info};
use crate::{
    pki::{
        asn1::{self, Asn1Error, Reader, Tlv, tag},
        certificate::Certificate,
        keys::{DigestAlgorithm, PublicKey, signature_goes_with},
        oid,
    },
    protocol::time::Timestamp,
};

/// How many signed attributes a signer may have; SCEP needs eight.
const MAX_ATTRIBUTES: usize = 64;

/// A SignedData, borrowed from its DER encoding.
#[derive(Debug)]
pub struct SignedData<'a> {
    /// The object identifier of the content's type.
    pub content_type: &'a [u8],
    /// The content, if it is attached.
    pub content: Option<&'a [u8]>,
    /// The certificates, each as sent; attribute certificates are left out.
    pub certificates: Vec<&'a [u8]>,
    /// Who signed.
    pub signers: Vec<SignerInfo<'a>>,
}

/// One signer of a SignedData.
#[derive(Debug)]
pub struct SignerInfo<'a> {
    /// How the message names the signer's certificate.
    pub id: SignerId<'a>,
    digest: &'a [u8],
    attributes: Option<Attributes<'a>>,
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

/// How a message names a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerId<'a> {
    /// By the issuer's Name (DER) and the serial number's contents octets.
    IssuerAndSerial {
        /// The issuer's Name, as DER.
        issuer: &'a [u8],
        /// The serial number's contents octets.
        serial: &'a [u8],
    },
    /// By the subjectKeyIdentifier.
    SubjectKeyId(&'a [u8]),
}

#[derive(Debug)]
struct Attributes<'a> {
    /// The contents of the implicitly tagged SET, as sent: what is signed once it has a SET's own tag.
    raw: &'a [u8],
    list: Vec<(&'a [u8], Tlv<'a>)>,
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo of type signedData.
    pub fn parse(der: &'a [u8]) -> Result<Self, CmsError> {
        let mut fields = content_info(der, &oid::SIGNED_DATA)?.reader();
        fields.small_integer()?;
        fields.read(tag::SET)?;

        let mut encapsulated = fields.sequence()?;
        let content_type = encapsulated.oid()?;
        let content = match encapsulated.optional(tag::context(0))? {
            Some(explicit) => Some(Reader::single(explicit.value, tag::OCTET_STRING)?.value),
            None => None,
        };
        encapsulated.finish()?;

        let mut certificates = Vec::new();
        if let Some(set) = fields.optional(tag::context(0))? {
            let mut set = set.reader();
            while !set.is_empty() {
                let choice = set.any()?;
                if certificates.len() == MAX_PARTS {
                    return Err(CmsError::TooMany);
                }
                if choice.tag == tag::SEQUENCE {
                    certificates.push(choice.raw);
                }
            }
        }
        fields.optional(tag::context(1))?;

        let mut signers = Vec::new();
        let mut set = fields.read(tag::SET)?.reader();
        while !set.is_empty() {
            if signers.len() == MAX_PARTS {
                return Err(CmsError::TooMany);
            }
            signers.push(SignerInfo::parse(set.sequence()?)?);
        }
        fields.finish()?;
        Ok(Self {
            content_type,
            content,
            certificates,
            signers,
        })
    }

    /// The one signer of a message that must have exactly one, as every device's message does.
    pub fn sole_signer(&self) -> Result<&SignerInfo<'a>, CmsError> {
        match self.signers.as_slice() {
            [signer] => Ok(signer),
            signers => Err(CmsError::Signers(signers.len())),
        }
    }

    /// The certificate, as sent, that `signer` names.
    pub fn certificate_of(&self, signer: &SignerInfo<'_>) -> Result<&'a [u8], CmsError> {
        self.certificates
            .iter()
            .find(|der| Certificate::parse(der).is_ok_and(|certificate| signer.id.names(&certificate)))
            .copied()
            .ok_or(CmsError::NoCertificate)
    }

    /// Verifies the one signer's signature with the certificate the message brings for it, and returns that
    /// certificate. Who issued it, and whether it is valid, is for the caller to judge.
    pub fn verified_signer(&self, detached: Option<&[u8]>) -> Result<Certificate<'a>, CmsError> {
        let signer = self.sole_signer()?;
        let certificate = Certificate::parse(self.certificate_of(signer)?)?;
        self.verify(signer, &certificate.public_key()?, detached)?;
        Ok(certificate)
    }

    /// Verifies `signer`'s signature with `key`, over the attached content or over `detached`; where both are
    /// there, they must be equal. Where neither is, the content is empty (as in a SCEP failure).
    pub fn verify(
        &self,
        signer: &SignerInfo<'_>,
        key: &PublicKey,
        detached: Option<&[u8]>,
    ) -> Result<(), CmsError> {
        let content = match (self.content, detached) {
            (Some(attached), Some(expected)) if attached != expected => {
                return Err(CmsError::ContentMismatch);
            }
            (attached, expected) => expected.or(attached).unwrap_or_default(),
        };
        signer.verify(key, self.content_type, content)
    }
}

impl SignerId<'_> {
    /// Whether this names `certificate`.
    pub fn names(&self, certificate: &Certificate<'_>) -> bool {
        match *self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.serial == serial && certificate.issuer == issuer
            }
            Self::SubjectKeyId(id) => certificate.subject_key_id() == Ok(Some(id)),
        }
    }
}

impl<'a> SignerId<'a> {
    /// Reads a SignerIdentifier (§5.3), which a RecipientIdentifier (§6.2.1) looks like.
    pub(super) fn parse(fields: &mut Reader<'a>) -> Result<Self, Asn1Error> {
        let id = fields.any()?;
        if id.tag == tag::context_primitive(0) {
            return Ok(Self::SubjectKeyId(id.value));
        }
        let mut id = id.expect(tag::SEQUENCE)?.reader();
        let issuer = id.read(tag::SEQUENCE)?.raw;
        let serial = id.read(tag::INTEGER)?.value;
        id.finish()?;
        Ok(Self::IssuerAndSerial { issuer, serial })
    }
}

impl<'a> SignerInfo<'a> {
    fn parse(mut fields: Reader<'a>) -> Result<Self, CmsError> {
        fields.small_integer()?;
        let id = SignerId::parse(&mut fields)?;
        let (digest, _) = fields.algorithm()?;
        let attributes = fields
            .optional(tag::context(0))?
            .map(Attributes::parse)
            .transpose()?;
        let (signature_algorithm, _) = fields.algorithm()?;
        let signature = fields.read(tag::OCTET_STRING)?.value;
        fields.optional(tag::context(1))?;
        fields.finish()?;
        Ok(Self {
            id,
            digest,
            attributes,
            signature_algorithm,
            signature,
        })
    }

    /// The one value of a signed attribute; `None` if the signer has no such attribute. An attribute that is
    /// there twice, or with several values, is an error that bears `name`.
    pub fn attribute(
        &self,
        id: &der::oid::ObjectIdentifier,
        name: &'static str,
    ) -> Result<Option<Tlv<'a>>, CmsError> {
        let Some(attributes) = &self.attributes else {
            return Ok(None);
        };
        let mut found = attributes.list.iter().filter(|(this, _)| *this == id.as_bytes());
        let Some((_, values)) = found.next() else {
            return Ok(None);
        };
        let mut values = values.reader();
        let value = values.any()?;
        if found.next().is_some() || !values.is_empty() {
            return Err(CmsError::Attribute(name));
        }
        Ok(Some(value))
    }

    /// The signingTime, if the signer stated one (§11.3).
    pub fn signing_time(&self) -> Result<Option<Timestamp>, CmsError> {
        Ok(self
            .attribute(&oid::SIGNING_TIME, "signingTime")?
            .map(Tlv::time)
            .transpose()?)
    }

    /// The digest algorithm; an error if it is not one that is spoken here, or if the signature names another.
    pub fn digest_algorithm(&self) -> Result<DigestAlgorithm, CmsError> {
        let digest = DigestAlgorithm::from_oid(self.digest)?;
        signature_goes_with(self.signature_algorithm, digest)?;
        Ok(digest)
    }

    fn verify(&self, key: &PublicKey, content_type: &[u8], content: &[u8]) -> Result<(), CmsError> {
        let digest = self.digest_algorithm()?;
        let Some(attributes) = &self.attributes else {
            return Ok(key.verify(digest, content, self.signature)?);
        };
        let stated_type = self.attribute(&oid::CONTENT_TYPE, "contentType")?;
        if stated_type.is_none_or(|stated| stated.value != content_type) {
            return Err(CmsError::Attribute("contentType"));
        }
        let stated_digest = self
            .attribute(&oid::MESSAGE_DIGEST, "messageDigest")?
            .ok_or(CmsError::Attribute("messageDigest"))?;
        if stated_digest.expect(tag::OCTET_STRING)?.value != digest.digest(content).as_ref() {
            return Err(CmsError::DigestMismatch);
        }
        // §5.4 has the signer sort the attributes, and most do; some sign them in the order they send.
        let as_sent = asn1::element(tag::SET, &[attributes.raw]);
        if key.verify(digest, &as_sent, self.signature).is_ok() {
            return Ok(());
        }
        let sorted = attributes.sorted()?;
        if sorted == as_sent {
            return Err(CmsError::BadSignature);
        }
        Ok(key.verify(digest, &sorted, self.signature)?)
    }
}

impl<'a> Attributes<'a> {
    fn parse(set: Tlv<'a>) -> Result<Self, CmsError> {
        let mut list = Vec::new();
        let mut reader = set.reader();
        while !reader.is_empty() {
            if list.len() == MAX_ATTRIBUTES {
                return Err(CmsError::TooMany);
            }
            let mut attribute = reader.sequence()?;
            list.push((attribute.oid()?, attribute.read(tag::SET)?));
            attribute.finish()?;
        }
        Ok(Self { raw: set.value, list })
    }

    /// The SET in DER's order (X.690 §11.6).
    fn sorted(&self) -> Result<Vec<u8>, Asn1Error> {
        let mut parts = Vec::with_capacity(self.list.len());
        let mut reader = Reader::new(self.raw);
        while !reader.is_empty() {
            parts.push(reader.any()?.raw);
        }
        parts.sort_unstable();
        Ok(asn1::element(tag::SET, &parts))
    }
}

//! SignedData (RFC 5652 §5): making it, with SHA-256 and the key's own algorithm.

use super::CmsError;
use crate::{
    pki::{
        asn1::{self, tag},
        certificate::Certificate,
        keys::{DigestAlgorithm, SigningKey},
        oid,
    },
    protocol::time::Timestamp,
};

/// Who signs, and the certificates that let others verify it.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The signer's certificate, as DER; included in the message.
    pub certificate: &'a [u8],
    /// The key of that certificate.
    pub key: &'a SigningKey,
    /// Further certificates to include, as DER: the intermediates a profile's signature needs.
    pub chain: &'a [Vec<u8>],
}

/// What is signed, and whether it travels inside the message.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Nothing: the digest is that of no octets, and the content is omitted.
    Absent,
    /// Inside the message.
    Attached(&'a [u8]),
    /// Beside the message.
    Detached(&'a [u8]),
}

/// A signed attribute with one value.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The attribute's type.
    pub oid: der::oid::ObjectIdentifier,
    /// The value, as DER.
    pub value: Vec<u8>,
}

impl Attribute {
    /// An attribute of a string type, or an OCTET STRING.
    pub fn new(oid: der::oid::ObjectIdentifier, tag: u8, contents: impl AsRef<[u8]>) -> Self {
        Self {
            oid,
            value: asn1::primitive(tag, contents),
        }
    }

    /// The signingTime attribute (§11.3).
    pub fn signing_time(at: Timestamp) -> Self {
        Self {
            oid: oid::SIGNING_TIME,
            value: asn1::time(at),
        }
    }

    fn encode(&self) -> Vec<u8> {
        asn1::sequence(&[asn1::oid(&self.oid), asn1::element(tag::SET, &[&self.value])])
    }
}

/// Signs `content` of type data; contentType and messageDigest are added to `attributes`.
///
/// The result is a DER ContentInfo with one version 1 signer, named by issuer and serial number.
pub fn sign(
    content: Content<'_>,
    signer: &Signer<'_>,
    mut attributes: Vec<Attribute>,
) -> Result<Vec<u8>, CmsError> {
    let certificate = Certificate::parse(signer.certificate)?;
    let (octets, attached) = match content {
        Content::Absent => (&[][..], None),
        Content::Attached(octets) => (octets, Some(octets)),
        Content::Detached(octets) => (octets, None),
    };
    attributes.push(Attribute {
        oid: oid::CONTENT_TYPE,
        value: asn1::oid(&oid::DATA),
    });
    let digest = DigestAlgorithm::Sha256.digest(octets);
    attributes.push(Attribute::new(oid::MESSAGE_DIGEST, tag::OCTET_STRING, digest));
    let mut signed_attributes = asn1::set_of(attributes.iter().map(Attribute::encode).collect());
    let signature = signer.key.sign(&signed_attributes)?;
    // In the message the same octets bear the implicit tag (§5.4).
    if let Some(first) = signed_attributes.first_mut() {
        *first = tag::context(0);
    }

    let digest_algorithm = asn1::sequence(&[asn1::oid(&oid::SHA256)]);
    let signer_info = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::sequence(&[
            certificate.issuer,
            &asn1::primitive(tag::INTEGER, certificate.serial),
        ]),
        digest_algorithm.clone(),
        signed_attributes,
        signer.key.cms_signature_algorithm(),
        asn1::primitive(tag::OCTET_STRING, signature),
    ]);
    let certificates: Vec<&[u8]> = [signer.certificate]
        .into_iter()
        .chain(signer.chain.iter().map(Vec::as_slice))
        .collect();
    Ok(signed_data(
        &[digest_algorithm],
        attached,
        &certificates,
        &[signer_info],
    ))
}

/// A SignedData without content and without signers, to carry certificates (§5.2.2, "certs-only"), in the given
/// order: a receiver takes the first.
pub fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    signed_data(&[], None, certificates, &[])
}

fn signed_data(
    digests: &[Vec<u8>],
    content: Option<&[u8]>,
    certificates: &[&[u8]],
    signers: &[Vec<u8>],
) -> Vec<u8> {
    let content = content.map_or_else(Vec::new, |octets| {
        asn1::element(tag::context(0), &[asn1::primitive(tag::OCTET_STRING, octets)])
    });
    let signed = asn1::sequence(&[
        asn1::integer(&[1]),
        asn1::element(tag::SET, digests),
        asn1::sequence(&[asn1::oid(&oid::DATA), content]),
        asn1::element(tag::context(0), certificates),
        asn1::element(tag::SET, signers),
    ]);
    asn1::sequence(&[
        asn1::oid(&oid::SIGNED_DATA),
        asn1::element(tag::context(0), &[signed]),
    ])
}

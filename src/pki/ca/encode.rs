//! Writing certificates (RFC 5280 §4.1 and §4.2): the fields and extensions this authority uses, and no others.

use super::{AlternativeName, CaError, SubjectAttribute, Template};
use crate::{
    pki::{
        asn1::{self, tag},
        keys::SigningKey,
        oid,
    },
    protocol::time::Timestamp,
};

/// The parts of a certificate before it is signed. Names, key and extensions are DER.
pub(super) struct Fields<'a> {
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) subject: &'a [u8],
    pub(super) spki: &'a [u8],
    pub(super) extensions: &'a [Vec<u8>],
    pub(super) key: &'a SigningKey,
}

/// Encodes and signs a version 3 certificate.
pub(super) fn certificate(fields: &Fields<'_>) -> Result<Vec<u8>, CaError> {
    let algorithm = fields.key.signature_algorithm();
    let validity = asn1::sequence(&[asn1::time(fields.not_before), asn1::time(fields.not_after)]);
    let extensions = asn1::element(tag::context(3), &[asn1::sequence(fields.extensions)]);
    let tbs = asn1::sequence(&[
        &asn1::element(tag::context(0), &[asn1::integer(&[2])]),
        &asn1::integer(fields.serial),
        &algorithm,
        fields.issuer,
        &validity,
        fields.subject,
        fields.spki,
        &extensions,
    ]);
    let signature = asn1::bit_string(&fields.key.sign(&tbs)?);
    Ok(asn1::sequence(&[tbs, algorithm, signature]))
}

/// A serial number's octets from hexadecimal: positive, at most 20 octets (§4.1.2.2).
pub(super) fn serial(text: &str) -> Result<Vec<u8>, CaError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets: Option<Vec<u8>> = pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    octets
        .filter(|octets| {
            rest.is_empty() && octets.len() <= 20 && octets.first().is_some_and(|first| *first < 0x80)
        })
        .filter(|octets| octets.iter().any(|octet| *octet != 0))
        .ok_or(CaError::Serial)
}

/// A Name with one RDN per attribute.
pub(super) fn name(attributes: &[SubjectAttribute]) -> Result<Vec<u8>, CaError> {
    let mut parts = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        let (oid, tag, text) = match attribute {
            SubjectAttribute::CommonName(text) => (oid::COMMON_NAME, tag::UTF8_STRING, text),
            SubjectAttribute::Organization(text) => (oid::ORGANIZATION, tag::UTF8_STRING, text),
            SubjectAttribute::OrganizationalUnit(text) => (oid::ORGANIZATIONAL_UNIT, tag::UTF8_STRING, text),
            SubjectAttribute::SerialNumber(text) => (oid::SERIAL_NUMBER, tag::PRINTABLE_STRING, text),
        };
        let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
        if text.is_empty()
            || text.chars().count() > 64
            || text.chars().any(char::is_control)
            || (tag == tag::PRINTABLE_STRING && !text.chars().all(printable))
        {
            return Err(CaError::Name);
        }
        let pair = asn1::sequence(&[asn1::oid(&oid), asn1::primitive(tag, text)]);
        parts.push(asn1::element(tag::SET, &[pair]));
    }
    if parts.is_empty() {
        Err(CaError::Name)
    } else {
        Ok(asn1::sequence(&parts))
    }
}

/// The extensions of an authority's certificate: CA:TRUE with pathlen 0; digitalSignature, keyEncipherment,
/// keyCertSign and cRLSign. The first two are for SCEP, whose answers it signs and whose envelopes it opens.
pub(super) fn authority_extensions(key_id: &[u8]) -> Vec<Vec<u8>> {
    let constraints = asn1::sequence(&[asn1::primitive(tag::BOOLEAN, [0xff]), asn1::integer(&[0])]);
    vec![
        extension(&oid::BASIC_CONSTRAINTS, true, &constraints),
        extension(
            &oid::KEY_USAGE,
            true,
            &asn1::primitive(tag::BIT_STRING, [1, 0b1010_0110]),
        ),
        extension(
            &oid::SUBJECT_KEY_IDENTIFIER,
            false,
            &asn1::primitive(tag::OCTET_STRING, key_id),
        ),
    ]
}

/// The extensions of a device's certificate.
pub(super) fn device_extensions(
    template: &Template<'_>,
    key_id: &[u8],
    authority_key_id: &[u8],
) -> Result<Vec<Vec<u8>>, CaError> {
    let usage = if template.key_encipherment {
        [5, 0b1010_0000]
    } else {
        [7, 0b1000_0000]
    };
    let authority = asn1::sequence(&[asn1::primitive(tag::context_primitive(0), authority_key_id)]);
    let mut extensions = vec![
        extension(&oid::BASIC_CONSTRAINTS, true, &asn1::sequence::<&[u8]>(&[])),
        extension(&oid::KEY_USAGE, true, &asn1::primitive(tag::BIT_STRING, usage)),
        extension(
            &oid::EXTENDED_KEY_USAGE,
            false,
            &asn1::sequence(&[asn1::oid(&oid::CLIENT_AUTH)]),
        ),
        extension(
            &oid::SUBJECT_KEY_IDENTIFIER,
            false,
            &asn1::primitive(tag::OCTET_STRING, key_id),
        ),
        extension(&oid::AUTHORITY_KEY_IDENTIFIER, false, &authority),
    ];
    if !template.alternative_names.is_empty() {
        let names = template
            .alternative_names
            .iter()
            .map(alternative_name)
            .collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension(&oid::SUBJECT_ALT_NAME, false, &asn1::sequence(&names)));
    }
    Ok(extensions)
}

fn alternative_name(name: &AlternativeName) -> Result<Vec<u8>, CaError> {
    let (number, text) = match name {
        AlternativeName::Dns(text) => (2, text),
        AlternativeName::Uri(text) => (6, text),
    };
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(CaError::Name);
    }
    Ok(asn1::primitive(tag::context_primitive(number), text))
}

fn extension(id: &der::oid::ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        asn1::primitive(tag::BOOLEAN, [0xff])
    } else {
        Vec::new()
    };
    asn1::sequence(&[asn1::oid(id), critical, asn1::primitive(tag::OCTET_STRING, value)])
}

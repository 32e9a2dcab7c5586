//! Writing DER (X.690 §10 and §11): each function makes one element, from contents that are DER themselves.

use der::oid::ObjectIdentifier;

use super::tag;
use crate::protocol::time::Timestamp;

/// Appends an identifier octet and a length in DER's shortest form.
pub fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    if length < 0x80 {
        out.push(length.to_le_bytes()[0]);
        return;
    }
    let octets = length.to_be_bytes();
    let skipped = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = octets.iter().skip(skipped);
    out.push(0x80 | significant.len().to_le_bytes()[0]);
    out.extend(significant);
}

/// One element that holds `parts`, one after the other.
pub fn element<P: AsRef<[u8]>>(tag: u8, parts: &[P]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    write_header(&mut out, tag, length);
    parts.iter().for_each(|part| out.extend_from_slice(part.as_ref()));
    out
}

/// A SEQUENCE of `parts`.
pub fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    element(tag::SEQUENCE, parts)
}

/// A SET OF `parts`, in the order DER prescribes (X.690 §11.6).
pub fn set_of(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    element(tag::SET, &parts)
}

/// An INTEGER from a big-endian magnitude.
pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
    let significant = magnitude.get(zeros..).unwrap_or_default();
    match significant.first() {
        None => element(tag::INTEGER, &[&[0]]),
        Some(0x80..) => element(tag::INTEGER, &[&[0], significant]),
        Some(_) => element(tag::INTEGER, &[significant]),
    }
}

/// An OBJECT IDENTIFIER.
pub fn oid(oid: &ObjectIdentifier) -> Vec<u8> {
    element(tag::OID, &[oid.as_bytes()])
}

/// A BIT STRING of whole octets.
pub fn bit_string(octets: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], octets])
}

/// A primitive element of contents `value`: OCTET STRING and every kind of text.
pub fn primitive(tag: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    element(tag, &[value])
}

/// An AlgorithmIdentifier with NULL parameters, as RSA and the digests have it.
pub fn algorithm(algorithm: &ObjectIdentifier) -> Vec<u8> {
    sequence(&[oid(algorithm), primitive(tag::NULL, [])])
}

/// A time as RFC 5280 §4.1.2.5 prescribes: UTCTime until 2049, GeneralizedTime from 2050 on.
pub fn time(at: Timestamp) -> Vec<u8> {
    let at = at.to_datetime();
    let (year, month, day) = at.to_calendar_date();
    let rest = format!(
        "{:02}{day:02}{:02}{:02}{:02}Z",
        u8::from(month),
        at.hour(),
        at.minute(),
        at.second()
    );
    if (1950..2050).contains(&year) {
        primitive(tag::UTC_TIME, format!("{:02}{rest}", year % 100))
    } else {
        primitive(tag::GENERALIZED_TIME, format!("{year:04}{rest}"))
    }
}

//! ASN.1 encodings, just enough for SCEP: writes DER and BER with indefinite lengths, reads both (X.690 §8–§11).

use crate::error::Problem;

/// Nesting that no message of ours reaches; deeper input is refused.
const MAX_DEPTH: usize = 32;

/// Universal and context tags that appear in CMS, PKCS#10 and SCEP.
#[allow(missing_docs)]
pub mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const CONSTRUCTED_OCTET_STRING: u8 = 0x24;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const CONTEXT_0: u8 = 0xa0;
    pub const CONTEXT_0_PRIMITIVE: u8 = 0x80;
    pub const CONTEXT_1: u8 = 0xa1;
    pub const CONTEXT_3: u8 = 0xa3;
}

/// How constructed values are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// Distinguished encoding: definite lengths.
    #[default]
    Der,
    /// Indefinite lengths and octet strings in pieces, as Apple's devices write their envelopes.
    Ber,
}

impl Encoding {
    /// A constructed value made of `parts`.
    pub fn constructed(self, tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Der => tlv(tag, &parts.concat()),
            Self::Ber => [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat(),
        }
    }

    /// An octet string under its primitive tag (`0x04`, or `0x80` when implicitly tagged); BER makes it constructed,
    /// in pieces of 1000 bytes.
    pub fn octets(self, primitive: u8, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Der => tlv(primitive, bytes),
            Self::Ber => {
                let pieces: Vec<Vec<u8>> = bytes.chunks(1000).map(|p| tlv(tag::OCTET_STRING, p)).collect();
                self.constructed(primitive | 0x20, &[&pieces.concat()])
            }
        }
    }
}

/// One value in DER.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - start) as u8);
        out.extend_from_slice(&bytes[start..]);
    }
    out.extend_from_slice(content);
    out
}

/// A DER SEQUENCE.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    Encoding::Der.constructed(tag::SEQUENCE, parts)
}

/// The content of a DER SET OF: the elements in ascending order of their encodings (X.690 §11.6).
pub fn sorted(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    elements.concat()
}

/// A small non-negative INTEGER.
pub fn integer(value: u8) -> Vec<u8> {
    if value < 0x80 {
        vec![tag::INTEGER, 1, value]
    } else {
        vec![tag::INTEGER, 2, 0, value]
    }
}

/// NULL.
pub fn null() -> Vec<u8> {
    vec![tag::NULL, 0]
}

/// A BIT STRING with no unused bits.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(tag::BIT_STRING, &[&[0], bytes].concat())
}

/// A PrintableString.
pub fn printable(text: &str) -> Vec<u8> {
    tlv(tag::PRINTABLE_STRING, text.as_bytes())
}

/// PrintableString where the text allows it, UTF8String otherwise: what Apple's encoder does.
pub fn directory_string(text: &str) -> Vec<u8> {
    let printable = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c));
    tlv(
        if printable {
            tag::PRINTABLE_STRING
        } else {
            tag::UTF8_STRING
        },
        text.as_bytes(),
    )
}

/// An OBJECT IDENTIFIER from its dotted form.
pub fn oid(dotted: &str) -> Result<Vec<u8>, Problem> {
    let bad = || Problem::Protocol(format!("`{dotted}` is not an object identifier"));
    let arcs = dotted
        .split('.')
        .map(str::parse::<u64>)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| bad())?;
    let [first @ 0..=2, second, rest @ ..] = arcs.as_slice() else {
        return Err(bad());
    };
    let mut content = Vec::new();
    for arc in std::iter::once(&(first * 40 + second)).chain(rest) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut left = arc >> 7;
        while left > 0 {
            groups.push(0x80 | (left & 0x7f) as u8);
            left >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    Ok(tlv(tag::OID, &content))
}

/// AlgorithmIdentifier.
pub fn algorithm(dotted: &str, parameters: &[u8]) -> Result<Vec<u8>, Problem> {
    Ok(sequence(&[&oid(dotted)?, parameters]))
}

/// One value read from DER or BER.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets, without the end-of-contents mark.
    pub content: &'a [u8],
    /// The whole encoding.
    pub raw: &'a [u8],
    /// Whether the length was definite.
    pub definite: bool,
}

impl<'a> Value<'a> {
    /// Reads the one value that `bytes` holds; trailing bytes are an error.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let value = read(bytes, 0)?;
        if value.raw.len() == bytes.len() {
            Ok(value)
        } else {
            Err(malformed("trailing bytes"))
        }
    }

    /// The values inside a constructed one.
    pub fn children(&self) -> Result<Vec<Value<'a>>, Problem> {
        let mut rest = self.content;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let child = read(rest, 0)?;
            rest = &rest[child.raw.len()..];
            children.push(child);
        }
        Ok(children)
    }

    /// The value itself if it has this tag.
    pub fn expect(self, tag: u8, what: &str) -> Result<Self, Problem> {
        if self.tag == tag {
            Ok(self)
        } else {
            Err(malformed(format!("{what} has tag {:#04x}", self.tag)))
        }
    }

    /// The bytes of an octet string, primitive or in pieces.
    pub fn octets(&self) -> Result<Vec<u8>, Problem> {
        if self.tag & 0x20 == 0 {
            return Ok(self.content.to_vec());
        }
        let mut bytes = Vec::new();
        for piece in self.children()? {
            bytes.extend_from_slice(
                piece
                    .expect(tag::OCTET_STRING, "a piece of an octet string")?
                    .content,
            );
        }
        Ok(bytes)
    }

    /// The text of a string type.
    pub fn text(&self) -> Result<String, Problem> {
        String::from_utf8(self.content.to_vec()).map_err(|_| malformed("a string is not UTF-8"))
    }

    /// Whether this is the OBJECT IDENTIFIER `dotted`.
    pub fn is_oid(&self, dotted: &str) -> bool {
        oid(dotted).is_ok_and(|oid| oid == self.raw)
    }
}

fn read(bytes: &[u8], depth: usize) -> Result<Value<'_>, Problem> {
    if depth > MAX_DEPTH {
        return Err(malformed("nested too deeply"));
    }
    let [tag, first, ..] = bytes else {
        return Err(malformed("ends early"));
    };
    if tag & 0x1f == 0x1f {
        return Err(malformed("multi-byte tag"));
    }
    if *first == 0x80 {
        return read_indefinite(bytes, depth);
    }
    let (length, header) = if *first < 0x80 {
        (usize::from(*first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        let length_bytes = bytes.get(2..2 + count).ok_or_else(|| malformed("ends early"))?;
        if count > 4 {
            return Err(malformed("length of more than four bytes"));
        }
        (
            length_bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)),
            2 + count,
        )
    };
    let raw = bytes
        .get(..header + length)
        .ok_or_else(|| malformed("ends early"))?;
    Ok(Value {
        tag: *tag,
        content: &raw[header..],
        raw,
        definite: true,
    })
}

fn read_indefinite(bytes: &[u8], depth: usize) -> Result<Value<'_>, Problem> {
    if bytes[0] & 0x20 == 0 {
        return Err(malformed("indefinite length of a primitive value"));
    }
    let mut at = 2;
    while bytes.get(at..at + 2) != Some(&[0, 0]) {
        at += read(bytes.get(at..).unwrap_or_default(), depth + 1)?.raw.len();
    }
    Ok(Value {
        tag: bytes[0],
        content: &bytes[2..at],
        raw: &bytes[..at + 2],
        definite: false,
    })
}

fn malformed(detail: impl std::fmt::Display) -> Problem {
    Problem::Protocol(format!("malformed ASN.1: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_encoded_in_base_128() {
        let pkcs7_data = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
        assert_eq!(oid("1.2.840.113549.1.7.1").unwrap(), pkcs7_data);
        assert!(oid("CN").is_err());
        assert!(oid("9.1").is_err());
    }

    #[test]
    fn long_lengths_survive_a_round_trip() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let bytes = tlv(tag::OCTET_STRING, &vec![7; length]);
            assert_eq!(Value::parse(&bytes).unwrap().octets().unwrap().len(), length);
        }
    }

    #[test]
    fn indefinite_lengths_are_read_back() {
        let ber = Encoding::Ber.octets(tag::OCTET_STRING, &[9; 2500]);
        assert_eq!(&ber[..2], &[0x24, 0x80]);
        let value = Value::parse(&ber).unwrap();
        assert!(!value.definite);
        assert_eq!(value.octets().unwrap(), [9; 2500]);
    }

    #[test]
    fn hostile_input_is_refused() {
        assert!(Value::parse(&[]).is_err());
        assert!(Value::parse(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(Value::parse(&[0x30, 0x80].repeat(10_000)).is_err());
    }
}

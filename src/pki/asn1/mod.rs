//! Reading and writing DER (X.690): a bounded reader over tag–length–value triples, and the writers that match.
//!
//! Everything the pki group signs or verifies is handled as raw bytes, because a signature covers the bytes
//! that were sent and not a re-encoding of what they meant. Reading borrows and never allocates; a length that
//! exceeds what is left ends in an error before anything is done with it.

mod write;

pub use write::{
    algorithm, bit_string, element, integer, oid, primitive, sequence, set_of, time, write_header,
};

use der::{
    Decode,
    asn1::{GeneralizedTime, UtcTime},
};

use crate::protocol::time::Timestamp;

/// Universal and context tags (X.680 §8.4), as the identifier octet that DER writes.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString (T61String).
    pub const TELETEX_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1e;
    /// SEQUENCE, constructed.
    pub const SEQUENCE: u8 = 0x30;
    /// SET, constructed.
    pub const SET: u8 = 0x31;

    /// `[number]`, constructed: an explicit tag, or an implicit one over a constructed type.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// `[number]`, primitive: an implicit tag over a primitive type.
    pub const fn context_primitive(number: u8) -> u8 {
        0x80 | number
    }
}

/// Why bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Asn1Error {
    /// A length or a value runs past the end of what holds it.
    #[error("the encoding ends too early")]
    Truncated,
    /// A length in another form than DER's shortest, or a tag number above 30.
    #[error("the encoding is not DER")]
    NotDer,
    /// Another element than the grammar asks for.
    #[error("an unexpected element (tag {found:#04x}, expected {expected:#04x})")]
    UnexpectedTag {
        /// The identifier octet asked for.
        expected: u8,
        /// The identifier octet found.
        found: u8,
    },
    /// Bytes after the last element.
    #[error("unexpected bytes after the last element")]
    Trailing,
    /// An element whose contents break its type's rules.
    #[error("a value is not valid for its type")]
    Value,
}

/// One element: its identifier octet, its contents and all its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The contents octets.
    pub value: &'a [u8],
    /// Identifier, length and contents, as they were sent.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A reader over the contents.
    pub fn reader(self) -> Reader<'a> {
        Reader::new(self.value)
    }

    /// The element, if it carries `tag`.
    pub fn expect(self, tag: u8) -> Result<Self, Asn1Error> {
        if self.tag == tag {
            Ok(self)
        } else {
            Err(Asn1Error::UnexpectedTag {
                expected: tag,
                found: self.tag,
            })
        }
    }

    /// The text of a string type: UTF-8 for UTF8String, ASCII for PrintableString and IA5String, Latin-1 for
    /// TeletexString (as everyone reads it), UTF-16 for BMPString.
    pub fn text(self) -> Result<String, Asn1Error> {
        let ascii = || {
            std::str::from_utf8(self.value)
                .ok()
                .filter(|text| text.is_ascii())
                .map(str::to_owned)
        };
        match self.tag {
            tag::UTF8_STRING => String::from_utf8(self.value.to_vec()).ok(),
            tag::PRINTABLE_STRING | tag::IA5_STRING => ascii(),
            tag::TELETEX_STRING => Some(self.value.iter().map(|byte| char::from(*byte)).collect()),
            tag::BMP_STRING => {
                let (pairs, rest) = self.value.as_chunks::<2>();
                let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
                String::from_utf16(&units).ok().filter(|_| rest.is_empty())
            }
            found => {
                return Err(Asn1Error::UnexpectedTag {
                    expected: tag::PRINTABLE_STRING,
                    found,
                });
            }
        }
        .ok_or(Asn1Error::Value)
    }

    /// The moment of a UTCTime or GeneralizedTime in the form RFC 5280 §4.1.2.5 prescribes: seconds, and `Z`.
    pub fn time(self) -> Result<Timestamp, Asn1Error> {
        let since_epoch = match self.tag {
            tag::UTC_TIME => UtcTime::from_der(self.raw).map(|at| at.to_unix_duration()),
            tag::GENERALIZED_TIME => GeneralizedTime::from_der(self.raw).map(|at| at.to_unix_duration()),
            found => {
                return Err(Asn1Error::UnexpectedTag {
                    expected: tag::UTC_TIME,
                    found,
                });
            }
        };
        Ok(Timestamp::from_millis(0).plus(since_epoch.map_err(|_| Asn1Error::Value)?))
    }
}

/// Walks the elements of one level.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`, which hold any number of elements.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The one element that `bytes` are; an error if anything follows it.
    pub fn single(bytes: &'a [u8], tag: u8) -> Result<Tlv<'a>, Asn1Error> {
        let mut reader = Self::new(bytes);
        let element = reader.read(tag)?;
        reader.finish()?;
        Ok(element)
    }

    /// Whether every element has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The identifier octet of the next element, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An error unless every element has been read.
    pub fn finish(self) -> Result<(), Asn1Error> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Asn1Error::Trailing)
        }
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Result<Tlv<'a>, Asn1Error> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(Asn1Error::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(Asn1Error::NotDer);
        }
        let (&first, after_first) = after_tag.split_first().ok_or(Asn1Error::Truncated)?;
        let (length, after_length) = match first {
            0..=0x7f => (usize::from(first), after_first),
            0x81..=0x84 => {
                let (octets, rest) = after_first
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or(Asn1Error::Truncated)?;
                let length = octets
                    .iter()
                    .fold(0usize, |sum, octet| (sum << 8) | usize::from(*octet));
                if length < 0x80 || octets.first() == Some(&0) {
                    return Err(Asn1Error::NotDer);
                }
                (length, rest)
            }
            0x80 => return Err(Asn1Error::NotDer),
            _ => return Err(Asn1Error::Truncated),
        };
        let (value, rest) = after_length
            .split_at_checked(length)
            .ok_or(Asn1Error::Truncated)?;
        let (raw, _) = self.rest.split_at(self.rest.len() - rest.len());
        self.rest = rest;
        Ok(Tlv { tag, value, raw })
    }

    /// The next element, which must carry `tag`.
    pub fn read(&mut self, tag: u8) -> Result<Tlv<'a>, Asn1Error> {
        self.any()?.expect(tag)
    }

    /// The next element if it carries `tag`; nothing is consumed otherwise.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, Asn1Error> {
        if self.peek() == Some(tag) {
            self.read(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The next element's contents, which must be a SEQUENCE.
    pub fn sequence(&mut self) -> Result<Reader<'a>, Asn1Error> {
        Ok(self.read(tag::SEQUENCE)?.reader())
    }

    /// The next element, which must be an INTEGER, as an unsigned number below 2⁶⁴.
    pub fn small_integer(&mut self) -> Result<u64, Asn1Error> {
        let magnitude = unsigned(self.read(tag::INTEGER)?.value)?;
        if magnitude.len() > 8 {
            return Err(Asn1Error::Value);
        }
        Ok(magnitude
            .iter()
            .fold(0, |sum, octet| (sum << 8) | u64::from(*octet)))
    }

    /// The next element, which must be an OBJECT IDENTIFIER, as its contents octets.
    pub fn oid(&mut self) -> Result<&'a [u8], Asn1Error> {
        Ok(self.read(tag::OID)?.value)
    }

    /// The next element, which must be an AlgorithmIdentifier (RFC 5280 §4.1.1.2): its object identifier's
    /// contents octets and its parameters.
    pub fn algorithm(&mut self) -> Result<(&'a [u8], Option<Tlv<'a>>), Asn1Error> {
        let mut identifier = self.sequence()?;
        let oid = identifier.oid()?;
        let parameters = if identifier.is_empty() {
            None
        } else {
            Some(identifier.any()?)
        };
        identifier.finish()?;
        Ok((oid, parameters))
    }

    /// The next element, which must be a BIT STRING of whole octets.
    pub fn bit_string(&mut self) -> Result<&'a [u8], Asn1Error> {
        match self.read(tag::BIT_STRING)?.value.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(Asn1Error::Value),
        }
    }
}

/// The magnitude of an INTEGER's contents octets, without the sign octet; an error if it is negative, empty or
/// not in its shortest form.
pub fn unsigned(contents: &[u8]) -> Result<&[u8], Asn1Error> {
    match contents {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => Err(Asn1Error::Value),
        [0, magnitude @ ..] if !magnitude.is_empty() => Ok(magnitude),
        magnitude => Ok(magnitude),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_that_is_not_shortest_is_refused() {
        assert_eq!(Reader::new(&[4, 0x81, 1, 0]).any(), Err(Asn1Error::NotDer));
        assert_eq!(Reader::new(&[4, 0x80, 0, 0]).any(), Err(Asn1Error::NotDer));
        assert_eq!(Reader::new(&[4, 0x82, 0, 200]).any(), Err(Asn1Error::NotDer));
    }

    #[test]
    fn a_length_of_two_gigabytes_is_refused_before_anything_is_read() {
        assert_eq!(
            Reader::new(&[4, 0x84, 0x7f, 0xff, 0xff, 0xff, 1]).any(),
            Err(Asn1Error::Truncated)
        );
        assert_eq!(
            Reader::new(&[4, 0x88, 0x7f, 0xff, 0xff, 0xff, 1]).any(),
            Err(Asn1Error::Truncated)
        );
    }

    #[test]
    fn times_change_their_form_in_2050() {
        let before = Timestamp::from_seconds(2_524_607_999);
        let after = Timestamp::from_seconds(2_524_608_000);
        assert_eq!(&time(before)[..2], &[tag::UTC_TIME, 13]);
        assert_eq!(&time(after)[..2], &[tag::GENERALIZED_TIME, 15]);
        for at in [before, after] {
            assert_eq!(Reader::new(&time(at)).any().unwrap().time(), Ok(at));
        }
    }

    #[test]
    fn integers_keep_their_sign_octet() {
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(Reader::new(&integer(&[1, 0])).small_integer(), Ok(256));
        assert!(Reader::new(&[2, 1, 0xff]).small_integer().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0u8..0x1f, value in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let encoded = primitive(tag, &value);
            let element = Reader::single(&encoded, tag).unwrap();
            prop_assert_eq!(element.value, value.as_slice());
            prop_assert_eq!(element.raw, encoded.as_slice());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.any() {
                let _ = (element.text(), element.time(), Reader::new(element.raw).small_integer());
                let _ = (Reader::new(element.raw).algorithm(), Reader::new(element.raw).bit_string());
            }
        }
    }
}

//! Turning BER (X.690 §8) into DER, far enough to read the CMS that Apple's devices stream.
//!
//! Indefinite lengths become definite, lengths take their shortest form and constructed OCTET STRINGs become
//! primitive ones. The order of a SET's elements and the contents of every primitive stay as they were sent, so
//! that signatures over them still verify. A constructed OCTET STRING behind an implicit tag cannot be told from
//! an explicit tag without the grammar: the reader of that grammar joins it ([`super::cms`]).

use std::borrow::Cow;

use super::asn1::{Reader, tag, write_header};

/// How deep elements may nest; the deepest thing CMS carries, a certificate's name constraints, needs about 15.
pub const MAX_DEPTH: usize = 32;

/// The longest input, in bytes; no message of any protocol served here comes near it.
pub const MAX_LENGTH: usize = 4 << 20;

/// Why bytes are not acceptable BER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    /// A length or a value runs past the end, or an end-of-contents is missing.
    #[error("the encoding ends too early")]
    Truncated,
    /// Elements nest deeper than [`MAX_DEPTH`].
    #[error("the encoding nests too deeply")]
    TooDeep,
    /// The input is longer than [`MAX_LENGTH`].
    #[error("the encoding is too long")]
    TooLong,
    /// Bytes after the only element.
    #[error("unexpected bytes after the encoding")]
    Trailing,
    /// Something BER forbids, or a form that no CMS message uses: tag numbers above 30, constructed strings
    /// other than OCTET STRING.
    #[error("the encoding is malformed")]
    Malformed,
}

/// The DER of the one BER element that `input` is, borrowed when it is DER already.
///
/// Takes time linear in the input (each level moves its contents once), and about the input's size in memory.
pub fn to_der(input: &[u8]) -> Result<Cow<'_, [u8]>, BerError> {
    if input.len() > MAX_LENGTH {
        return Err(BerError::TooLong);
    }
    let mut whole = Reader::new(input);
    if whole.any().is_ok() && whole.is_empty() && is_der(Reader::new(input), MAX_DEPTH) {
        return Ok(Cow::Borrowed(input));
    }
    let mut transcoder = Transcoder {
        rest: input,
        out: Vec::with_capacity(input.len()),
    };
    transcoder.element(MAX_DEPTH)?;
    if transcoder.rest.is_empty() {
        Ok(Cow::Owned(transcoder.out))
    } else {
        Err(BerError::Trailing)
    }
}

/// Whether all elements of one level are what the transcoder would write. Errors count as "no": the transcoder
/// names them.
fn is_der(mut level: Reader<'_>, depth: usize) -> bool {
    while !level.is_empty() {
        let Ok(element) = level.any() else { return false };
        if element.tag == END_OF_CONTENTS || is_constructed_string(element.tag) {
            return false;
        }
        if element.tag & CONSTRUCTED != 0 && (depth == 0 || !is_der(element.reader(), depth - 1)) {
            return false;
        }
    }
    true
}

const CONSTRUCTED: u8 = 0x20;
const END_OF_CONTENTS: u8 = 0;
const CONSTRUCTED_OCTET_STRING: u8 = tag::OCTET_STRING | CONSTRUCTED;

/// Whether the tag is a universal one in a constructed form that DER does not have.
fn is_constructed_string(tag: u8) -> bool {
    tag & 0xe0 == CONSTRUCTED && !matches!(tag, tag::SEQUENCE | tag::SET)
}

struct Transcoder<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Transcoder<'a> {
    /// Reads one element and writes it as DER.
    fn element(&mut self, depth: usize) -> Result<(), BerError> {
        let (tag, length) = self.header()?;
        let start = self.out.len();
        if tag & CONSTRUCTED == 0 {
            let value = self.take(length.ok_or(BerError::Malformed)?)?;
            write_header(&mut self.out, tag, value.len());
            self.out.extend_from_slice(value);
        } else if tag == CONSTRUCTED_OCTET_STRING {
            self.contents(length, depth, Self::segment)?;
            self.insert_header(start, tag::OCTET_STRING);
        } else if is_constructed_string(tag) {
            return Err(BerError::Malformed);
        } else {
            self.contents(length, depth, Self::element)?;
            self.insert_header(start, tag);
        }
        Ok(())
    }

    /// Reads one segment of a constructed OCTET STRING (X.690 §8.7.3) and writes its octets alone.
    fn segment(&mut self, depth: usize) -> Result<(), BerError> {
        match self.header()? {
            (tag::OCTET_STRING, Some(length)) => {
                let value = self.take(length)?;
                self.out.extend_from_slice(value);
                Ok(())
            }
            (CONSTRUCTED_OCTET_STRING, length) => self.contents(length, depth, Self::segment),
            _ => Err(BerError::Malformed),
        }
    }

    /// Applies `child` to all that a constructed element holds.
    fn contents(
        &mut self,
        length: Option<usize>,
        depth: usize,
        child: fn(&mut Self, usize) -> Result<(), BerError>,
    ) -> Result<(), BerError> {
        let depth = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
        let Some(length) = length else {
            while self.rest.first() != Some(&END_OF_CONTENTS) {
                child(self, depth)?;
            }
            return if self.take(2)? == [0, 0] {
                Ok(())
            } else {
                Err(BerError::Malformed)
            };
        };
        let contents = self.take(length)?;
        let after = std::mem::replace(&mut self.rest, contents);
        while !self.rest.is_empty() {
            child(self, depth)?;
        }
        self.rest = after;
        Ok(())
    }

    /// Reads an identifier octet and a length; `None` is the indefinite one.
    fn header(&mut self) -> Result<(u8, Option<usize>), BerError> {
        let tag = self.octet()?;
        if tag & 0x1f == 0x1f || tag == END_OF_CONTENTS {
            return Err(BerError::Malformed);
        }
        let length = match self.octet()? {
            short @ 0..=0x7f => Some(usize::from(short)),
            0x80 => None,
            0xff => return Err(BerError::Malformed),
            long => {
                let octets = self.take(usize::from(long & 0x7f))?;
                let zeros = octets.iter().take_while(|octet| **octet == 0).count();
                if octets.len() - zeros > 4 {
                    return Err(BerError::Truncated);
                }
                Some(
                    octets
                        .iter()
                        .fold(0, |sum, octet| (sum << 8) | usize::from(*octet)),
                )
            }
        };
        Ok((tag, length))
    }

    fn octet(&mut self) -> Result<u8, BerError> {
        let (first, rest) = self.rest.split_first().ok_or(BerError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BerError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(BerError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Puts the header before what was written since `start`: its length is known only now.
    fn insert_header(&mut self, start: usize, tag: u8) {
        let mut header = Vec::with_capacity(6);
        write_header(&mut header, tag, self.out.len() - start);
        self.out.splice(start..start, header);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn der_passes_through_without_a_copy() {
        let der = [0x30, 5, 4, 1, 9, 5, 0];
        assert!(matches!(to_der(&der), Ok(Cow::Borrowed(same)) if same == der));
    }

    #[test]
    fn indefinite_lengths_and_segments_are_joined() {
        // SEQUENCE { constructed OCTET STRING { "ab", constructed { "c" } }, [0] { NULL } }, all streamed.
        let ber = [
            0x30, 0x80, 0x24, 0x80, 4, 2, b'a', b'b', 0x24, 3, 4, 1, b'c', 0, 0, 0xa0, 0x80, 5, 0, 0, 0, 0, 0,
        ];
        assert_eq!(
            to_der(&ber).unwrap().as_ref(),
            [0x30, 9, 4, 3, b'a', b'b', b'c', 0xa0, 2, 5, 0]
        );
    }

    #[test]
    fn long_lengths_are_shortened() {
        assert_eq!(
            to_der(&[0x30, 0x83, 0, 0, 2, 5, 0]).unwrap().as_ref(),
            [0x30, 2, 5, 0]
        );
    }

    /// K-S14: nesting 100,000 deep, a length of 2 GB, and an encoding cut anywhere.
    #[test]
    fn bombs_end_in_an_error() {
        assert_eq!(to_der(&[0x30, 0x80].repeat(100_000)), Err(BerError::TooDeep));
        assert_eq!(to_der(&[0x24, 0x80].repeat(100_000)), Err(BerError::TooDeep));
        assert_eq!(
            to_der(&[4, 0x84, 0x7f, 0xff, 0xff, 0xff, 0]),
            Err(BerError::Truncated)
        );
        assert_eq!(
            to_der(&[4, 0x88, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]),
            Err(BerError::Truncated)
        );
        assert_eq!(to_der(&vec![0; MAX_LENGTH + 1]), Err(BerError::TooLong));
        let whole = [0x30, 0x80, 0x24, 0x80, 4, 2, 1, 2, 0, 0, 0, 0];
        for cut in 0..whole.len() {
            assert!(to_der(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(to_der(&[5, 0, 5, 0]), Err(BerError::Trailing));
    }

    /// K-S14: a million elements are read in linear time.
    #[test]
    fn a_million_elements_are_read() {
        let mut ber = vec![0x31, 0x80];
        ber.extend([0x30, 0].repeat(1_000_000));
        ber.extend([0, 0]);
        assert_eq!(to_der(&ber).unwrap().len(), 2_000_005);
    }

    /// A tree of elements, written as DER and as BER with every freedom BER has.
    #[derive(Clone, Debug)]
    enum Tree {
        Octets(Vec<u8>),
        Set(Vec<Tree>),
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Tree::Octets);
        leaf.prop_recursive(6, 64, 8, |inner| {
            proptest::collection::vec(inner, 0..8).prop_map(Tree::Set)
        })
    }

    fn der(tree: &Tree) -> Vec<u8> {
        match tree {
            Tree::Octets(octets) => crate::pki::asn1::primitive(tag::OCTET_STRING, octets),
            Tree::Set(parts) => {
                crate::pki::asn1::element(tag::SET, &parts.iter().map(der).collect::<Vec<_>>())
            }
        }
    }

    fn ber(tree: &Tree) -> Vec<u8> {
        match tree {
            Tree::Octets(octets) => {
                let mut out = vec![CONSTRUCTED_OCTET_STRING, 0x80];
                for piece in octets.chunks(100) {
                    out.extend([tag::OCTET_STRING, 0x82, 0, u8::try_from(piece.len()).unwrap()]);
                    out.extend(piece);
                }
                out.extend([0, 0]);
                out
            }
            Tree::Set(parts) => {
                let mut out = vec![tag::SET, 0x80];
                out.extend(parts.iter().flat_map(ber));
                out.extend([0, 0]);
                out
            }
        }
    }

    proptest! {
        #[test]
        fn ber_and_der_of_one_value_become_the_same(tree in trees()) {
            let der = der(&tree);
            prop_assert!(matches!(to_der(&der), Ok(Cow::Borrowed(_))));
            let ber = ber(&tree);
            prop_assert_eq!(to_der(&ber).unwrap().into_owned(), der);
        }

        #[test]
        fn arbitrary_bytes_become_der_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(once) = to_der(&bytes) {
                prop_assert!(matches!(to_der(&once), Ok(Cow::Borrowed(_))));
            }
        }
    }
}

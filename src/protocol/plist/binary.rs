//! A decoder of binary property lists whose output is bounded by its input.
//!
//! Objects refer to one another by number and may be shared, so that 200 bytes can unfold to a gigabyte. Here every
//! visit of an object is paid for from a budget that grows with the body; depth is limited, which also ends cycles;
//! every size and offset is checked; objects must not overlap. Keyed-archive UIDs, sets and nulls, which property
//! lists in XML don't have, are refused.
//!
//! Format: the comment at the head of Apple's
//! <https://github.com/apple-oss-distributions/CF/blob/main/CFBinaryPList.c>.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use plist::{Date, Dictionary, Value};

use super::{
    MAX_DEPTH, PlistError,
    cursor::{Cursor, TRUNCATED, uint},
};

const MAGIC: &[u8] = b"bplist00";
const TRAILER: usize = 32;
/// 2001-01-01T00:00:00Z, from which dates count, in Unix time.
const EPOCH: Duration = Duration::from_secs(978_307_200);
/// The years 1 to 9999, as seconds from [`EPOCH`]: what RFC 3339 text can say.
const DATES: std::ops::Range<f64> = -63_113_904_000.0..252_423_993_600.0;

/// Decodes `body`, which begins with `bplist`. The memory it takes is at most 16 times the body and 64 KiB.
pub(super) fn decode(body: &[u8]) -> Result<Value, PlistError> {
    if !body.starts_with(MAGIC) {
        return Err(PlistError::Binary("its version is not 00"));
    }
    let content = body.len().checked_sub(TRAILER).filter(|at| *at >= MAGIC.len());
    let (content, trailer) = body.split_at(content.ok_or(PlistError::Binary("it has no trailer"))?);

    let mut trailer = Cursor {
        bytes: trailer,
        at: 6,
    };
    let offset_size = trailer.size()?;
    let ref_size = trailer.size()?;
    let count = trailer.index()?;
    let root = trailer.index()?;
    let table = trailer.index()?;
    let (objects, offsets) = content
        .split_at_checked(table)
        .ok_or(PlistError::Binary("its offset table is out of range"))?;
    if count.checked_mul(offset_size) != Some(offsets.len()) {
        return Err(PlistError::Binary(
            "its offset table is of another size than declared",
        ));
    }

    let mut decoder = Decoder {
        objects,
        offsets,
        offset_size,
        ref_size,
        budget: body.len().saturating_mul(16).saturating_add(64 * 1024),
        spans: BTreeMap::new(),
    };
    let value = decoder.value(root, 0)?;
    decoder.check_overlap()?;
    Ok(value)
}

struct Decoder<'a> {
    objects: &'a [u8],
    offsets: &'a [u8],
    offset_size: usize,
    ref_size: usize,
    budget: usize,
    /// Where each object visited begins and ends.
    spans: BTreeMap<usize, usize>,
}

impl Decoder<'_> {
    fn value(&mut self, index: usize, depth: usize) -> Result<Value, PlistError> {
        self.pay(size_of::<Value>())?;
        let start = self.offset_of(index)?;
        let mut cursor = Cursor {
            bytes: self.objects,
            at: start,
        };
        let marker = cursor.uint(1)?;
        let low = (marker & 0x0f) as usize;
        let value = match (marker >> 4, low) {
            (0x0, 0x8) => Value::Boolean(false),
            (0x0, 0x9) => Value::Boolean(true),
            (0x1, 0..=4) => Value::Integer(cursor.integer(1 << low)?),
            (0x2, 2) => Value::Real(f64::from(f32::from_be_bytes(cursor.array()?))),
            (0x2, 3) => Value::Real(f64::from_be_bytes(cursor.array()?)),
            (0x3, 3) => Value::Date(date(f64::from_be_bytes(cursor.array()?))?),
            (0x4, _) => Value::Data(self.content(&mut cursor, low, 1)?.to_vec()),
            (0x5, _) => text(
                std::str::from_utf8(self.content(&mut cursor, low, 1)?)
                    .ok()
                    .map(str::to_owned),
            )?,
            (0x6, _) => text(utf16(self.content(&mut cursor, low, 2)?))?,
            (0xa | 0xd, _) if depth == MAX_DEPTH => return Err(PlistError::TooDeep),
            (0xa, _) => {
                let items = self.content(&mut cursor, low, self.ref_size)?;
                let items = items
                    .chunks_exact(self.ref_size)
                    .map(|item| self.value(index_in(item)?, depth + 1));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            (0xd, _) => {
                let pairs = self.content(&mut cursor, low, 2 * self.ref_size)?;
                Value::Dictionary(self.dictionary(pairs, depth + 1)?)
            }
            _ => return Err(PlistError::Binary("it has an object of an unknown kind")),
        };
        self.spans.insert(start, cursor.at);
        Ok(value)
    }

    /// `pairs` is all the keys' references, then all the values'.
    fn dictionary(&mut self, pairs: &[u8], depth: usize) -> Result<Dictionary, PlistError> {
        let (keys, values) = pairs.split_at(pairs.len() / 2);
        let mut dictionary = Dictionary::new();
        for (key, value) in keys
            .chunks_exact(self.ref_size)
            .zip(values.chunks_exact(self.ref_size))
        {
            let Value::String(key) = self.value(index_in(key)?, depth)? else {
                return Err(PlistError::Binary("a key is not a string"));
            };
            let value = self.value(index_in(value)?, depth)?;
            dictionary.insert(key, value);
        }
        Ok(dictionary)
    }

    /// What follows a marker with the length `low`: that many units of `unit` bytes.
    fn content<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        low: usize,
        unit: usize,
    ) -> Result<&'a [u8], PlistError> {
        let length = if low == 0x0f {
            let marker = cursor.uint(1)?;
            if marker >> 4 != 1 || marker & 0x0f > 3 {
                return Err(PlistError::Binary("a length is not an integer"));
            }
            cursor.length(1 << (marker & 0x0f))?
        } else {
            low
        };
        let content = cursor.take(length.checked_mul(unit).ok_or(TRUNCATED)?)?;
        self.pay(content.len())?;
        Ok(content)
    }

    fn offset_of(&self, index: usize) -> Result<usize, PlistError> {
        let mut table = Cursor {
            bytes: self.offsets,
            at: index.saturating_mul(self.offset_size),
        };
        let offset = table
            .length(self.offset_size)
            .map_err(|_| PlistError::Binary("it refers to an object that is not there"))?;
        if offset < MAGIC.len() {
            return Err(PlistError::Binary("an object lies in its header"));
        }
        Ok(offset)
    }

    fn pay(&mut self, cost: usize) -> Result<(), PlistError> {
        self.budget = self
            .budget
            .checked_sub(cost)
            .ok_or(PlistError::Binary("it unfolds to far more than its size"))?;
        Ok(())
    }

    fn check_overlap(&self) -> Result<(), PlistError> {
        let mut last = 0;
        for (start, end) in &self.spans {
            if *start < last {
                return Err(PlistError::Binary("two objects overlap"));
            }
            last = *end;
        }
        Ok(())
    }
}

fn index_in(reference: &[u8]) -> Result<usize, PlistError> {
    usize::try_from(uint(reference)).map_err(|_| TRUNCATED)
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

fn text(text: Option<String>) -> Result<Value, PlistError> {
    match text {
        None => Err(PlistError::Binary("a string is not text")),
        Some(text) if text.contains('\0') => Err(PlistError::Nul),
        Some(text) => Ok(Value::String(text)),
    }
}

fn date(seconds: f64) -> Result<Date, PlistError> {
    if !DATES.contains(&seconds) {
        return Err(PlistError::Date);
    }
    let distance = Duration::try_from_secs_f64(seconds.abs()).map_err(|_| PlistError::Date)?;
    let epoch = UNIX_EPOCH + EPOCH;
    let date = if seconds < 0.0 {
        epoch.checked_sub(distance)
    } else {
        epoch.checked_add(distance)
    };
    date.map(Date::from).ok_or(PlistError::Date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of these objects, with offsets and references of one byte; the first object is the root.
    fn body(objects: &[&[u8]]) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        let mut offsets = Vec::new();
        for object in objects {
            offsets.push(body.len() as u8);
            body.extend_from_slice(object);
        }
        let table = body.len() as u64;
        body.extend_from_slice(&offsets);
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 1]);
        for number in [offsets.len() as u64, 0, table] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        body
    }

    fn reason(result: Result<Value, PlistError>) -> &'static str {
        match result {
            Err(PlistError::Binary(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_object_is_read() {
        let date = [&[0x33][..], &1.5_f64.to_be_bytes()].concat();
        let array = [0xa9, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let big = [&[0x14][..], &u128::from(u64::MAX).to_be_bytes()].concat();
        let objects: [&[u8]; 10] = [
            &array,
            &[0x09],
            &[0x10, 0xff],
            &[0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
            &big,
            &date,
            &[0x42, 1, 2],
            &[0x5f, 0x10, 3, b'a', b'b', b'c'],
            &[0x62, 0x00, 0xe9, 0x26, 0x3a],
            &[0xd1, 7, 1],
        ];
        let mut dictionary = Dictionary::new();
        dictionary.insert("abc".to_owned(), Value::Boolean(true));
        assert_eq!(
            decode(&body(&objects)),
            Ok(Value::Array(vec![
                Value::Boolean(true),
                Value::from(255),
                Value::from(-2),
                Value::from(u64::MAX),
                Value::Date(Date::from(UNIX_EPOCH + EPOCH + Duration::from_millis(1500))),
                Value::Data(vec![1, 2]),
                Value::from("abc"),
                Value::from("é☺"),
                Value::Dictionary(dictionary),
            ]))
        );
    }

    /// Twelve levels of fourteen references to the next: 220 bytes that stand for 14^12 values.
    #[test]
    fn shared_references_do_not_unfold() {
        let arrays: Vec<Vec<u8>> = (1..=12).map(|next| [&[0xae][..], &[next; 14]].concat()).collect();
        let mut objects: Vec<&[u8]> = arrays.iter().map(Vec::as_slice).collect();
        objects.push(&[0x09]);
        assert_eq!(
            reason(decode(&body(&objects))),
            "it unfolds to far more than its size"
        );
    }

    /// K-X4.
    #[test]
    fn broken_structure_is_refused() {
        assert_eq!(decode(&body(&[&[0xa1, 0]])), Err(PlistError::TooDeep));
        assert_eq!(
            reason(decode(&body(&[&[0xa1, 9]]))),
            "it refers to an object that is not there"
        );
        assert_eq!(
            reason(decode(&body(&[&[0x4f, 0x13, 0x10, 0, 0, 0, 0, 0, 0, 0]]))),
            "it ends in the middle of an object"
        );
        assert_eq!(
            reason(decode(&body(&[&[0xd1, 1, 1], &[0x09]]))),
            "a key is not a string"
        );
        assert_eq!(
            reason(decode(&body(&[&[0x80, 1]]))),
            "it has an object of an unknown kind"
        );
        assert_eq!(reason(decode(b"bplist00")), "it has no trailer");
        assert_eq!(reason(decode(b"bplist15 and more")), "its version is not 00");
        assert_eq!(decode(&body(&[&[0x53, b'a', 0, b'b']])), Err(PlistError::Nul));

        let good = body(&[&[0xa1, 1], &[0x42, 0x09, 0x09]]);
        let from_end = |distance: usize, byte: u8| {
            let mut bad = good.clone();
            let at = bad.len() - distance;
            bad[at] = byte;
            reason(decode(&bad))
        };
        for size in [0, 9, 255] {
            assert_eq!(from_end(26, size), "its trailer has a wrong integer size");
            assert_eq!(from_end(25, size), "its trailer has a wrong integer size");
        }
        assert_eq!(
            from_end(24, 0x10),
            "its offset table is of another size than declared"
        );
        assert_eq!(from_end(8, 0x10), "its offset table is out of range");
        assert_eq!(from_end(9, 7), "it refers to an object that is not there");
        assert_eq!(from_end(33, 200), "it ends in the middle of an object");
        assert_eq!(from_end(33, 3), "an object lies in its header");

        let mut overlapping = body(&[&[0xa2, 1, 2], &[0x42, 0x09, 0x09], &[0x09]]);
        let at = overlapping.len() - 33;
        overlapping[at] -= 1;
        assert_eq!(reason(decode(&overlapping)), "two objects overlap");
    }

    #[test]
    fn dates_stay_in_the_years_that_text_can_say() {
        for seconds in [f64::NAN, f64::INFINITY, f64::MAX, DATES.end, DATES.start - 1.0] {
            assert_eq!(date(seconds), Err(PlistError::Date));
        }
        assert_eq!(
            date(DATES.start).map(|date| date.to_xml_format()),
            Ok("0001-01-01T00:00:00Z".to_owned())
        );
        assert_eq!(
            date(DATES.end - 1.0).map(|date| date.to_xml_format()),
            Ok("9999-12-31T23:59:59Z".to_owned())
        );
    }
}

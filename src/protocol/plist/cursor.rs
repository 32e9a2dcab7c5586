//! Big-endian reads of a binary property list, none of which passes the end.

use plist::Integer;

use super::PlistError;

pub(super) const TRUNCATED: PlistError = PlistError::Binary("it ends in the middle of an object");

/// A place in a body.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], PlistError> {
        let end = self.at.checked_add(length).ok_or(TRUNCATED)?;
        let taken = self.bytes.get(self.at..end).ok_or(TRUNCATED)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PlistError> {
        self.take(N)?.try_into().map_err(|_| TRUNCATED)
    }

    pub(super) fn uint(&mut self, size: usize) -> Result<u64, PlistError> {
        Ok(uint(self.take(size)?))
    }

    pub(super) fn length(&mut self, size: usize) -> Result<usize, PlistError> {
        usize::try_from(self.uint(size)?).map_err(|_| TRUNCATED)
    }

    pub(super) fn index(&mut self) -> Result<usize, PlistError> {
        self.length(8)
    }

    /// The width of offsets or references.
    pub(super) fn size(&mut self) -> Result<usize, PlistError> {
        let size = self.length(1)?;
        if (1..=8).contains(&size) {
            Ok(size)
        } else {
            Err(PlistError::Binary("its trailer has a wrong integer size"))
        }
    }

    /// 1, 2 and 4 bytes are unsigned; 8 and 16 are signed.
    pub(super) fn integer(&mut self, size: usize) -> Result<Integer, PlistError> {
        match size {
            8 => Ok(i64::from_be_bytes(self.array()?).into()),
            16 => {
                let value = i128::from_be_bytes(self.array()?);
                let small = i64::try_from(value).map(Integer::from);
                small
                    .or_else(|_| u64::try_from(value).map(Integer::from))
                    .map_err(|_| PlistError::Binary("an integer is out of range"))
            }
            _ => Ok(self.uint(size)?.into()),
        }
    }
}

pub(super) fn uint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

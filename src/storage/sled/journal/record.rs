//! The bytes of a record: a head, and a payload whose CRC-32 the head holds.
//!
//! All numbers are little-endian. A head is a kind (4 bytes), the CRC of all that follows it (4), the payload's length
//! (8), the turn (8) and the commit's number (8). The payload of a commit is its changes one after another, each the
//! length of the key (4), the length of the value (4; all ones for a removal), the key and the value.
//!
//! A turn is one use of a file: its upper half counts them, its lower half is random. A record belongs to the turn in
//! its head, so that what an earlier use has left behind is never taken for a part of this one, and nothing that a
//! device sends can pass for a record: nobody outside knows the turn.

use crc32fast::Hasher;
use sled::IVec;

/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 64;

pub(super) const HEAD: usize = 32;
const REMOVED: u32 = u32::MAX;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A turn begins. The number is that of its first commit; the payload is the number of the commit up to which the
    /// tree's own file has everything.
    Turn,
    /// A commit.
    Commit,
}

impl Kind {
    /// Unlike anything that compresses or that a person types.
    const fn mark(self) -> [u8; 4] {
        match self {
            Self::Turn => [0xF5, b'R', b'J', 1],
            Self::Commit => [0xF5, b'R', b'C', 1],
        }
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    crc: u32,
    length: u64,
    pub(super) turn: u64,
    pub(super) number: u64,
}

/// A key, and its new value or none.
pub(in crate::storage::sled) type Change = (IVec, Option<IVec>);

/// How many bytes a commit's record takes.
pub(super) fn length(changes: &[Change]) -> usize {
    let payload: usize = changes
        .iter()
        .map(|(key, value)| 8 + key.len() + value.as_ref().map_or(0, |value| value.len()))
        .sum();
    (HEAD + payload).next_multiple_of(ALIGNMENT)
}

/// Puts a commit's record into `bytes`, in place of what was there. `None` if a key or a value is too long.
pub(super) fn commit(bytes: &mut Vec<u8>, turn: u64, number: u64, changes: &[Change]) -> Option<()> {
    begin(bytes, Kind::Commit, turn, number);
    for (key, value) in changes {
        let length = match value {
            Some(value) => u32::try_from(value.len())
                .ok()
                .filter(|length| *length != REMOVED)?,
            None => REMOVED,
        };
        bytes.extend_from_slice(&u32::try_from(key.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    end(bytes);
    Some(())
}

/// Puts the record that opens a turn into `bytes`, in place of what was there.
pub(super) fn turn(bytes: &mut Vec<u8>, turn: u64, first: u64, checkpoint: u64) {
    begin(bytes, Kind::Turn, turn, first);
    bytes.extend_from_slice(&checkpoint.to_le_bytes());
    end(bytes);
}

fn begin(bytes: &mut Vec<u8>, kind: Kind, turn: u64, number: u64) {
    bytes.clear();
    bytes.extend_from_slice(&kind.mark());
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(&turn.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// Fills in the length and the CRC.
fn end(bytes: &mut Vec<u8>) {
    let length = (bytes.len() - HEAD) as u64;
    bytes[8..16].copy_from_slice(&length.to_le_bytes());
    let crc = crc(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finalize()
}

impl Head {
    /// The head of a record of this kind that `bytes` begin with, whatever its CRC says.
    pub(super) fn decode(bytes: &[u8], kind: Kind) -> Option<Self> {
        let rest = bytes.strip_prefix(&kind.mark())?;
        Some(Self {
            crc: u32::from_le_bytes(*rest.first_chunk()?),
            length: number_at(bytes, 8)?,
            turn: number_at(bytes, 16)?,
            number: number_at(bytes, 24)?,
        })
    }

    /// Where the record that begins at `at` ends, and the next may begin; `None` if that is beyond `end`.
    pub(super) fn next(&self, at: u64, end: u64) -> Option<u64> {
        let fits = self.length <= end.checked_sub(at)?.checked_sub(HEAD as u64)?;
        fits.then(|| (at + HEAD as u64 + self.length).next_multiple_of(ALIGNMENT as u64))
    }

    /// How many bytes of a record are not filler.
    pub(super) fn used(&self) -> usize {
        HEAD + self.length as usize
    }

    /// Whether this is the head of `bytes`, a whole record.
    pub(super) fn fits(&self, bytes: &[u8]) -> bool {
        bytes.get(8..).is_some_and(|bytes| crc(bytes) == self.crc)
    }
}

/// What follows the head of `record`.
pub(super) fn payload(record: &[u8]) -> &[u8] {
    record.get(HEAD..).unwrap_or_default()
}

/// The number in the payload of a turn: see [`Kind::Turn`].
pub(super) fn checkpoint(payload: &[u8]) -> Option<u64> {
    number_at(payload, 0)
}

/// The changes in a commit's payload; an error if they are none.
pub(super) fn changes(mut payload: &[u8]) -> impl Iterator<Item = Option<(&[u8], Option<&[u8]>)>> {
    std::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        let change = change(&mut payload);
        if change.is_none() {
            payload = &[];
        }
        Some(change)
    })
}

fn change<'a>(payload: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let key = u32::from_le_bytes(*payload.split_off(..4)?.first_chunk()?);
    let value = u32::from_le_bytes(*payload.split_off(..4)?.first_chunk()?);
    let key = payload.split_off(..key as usize)?;
    let value = match value {
        REMOVED => None,
        length => Some(payload.split_off(..length as usize)?),
    };
    Some((key, value))
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

//! Long values in pieces, so that sled's pages stay small.
//!
//! A leaf holds up to 16 values (a few more while leaves merge), however long they are, and is written as a whole
//! every tenth time that it changes. A leaf above 128 KiB is kept in a file of its own, which is slow and may never be
//! deleted. With pieces of 6 KiB none gets there.
//!
//! The first piece begins with the whole length (4 bytes, little-endian), so that a short value is one read.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    fault,
    keys::Key,
    transaction::Transaction,
    view::{View, decode},
};
use crate::storage::StoreResult;

const PIECE: usize = 6 * 1024;
const HEAD: usize = 4;

/// Stores `bytes` under `key(0)`, `key(1)` and so on, in place of what was there.
pub(super) fn put(
    transaction: &mut Transaction<'_>,
    key: impl Fn(u32) -> Key,
    bytes: &[u8],
) -> StoreResult<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| fault::unavailable("a value is above 4 GiB"))?;
    let before = pieces(&transaction.view(), &key)?;
    let (first, rest) = bytes.split_at(bytes.len().min(PIECE - HEAD));
    transaction.put(&key(0), [&length.to_le_bytes(), first].concat());
    let mut count = 1;
    for piece in rest.chunks(PIECE) {
        transaction.put(&key(count), piece);
        count += 1;
    }
    for surplus in count..before {
        transaction.remove(&key(surplus));
    }
    Ok(())
}

/// The bytes under `key`.
pub(super) fn get(view: &View<'_>, key: impl Fn(u32) -> Key) -> StoreResult<Option<Vec<u8>>> {
    let Some(head) = view.get(&key(0))? else {
        return Ok(None);
    };
    let (length, first) = split(&head)?;
    let mut bytes = first.to_vec();
    for piece in 1..count(length) {
        let piece = view.get(&key(piece))?;
        bytes.extend_from_slice(&piece.ok_or_else(|| fault::damaged("a piece of a value is missing"))?);
    }
    if bytes.len() != length {
        return Err(fault::damaged("a value has not its length"));
    }
    Ok(Some(bytes))
}

/// Stores a record in pieces.
pub(super) fn put_record<T: Serialize>(
    transaction: &mut Transaction<'_>,
    key: impl Fn(u32) -> Key,
    record: &T,
) -> StoreResult<()> {
    let bytes = serde_json::to_vec(record).map_err(|_| fault::unavailable("a record can't be encoded"))?;
    put(transaction, key, &bytes)
}

/// A record in pieces.
pub(super) fn record<T: DeserializeOwned>(
    view: &View<'_>,
    key: impl Fn(u32) -> Key,
) -> StoreResult<Option<T>> {
    get(view, key)?.map(|bytes| decode(&bytes)).transpose()
}

/// Removes the bytes under `key`, which need not exist.
pub(super) fn remove(transaction: &mut Transaction<'_>, key: impl Fn(u32) -> Key) -> StoreResult<()> {
    for piece in 0..pieces(&transaction.view(), &key)? {
        transaction.remove(&key(piece));
    }
    Ok(())
}

/// How many pieces there are.
fn pieces(view: &View<'_>, key: impl Fn(u32) -> Key) -> StoreResult<u32> {
    match view.get(&key(0))? {
        Some(head) => Ok(count(split(&head)?.0)),
        None => Ok(0),
    }
}

fn split(head: &[u8]) -> StoreResult<(usize, &[u8])> {
    let (length, first) = head
        .split_first_chunk::<HEAD>()
        .ok_or_else(|| fault::damaged("a value has no length"))?;
    Ok((u32::from_le_bytes(*length) as usize, first))
}

fn count(length: usize) -> u32 {
    // Fits: `length` came from 32 bits.
    (length + HEAD).div_ceil(PIECE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sled::meta::Meta;

    #[test]
    fn values_of_every_length_come_back_and_leave_nothing_behind() {
        let tree = sled::Config::new().temporary(true).open().unwrap();
        let mut transaction = Transaction::new(&tree, Meta::new());
        let key = |piece| Key::Payload(1, piece);
        let lengths = [
            3 * PIECE,
            0,
            1,
            PIECE - HEAD,
            PIECE - HEAD + 1,
            2 * PIECE - HEAD,
            7,
        ];
        for length in lengths {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            put(&mut transaction, key, &bytes).unwrap();
            assert_eq!(get(&transaction.view(), key).unwrap(), Some(bytes));
        }
        assert!(transaction.view().get(&key(1)).unwrap().is_none());
        remove(&mut transaction, key).unwrap();
        assert_eq!(get(&transaction.view(), key).unwrap(), None);
        let outcome = transaction.finish().unwrap();
        assert!(outcome.writes.values().all(Option::is_none));
    }
}

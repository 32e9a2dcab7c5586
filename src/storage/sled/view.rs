//! Reading: the tree with an overlay of differences on top.
//!
//! The same merge serves both sides. A [`Transaction`](super::transaction::Transaction) lays its own writes over the
//! tree; a reader lays over it the latest commit, which is durable and which the tree may still lack.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, btree_map},
    iter::Fuse,
};

use serde::de::DeserializeOwned;
use sled::{IVec, Tree};

use super::{
    fault,
    keys::{Key, Prefix},
};
use crate::storage::{StoreError, StoreResult};

/// Differences from the tree: a value, or its absence.
pub(super) type Overlay = BTreeMap<IVec, Option<IVec>>;

/// What the tree held under each key that was asked for: the writer, for whom the tree stands still, asks twice for
/// most keys (to read a record, and to replace it), and an answer may take a read from disk.
pub(super) type Memory = RefCell<HashMap<IVec, Option<IVec>>>;

/// One state of the store.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    tree: &'a Tree,
    overlay: &'a Overlay,
    memory: Option<&'a Memory>,
}

impl<'a> View<'a> {
    /// `tree`, as changed by `overlay`.
    pub(super) fn new(tree: &'a Tree, overlay: &'a Overlay) -> Self {
        Self {
            tree,
            overlay,
            memory: None,
        }
    }

    /// Takes down in `memory` what the tree holds, and asks it first.
    pub(super) fn remembering(self, memory: &'a Memory) -> Self {
        Self {
            memory: Some(memory),
            ..self
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &Key) -> StoreResult<Option<IVec>> {
        let key = key.encode();
        match (self.overlay.get(&key), self.memory) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(memory)) => recall(self.tree, memory, key).map_err(fault::sled),
            (None, None) => self.tree.get(&key).map_err(fault::sled),
        }
    }

    /// The record under a key.
    pub(super) fn record<T: DeserializeOwned>(&self, key: &Key) -> StoreResult<Option<T>> {
        self.get(key)?.map(|value| decode(&value)).transpose()
    }

    /// Everything with this prefix, in the order of the keys.
    pub(super) fn scan(&self, prefix: &Prefix) -> Scan<'a> {
        self.range(IVec::from(prefix.as_bytes()), prefix.end())
    }

    /// Everything with this prefix after `key`.
    pub(super) fn scan_after(&self, prefix: &Prefix, key: &Key) -> Scan<'a> {
        let mut start = key.encode().to_vec();
        start.push(0);
        self.range(IVec::from(start), prefix.end())
    }

    fn range(&self, start: IVec, end: Vec<u8>) -> Scan<'a> {
        let end = IVec::from(end);
        // A range that ends before it starts is empty to sled but a panic to the map.
        let end = if end < start { start.clone() } else { end };
        Scan {
            tree: self.tree.range(start.clone()..end.clone()).fuse(),
            next: None,
            overlay: self.overlay.range(start..end).peekable(),
            over: false,
        }
    }
}

/// What `tree` holds under `key`.
pub(super) fn recall(tree: &Tree, memory: &Memory, key: IVec) -> sled::Result<Option<IVec>> {
    if let Some(value) = memory.borrow().get(&key) {
        return Ok(value.clone());
    }
    let value = tree.get(&key)?;
    memory.borrow_mut().insert(key, value.clone());
    Ok(value)
}

/// The keys and values of a range. Ends after the first error: an iterator of sled that has met damage may go on
/// yielding errors for ever.
pub(super) struct Scan<'a> {
    /// Its end is its end: asked again, sled would begin anew with what the writer has inserted since, which is in the
    /// overlay and was given already.
    tree: Fuse<sled::Iter>,
    next: Option<(IVec, IVec)>,
    overlay: std::iter::Peekable<btree_map::Range<'a, IVec, Option<IVec>>>,
    over: bool,
}

impl Scan<'_> {
    /// Puts the tree's next pair into `next`, if there is one.
    fn advance(&mut self) -> StoreResult<()> {
        if self.next.is_none() {
            self.next = self.tree.next().transpose().map_err(fault::sled)?;
        }
        Ok(())
    }
}

impl Iterator for Scan<'_> {
    type Item = StoreResult<(Key, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            if let Err(error) = self.advance() {
                self.over = true;
                return Some(Err(error));
            }
            let (key, value) = match (&self.next, self.overlay.peek()) {
                (Some((key, _)), Some((changed, _))) if key < *changed => self.next.take()?,
                (_, Some((changed, value))) => {
                    if self.next.as_ref().is_some_and(|(key, _)| key == *changed) {
                        self.next = None;
                    }
                    let change = ((*changed).clone(), (*value).clone());
                    self.overlay.next();
                    match change {
                        (key, Some(value)) => (key, value),
                        (_, None) => continue,
                    }
                }
                (Some(_), None) => self.next.take()?,
                (None, None) => break,
            };
            let pair = Key::decode(&key)
                .map(|key| (key, value))
                .ok_or_else(unexpected_key);
            self.over = pair.is_err();
            return Some(pair);
        }
        self.over = true;
        None
    }
}

/// A value as a record.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> StoreResult<T> {
    serde_json::from_slice(value).map_err(|_| fault::damaged("a stored record can't be decoded"))
}

/// For a scan that meets a key of another kind than it asked for.
pub(super) fn unexpected_key() -> StoreError {
    fault::damaged("the store holds a key that this program does not know")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::EnrollmentId;

    /// Readers go over the tree while the writer has it follow a commit.
    #[test]
    fn a_scan_gives_each_key_once_however_far_the_tree_has_followed() {
        let key = |number| Key::Queued(EnrollmentId::new("A"), 0, number);
        for before in [&[][..], &[0], &[0, 2, 9], &[9]] {
            for given in 0..6 {
                let tree = sled::Config::new().temporary(true).open().unwrap();
                for number in before {
                    tree.insert(key(*number).encode(), b"old").unwrap();
                }
                let change = |number| (key(number).encode(), (number != 2).then(|| IVec::from(b"new")));
                let overlay: Overlay = (1..6).map(change).collect();
                let mut scan = View::new(&tree, &overlay).scan(&Prefix::queue(&EnrollmentId::new("A")));
                let mut seen: Vec<_> = scan.by_ref().take(given).collect();
                for (key, value) in overlay.clone() {
                    match value {
                        Some(value) => tree.insert(key, value).unwrap(),
                        None => tree.remove(key).unwrap(),
                    };
                }
                seen.extend(scan);
                let numbers = seen.into_iter().map(|pair| match pair.unwrap().0 {
                    Key::Queued(_, _, number) => number,
                    other => panic!("{other:?}"),
                });
                let old = before.iter().copied().filter(|number| [0, 9].contains(number));
                let mut expected: Vec<_> = old.chain([1, 3, 4, 5]).collect();
                expected.sort_unstable();
                assert_eq!(
                    numbers.collect::<Vec<_>>(),
                    expected,
                    "{before:?}, {given} before"
                );
            }
        }
    }
}

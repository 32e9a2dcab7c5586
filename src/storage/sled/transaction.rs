//! Writing: the changes of a group of jobs, on their way to one commit.

use serde::Serialize;
use sled::{IVec, Tree};

use super::{
    fault,
    keys::Key,
    meta::Meta,
    view::{Memory, Overlay, View},
};
use crate::storage::StoreResult;

/// The writes of a group of jobs, which nobody else can see yet. Each job sees those of the jobs before it.
pub(super) struct Transaction<'a> {
    tree: &'a Tree,
    writes: Overlay,
    memory: Memory,
    /// What the running job has overwritten in `writes`.
    undo: Vec<(IVec, Option<Option<IVec>>)>,
    /// About how much has been written.
    bytes: usize,
    /// The store's own state after these writes.
    pub(super) meta: Meta,
    dirty: bool,
}

/// What a group of jobs leaves behind.
pub(super) struct Outcome {
    /// Their changes.
    pub(super) writes: Overlay,
    /// What they have read.
    pub(super) memory: Memory,
    /// The store's own state that goes with the changes.
    pub(super) meta: Meta,
}

impl<'a> Transaction<'a> {
    /// No changes yet to `tree`, whose own state is `meta`.
    pub(super) fn new(tree: &'a Tree, meta: Meta) -> Self {
        Self {
            tree,
            writes: Overlay::new(),
            memory: Memory::default(),
            undo: Vec::new(),
            bytes: 0,
            meta,
            dirty: false,
        }
    }

    /// What a job sees.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self.tree, &self.writes).remembering(&self.memory)
    }

    /// Sets a value.
    pub(super) fn put(&mut self, key: &Key, value: impl Into<IVec>) {
        self.write(key, Some(value.into()));
    }

    /// Sets a record.
    pub(super) fn put_record<T: Serialize>(&mut self, key: &Key, record: &T) -> StoreResult<()> {
        let value =
            serde_json::to_vec(record).map_err(|_| fault::unavailable("a record can't be encoded"))?;
        self.put(key, value);
        Ok(())
    }

    /// Removes a key, which need not exist.
    pub(super) fn remove(&mut self, key: &Key) {
        self.write(key, None);
    }

    /// Asks for a commit even if no key changes.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// How many bytes have been written, those of failed and of overwritten writes included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Runs one job. If it fails, none of its changes remain.
    pub(super) fn attempt<T>(&mut self, job: impl FnOnce(&mut Self) -> StoreResult<T>) -> StoreResult<T> {
        let (meta, dirty) = (self.meta, self.dirty);
        self.undo.clear();
        // A job is run whole or not at all, so nothing that it leaves half-done is ever looked at.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(self)))
            .unwrap_or_else(|_| Err(fault::unavailable("a job of the store panicked")));
        if result.is_err() {
            while let Some((key, before)) = self.undo.pop() {
                match before {
                    Some(value) => self.writes.insert(key, value),
                    None => self.writes.remove(&key),
                };
            }
            (self.meta, self.dirty) = (meta, dirty);
        }
        result
    }

    /// What is to be committed, if there is anything.
    pub(super) fn finish(self) -> Option<Outcome> {
        let dirty = self.dirty || !self.writes.is_empty();
        dirty.then_some(Outcome {
            writes: self.writes,
            memory: self.memory,
            meta: self.meta,
        })
    }

    fn write(&mut self, key: &Key, value: Option<IVec>) {
        let key = key.encode();
        self.bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
        let before = self.writes.insert(key.clone(), value);
        self.undo.push((key, before));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        protocol::{ids::EnrollmentId, time::Timestamp},
        storage::sled::keys::Prefix,
    };

    fn tree() -> sled::Db {
        sled::Config::new()
            .temporary(true)
            .flush_every_ms(None)
            .cache_capacity(1 << 20)
            .open()
            .unwrap()
    }

    fn queued(sequence: u8) -> Key {
        Key::Queued(EnrollmentId::new("A"), 0, u64::from(sequence))
    }

    fn scan(view: View<'_>, after: Option<u8>) -> Vec<(u8, Vec<u8>)> {
        let prefix = Prefix::queue(&EnrollmentId::new("A"));
        let scan = match after {
            Some(after) => view.scan_after(&prefix, &queued(after)),
            None => view.scan(&prefix),
        };
        scan.map(|pair| match pair.unwrap() {
            (Key::Queued(_, _, sequence), value) => (sequence as u8, value.to_vec()),
            (other, _) => panic!("{other:?}"),
        })
        .collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u8),
        Remove(u8),
        Fail,
        Done,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..12_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
            2 => (0..12_u8).prop_map(Step::Remove),
            1 => Just(Step::Fail),
            1 => Just(Step::Done),
        ];
        proptest::collection::vec(step, 0..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_scan_over_tree_and_writes_is_what_a_map_would_give(
            stored in proptest::collection::btree_map(0..12_u8, any::<u8>(), 0..8),
            steps in steps(),
            after in proptest::option::of(0..12_u8),
        ) {
            let tree = tree();
            tree.insert(Key::Queued(EnrollmentId::new("AB"), 0, 3).encode(), b"other").unwrap();
            tree.insert(Key::LastSeen(EnrollmentId::new("A")).encode(), b"other").unwrap();
            for (key, value) in &stored {
                tree.insert(queued(*key).encode(), vec![*value]).unwrap();
            }
            let mut model: BTreeMap<u8, u8> = stored;
            let mut transaction = Transaction::new(&tree, Meta::new());
            for job in steps.split_inclusive(|step| matches!(step, Step::Fail | Step::Done)) {
                let mut changed = model.clone();
                let done = transaction.attempt(|transaction| {
                    for step in job {
                        match step {
                            Step::Put(key, value) => {
                                transaction.put(&queued(*key), vec![*value]);
                                changed.insert(*key, *value);
                            }
                            Step::Remove(key) => {
                                transaction.remove(&queued(*key));
                                changed.remove(key);
                            }
                            Step::Fail => return Err(fault::unavailable("asked to")),
                            Step::Done => {}
                        }
                        let seen = scan(transaction.view(), None);
                        assert_eq!(seen, changed.iter().map(|(k, v)| (*k, vec![*v])).collect::<Vec<_>>());
                    }
                    Ok(())
                });
                if done.is_ok() {
                    model = changed;
                }
            }
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| after.is_none_or(|after| **key > after))
                .map(|(key, value)| (*key, vec![*value]))
                .collect();
            prop_assert_eq!(scan(transaction.view(), after), expected);
            for key in 0..12 {
                let value = transaction.view().get(&queued(key)).unwrap().map(|value| value[0]);
                prop_assert_eq!(value, model.get(&key).copied());
            }
        }
    }

    #[test]
    fn a_job_that_panics_leaves_nothing() {
        let tree = tree();
        let mut transaction = Transaction::new(&tree, Meta::new());
        let result: StoreResult<()> = transaction.attempt(|transaction| {
            transaction.put(&Key::LastSeen(EnrollmentId::new("A")), b"1");
            transaction.meta.enrolled = 7;
            let _ = Timestamp::from_millis(0);
            panic!("on purpose")
        });
        assert!(result.is_err());
        assert_eq!(transaction.meta, Meta::new());
        assert!(transaction.finish().is_none());
    }
}

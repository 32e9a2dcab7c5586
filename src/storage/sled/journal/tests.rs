//! Whatever becomes of the files: whole commits in their order, or a refusal.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use sled::IVec;
use tempfile::TempDir;

use super::*;
use crate::storage::sled::recovery::OpenError;

/// Small, so that a few commits fill it.
const LENGTH: u64 = 1024;

/// A journal, and all that was ever written to it.
struct Written {
    folder: TempDir,
    journal: Journal,
    commits: Vec<Vec<Change>>,
}

fn sync(_: &File) -> io::Result<()> {
    Ok(())
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = read(folder.path(), LENGTH).unwrap().unwrap().go_on(0).unwrap();
        Self {
            folder,
            journal,
            commits: Vec::new(),
        }
    }

    fn append(&mut self, changes: Vec<Change>) {
        if !self.journal.has_room(&changes) {
            self.journal.turn(self.journal.previous(), &sync).unwrap();
        }
        self.journal.append(&changes, &sync).unwrap();
        self.commits.push(changes);
    }

    fn restart(&mut self) {
        let found = self.found().unwrap();
        self.journal = found.go_on(self.commits.len() as u64).unwrap();
    }

    fn found(&self) -> Result<Found, Damaged> {
        read(self.folder.path(), LENGTH).unwrap()
    }

    /// The file that is written now.
    fn current(&self) -> PathBuf {
        self.folder.path().join(FILES[self.journal.current])
    }

    /// What is found must be commits as they were written, up to the last that is found.
    fn check(&self, found: &mut Found) {
        let last = found.last() as usize;
        let first = found.first() as usize;
        assert!(last <= self.commits.len() && 1 <= first);
        let expected = self.commits[first.min(last + 1) - 1..last].concat();
        let mut changes: Vec<Change> = Vec::new();
        found
            .replay(0, |key, value| -> Result<(), OpenError> {
                changes.push((IVec::from(key), value.map(IVec::from)));
                Ok(())
            })
            .unwrap();
        assert_eq!(changes, expected);
        assert!(found.checkpoint() < found.first() + self.commits.len() as u64);
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most).prop_map(IVec::from);
    proptest::collection::vec((bytes(20), proptest::option::of(bytes(200))), 0..4)
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => changes().prop_map(Step::Commit),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

fn written(steps: Vec<Step>) -> Written {
    let mut written = Written::new();
    for step in steps {
        match step {
            Step::Commit(changes) => written.append(changes),
            Step::Restart => written.restart(),
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn everything_since_the_last_turn_but_one_is_read_back(steps in steps()) {
        let written = written(steps);
        let mut found = written.found().unwrap();
        prop_assert_eq!(found.last(), written.commits.len() as u64);
        // Whatever the tree may still lack.
        prop_assert!(found.first() <= found.checkpoint() + 1);
        written.check(&mut found);
    }

    #[test]
    fn a_journal_cut_anywhere_gives_whole_commits(steps in steps(), at in any::<prop::sample::Index>()) {
        let written = written(steps);
        let file = written.current();
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..at.index(bytes.len())]).unwrap();
        written.check(&mut written.found().unwrap());
    }

    #[test]
    fn a_torn_record_leaves_all_commits_before_it_whatever_lay_there(
        steps in steps(),
        torn in changes(),
        at in any::<prop::sample::Index>(),
        backwards in any::<bool>(),
    ) {
        let mut written = written(steps);
        let count = written.commits.len() as u64;
        if !written.journal.has_room(&torn) {
            written.journal.turn(written.journal.previous(), &sync).unwrap();
        }
        let file = written.current();
        let mut before = fs::read(&file).unwrap();
        written.append(torn);
        let mut after = fs::read(&file).unwrap();
        before.resize(after.len().max(before.len()), 0);
        after.resize(before.len(), 0);
        let at = at.index(after.len());
        let (first, second) = if backwards { (&before, &after) } else { (&after, &before) };
        fs::write(&file, [&first[..at], &second[at..]].concat()).unwrap();
        let mut found = written.found().unwrap();
        prop_assert!(found.last() == count || found.last() == count + 1);
        written.check(&mut found);
        // And the next one takes its place, whatever follows.
        let last = found.last();
        written.commits.truncate(last as usize);
        written.journal = found.go_on(last).unwrap();
        written.append(vec![(IVec::from(b"next"), None)]);
        let mut found = written.found().unwrap();
        prop_assert_eq!(found.last(), last + 1);
        written.check(&mut found);
    }

    #[test]
    fn a_wrong_byte_before_the_last_commit_is_noticed(
        steps in steps(),
        commits in proptest::collection::vec(changes(), 2..5),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut written = written(steps);
        written.restart();
        for changes in commits {
            let whole = written.journal.has_room(&changes);
            if whole {
                written.append(changes);
            }
        }
        let first = written.found().unwrap();
        prop_assume!(first.last() > first.first());
        let file = written.current();
        let mut bytes = fs::read(&file).unwrap();
        // The turn, or its first commit but for what fills it up.
        let commit = record::Head::decode(&bytes[64..], record::Kind::Commit).unwrap();
        let at = at.index(40 + commit.used());
        let at = if at < 40 { at } else { at + 24 };
        bytes[at] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        prop_assert!(written.found().is_err());
    }
}

#[test]
fn what_a_commit_holds_never_passes_for_a_commit() {
    let mut written = Written::new();
    written.append(vec![(IVec::from(b"a"), None)]);
    // A commit of another turn, as somebody might send it who has seen this file: behind its own head.
    let mut forged = Vec::new();
    record::commit(&mut forged, 1 << 32, 9, &[]).unwrap();
    let filler = vec![0; 64 - 32 - 8 - 1];
    written.append(vec![(
        IVec::from(b"b"),
        Some(IVec::from([filler, forged].concat())),
    )]);
    let file = written.current();
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(&bytes[192..196], &bytes[64..68]);
    bytes[64 + 64 + 4] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(written.found().unwrap().last(), 1);
}

#[test]
fn files_that_are_missing_short_or_empty_are_made() {
    let folder = tempfile::tempdir().unwrap();
    for content in [None, Some(vec![]), Some(vec![0; 100])] {
        for name in FILES {
            match &content {
                Some(content) => fs::write(folder.path().join(name), content).unwrap(),
                None => drop(fs::remove_file(folder.path().join(name))),
            }
        }
        let found = read(folder.path(), LENGTH).unwrap().unwrap();
        assert_eq!((found.first(), found.last(), found.checkpoint()), (1, 0, 0));
        found.go_on(7).unwrap();
        for name in FILES {
            assert_eq!(fs::metadata(folder.path().join(name)).unwrap().len(), LENGTH);
        }
        let found = read(folder.path(), LENGTH).unwrap().unwrap();
        assert_eq!((found.first(), found.last(), found.checkpoint()), (8, 7, 7));
    }
}

#[test]
fn a_file_that_has_grown_gets_its_length_back() {
    let mut written = Written::new();
    written.append(vec![(IVec::from(b"long"), Some(IVec::from(vec![7; 5000])))]);
    let grown = written.current();
    assert!(fs::metadata(&grown).unwrap().len() > LENGTH);
    written.check(&mut written.found().unwrap());
    for _ in 0..2 {
        written.append(vec![(IVec::from(b"short"), Some(IVec::from(vec![7; 900])))]);
    }
    assert_eq!(fs::metadata(&grown).unwrap().len(), LENGTH);
    assert_eq!(written.found().unwrap().last(), 3);
}

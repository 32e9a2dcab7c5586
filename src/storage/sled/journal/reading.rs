//! Reading what the journal holds, at opening.
//!
//! The commits that count are the unbroken sequence that ends with the last valid record of the newest turn. A record
//! that is torn at that end was never acknowledged. Anything else that can't be read and that the tree lacks is damage.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    FILES, Journal,
    record::{self, Kind, Record},
};

/// What the journal holds.
pub(in crate::storage::sled) struct Found {
    folder: PathBuf,
    length: u64,
    /// Older first; those without a turn are left out.
    turns: Vec<Turn>,
}

/// One file's content.
struct Turn {
    file: usize,
    bytes: Vec<u8>,
    turn: u64,
    /// The number of its first commit, even if it has none.
    first: u64,
    /// The tree's own file had everything up to here when the turn began.
    checkpoint: u64,
    /// The commits from `first` on, without a gap.
    commits: Vec<Record>,
    /// Where the commit after them would be.
    tail: usize,
}

impl Turn {
    /// The number that comes after its last commit's.
    fn end(&self) -> u64 {
        self.first + self.commits.len() as u64
    }

    /// Whether commits of this turn lie behind the one that ends the sequence.
    fn is_broken(&self) -> bool {
        record::holds(&self.bytes, self.tail, |turn, number| {
            turn == self.turn && number > self.end()
        })
    }
}

/// Valid records lie behind one that is not.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage::sled) struct Damaged;

/// Reads the files in `folder`, of which none need exist. New ones will have `length` bytes.
pub(in crate::storage::sled) fn read(folder: &Path, length: u64) -> io::Result<Result<Found, Damaged>> {
    let mut turns = Vec::new();
    let mut others = Vec::new();
    for (file, name) in FILES.iter().enumerate() {
        let bytes = match fs::read(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        match turn(file, bytes) {
            Ok(turn) => turns.push(turn),
            Err(bytes) => others.push(bytes),
        }
    }
    turns.sort_by_key(|turn: &Turn| turn.turn);
    let newest = turns.last().map_or(0, |newest| newest.turn);
    // A turn is on the disk before its first commit is written.
    let beheaded = |bytes: &Vec<u8>| record::holds(bytes, 0, |turn, _| turn > newest);
    if others.iter().any(beheaded) || turns.last().is_some_and(Turn::is_broken) {
        return Ok(Err(Damaged));
    }
    if let [older, newest] = &mut *turns {
        // One too many was in doubt when the newer turn began, and was settled without it.
        let count = newest.first.saturating_sub(older.first);
        older
            .commits
            .truncate(usize::try_from(count).unwrap_or(usize::MAX));
    }
    Ok(Ok(Found {
        folder: folder.to_owned(),
        length,
        turns,
    }))
}

/// Takes a file apart; gives it back if it does not begin with a turn.
fn turn(file: usize, bytes: Vec<u8>) -> Result<Turn, Vec<u8>> {
    let Some((head, checkpoint)) = record::read(&bytes, 0, Kind::Turn)
        .and_then(|head| record::checkpoint(&bytes, &head).map(|checkpoint| (head, checkpoint)))
    else {
        return Err(bytes);
    };
    let mut commits: Vec<Record> = Vec::new();
    let mut at = head.end;
    let mut expected = head.number;
    while let Some(record) = record::read(&bytes, at, Kind::Commit)
        && (record.turn, record.number) == (head.turn, expected)
    {
        at = record.end;
        expected += 1;
        commits.push(record);
    }
    Ok(Turn {
        file,
        bytes,
        turn: head.turn,
        first: head.number,
        checkpoint,
        commits,
        tail: at,
    })
}

impl Found {
    /// The latest commit for which the tree's own file is known to have everything; 0 if nothing is known.
    pub(in crate::storage::sled) fn checkpoint(&self) -> u64 {
        self.turns.last().map_or(0, |newest| newest.checkpoint)
    }

    /// The latest commit, also if its record is gone because it was checkpointed; 0 if nothing is known.
    pub(in crate::storage::sled) fn last(&self) -> u64 {
        self.turns.last().map_or(0, |newest| newest.end() - 1)
    }

    /// The first of the commits that are there up to [`last`](Self::last) without a gap. Above `last` if there is none.
    pub(in crate::storage::sled) fn first(&self) -> u64 {
        match &*self.turns {
            [] => 1,
            [older, newest] if older.end() == newest.first => older.first,
            [.., newest] => newest.first,
        }
    }

    /// The changes of the commits from `number` on, in their order; `None` for one that can't be decoded.
    pub(in crate::storage::sled) fn changes_since(
        &self,
        number: u64,
    ) -> impl Iterator<Item = Option<(&[u8], Option<&[u8]>)>> {
        let number = number.max(self.first());
        self.turns.iter().flat_map(move |turn| {
            turn.commits
                .iter()
                .filter(move |commit| commit.number >= number)
                .flat_map(|commit| record::changes(&turn.bytes[commit.payload.clone()]))
        })
    }

    /// Begins a new turn, whose first commit is the one after `checkpoint`; the tree's own file must have everything
    /// up to that. What is found here counts no more afterwards.
    pub(in crate::storage::sled) fn go_on(self, checkpoint: u64) -> io::Result<Journal> {
        let (current, turn) = self
            .turns
            .last()
            .map_or((1, 0), |newest| (newest.file, newest.turn));
        let Self { folder, length, .. } = self;
        Journal::open(&folder, length, current, turn, checkpoint)
    }
}

//! Reading what the journal holds, at opening.
//!
//! The commits that count are the unbroken sequence that ends with the last valid record of the newest turn. A record
//! that is torn at that end was never acknowledged. Anything else that can't be read and that the tree lacks is damage.
//!
//! No more than a record is held in memory.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    FILES, Journal,
    record::{self, ALIGNMENT, HEAD, Head, Kind},
};

/// Valid records lie behind one that is not.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage::sled) struct Damaged;

/// What the journal holds.
pub(in crate::storage::sled) struct Found {
    folder: PathBuf,
    length: u64,
    /// Older first; files without a turn are left out.
    turns: Vec<Turn>,
}

/// One file's content.
struct Turn {
    file: usize,
    reader: Reader,
    turn: u64,
    /// The number of its first commit, even if it has none.
    first: u64,
    /// The tree's own file had everything up to here when the turn began.
    checkpoint: u64,
    /// How many commits there are from `first` on, without a gap.
    count: u64,
    /// Where the first commit is, or would be.
    start: u64,
    /// Where the commit after the last would be.
    tail: u64,
}

/// A file, and the record that was read last.
struct Reader {
    file: File,
    length: u64,
    record: Vec<u8>,
}

/// Reads the files in `folder`, of which none need exist. New ones will have `length` bytes.
pub(in crate::storage::sled) fn read(folder: &Path, length: u64) -> io::Result<Result<Found, Damaged>> {
    let mut turns = Vec::new();
    let mut others = Vec::new();
    for (file, name) in FILES.iter().enumerate() {
        let reader = match File::open(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => Reader::new(opened?)?,
        };
        match Turn::read(file, reader)? {
            Ok(turn) => turns.push(turn),
            Err(reader) => others.push(reader),
        }
    }
    turns.sort_by_key(|turn| turn.turn);
    let newest = turns.last().map_or(0, |newest| newest.turn);
    for mut reader in others {
        // A turn is on the disk before its first commit is written.
        if reader.holds(0, |head| head.turn > newest)? {
            return Ok(Err(Damaged));
        }
    }
    if let Some(newest) = turns.last_mut()
        && newest.is_broken()?
    {
        return Ok(Err(Damaged));
    }
    if let [older, newest] = &mut *turns {
        // One too many was in doubt when the newer turn began, and was settled without it.
        older.count = older.count.min(newest.first.saturating_sub(older.first));
    }
    Ok(Ok(Found {
        folder: folder.to_owned(),
        length,
        turns,
    }))
}

impl Turn {
    /// Goes through a file; gives it back if it does not begin with a turn.
    fn read(file: usize, mut reader: Reader) -> io::Result<Result<Self, Reader>> {
        let Some((head, start)) = reader.read(0, Kind::Turn)? else {
            return Ok(Err(reader));
        };
        let Some(checkpoint) = record::checkpoint(reader.payload()) else {
            return Ok(Err(reader));
        };
        let mut turn = Self {
            file,
            reader,
            turn: head.turn,
            first: head.number,
            checkpoint,
            count: 0,
            start,
            tail: start,
        };
        while let Some((head, next)) = turn.reader.read(turn.tail, Kind::Commit)?
            && (head.turn, head.number) == (turn.turn, turn.end())
        {
            turn.count += 1;
            turn.tail = next;
        }
        Ok(Ok(turn))
    }

    /// The number that comes after its last commit's.
    fn end(&self) -> u64 {
        self.first + self.count
    }

    /// Whether commits of this turn lie behind the one that ends the sequence.
    fn is_broken(&mut self) -> io::Result<bool> {
        let (turn, end) = (self.turn, self.end());
        self.reader
            .holds(self.tail, |head| head.turn == turn && head.number > end)
    }
}

impl Reader {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file,
            record: Vec::new(),
        })
    }

    /// Reads the record of this kind at `at`, if there is one, and says where the next may be.
    fn read(&mut self, at: u64, kind: Kind) -> io::Result<Option<(Head, u64)>> {
        if at + HEAD as u64 > self.length {
            return Ok(None);
        }
        self.record.resize(HEAD, 0);
        self.file.read_exact_at(&mut self.record, at)?;
        let Some(head) = Head::decode(&self.record, kind) else {
            return Ok(None);
        };
        let Some(next) = head.next(at, self.length) else {
            return Ok(None);
        };
        self.record.resize(head.used(), 0);
        self.file.read_exact_at(&mut self.record, at)?;
        Ok(head.fits(&self.record).then_some((head, next)))
    }

    /// The payload of the record that was read last.
    fn payload(&self) -> &[u8] {
        record::payload(&self.record)
    }

    /// Whether there is, from `at` on, a commit whose head `wanted` says yes to.
    fn holds(&mut self, mut at: u64, wanted: impl Fn(&Head) -> bool) -> io::Result<bool> {
        let mut bytes = vec![0; 64 * 1024];
        while at < self.length {
            let count = (self.length - at).min(bytes.len() as u64) as usize;
            let bytes = &mut bytes[..count];
            self.file.read_exact_at(bytes, at)?;
            for (place, bytes) in bytes.chunks(ALIGNMENT).enumerate() {
                if Head::decode(bytes, Kind::Commit).is_some_and(|head| wanted(&head))
                    && self
                        .read(at + (place * ALIGNMENT) as u64, Kind::Commit)?
                        .is_some()
                {
                    return Ok(true);
                }
            }
            at += count as u64;
        }
        Ok(false)
    }
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

    /// Hands out the changes (a key, and its new value or none) of the commits after `commit`, in their order.
    pub(in crate::storage::sled) fn replay<E: From<io::Error> + From<Damaged>>(
        &mut self,
        commit: u64,
        mut apply: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.first().max(commit + 1);
        for turn in &mut self.turns {
            let mut at = turn.start;
            for _ in 0..turn.count {
                let (head, next) = turn.reader.read(at, Kind::Commit)?.ok_or(Damaged)?;
                at = next;
                if head.number < first {
                    continue;
                }
                for change in record::changes(turn.reader.payload()) {
                    let (key, value) = change.ok_or(Damaged)?;
                    apply(key, value)?;
                }
            }
        }
        Ok(())
    }

    /// Begins a new turn, whose first commit is the one after `checkpoint`; the tree's own file must have everything
    /// up to that. What is found here counts no more afterwards.
    pub(in crate::storage::sled) fn go_on(self, checkpoint: u64) -> io::Result<Journal> {
        let (current, turn) = self
            .turns
            .last()
            .map_or((1, 0), |newest| (newest.file, newest.turn));
        Journal::open(&self.folder, self.length, current, turn, checkpoint)
    }
}

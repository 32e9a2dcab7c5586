//! The journal before the tree: a commit is written here, in one piece and durably, before the tree shows any of it.
//!
//! sled has a log of its own, but making a commit durable there wakes all threads of its pool, twice for each batch
//! and once more for each flush. With the journal it is one write and one `fdatasync`, and sled writes whole segments
//! when it has one. No crate does this today: those that do are not kept up.
//!
//! Two files of fixed length are used in turn, and overwritten: a file whose blocks all exist is synced without
//! touching the file system's own records. While one is being filled, the [checkpointer](super::checkpointer) brings
//! sled's file up to what the other holds; then that one may be used again. Commits that sled's file lacks after a
//! crash are applied again at opening (`reading.rs`): they say what a key holds, not how it changes, so once too often
//! does no harm.

mod reading;
mod record;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

pub(super) use self::{
    reading::{Damaged, Found, read},
    record::Change,
};

/// The two files' names.
pub(super) const FILES: [&str; 2] = ["journal-0", "journal-1"];

/// So long is each of them. A record that is longer makes its file longer for that turn.
pub(super) const LENGTH: u64 = 8 * 1024 * 1024;

/// A buffer that has held more is let go.
const BUFFER: usize = 1024 * 1024;

/// The open journal.
pub(super) struct Journal {
    files: [File; 2],
    length: u64,
    current: usize,
    turn: u64,
    /// Where the next record goes.
    at: u64,
    /// The number of the next commit.
    next: u64,
    /// The last commit in the file that is not current.
    previous: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the files in `folder`, makes them if need be, and turns from the one that was `current` to the other.
    fn open(folder: &Path, length: u64, current: usize, turn: u64, checkpoint: u64) -> io::Result<Self> {
        let open = |name| {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(folder.join(name))
        };
        let mut journal = Self {
            files: [open(FILES[0])?, open(FILES[1])?],
            length,
            current,
            turn,
            at: 0,
            next: checkpoint + 1,
            previous: 0,
            buffer: Vec::new(),
        };
        for file in &journal.files {
            fill(file, length)?;
        }
        File::open(folder)?.sync_all()?;
        journal.turn(checkpoint, &File::sync_data)?;
        Ok(journal)
    }

    /// Whether a record of these changes fits into what is left of the file. If not, [`turn`](Self::turn).
    pub(super) fn has_room(&self, changes: &[Change]) -> bool {
        self.at + record::length(changes) as u64 <= self.length
    }

    /// The commit up to which the tree's own file must have everything before [`turn`](Self::turn).
    pub(super) fn previous(&self) -> u64 {
        self.previous
    }

    /// Goes on in the other file. The tree's own file has everything up to `checkpoint`.
    pub(super) fn turn(&mut self, checkpoint: u64, sync: &dyn Fn(&File) -> io::Result<()>) -> io::Result<()> {
        self.current = 1 - self.current;
        self.turn = ((self.turn >> 32) + 1) << 32 | u64::from(uuid::Uuid::new_v4().as_fields().0);
        self.previous = self.next - 1;
        let file = &self.files[self.current];
        if file.metadata()?.len() > self.length {
            file.set_len(self.length)?;
        }
        record::turn(&mut self.buffer, self.turn, self.next, checkpoint);
        file.write_all_at(&self.buffer, 0)?;
        self.at = self.buffer.len() as u64;
        // Before any record of it: otherwise one without a turn would not be recognised as damage.
        sync(file)
    }

    /// Writes the next commit; it is durable when this returns. After a failure it may or may not be there, and the
    /// journal must be opened anew.
    pub(super) fn append(
        &mut self,
        changes: &[Change],
        sync: &dyn Fn(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        record::commit(&mut self.buffer, self.turn, self.next, changes)
            .ok_or_else(|| io::Error::other("a value is above 4 GiB"))?;
        let file = &self.files[self.current];
        file.write_all_at(&self.buffer, self.at)?;
        sync(file)?;
        self.at += self.buffer.len() as u64;
        self.next += 1;
        if self.buffer.capacity() > BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// Gives a file that is shorter its blocks.
fn fill(file: &File, length: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = file.metadata()?.len();
    if at >= length {
        return Ok(());
    }
    while at < length {
        let count = (length - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..count as usize], at)?;
        at += count;
    }
    file.sync_all()
}

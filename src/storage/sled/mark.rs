//! A note beside the database of how many commits it has, so that a database that has lost some is recognised.
//!
//! It is written after each commit has become durable and is not itself synced: after a power failure it may lag
//! behind the database, never run ahead of it. A missing or unreadable note checks nothing.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

/// The note's file name. An operator who accepts a loss removes it.
pub(super) const FILE: &str = "committed";

/// The note.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the note in `folder`, and says how many commits it speaks of (0 if there was none).
    pub(super) fn open(folder: &Path) -> io::Result<(Self, u64)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Ok((Self(file), text.trim_end().parse().unwrap_or(0)))
    }

    /// Takes a note of `commits`.
    pub(super) fn write(&self, commits: u64) -> io::Result<()> {
        self.0.write_all_at(format!("{commits:020}\n").as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_number_and_survives_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        let (mark, none) = Mark::open(folder.path()).unwrap();
        mark.write(u64::MAX).unwrap();
        mark.write(7).unwrap();
        assert_eq!((none, Mark::open(folder.path()).unwrap().1), (0, 7));
        std::fs::write(folder.path().join(FILE), [0; 21]).unwrap();
        assert_eq!(Mark::open(folder.path()).unwrap().1, 0);
    }
}

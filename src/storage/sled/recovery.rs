//! Opening the database, and finding out whether all of it is there.
//!
//! sled's own file may lack the latest commits, which the [`Journal`] has: they are applied first, so that
//! everything below is said of both together.
//!
//! What protects the data: each record of the journal has a CRC, a number and no gap before the next; sled checks every piece of its log with a CRC when it reads it, so a wrong byte is an
//! error and not a wrong answer. sled does not notice pieces that have disappeared; the [`Mark`] does (commits missing
//! at the end) and so does [`Meta::sum`] (records missing or stale anywhere). The sum is compared whenever all records
//! are read at opening: in a store of up to [`CHECKED_RECORDS`], and in any store whose snapshot had to go or whose
//! journal is missing.
//!
//! A checked export for backups belongs here too: it would read the same records and the same sum.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use sled::Db;

use super::{
    fault::RESTORE,
    journal::{self, Damaged, Found, Journal},
    keys::Key,
    mark::{self, Mark},
    meta::{Meta, READABLE, SCHEMA, Sum},
};

/// So many records are read at each opening: all of them in a store of some 1,000 enrollments. sled keeps what it has
/// read in memory, whatever its cache is limited to, until some 16,000 further pages have been used.
const CHECKED_RECORDS: usize = 10_000;

/// How often a database that is in use is tried, and the time in between: a second in all.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The sled file that holds the data.
const DATABASE: &str = "db";

/// Why the store can't be opened. Each text ends with the operator's next step.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A second process, or a second store in this one.
    #[error("another russet is running on this data directory ({}); stop it first", .0.display())]
    InUse(PathBuf),
    /// Written by a newer program.
    #[error(
        "the store has layout {found}, and this russet knows only {SCHEMA}; run the newer russet that wrote it"
    )]
    Newer {
        /// The layout found.
        found: u32,
    },
    /// Written by a program from before the first release.
    #[error(
        "the store has layout {found}, which only versions before the first release wrote; this russet has \
         {SCHEMA} and can't convert it: set up a new data directory"
    )]
    Older {
        /// The layout found.
        found: u32,
    },
    /// Something is unreadable or missing.
    #[error("the store is damaged: {what}; {RESTORE}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A record in the middle of the journal is unreadable.
    #[error("the store is damaged: its journal has an unreadable record before readable ones; {RESTORE}")]
    Journal,
    /// Commits that were acknowledged are gone.
    #[error(
        "the store is damaged: it has {found} of the {expected} commits that were acknowledged; {RESTORE}, or \
         accept the loss by removing the file `{}`", .note.display()
    )]
    Lost {
        /// The commits it has.
        found: u64,
        /// The commits it should have.
        expected: u64,
        /// The file that says so.
        note: PathBuf,
    },
    /// The file system refused.
    #[error("the store can't be opened: {0}; check the data directory's permissions and free space")]
    Io(#[from] io::Error),
}

/// Where a store lies, and how it is opened.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) folder: PathBuf,
    /// Memory for sled's pages.
    pub(super) cache_bytes: u64,
    /// The length of each of the journal's files.
    pub(super) journal_bytes: u64,
}

/// An open database, all of it durable, and a journal that is empty.
pub(super) struct Opened {
    pub(super) db: Db,
    /// A second handle of the database file, to sync it with.
    pub(super) file: File,
    pub(super) journal: Journal,
    pub(super) mark: Mark,
    pub(super) meta: Meta,
}

/// Opens the database at `site`, or makes one. If it turns out damaged, its snapshots (which only save time) are
/// set aside, and it is tried once more from the log alone.
pub(super) fn open(site: &Site) -> Result<Opened, OpenError> {
    fs::create_dir_all(&site.folder)?;
    match attempt(site, CHECKED_RECORDS) {
        Err(OpenError::Damaged { what }) => match set_snapshots_aside(&site.folder)? {
            Some(aside) => {
                tracing::warn!(what, aside = %aside.display(), "the store's snapshot is unusable; reading the whole log");
                attempt(site, usize::MAX)
            }
            None => Err(OpenError::Damaged { what }),
        },
        result => result,
    }
}

fn attempt(site: &Site, checked_records: usize) -> Result<Opened, OpenError> {
    let folder = &site.folder;
    // sled answers some kinds of damage with a panic.
    catch_unwind(AssertUnwindSafe(|| {
        let db = database(folder, site.cache_bytes)?;
        let file = File::open(folder.join(DATABASE))?;
        let (mark, expected) = Mark::open(folder)?;
        let mut journal = journal::read(folder, site.journal_bytes)??;
        let is_ahead = catch_up(&db, &mut journal)?;
        let meta = own_state(&db)?;
        if meta.commits < expected {
            return Err(OpenError::Lost {
                found: meta.commits,
                expected,
                note: folder.join(mark::FILE),
            });
        }
        check(&db, &meta, if is_ahead { usize::MAX } else { checked_records })?;
        let meta = if meta.commits == 0 { create(&db)? } else { meta };
        // What an earlier process wrote without syncing it is part of this state now, and so is what was in the
        // journal.
        db.flush().map_err(unreadable)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        // Only now, when the journal is not needed any more.
        let journal = journal.go_on(meta.commits)?;
        mark.write(meta.commits)?;
        Ok(Opened {
            db,
            file,
            journal,
            mark,
            meta,
        })
    }))
    .unwrap_or_else(|_| Err(damaged("the database gave up on it")))
}

/// The store's own state, as the tree has it.
fn own_state(db: &Db) -> Result<Meta, OpenError> {
    let Some(bytes) = db.get(Key::Meta.encode()).map_err(unreadable)? else {
        return Ok(Meta::default());
    };
    let meta = Meta::decode(&bytes).ok_or_else(|| damaged("its own state can't be decoded"))?;
    match meta.schema {
        found if found > SCHEMA => Err(OpenError::Newer { found }),
        found if found < READABLE => Err(OpenError::Older { found }),
        // What is written from here on is in the present one.
        _ => Ok(Meta {
            schema: SCHEMA,
            ..meta
        }),
    }
}

/// Applies the commits that the journal holds. Says whether the tree is ahead of it: then nothing tells that the
/// commit after the tree's last has not been begun.
fn catch_up(db: &Db, journal: &mut Found) -> Result<bool, OpenError> {
    let commits = own_state(db)?.commits;
    if commits < journal.checkpoint() {
        return Err(damaged("it is older than its journal"));
    }
    if commits > journal.last() {
        return Ok(true);
    }
    if commits + 1 < journal.first() {
        return Err(damaged("commits are missing between it and its journal"));
    }
    // Also those that the tree has: after a power failure it may have them in part.
    journal.replay(journal.checkpoint(), |key, value| {
        match value {
            Some(value) => db.insert(key, value),
            None => db.remove(key),
        }
        .map(drop)
        .map_err(unreadable)
    })?;
    Ok(false)
}

/// Opens sled's files. What this process has just closed stays locked until sled's own threads are done with it, so
/// that a lock is believed only if it lasts.
fn database(folder: &Path, cache_bytes: u64) -> Result<Db, OpenError> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None);
    let mut tries = LOCK_TRIES;
    loop {
        tries -= 1;
        match config.open().map_err(|error| refused(folder, error)) {
            Err(OpenError::InUse(_)) if tries > 0 => pause(),
            result => return result,
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "nothing tells when a lock is free; the tries are counted"
)]
fn pause() {
    std::thread::sleep(LOCK_PAUSE);
}

/// Writes the first commit.
fn create(db: &Db) -> Result<Meta, OpenError> {
    let meta = Meta {
        commits: 1,
        ..Meta::new()
    };
    db.insert(Key::Meta.encode(), meta.encode()).map_err(unreadable)?;
    Ok(meta)
}

/// Reads so many records, and compares their sum if these are all.
fn check(db: &Db, meta: &Meta, records: usize) -> Result<(), OpenError> {
    let own = Key::Meta.encode();
    let mut sum = Sum::default();
    for (count, pair) in db.iter().enumerate() {
        if count >= records {
            return Ok(());
        }
        let (key, value) = pair.map_err(unreadable)?;
        if key != own {
            sum.add(&key, &value);
        }
    }
    if sum == meta.sum {
        Ok(())
    } else {
        Err(damaged("records are missing or out of date"))
    }
}

/// Moves every `snap.*` into a new folder beside it; `None` if there is none.
fn set_snapshots_aside(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            snapshots.push(entry);
        }
    }
    if snapshots.is_empty() {
        return Ok(None);
    }
    let mut number = 1;
    let aside = loop {
        let aside = folder.join(format!("aside-{number}"));
        match fs::create_dir(&aside) {
            Ok(()) => break aside,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    };
    for snapshot in snapshots {
        fs::rename(snapshot.path(), aside.join(snapshot.file_name()))?;
    }
    Ok(Some(aside))
}

/// sled has no error of its own for a lock that is held.
fn refused(folder: &Path, error: sled::Error) -> OpenError {
    match error {
        sled::Error::Io(cause) if cause.to_string().contains("could not acquire lock") => {
            OpenError::InUse(folder.to_owned())
        }
        other => unreadable(other),
    }
}

fn unreadable(error: sled::Error) -> OpenError {
    match error {
        sled::Error::Io(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => OpenError::Io(cause),
        sled::Error::Io(_) => damaged("the database file is shorter than it should be"),
        sled::Error::Corruption { .. } => damaged("a part of the database fails its checksum"),
        sled::Error::Unsupported(_) => damaged("its configuration file does not fit this program"),
        _ => damaged("the database contradicts itself"),
    }
}

impl From<Damaged> for OpenError {
    fn from(_: Damaged) -> Self {
        Self::Journal
    }
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_another_layout_is_refused_with_a_next_step() {
        let open = |schema| {
            let folder = tempfile::tempdir().unwrap();
            let db = database(folder.path(), 1 << 20).unwrap();
            let meta = Meta {
                schema,
                commits: 1,
                ..Meta::new()
            };
            db.insert(Key::Meta.encode(), meta.encode()).unwrap();
            drop(db);
            super::open(&Site {
                folder: folder.path().to_owned(),
                cache_bytes: 1 << 20,
                journal_bytes: 1 << 16,
            })
            .map(drop)
        };
        assert!(matches!(open(SCHEMA + 1), Err(OpenError::Newer { found }) if found == SCHEMA + 1));
        let older = open(READABLE - 1).unwrap_err();
        assert!(
            matches!(older, OpenError::Older { .. })
                && older.to_string().contains("set up a new data directory")
        );
        for readable in READABLE..=SCHEMA {
            open(readable).unwrap();
        }
    }
}

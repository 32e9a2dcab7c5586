//! The one thread that writes.
//!
//! It takes the jobs that are waiting, runs them one after another in one [`Transaction`], writes what they change to
//! the [`Journal`] as one commit, and only once that is durable shows it and acknowledges. Then it changes the tree,
//! while those who were waiting go on already. What the tree holds is durable thus, whether sled has written it or not;
//! the [`Checkpointer`] sees to that later.
//!
//! After a failure nobody knows what of the commit has reached the disk, or the tree. Readers go on seeing what was
//! acknowledged; writers are refused; and each further job first tries to open the database anew, which settles the
//! matter: what the journal holds then is applied, and is the state. (Trying the sync again would not: a kernel that
//! has failed one may call the next a success. And sled keeps its first write error for good.)

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
};

use sled::Db;

use super::{
    checkpointer::{Checkpointer, Place, Sync},
    committer::{Job, Message},
    fault,
    journal::{Change, Journal},
    keys::Key,
    mark::Mark,
    meta::Meta,
    recovery::{self, Opened, Site},
    shared::Shared,
    transaction::{Outcome, Transaction},
    view::recall,
};

/// So many jobs share one sync at most; more gain little.
const GROUP: usize = 128;

/// A group that has changed so many bytes is committed before its next job runs: a commit is held in memory, and in
/// one file of the journal.
const COMMIT: usize = 2 * 1024 * 1024;

/// So many bytes must be free for anything to be written: a full disk would leave sled in the middle of a write, and
/// a store that has been closed could not be opened again. After a power failure sled may have to write again what
/// both files of the journal hold, and writes it about three times.
const RESERVE: u64 = 64 * 1024 * 1024;

/// The thread's own.
pub(super) struct Worker {
    site: Site,
    /// Absent when the last attempt to reopen failed.
    running: Option<Running>,
    /// A commit has failed, and nobody knows how far it got.
    in_doubt: bool,
    shared: Arc<Shared>,
    sync: Sync,
}

/// The open database.
struct Running {
    db: Db,
    journal: Journal,
    mark: Mark,
    meta: Meta,
    checkpointer: Checkpointer,
}

impl Running {
    fn start(opened: Opened, sync: &Sync) -> io::Result<Self> {
        let Opened {
            db,
            file,
            journal,
            mark,
            meta,
        } = opened;
        Ok(Self {
            checkpointer: Checkpointer::start(&db, file, Arc::clone(sync), meta.commits)?,
            db,
            journal,
            mark,
            meta,
        })
    }
}

impl Worker {
    /// Prepares to write to the database at `site`, which `shared` shows to readers.
    pub(super) fn new(site: Site, opened: Opened, shared: Arc<Shared>, sync: Sync) -> io::Result<Self> {
        Ok(Self {
            site,
            running: Some(Running::start(opened, &sync)?),
            in_doubt: false,
            shared,
            sync,
        })
    }

    /// Works until it is told to stop, or nobody is left to tell it.
    pub(super) fn work(mut self, waiting: &Receiver<Message>) {
        let mut stop = false;
        while !stop {
            let Ok(first) = waiting.recv() else { break };
            // Whoever comes while a group is written shares the next one's sync; to wait for more helps nobody.
            let mut group = Vec::new();
            for message in iter::once(first).chain(waiting.try_iter()).take(GROUP) {
                match message {
                    Message::Run(job) => group.push(job),
                    Message::Stop => {
                        stop = true;
                        break;
                    }
                }
            }
            if group.is_empty() {
                break;
            }
            let outcome = guarded(|| self.carry_out(&mut group));
            if let Err(reason) = &outcome {
                tracing::error!(reason, "the store can't write");
                for job in group {
                    job.acknowledge(Err(fault::unavailable(reason.clone())));
                }
            }
        }
        if let Err(reason) = guarded(|| self.settle()) {
            tracing::warn!(
                reason,
                "the store's last checkpoint failed; its journal is read at the next start"
            );
        }
        self.shared.close();
    }

    /// Runs the jobs, makes what they have written durable, and acknowledges them. Those that it leaves in `group` after
    /// a failure are not acknowledged.
    fn carry_out(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
        let free = fs2::available_space(&self.site.folder).map_err(|error| error.to_string())?;
        if free < RESERVE {
            return Err("the disk is full".into());
        }
        if self.in_doubt {
            self.reopen()?;
        }
        // In doubt until the end, also if anything below panics.
        self.in_doubt = true;
        let running = self.running.as_mut().ok_or("the database is not open")?;
        running.checkpointer.check()?;
        while !group.is_empty() {
            let meta = Meta {
                finished_below: self.shared.oldest().finished_below(),
                ..running.meta
            };
            let mut transaction = Transaction::new(&running.db, meta);
            let mut count = 0;
            for job in group.iter_mut() {
                job.run(&mut transaction);
                count += 1;
                if transaction.bytes() >= COMMIT {
                    break;
                }
            }
            let changes = match transaction.finish() {
                Some(outcome) => running.commit(outcome, &self.shared, &self.sync)?,
                None => Vec::new(),
            };
            for job in group.drain(..count) {
                job.acknowledge(Ok(()));
            }
            running.catch_up(changes, &self.shared)?;
        }
        self.in_doubt = false;
        Ok(())
    }

    /// Settles what a failed commit has left behind.
    fn reopen(&mut self) -> Result<(), String> {
        // Once closed, a database on a full disk would not open again, not even for reading.
        self.probe()
            .map_err(|error| format!("the data directory can't be written: {error}"))?;
        self.running = None;
        self.shared.close();
        let opened = recovery::open(&self.site).map_err(|error| error.to_string())?;
        let (db, meta) = (opened.db.clone(), opened.meta);
        self.running = Some(Running::start(opened, &self.sync).map_err(|error| error.to_string())?);
        self.shared.reopen(db, meta);
        tracing::warn!("the store can write again");
        Ok(())
    }

    /// Writes and syncs about as much as opening the database does.
    fn probe(&self) -> io::Result<()> {
        const ROOM: usize = 4 * 1024 * 1024;
        let path = self.site.folder.join("probe");
        let written = fs::write(&path, vec![0x5A; ROOM])
            .and_then(|()| File::open(&path))
            .and_then(|file| (self.sync)(Place::Probe, &file));
        let removed = fs::remove_file(&path);
        written.and(removed)
    }

    /// Leaves nothing in the journal that the next start would have to apply.
    fn settle(&mut self) -> Result<(), String> {
        match &mut self.running {
            Some(running) if !self.in_doubt => running.turn(running.meta.commits, &self.sync),
            _ => Ok(()),
        }
    }
}

impl Running {
    /// Makes the changes durable, and only then shows them. What is left to do is to [`catch_up`](Self::catch_up).
    fn commit(&mut self, outcome: Outcome, shared: &Shared, sync: &Sync) -> Result<Vec<Change>, String> {
        let (changes, meta) = prepare(&self.db, &outcome).map_err(|error| error.to_string())?;
        if !self.journal.has_room(&changes) {
            self.turn(self.journal.previous(), sync)?;
        }
        self.journal
            .append(&changes, &|file| sync(Place::Journal, file))
            .map_err(|error| format!("the journal can't be written: {error}"))?;
        // Before anybody is told, so that a loss would be noticed. A note that could not be written does no harm.
        let _ = self.mark.write(meta.commits);
        self.meta = meta;
        shared.show(outcome.writes, meta);
        Ok(changes)
    }

    /// Has the tree follow a commit.
    fn catch_up(&mut self, changes: Vec<Change>, shared: &Shared) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            // Not as a batch: that would have sled write twice, and the journal is what makes it one step.
            apply(&self.db, change).map_err(|error| error.to_string())?;
            self.checkpointer.keep_up()?;
        }
        shared.caught_up();
        Ok(())
    }

    /// Turns to the journal's other file once there is a checkpoint of the commit `before`, and begins one of all that
    /// there is.
    fn turn(&mut self, before: u64, sync: &Sync) -> Result<(), String> {
        self.checkpointer.request(self.meta.commits);
        let checkpoint = self.checkpointer.wait(before)?;
        self.journal
            .turn(checkpoint, &|file| sync(Place::Journal, file))
            .map_err(|error| format!("the journal can't be written: {error}"))
    }
}

/// A panic becomes an error.
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the database panicked".into()))
}

fn apply(tree: &sled::Tree, (key, value): Change) -> sled::Result<()> {
    match value {
        Some(value) => tree.insert(key, value)?,
        None => tree.remove(key)?,
    };
    Ok(())
}

/// What of the writes changes anything, and the store's own state afterwards, which is the last of the changes.
fn prepare(tree: &sled::Tree, outcome: &Outcome) -> sled::Result<(Vec<Change>, Meta)> {
    let mut meta = outcome.meta;
    let mut changes = Vec::with_capacity(outcome.writes.len() + 1);
    for (key, value) in &outcome.writes {
        let old = recall(tree, &outcome.memory, key.clone())?;
        if old == *value {
            continue;
        }
        if let Some(old) = &old {
            meta.sum.subtract(key, old);
        }
        if let Some(value) = value {
            meta.sum.add(key, value);
        }
        changes.push((key.clone(), value.clone()));
    }
    meta.commits += 1;
    changes.push((Key::Meta.encode(), Some(meta.encode())));
    Ok((changes, meta))
}

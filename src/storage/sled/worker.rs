//! The one thread that writes.
//!
//! It takes the jobs that are waiting, runs them one after another in one [`Transaction`], writes that as one batch,
//! flushes, syncs the database file, and only then acknowledges. sled's `flush` alone is no fsync (on Linux it ends in
//! `sync_file_range`), and its `flush_async` can wait for ever.
//!
//! After a failure nobody knows what of the batch has reached the disk. Readers go on seeing what was before it;
//! writers are refused; and each further job first tries to open the database anew, which settles the matter: what
//! the log holds then is made durable and is the state. (Trying the flush again would not: sled keeps its first
//! write error for good, and a kernel that has failed an fsync may call the next one a success.)

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use sled::Batch;

use super::{
    committer::{Job, Message},
    fault,
    keys::Key,
    meta::Meta,
    recovery::{self, Opened},
    shared::Shared,
    transaction::{Outcome, Transaction},
    view::{Overlay, recall},
};

/// So many jobs share one sync at most. sled frees nothing that a batch replaces before its end (some 8 KiB for each
/// key), and more jobs gain little.
const GROUP: usize = 128;

/// So many bytes must be free for anything to be written: a full disk would leave sled in the middle of a batch, and
/// a store that has been closed could not be opened again.
const RESERVE: u64 = 16 * 1024 * 1024;

/// Makes a file's content durable.
pub(super) type Sync = Box<dyn FnMut(&File) -> io::Result<()> + Send>;

/// How long a group that has begun to gather waits for its next job. A sync takes longer; with a longer wait the groups
/// hardly grow, and everybody in them has waited.
const COMPANY: Duration = Duration::from_micros(80);

/// The thread's own.
pub(super) struct Worker {
    folder: PathBuf,
    cache_bytes: u64,
    /// Absent when the last attempt to reopen failed.
    opened: Option<Opened>,
    /// A commit has failed, and nobody knows how far it got.
    in_doubt: bool,
    shared: Arc<Shared>,
    sync: Sync,
}

impl Worker {
    /// Prepares to write to a database in `folder`, which `shared` shows to readers.
    pub(super) fn new(
        folder: PathBuf,
        cache_bytes: u64,
        opened: Opened,
        shared: Arc<Shared>,
        sync: Sync,
    ) -> Self {
        Self {
            folder,
            cache_bytes,
            opened: Some(opened),
            in_doubt: false,
            shared,
            sync,
        }
    }

    /// Works until it is told to stop, or nobody is left to tell it.
    pub(super) fn work(mut self, waiting: &Receiver<Message>) {
        let mut stop = false;
        while !stop {
            let mut group = Vec::new();
            let mut next = waiting.recv().ok();
            loop {
                match next {
                    Some(Message::Run(job)) => group.push(job),
                    Some(Message::Stop) => stop = true,
                    None => break,
                }
                if stop || group.len() >= GROUP {
                    break;
                }
                next = waiting.try_recv().ok();
                // Jobs that come side by side share one sync, which costs the same for all of them: it waits a moment
                // for the next. A job that came alone does not wait.
                if next.is_none() && group.len() > 1 {
                    next = waiting.recv_timeout(COMPANY).ok();
                }
            }
            if group.is_empty() {
                break;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_out(&mut group)))
                .unwrap_or_else(|_| Err("the database panicked".into()));
            if let Err(reason) = &outcome {
                tracing::error!(reason, "the store can't write");
            }
            for job in group {
                job.acknowledge(match &outcome {
                    Ok(()) => Ok(()),
                    Err(reason) => Err(fault::unavailable(reason.clone())),
                });
            }
        }
        self.shared.close();
    }

    /// Runs the jobs and makes what they have written durable.
    fn carry_out(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), String> {
        let free = fs2::available_space(&self.folder).map_err(|error| error.to_string())?;
        if free < RESERVE {
            return Err("the disk is full".into());
        }
        if self.in_doubt {
            self.reopen()?;
        }
        // In doubt until the end, also if anything below panics.
        self.in_doubt = true;
        let opened = self.opened.as_mut().ok_or("the database is not open")?;
        let mut transaction = Transaction::new(&opened.db, opened.meta);
        for job in group {
            job.run(&mut transaction);
        }
        if let Some(outcome) = transaction.finish() {
            let (before, batch, meta) = prepare(&opened.db, outcome).map_err(|error| error.to_string())?;
            self.shared.hide(before);
            opened
                .db
                .apply_batch(batch)
                .and_then(|()| opened.db.flush())
                .map_err(|error| error.to_string())?;
            (self.sync)(&opened.file).map_err(|error| error.to_string())?;
            opened.meta = meta;
            self.shared.publish(meta);
            // A note that lags behind does no harm.
            let _ = opened.mark.write(meta.commits);
        }
        self.in_doubt = false;
        Ok(())
    }

    /// Settles what a failed commit has left behind.
    fn reopen(&mut self) -> Result<(), String> {
        // Once closed, a database on a full disk would not open again, not even for reading.
        self.probe()
            .map_err(|error| format!("the data directory can't be written: {error}"))?;
        self.opened = None;
        self.shared.close();
        let opened = recovery::open(&self.folder, self.cache_bytes).map_err(|error| error.to_string())?;
        let meta = opened.meta;
        self.shared.reopen(opened.db.clone());
        let opened = self.opened.insert(opened);
        (self.sync)(&opened.file).map_err(|error| error.to_string())?;
        self.shared.publish(meta);
        tracing::warn!("the store can write again");
        Ok(())
    }

    /// Writes and syncs about as much as opening the database does.
    fn probe(&mut self) -> io::Result<()> {
        const ROOM: usize = 4 * 1024 * 1024;
        let path = self.folder.join("probe");
        let written = fs::write(&path, vec![0x5A; ROOM])
            .and_then(|()| File::open(&path))
            .and_then(|file| (self.sync)(&file));
        let removed = fs::remove_file(&path);
        written.and(removed)
    }
}

/// What the keys that change hold now, the batch that changes them, and the store's own state afterwards, which the
/// batch holds too.
fn prepare(tree: &sled::Tree, outcome: Outcome) -> sled::Result<(Overlay, Batch, Meta)> {
    let Outcome {
        writes,
        memory,
        mut meta,
    } = outcome;
    let mut before = Overlay::new();
    let mut batch = Batch::default();
    for (key, value) in writes {
        let old = recall(tree, &memory, key.clone())?;
        if old == value {
            continue;
        }
        if let Some(old) = &old {
            meta.sum.subtract(&key, old);
        }
        if let Some(value) = &value {
            meta.sum.add(&key, value);
        }
        before.insert(key.clone(), old);
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    meta.commits += 1;
    batch.insert(Key::Meta.encode(), meta.encode());
    Ok((before, batch, meta))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    };

    use crate::{
        protocol::{ids::Fingerprint, time::Timestamp},
        storage::{
            AdminStore, EnrollLinkRecord, MadeFor, SecretHash, Storage,
            sled::{SledOptions, SledStorage},
        },
    };

    use super::*;

    fn hash(number: u8) -> SecretHash {
        SecretHash(Fingerprint::new([number; 32]))
    }

    fn link(number: u8) -> EnrollLinkRecord {
        EnrollLinkRecord {
            hash: hash(number),
            made_for: MadeFor::Anyone,
            created_at: Timestamp::from_seconds(0),
            expires_at: Timestamp::from_seconds(1),
            used_at: None,
        }
    }

    async fn has(store: &SledStorage, number: u8) -> bool {
        store.enroll_link(&hash(number)).await.unwrap().is_some()
    }

    /// A store whose disk fails as long as the switch is on.
    fn on_a_failing_disk(folder: &std::path::Path) -> (SledStorage, Arc<AtomicBool>) {
        let failing = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&failing);
        let sync = move |file: &File| match switch.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk fails")),
            false => file.sync_data(),
        };
        let store = SledStorage::open_with(folder, SledOptions::default(), Box::new(sync)).unwrap();
        (store, failing)
    }

    #[tokio::test]
    async fn a_failing_disk_refuses_writes_and_keeps_showing_what_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let (store, failing) = on_a_failing_disk(folder.path());
        store.add_enroll_link(link(1)).await.unwrap();
        failing.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(store.add_enroll_link(link(2)).await.is_err());
            assert!(store.ready().await.is_err());
            assert!(has(&store, 1).await && !has(&store, 2).await);
        }
    }

    #[tokio::test]
    async fn a_disk_that_works_again_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, failing) = on_a_failing_disk(folder.path());
        store.add_enroll_link(link(1)).await.unwrap();
        for round in 2..6 {
            failing.store(true, Ordering::SeqCst);
            assert!(store.add_enroll_link(link(100 + round)).await.is_err());
            failing.store(false, Ordering::SeqCst);
            store.add_enroll_link(link(round)).await.unwrap();
        }
        let doubtful = has(&store, 102).await;
        drop(store);
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        for number in 1..6 {
            assert!(has(&store, number).await);
        }
        assert_eq!(has(&store, 102).await, doubtful);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn readers_see_a_commit_only_once_it_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, has_begun) = channel();
        let (go, may_go) = channel::<()>();
        let sync = move |file: &File| {
            begun.send(()).unwrap();
            may_go.recv().unwrap();
            file.sync_data()
        };
        let store = SledStorage::open_with(folder.path(), SledOptions::default(), Box::new(sync)).unwrap();
        let store = Arc::new(store);
        let writer = Arc::clone(&store);
        let write = tokio::spawn(async move { writer.add_enroll_link(link(1)).await });
        has_begun.recv().unwrap();
        assert!(!has(&store, 1).await);
        assert!(!write.is_finished());
        go.send(()).unwrap();
        write.await.unwrap().unwrap();
        assert!(has(&store, 1).await);
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        let panicking = store.write::<()>(|_| panic!("on purpose"));
        let (failed, done) = tokio::join!(panicking, store.add_enroll_link(link(1)));
        assert!(failed.is_err());
        done.unwrap();
        assert!(has(&store, 1).await);
    }

    #[tokio::test]
    async fn a_write_that_nobody_waits_for_is_carried_out_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        let mut write = Box::pin(store.add_enroll_link(link(1)));
        let waker = std::task::Waker::noop();
        let poll = write.as_mut().poll(&mut std::task::Context::from_waker(waker));
        drop(write);
        store.add_enroll_link(link(2)).await.unwrap();
        assert!(has(&store, 1).await || poll.is_ready());
    }
}

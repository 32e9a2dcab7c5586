//! The embedded backend, on [sled](https://docs.rs/sled/0.34.7), for one server with a disk of its own.
//!
//! One tree holds everything, under the keys of `keys.rs`. Writers go through one thread (`committer.rs`, `worker/`),
//! which makes a group of jobs durable with one write and one sync of its journal (`journal/`), and only then changes
//! the tree. sled's own file follows (`checkpointer.rs`), and catches up from the journal when the store is opened
//! (`recovery.rs`). Readers see durable state only: the tree, below what the latest commit has changed (`shared.rs`).
//!
//! # What lies in the folder
//!
//! | File | What it is |
//! |---|---|
//! | `db`, `conf`, `snap.*`, `blobs/` | sled's: its log with all the data, its settings, a summary of the log from the last start, values too long for the log (none are) |
//! | `journal-0`, `journal-1` | the latest commits, which `db` may lack |
//! | `committed` | how many commits were acknowledged; if fewer are found, the store is not opened |
//! | `aside-*` | damaged snapshots, kept for examination |
//!
//! They belong together: a backup takes the whole folder at one moment, which is to say while the server is stopped or
//! as a snapshot of the file system. A `db` with the journal of another moment is recognised and refused.

mod access;
mod ade;
mod ade_devices;
mod ade_lists;
mod admin;
mod answers;
mod audit;
mod certificates;
mod checkpointer;
mod chunks;
mod commands;
mod committer;
mod enrollments;
mod event_queue;
mod events;
mod fault;
mod holds;
mod idempotency;
mod identity_days;
mod jobs;
mod journal;
mod keys;
mod listing;
mod mark;
mod meta;
mod oldest;
mod pushes;
mod queue;
mod recovery;
mod reports;
mod retention;
mod search;
mod secrets;
mod shared;
mod tallies;
mod transaction;
mod view;
mod worker;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

pub use recovery::OpenError;

use super::{Storage, StoreFigures, StoreResult};
use checkpointer::Sync;
use committer::Committer;
use recovery::Site;
use shared::Shared;
use transaction::Transaction;
use worker::Worker;

/// How to open a [`SledStorage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledOptions {
    /// Memory for pages of the database, in bytes.
    pub cache_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// The embedded store. Dropping it (or [`close`](Self::close)) finishes what is being written and lets the data
/// directory go.
pub struct SledStorage {
    folder: PathBuf,
    shared: Arc<Shared>,
    committer: Committer,
    /// Held while a page of devices is written: thousands of keys, of which no group of jobs shall have more than one.
    page: tokio::sync::Mutex<()>,
}

impl SledStorage {
    /// Opens the store in `folder`, or makes one there. Blocks until what is there has been read and checked.
    pub fn open(folder: &Path, options: SledOptions) -> Result<Self, OpenError> {
        let site = Site {
            folder: folder.to_owned(),
            cache_bytes: options.cache_bytes,
            journal_bytes: journal::LENGTH,
        };
        Self::open_with(site, Arc::new(|_, file| file.sync_data()))
    }

    fn open_with(site: Site, sync: Sync) -> Result<Self, OpenError> {
        let folder = site.folder.clone();
        let opened = recovery::open(&site)?;
        let shared = Arc::new(Shared::new(opened.db.clone(), opened.meta));
        let worker = Worker::new(site, opened, Arc::clone(&shared), sync)?;
        let committer = Committer::start(worker)?;
        let store = Self {
            folder,
            shared,
            committer,
            page: tokio::sync::Mutex::default(),
        };
        store.count()?;
        Ok(store)
    }

    /// Makes the counters of reports, where an earlier program kept none.
    fn count(&self) -> Result<(), OpenError> {
        let counted = self.shared.read(|_, meta| Ok(meta.reports == reports::REPORTS));
        let counted = counted.and_then(|counted| match counted {
            true => Ok(()),
            false => reports::rebuild(self),
        });
        counted.map_err(|error| OpenError::Damaged {
            what: format!("its enrollments can't be counted ({error})"),
        })
    }

    /// Finishes what is being written and lets the data directory go; the store answers nothing afterwards. Blocks
    /// until then.
    pub fn close(&self) {
        self.committer.close();
    }

    /// Runs `job` on the writer's thread; durable when it returns.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.committer.write(job).await
    }

    /// The same, and blocks until then: only while the store is being opened.
    fn write_now<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.committer.write_now(job)
    }

    /// Runs `reader`, which may take long, where it does not keep other requests waiting.
    async fn read_at_length<T: Send + 'static>(
        &self,
        reader: impl FnOnce(&Shared) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || reader(&shared))
            .await
            .unwrap_or_else(|_| Err(fault::unavailable("a reader panicked")))
    }
}

impl fmt::Debug for SledStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SledStorage({})", self.folder.display())
    }
}

#[async_trait]
impl Storage for SledStorage {
    async fn ready(&self) -> StoreResult<()> {
        self.write(|transaction| {
            transaction.touch();
            Ok(())
        })
        .await
    }

    async fn figures(&self) -> StoreResult<StoreFigures> {
        let bytes = self.shared.bytes()?;
        oldest::look(&self.shared, oldest::BRIEF).await;
        self.shared.read(|_, meta| {
            let oldest_queued_at = self.shared.oldest().enqueued_at();
            Ok(StoreFigures {
                enrollments: meta.enrollments,
                enrolled: meta.enrolled,
                queued_commands: meta.queued_commands,
                oldest_queued_at: oldest_queued_at.filter(|_| meta.queued_commands > 0),
                held: meta.holds,
                bytes,
            })
        })
    }

    async fn identity_days(&self) -> StoreResult<BTreeMap<i64, u64>> {
        self.shared.read(|view, _| identity_days::all(&view))
    }
}

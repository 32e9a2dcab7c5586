//! Keeps sled's own file up with the journal, on a thread of its own: a sync of it would keep the writer's jobs waiting.
//!
//! There are two things to do. A *checkpoint* makes all commits so far durable in sled's file, so that a file of the
//! journal may be used again. And now and then what sled has written by itself is synced, because sled uses the room
//! of a segment again two segments after it has moved its last page out, whether the page's new place has reached the
//! disk or not. Without a sync in between, a power failure could take both, and pages that no recent commit has
//! touched are in no journal.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use sled::Db;

/// Which of the store's files is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The journal's current one.
    Journal,
    /// sled's.
    Database,
    /// One that only shows whether the disk works.
    Probe,
}

/// Makes a file's content durable.
pub(super) type Sync = Arc<dyn Fn(Place, &File) -> io::Result<()> + Send + std::marker::Sync>;

/// So many bytes of sled's log may be without a sync: half of what lies between the last use of a segment and the
/// next. One is asked for after a quarter of it.
const UNSYNCED: i64 = 512 * 1024;

/// The thread's owner. Dropping it ends the thread, and with it the thread's hold on the database.
pub(super) struct Checkpointer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    db: Db,
    /// The position in sled's log for which a sync was last asked.
    asked: i64,
}

/// What both sides see.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Asked for: everything up to this commit.
    wanted: u64,
    /// Done: everything up to this commit.
    checkpoint: u64,
    /// Asked for: sled's log up to here.
    wanted_position: i64,
    /// Done: sled's log up to here.
    synced_position: i64,
    /// Nothing is done any more.
    failure: Option<String>,
    stop: bool,
}

impl Checkpointer {
    /// Starts the thread. `file` is another handle of the file of `db`, in which everything is durable up to
    /// `checkpoint`.
    pub(super) fn start(db: &Db, file: File, sync: Sync, checkpoint: u64) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let position = position(db);
        {
            let mut state = desk.lock();
            (state.wanted, state.checkpoint) = (checkpoint, checkpoint);
            (state.wanted_position, state.synced_position) = (position, position);
        }
        let (theirs, database) = (Arc::clone(&desk), db.clone());
        let thread = thread::Builder::new()
            .name("russet-sync".into())
            .spawn(move || theirs.work(&database, &file, &sync))?;
        Ok(Self {
            desk,
            thread: Some(thread),
            db: db.clone(),
            asked: position,
        })
    }

    /// Asks for a checkpoint of all commits up to `commit`, which the tree has.
    pub(super) fn request(&self, commit: u64) {
        self.desk.lock().wanted = commit;
        self.desk.changed.notify_all();
    }

    /// Waits for the checkpoint of `commit`, which was requested; the latest one that is done.
    pub(super) fn wait(&self, commit: u64) -> Result<u64, String> {
        let state = self.desk.wait_while(|state| state.checkpoint < commit);
        match &state.failure {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.checkpoint),
        }
    }

    /// To be called after each change of the tree: has sled's file synced if it is time, and waits if it is high time.
    pub(super) fn keep_up(&mut self) -> Result<(), String> {
        let position = position(&self.db);
        if position - self.asked < UNSYNCED / 4 {
            return Ok(());
        }
        self.asked = position;
        self.desk.lock().wanted_position = position;
        self.desk.changed.notify_all();
        let state = self
            .desk
            .wait_while(|state| position - state.synced_position > UNSYNCED);
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// What has gone wrong, if anything has.
    pub(super) fn check(&self) -> Result<(), String> {
        self.desk.lock().failure.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.desk.lock().stop = true;
        self.desk.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Fails only if the thread has panicked, which leaves nothing to do.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `unfinished` says no, or nothing more will come.
    fn wait_while(&self, mut unfinished: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.lock(), |state| state.failure.is_none() && unfinished(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, db: &Db, file: &File, sync: &Sync) {
        loop {
            let state = self.wait_while(|state| {
                !state.stop
                    && state.wanted <= state.checkpoint
                    && state.wanted_position <= state.synced_position
            });
            if state.stop || state.failure.is_some() {
                return;
            }
            let wanted = state.wanted;
            let flush = wanted > state.checkpoint;
            drop(state);
            // sled answers some failures with a panic.
            let outcome = catch_unwind(AssertUnwindSafe(|| bring_up(db, file, sync, flush)))
                .unwrap_or_else(|_| Err("the database panicked".into()));
            let mut state = self.lock();
            match outcome {
                Ok(position) => (state.checkpoint, state.synced_position) = (wanted, position),
                Err(reason) => state.failure = Some(format!("sled's file can't be synced: {reason}")),
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}

/// Makes durable what sled has written, and before that has it write everything if it shall. The position up to which
/// its log is durable then.
fn bring_up(db: &Db, file: &File, sync: &Sync, flush: bool) -> Result<i64, String> {
    if flush {
        db.flush().map_err(|error| error.to_string())?;
    }
    let position = position(db);
    sync(Place::Database, file).map_err(|error| error.to_string())?;
    Ok(position)
}

/// How many bytes of its log sled has handed to the system. sled's one way to tell (its documentation hides it, but
/// its version is fixed).
fn position(db: &Db) -> i64 {
    db.context.pagecache.log.stable_offset()
}

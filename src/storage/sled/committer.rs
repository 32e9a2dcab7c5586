//! The way to the one thread that writes: jobs go in, and come back when they are durable.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::sync::oneshot;

use super::{fault, transaction::Transaction, worker::Worker};
use crate::storage::StoreResult;

/// So many jobs may wait; more are refused, or an overloaded server would only get slower.
const WAITING: usize = 8192;

/// Hands jobs to the thread. Dropping it finishes the jobs that are waiting.
pub(super) struct Committer {
    jobs: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread is told.
pub(super) enum Message {
    Run(Box<dyn Job>),
    Stop,
}

/// One job, first run, then told whether that is durable.
pub(super) trait Job: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>);
    fn acknowledge(self: Box<Self>, durable: StoreResult<()>);
}

struct Pending<F, T> {
    job: Option<F>,
    result: Option<StoreResult<T>>,
    done: oneshot::Sender<StoreResult<T>>,
}

impl<F, T> Job for Pending<F, T>
where
    F: FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        self.result = self.job.take().map(|job| transaction.attempt(job));
    }

    fn acknowledge(self: Box<Self>, durable: StoreResult<()>) {
        let result = match (self.result, durable) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(fault::unavailable("the job was not run")),
        };
        // Whoever asked may have gone away.
        let _ = self.done.send(result);
    }
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(worker: Worker) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(WAITING);
        let thread = thread::Builder::new()
            .name("russet-store".into())
            .spawn(move || worker.work(&waiting))?;
        Ok(Self {
            jobs,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `job`; what it has written is durable when this returns. After [`Unavailable`] it may or may not be.
    ///
    /// [`Unavailable`]: crate::storage::StoreError::Unavailable
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let started = now();
        let result = self
            .submit(job)?
            .await
            .unwrap_or_else(|_| Err(fault::unavailable("the store was closed")));
        metrics::histogram!("russet_store_commit_seconds").record(started.elapsed().as_secs_f64());
        result
    }

    /// The same, and blocks until then.
    pub(super) fn write_now<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let result = self.submit(job)?;
        // On a thread of its own: whoever opens a store may be inside of an asynchronous runtime.
        let waiting = thread::scope(|scope| scope.spawn(|| result.blocking_recv()).join());
        match waiting {
            Ok(Ok(result)) => result,
            _ => Err(fault::unavailable("the store was closed")),
        }
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<oneshot::Receiver<StoreResult<T>>> {
        let (done, result) = oneshot::channel();
        let pending = Pending {
            job: Some(job),
            result: None,
            done,
        };
        self.jobs
            .try_send(Message::Run(Box::new(pending)))
            .map_err(|error| match error {
                TrySendError::Full(_) => fault::unavailable("too many writes are waiting"),
                TrySendError::Disconnected(_) => fault::unavailable("the store is closed"),
            })?;
        Ok(result)
    }

    /// Finishes the jobs that are waiting and lets the database go. Later jobs are refused.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Both fail only if the thread has ended already.
            let _ = self.jobs.send(Message::Stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a duration is measured, and nothing decided by it"
)]
fn now() -> Instant {
    Instant::now()
}

//! Work that nobody waits for, and that ends with the server.

use std::{
    fmt,
    future::Future,
    sync::{Mutex, PoisonError},
};

use tokio::task::JoinSet;

/// What is being done.
#[derive(Default)]
pub(super) struct Tasks(Mutex<JoinSet<()>>);

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

impl Tasks {
    /// Does this beside everything else.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Ends all of it, wherever it is. What the store has been told, it has.
    pub(super) async fn end(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

//! Passwords of people, where it takes long to work out a hash: a few at a time, and off the threads that answer.

use std::sync::{Arc, OnceLock};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    error::{Error, Result},
    pki::{password, secret::Secret},
};

/// The longest password, in characters.
pub const MAX_LENGTH: usize = 256;

/// So many hashes are worked out at a time: each takes 19 MiB.
const AT_A_TIME: usize = 2;

/// Works out hashes.
#[derive(Clone, Debug)]
pub struct Passwords {
    room: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Passwords {
    /// The hash to keep.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        let hash = self.work(move || password::hash(&password)).await?;
        hash.map_err(Error::internal)
    }

    /// Whether this is the password of the hash that is kept. Without one it never is, and it takes as long to say so.
    pub async fn verify(&self, password: &str, kept: Option<String>) -> Result<bool> {
        let password: String = password.chars().take(MAX_LENGTH).collect();
        let known = kept.is_some();
        let verify = move || password::verify(&password, kept.as_deref().unwrap_or_else(|| nobodys()));
        Ok(self.work(verify).await? && known)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let worked = spawn_blocking(move || {
            let _room = room;
            work()
        });
        worked.await.map_err(Error::internal)
    }
}

/// A hash that no password fits.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let secret = Secret::generate();
        let secret = secret.as_ref().map_or("", |secret| secret.reveal());
        password::hash(secret).unwrap_or_default()
    })
}

//! Signing in with a name and a password.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    sessions::{Begun, Sessions},
    throttle::Throttle,
    users::spelled,
};
use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    service::passwords::Passwords,
    storage::Storage,
};

/// Where a sign-in comes from.
#[derive(Clone, Default)]
pub struct Origin {
    /// The address.
    pub peer: Option<IpAddr>,
    /// The secret of the session that the browser had before.
    pub former: Option<String>,
}

/// Lets users in.
#[derive(Debug)]
pub struct SignIns {
    store: Arc<dyn Storage>,
    passwords: Passwords,
    sessions: Arc<Sessions>,
    throttle: Mutex<Throttle>,
}

impl SignIns {
    /// With these users and sessions.
    pub fn new(store: Arc<dyn Storage>, passwords: Passwords, sessions: Arc<Sessions>) -> Self {
        Self {
            store,
            passwords,
            sessions,
            throttle: Mutex::default(),
        }
    }

    /// Begins a session if this is the user's password. Whatever is wrong, the refusal is the same, and takes as long.
    pub async fn sign_in(&self, name: &str, password: &str, from: Origin, now: Timestamp) -> Result<Begun> {
        let name = spelled(name);
        self.attempt(&name, from.peer, now)?;
        let user = self.store.user(&name).await?;
        let kept = user.as_ref().and_then(|user| user.password_hash.clone());
        let fits = self.passwords.verify(password, kept).await?;
        let user = user.filter(|user| fits && !user.disabled);
        let user = user.ok_or_else(|| Error::new(Code::SignInFailed))?;
        self.throttle().succeeded(&name, from.peer);
        self.sessions
            .begin(&user, from.peer, from.former.as_deref(), now)
            .await
    }

    /// Whether this is the password of a user who is signed in, and wants to do something that takes it once more.
    pub(super) async fn confirm(
        &self,
        name: &str,
        password: &str,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<bool> {
        self.attempt(name, peer, now)?;
        let kept = self.store.user(name).await?.and_then(|user| user.password_hash);
        let fits = self.passwords.verify(password, kept).await?;
        if fits {
            self.throttle().succeeded(name, peer);
        }
        Ok(fits)
    }

    fn attempt(&self, name: &str, peer: Option<IpAddr>, now: Timestamp) -> Result<()> {
        // A name of any length is counted, but none fills the memory.
        let counted: String = name.chars().take(64).collect();
        let attempt = self.throttle().attempt(&counted, peer, now);
        attempt.map_err(|wait| Error::new(Code::SignInTooSoon).after(wait))
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

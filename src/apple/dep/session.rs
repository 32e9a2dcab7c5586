//! Sessions with Apple: one for each set of credentials, in memory alone.
//!
//! Any answer may bring a new session, which is used from then on. When Apple no longer knows a session, whoever finds
//! out first opens a new one, and the others wait for it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use aws_lc_rs::digest;
use http::HeaderValue;

use super::DepAccess;

/// The versions of the protocol whose fields are understood, the best first. Each adds fields and changes none, except
/// that iPads have `iOS` as their `os` below 7.
const VERSIONS: [&str; 5] = ["10", "9", "8", "7", "3"];

/// So many sessions are kept before those that nobody uses are forgotten.
const MANY: usize = 4096;

/// The header of a session.
pub(super) const SESSION: &str = "x-adm-auth-session";

/// A session that was there when a request was made.
#[derive(Clone)]
pub(super) struct Held {
    /// Marked as sensitive.
    pub(super) token: HeaderValue,
    /// Grows with each session that was opened.
    epoch: u64,
}

/// What is known about Apple under one set of credentials.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<State>,
    opening: tokio::sync::Mutex<()>,
    version: AtomicUsize,
    /// Whether assignments have to be made by PUT, as in the protocol's first years.
    assign_by_put: AtomicBool,
}

#[derive(Default)]
struct State {
    token: Option<HeaderValue>,
    epoch: u64,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present session, if there is one.
    pub(super) fn held(&self) -> Option<Held> {
        let state = self.state();
        let token = state.token.clone()?;
        Some(Held {
            token,
            epoch: state.epoch,
        })
    }

    /// Held while a session is opened: look again for one when it is yours.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.opening.lock().await
    }

    /// Uses a session that was opened.
    pub(super) fn opened(&self, mut token: HeaderValue) -> Held {
        token.set_sensitive(true);
        let mut state = self.state();
        state.epoch += 1;
        state.token = Some(token.clone());
        Held {
            token,
            epoch: state.epoch,
        }
    }

    /// Uses the session that an answer brought, unless that answer belongs to a session that is over.
    pub(super) fn rotate(&self, held: &Held, token: Option<&HeaderValue>) {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return;
        };
        let mut state = self.state();
        if state.epoch == held.epoch && state.token.is_some() {
            let mut token = token.clone();
            token.set_sensitive(true);
            state.token = Some(token);
        }
    }

    /// Apple does not know it any more.
    pub(super) fn forget(&self, held: &Held) {
        let mut state = self.state();
        // Not if another request was faster: there is a newer one already.
        if state.epoch == held.epoch {
            state.token = None;
        }
    }

    /// The version of the protocol that is spoken.
    pub(super) fn version(&self) -> &'static str {
        VERSIONS[self.version.load(Ordering::Relaxed).min(VERSIONS.len() - 1)]
    }

    /// Apple has refused `version`: an older one is spoken from now on. `false` if there is none.
    pub(super) fn older_version(&self, version: &str) -> bool {
        let refused = VERSIONS.iter().position(|known| *known == version);
        let next = refused.map_or(VERSIONS.len(), |at| at + 1);
        let known = next < VERSIONS.len();
        if known {
            self.version.fetch_max(next, Ordering::Relaxed);
        }
        known
    }

    /// Whether assignments are made by PUT.
    pub(super) fn assigns_by_put(&self) -> bool {
        self.assign_by_put.load(Ordering::Relaxed)
    }

    /// Apple does not take assignments by POST.
    pub(super) fn assign_by_put(&self) {
        self.assign_by_put.store(true, Ordering::Relaxed);
    }
}

/// All sessions. They show in no `Debug`.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Arc<Session>>>);

impl Sessions {
    /// The session of these credentials at this place; not opened yet perhaps.
    pub(super) fn of(&self, base_url: &str, access: &DepAccess) -> Arc<Session> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MANY {
            // Whoever needs one of these opens it again.
            sessions.retain(|_, session| Arc::strong_count(session) > 1);
        }
        Arc::clone(sessions.entry(key(base_url, access)).or_default())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(redacted)")
    }
}

/// A digest, so that the credentials are not kept.
fn key(base_url: &str, access: &DepAccess) -> [u8; 32] {
    let credentials = &access.credentials;
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [
        base_url,
        &credentials.consumer_key,
        &credentials.consumer_secret,
        &credentials.access_token,
        &credentials.access_secret,
    ] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

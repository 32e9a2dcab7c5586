//! Sessions: what `/session` gives, and what later answers replace.

use std::collections::{HashMap, VecDeque};

use super::settings::Rotation;
use crate::error::Problem;
use crate::{encode, random};

/// More than this many are swept for expired ones.
const SWEEP: usize = 1000;

#[derive(Debug)]
struct Session {
    server: u32,
    expires_ms: u64,
}

/// The sessions of all servers.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: HashMap<String, Session>,
    nonces: VecDeque<(i64, String)>,
}

impl Sessions {
    pub(super) fn begin(&mut self, server: u32, expires_ms: u64, now_ms: u64) -> Result<String, Problem> {
        if self.known.len() > SWEEP {
            self.known.retain(|_, session| session.expires_ms > now_ms);
        }
        let name = format!("{}O{}", now_ms, encode::lower_hex(&random::bytes(24)?));
        let session = Session { server, expires_ms };
        self.known.insert(name.clone(), session);
        Ok(name)
    }

    /// The server whose session this is.
    pub(super) fn server(&self, name: &str, now_ms: u64) -> Option<u32> {
        let session = self.known.get(name)?;
        (session.expires_ms > now_ms).then_some(session.server)
    }

    /// Lets a session expire no later than this.
    pub(super) fn limit(&mut self, name: &str, expires_ms: u64) {
        if let Some(session) = self.known.get_mut(name) {
            session.expires_ms = session.expires_ms.min(expires_ms);
        }
    }

    /// Ends the sessions of this server, or all.
    pub(super) fn end(&mut self, server: Option<u32>) {
        self.known
            .retain(|_, session| server.is_some_and(|server| session.server != server));
    }

    /// Notes a nonce; answers whether it is new. Those from before `since` are forgotten, for their timestamps are.
    pub(super) fn is_new_nonce(&mut self, nonce: String, timestamp: i64, since: i64) -> bool {
        self.nonces.retain(|(at, _)| *at >= since);
        let entry = (timestamp, nonce);
        let new = !self.nonces.contains(&entry);
        if new {
            self.nonces.push_back(entry);
        }
        new
    }
}

/// Whether the next answer brings a new session.
pub(super) fn rotates(rotation: Rotation) -> Result<bool, Problem> {
    Ok(match rotation {
        Rotation::Each => true,
        Rotation::Never => false,
        Rotation::Share(share) => f64::from(random::bytes(1)?[0]) < share * 256.0,
    })
}

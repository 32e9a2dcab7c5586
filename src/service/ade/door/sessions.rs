//! Logins on devices that enroll: what was verified when the web view opened, kept here and not in the web view, which
//! loses cookies; and the tokens that a Mac gets for a login before it enrolls.

use std::{collections::HashMap, time::Duration};

use super::visit::Visitor;
use crate::{
    error::{Error, Result},
    pki::secret::{self, Secret},
    protocol::{ids::SerialNumber, time::Timestamp},
};

/// How long a login may take.
const TTL: Duration = Duration::from_secs(15 * 60);

/// So many wrong passwords in one session end it.
const MAX_FAILURES: u32 = 5;

/// So many sessions at a time. A device has one at most.
const MAX_SESSIONS: usize = 50_000;

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The profile follows at once (`configuration_web_url`).
    Profile,
    /// A token with which the Mac asks again (Platform SSO).
    Token,
}

#[derive(Clone, Debug)]
struct Session {
    visitor: Visitor,
    purpose: Purpose,
    expires_at: Timestamp,
    failures: u32,
}

#[derive(Clone, Debug)]
struct Granted {
    serial: SerialNumber,
    user: String,
    expires_at: Timestamp,
}

/// Sessions and tokens, by the hash of the secret that names them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: HashMap<[u8; 32], Session>,
    by_serial: HashMap<SerialNumber, [u8; 32]>,
    tokens: HashMap<[u8; 32], Granted>,
}

impl Sessions {
    /// Begins a device's session, in place of its former one.
    pub(super) fn begin(&mut self, visitor: Visitor, purpose: Purpose, now: Timestamp) -> Result<Secret> {
        self.sessions.retain(|_, session| now < session.expires_at);
        self.tokens.retain(|_, token| now < token.expires_at);
        let alive = &self.sessions;
        self.by_serial.retain(|_, id| alive.contains_key(id));
        if let Some(former) = self.by_serial.remove(&visitor.serial) {
            self.sessions.remove(&former);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(Error::new(crate::error::Code::TooManyRefusals).after(TTL));
        }
        let id = Secret::generate().map_err(Error::internal)?;
        self.by_serial.insert(visitor.serial.clone(), id.hash());
        let session = Session {
            visitor,
            purpose,
            expires_at: now.plus(TTL),
            failures: 0,
        };
        self.sessions.insert(id.hash(), session);
        Ok(id)
    }

    /// The device that a session belongs to.
    pub(super) fn visitor(&self, id: &str, purpose: Purpose, now: Timestamp) -> Option<Visitor> {
        let session = self.sessions.get(&secret::hash(id))?;
        (session.purpose == purpose && now < session.expires_at).then(|| session.visitor.clone())
    }

    /// Notes a wrong password; too many end the session. Whether this one did.
    pub(super) fn failed(&mut self, id: &str) -> bool {
        let id = secret::hash(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.failures += 1;
            if session.failures >= MAX_FAILURES {
                return self.sessions.remove(&id).is_some();
            }
        }
        false
    }

    /// A token for the device of a session whose user has logged in.
    pub(super) fn grant(&mut self, visitor: &Visitor, user: String, now: Timestamp) -> Result<Secret> {
        let token = Secret::generate().map_err(Error::internal)?;
        let granted = Granted {
            serial: visitor.serial.clone(),
            user,
            expires_at: now.plus(TTL),
        };
        self.tokens.insert(token.hash(), granted);
        Ok(token)
    }

    /// Who logged in on this device, by its token. It may ask again with the same one: its first answer may be lost.
    pub(super) fn user(&self, token: &str, serial: &SerialNumber, now: Timestamp) -> Option<String> {
        let granted = self.tokens.get(&secret::hash(token))?;
        (granted.serial == *serial && now < granted.expires_at).then(|| granted.user.clone())
    }
}

//! Sessions of users: what a browser carries after a sign-in, until it is not used for a while, or for a day's work.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Operator, OperatorKind, Role};
use crate::{
    error::{Code, Error, Result},
    pki::secret::{self, Secret},
    protocol::time::Timestamp,
    storage::{SecretHash, SessionRecord, Storage, StoreResult, UserRecord},
};

/// How often the latest use of a session is written down: a page that is looked at is no durable write.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// So many sessions of one user at a time; the oldest end.
const MAX_OF_USER: usize = 20;

/// So many sessions have their latest use in memory.
const MAX_REMEMBERED: usize = 10_000;

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without being used.
    pub idle: Duration,
    /// However much they are used.
    pub longest: Duration,
}

/// The session in which a request is made; an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentSession {
    /// Of the secret that the browser carries.
    pub hash: SecretHash,
    /// Its name in lists.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What each request that changes something must bring besides the cookie.
    pub csrf_token: String,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

impl CurrentSession {
    fn new(secret: &str, record: &SessionRecord) -> Self {
        Self {
            hash: record.hash,
            id: record.id.clone(),
            user: record.user.clone(),
            csrf_token: csrf_token(secret),
            expires_at: record.expires_at,
        }
    }
}

/// A session that has begun. The secret is for the browser, this once.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What the browser carries.
    pub secret: Secret,
    /// The session.
    pub session: CurrentSession,
    /// Whose it is.
    pub operator: Operator,
}

/// The sessions.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<dyn Storage>,
    lifetimes: Lifetimes,
    seen: Mutex<HashMap<SecretHash, Timestamp>>,
}

impl Sessions {
    /// Kept in this store.
    pub fn new(store: Arc<dyn Storage>, lifetimes: Lifetimes) -> Self {
        Self {
            store,
            lifetimes,
            seen: Mutex::default(),
        }
    }

    /// How long they last.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Begins a session. It never goes on under a secret that the browser had before, which somebody else may have put
    /// there; that session ends.
    pub(super) async fn begin(
        &self,
        user: &UserRecord,
        peer: Option<IpAddr>,
        former: Option<&str>,
        now: Timestamp,
    ) -> Result<Begun> {
        let secret = Secret::generate_long().map_err(Error::internal)?;
        let record = SessionRecord {
            hash: secret.hash().into(),
            id: uuid::Uuid::new_v4().to_string(),
            user: user.name.clone(),
            peer: peer.map(|peer| peer.to_string()),
            created_at: now,
            seen_at: now,
            expires_at: now.plus(self.lifetimes.longest),
        };
        let former = former.map(|former| secret::hash(former).into());
        let begun = self.store.add_session(record.clone(), former, MAX_OF_USER);
        if !begun.await? {
            return Err(Error::new(Code::SignInFailed));
        }
        Ok(Begun {
            session: CurrentSession::new(secret.reveal(), &record),
            operator: operator(user),
            secret,
        })
    }

    /// Whose session this is, and the session. It counts as used.
    pub async fn find(&self, secret: &str, now: Timestamp) -> Result<(Operator, CurrentSession)> {
        let hash = secret::hash(secret).into();
        let over = || Error::new(Code::SessionOver);
        let (record, user) = self.store.session(&hash).await?.ok_or_else(over)?;
        if user.disabled || self.is_over(&record, now) {
            return Err(over());
        }
        self.note(hash, now);
        if now.since(record.seen_at) >= WRITTEN_EVERY
            && let Err(error) = self.store.session_seen(&hash, now).await
        {
            // A store that can't be written may still be read.
            tracing::debug!(%error, "the use of a session was not written down");
        }
        Ok((operator(&user), CurrentSession::new(secret, &record)))
    }

    /// Ends a session.
    pub async fn end(&self, session: &CurrentSession) -> Result<()> {
        self.store.end_session(&session.hash).await?;
        Ok(())
    }

    /// A user's sessions that are not over, the latest use of each as known here.
    pub async fn list(&self, user: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let mut sessions = self.store.sessions(user).await?;
        sessions.retain_mut(|session| {
            session.seen_at = self.latest(session);
            !self.is_over(session, now)
        });
        Ok(sessions)
    }

    /// Ends one of a user's sessions, or all of them; says how many.
    pub async fn end_of(&self, user: &str, id: Option<&str>) -> Result<usize> {
        let mut ended = 0;
        for session in self.store.sessions(user).await? {
            if id.is_none_or(|id| id == session.id) {
                ended += usize::from(self.store.end_session(&session.hash).await?);
            }
        }
        Ok(ended)
    }

    /// Forgets what is over.
    pub async fn purge(&self, now: Timestamp) -> StoreResult<()> {
        let unused_since = now.minus(self.lifetimes.idle).minus(WRITTEN_EVERY);
        while self.store.purge_sessions(now, unused_since, 1000).await? == 1000 {}
        Ok(())
    }

    fn is_over(&self, session: &SessionRecord, now: Timestamp) -> bool {
        session.expires_at <= now || now.since(self.latest(session)) >= self.lifetimes.idle
    }

    fn latest(&self, session: &SessionRecord) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&session.hash)
            .map_or(session.seen_at, |seen| session.seen_at.max(*seen))
    }

    fn note(&self, hash: SecretHash, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_REMEMBERED && !seen.contains_key(&hash) {
            seen.retain(|_, seen| now.since(*seen) < self.lifetimes.idle);
        }
        // Beyond that, what was written down counts.
        if seen.len() < MAX_REMEMBERED || seen.contains_key(&hash) {
            seen.insert(hash, now);
        }
    }
}

/// What a user may do now.
fn operator(user: &UserRecord) -> Operator {
    let scopes = Role::parse(&user.role).map_or(&[][..], Role::scopes);
    Operator {
        name: user.name.clone(),
        kind: OperatorKind::User,
        scopes: scopes.to_vec(),
        tags: user.tags.clone(),
    }
}

/// Made from the session's secret, which it does not tell.
fn csrf_token(secret: &str) -> String {
    let hash = secret::hash(&format!("csrf\0{secret}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

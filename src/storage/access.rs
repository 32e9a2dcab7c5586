//! Who may use the operator's door: users, their sessions, and the links with which a user begins.
//!
//! A user changes through a pure function of what is stored ([`UserRule`], [`SetupRule`]) that the backend calls inside
//! its transaction, possibly more than once; what becomes of the user's sessions happens in the same step.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{SecretHash, StoreResult};
use crate::protocol::time::Timestamp;

/// Somebody who signs in at the operator's door.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Unique; what they type, in lower case; the name in the audit log.
    pub name: String,
    /// As people write it.
    #[serde(default)]
    pub display_name: String,
    /// Their e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name of their role.
    pub role: String,
    /// The scope tags they are confined to; absent: to none, they see everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Argon2id of the password, as a PHC string; absent where there is none, or none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Who they are to the OpenID provider: its issuer, a space, and the subject. Unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether they are kept out for now.
    #[serde(default)]
    pub disabled: bool,
    /// Counts the changes, from 1.
    pub revision: u64,
    /// When they signed in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_at: Option<Timestamp>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserRecord({}, {}, redacted)", self.name, self.role)
    }
}

/// A user who is signed in. The session's secret is known to the user's browser only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Of the secret.
    pub hash: SecretHash,
    /// Names it in lists; opens nothing.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The address it began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// The latest use that has been written down; lags behind by up to a minute.
    pub seen_at: Timestamp,
    /// From when on it opens nothing, however much it is used.
    pub expires_at: Timestamp,
}

/// A link with which somebody sets a password, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupLinkRecord {
    /// Of the secret in the URL.
    pub hash: SecretHash,
    /// Whose password it sets; absent: it makes a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When it was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// What becomes of a user's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionFate {
    /// They go on.
    Keep,
    /// They end.
    End,
    /// The one that is `from` becomes `to`; the others end.
    Rotate {
        /// The session in which the change is made.
        from: SecretHash,
        /// Of its new secret.
        to: SecretHash,
    },
}

/// Why a user stays as they are. The caller gives it words and a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserRefusal {
    /// The record is not the one that the caller has looked at.
    Changed,
    /// No administrator would be left who can sign in with a password.
    LastAdmin,
    /// The user's identity and password are the OpenID provider's affair.
    OfProvider,
}

/// What becomes of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRuling {
    /// Nothing changes, for a reason.
    Refuse(UserRefusal),
    /// This takes the record's place; `name`, `subject` and `created_at` stay what they are.
    Put(Box<UserRecord>, SessionFate),
    /// The user goes, with all sessions and links.
    Remove,
}

/// From a stored user, and all others, to what becomes of them.
pub type UserRule = Box<dyn Fn(&UserRecord, &[UserRecord]) -> UserRuling + Send + Sync>;

/// From a link and all users to the record that the link makes or changes; `None`: it can't be, and the link stays.
pub type SetupRule = Box<dyn Fn(&SetupLinkRecord, &[UserRecord]) -> Option<UserRecord> + Send + Sync>;

/// What became of a new user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAdded {
    /// Stored.
    Added,
    /// There is one of that name.
    NameTaken,
    /// There is one with that subject.
    SubjectTaken,
    /// There are as many as there may be.
    TooMany,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupUse {
    /// It is used up now, and this is stored.
    Done(Box<UserRecord>),
    /// Its time is over.
    Expired,
    /// The rule declined; the link can still be used.
    Refused,
    /// No such link.
    Unknown,
    /// It was used before.
    Used,
}

/// Users and their sessions.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Remembers a user, unless there are `limit` already.
    async fn add_user(&self, user: UserRecord, limit: usize) -> StoreResult<UserAdded>;

    /// One user.
    async fn user(&self, name: &str) -> StoreResult<Option<UserRecord>>;

    /// The user with this subject.
    async fn user_by_subject(&self, subject: &str) -> StoreResult<Option<UserRecord>>;

    /// All users, by name (bytes).
    async fn users(&self) -> StoreResult<Vec<UserRecord>>;

    /// Changes or removes a user, and what becomes of the sessions, in one step. Returns what the rule said; `None`:
    /// there is no such user.
    async fn edit_user(&self, name: &str, rule: UserRule) -> StoreResult<Option<UserRuling>>;

    /// Begins a session in place of the one that `replaces` names, if any, and writes down when the user signed in. Of
    /// more than `limit` of one user the oldest end. `false`: there is no such user, or they are disabled.
    async fn add_session(
        &self,
        session: SessionRecord,
        replaces: Option<SecretHash>,
        limit: usize,
    ) -> StoreResult<bool>;

    /// A session and its user, of one moment. On the path of every request of a user.
    async fn session(&self, hash: &SecretHash) -> StoreResult<Option<(SessionRecord, UserRecord)>>;

    /// A user's sessions, the one that began first first.
    async fn sessions(&self, user: &str) -> StoreResult<Vec<SessionRecord>>;

    /// Writes down the latest use of a session. An older time than the stored one changes nothing.
    async fn session_seen(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<()>;

    /// Ends one session. `false`: there was none.
    async fn end_session(&self, hash: &SecretHash) -> StoreResult<bool>;

    /// Forgets sessions that were not used since `unused_since` or are over at `now`, and links that are over; at most
    /// `limit`. Says how many.
    async fn purge_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
        limit: usize,
    ) -> StoreResult<usize>;

    /// Remembers a link.
    async fn add_setup_link(&self, link: SetupLinkRecord) -> StoreResult<()>;

    /// Looks at a link without using it up.
    async fn setup_link(&self, hash: &SecretHash) -> StoreResult<Option<SetupLinkRecord>>;

    /// Uses a link up and stores what the rule makes of it, in one step; of many calls one is done. Other links for the
    /// same user (or for none) go, and so do the sessions of a user who was there before.
    async fn use_setup_link(
        &self,
        hash: &SecretHash,
        at: Timestamp,
        rule: SetupRule,
    ) -> StoreResult<SetupUse>;
}

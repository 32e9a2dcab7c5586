//! How users, roles and sessions show. Neither passwords nor secrets do, nor their hashes.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    operator::view::Time,
    service::access::{
        Operator, OperatorKind, Role, Scope,
        sessions::{CurrentSession, Lifetimes},
    },
    storage::{SessionRecord, UserRecord},
};

/// Who asks, and what they may do.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// The name of the user or of the key; `local` on the server's own socket.
    name: String,
    /// How that is known.
    kind: OperatorKind,
    /// What they may do.
    scopes: Vec<Scope>,
    /// The scope tags they are confined to; null: to none, they see everything.
    tags: Option<Vec<String>>,
    /// The session; null for keys and on the local socket.
    session: Option<CurrentView>,
}

/// The session in which the request was made.
#[derive(Serialize, ToSchema)]
struct CurrentView {
    /// Its name in lists.
    id: String,
    /// What each request that changes something must bring, as `X-CSRF-Token`.
    csrf_token: String,
    /// When it ends, however much it is used.
    expires_at: Time,
    /// Seconds without a request after which it is over.
    idle_seconds: u64,
}

impl SessionView {
    pub(super) fn new(operator: &Operator, session: Option<&CurrentSession>, lifetimes: Lifetimes) -> Self {
        Self {
            name: operator.name.clone(),
            kind: operator.kind,
            scopes: operator.scopes.clone(),
            tags: operator.tags.clone(),
            session: session.map(|session| CurrentView {
                id: session.id.clone(),
                csrf_token: session.csrf_token.clone(),
                expires_at: session.expires_at.into(),
                idle_seconds: lifetimes.idle.as_secs(),
            }),
        }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserView {
    /// What they type.
    name: String,
    /// As people write it.
    display_name: String,
    /// Their e-mail address.
    email: Option<String>,
    /// What they are to the server.
    role: String,
    /// The scope tags they are confined to; null: to none, they see everything.
    tags: Option<Vec<String>>,
    /// Whether they are kept out for now.
    disabled: bool,
    /// Whether they have a password. Without one they need a setup link, or come from the OpenID provider.
    has_password: bool,
    /// Whether the OpenID provider says who they are.
    from_provider: bool,
    /// When they signed in last.
    signed_in_at: Option<Time>,
    /// When they were made.
    created_at: Time,
    /// When they changed last.
    updated_at: Time,
}

impl From<&UserRecord> for UserView {
    fn from(user: &UserRecord) -> Self {
        Self {
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            role: user.role.clone(),
            tags: user.tags.clone(),
            disabled: user.disabled,
            has_password: user.password_hash.is_some(),
            from_provider: user.subject.is_some(),
            signed_in_at: user.signed_in_at.map(Time),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

/// All users.
#[derive(Serialize, ToSchema)]
pub(super) struct UserList {
    /// By name.
    pub(super) users: Vec<UserView>,
}

/// A role.
#[derive(Serialize, ToSchema)]
struct RoleView {
    /// Its name.
    name: Role,
    /// What it is for.
    description: &'static str,
    /// What it may do.
    scopes: Vec<Scope>,
}

/// All roles.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleList {
    /// By name.
    roles: Vec<RoleView>,
}

impl RoleList {
    pub(super) fn all() -> Self {
        let view = |role: Role| RoleView {
            name: role,
            description: role.description(),
            scopes: role.scopes().to_vec(),
        };
        Self {
            roles: Role::ALL.into_iter().map(view).collect(),
        }
    }
}

/// A session of a user.
#[derive(Serialize, ToSchema)]
struct OneSession {
    /// Its name; opens nothing.
    id: String,
    /// The address it began from.
    peer: Option<String>,
    /// When it began.
    created_at: Time,
    /// When it was used last.
    seen_at: Time,
    /// When it ends, however much it is used.
    expires_at: Time,
}

/// A user's sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    /// The one that began first first.
    sessions: Vec<OneSession>,
}

impl From<Vec<SessionRecord>> for SessionList {
    fn from(sessions: Vec<SessionRecord>) -> Self {
        let view = |session: SessionRecord| OneSession {
            id: session.id,
            peer: session.peer,
            created_at: session.created_at.into(),
            seen_at: session.seen_at.into(),
            expires_at: session.expires_at.into(),
        };
        Self {
            sessions: sessions.into_iter().map(view).collect(),
        }
    }
}

/// Sessions that were ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    /// How many.
    pub(super) ended: usize,
}

/// A setup link that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeSetupLink {
    /// The link, which is shown this once.
    pub(super) url: String,
    /// Whose password it sets; null: it makes a new administrator.
    pub(super) user: Option<String>,
    /// Until when it can be used.
    pub(super) expires_at: Time,
}

//! Who may do what: scopes, which each route of the operator's API asks for one of; and roles, which are sets of them.
//!
//! [`users`] are people with a role; they [sign in](sign_in) and have [`sessions`] then; the first one begins with a
//! [setup link](setup_links), others come by [OpenID Connect](oidc). Whoever is confined to scope tags sees what [`visibility`] lets them.

pub mod oidc;
pub mod sessions;
pub mod setup_links;
pub mod sign_in;
mod throttle;
pub mod users;
pub mod visibility;

use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{Code, Error, Result},
    service::passwords::Passwords,
    storage::Storage,
};

/// All that is about users.
#[derive(Clone, Debug)]
pub struct Access {
    /// Users.
    pub users: Arc<users::Users>,
    /// Their sessions.
    pub sessions: Arc<sessions::Sessions>,
    /// How these begin.
    pub sign_ins: Arc<sign_in::SignIns>,
    /// How users begin.
    pub setup_links: Arc<setup_links::SetupLinks>,
    /// The OpenID provider, if there is one.
    pub oidc: Option<Arc<oidc::Oidc>>,
}

impl Access {
    /// Kept in this store.
    pub fn new(store: &Arc<dyn Storage>, passwords: Passwords, lifetimes: sessions::Lifetimes) -> Self {
        let users = Arc::new(users::Users::new(Arc::clone(store), passwords.clone()));
        let sessions = Arc::new(sessions::Sessions::new(Arc::clone(store), lifetimes));
        Self {
            sign_ins: Arc::new(sign_in::SignIns::new(
                Arc::clone(store),
                passwords,
                Arc::clone(&sessions),
            )),
            setup_links: Arc::new(setup_links::SetupLinks::new(
                Arc::clone(store),
                Arc::clone(&users),
            )),
            users,
            sessions,
            oidc: None,
        }
    }
}

/// What an operator may do. Alphabetical.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything, keys and certificates included.
    Admin,
    /// Read the audit log.
    Audit,
    /// Enqueue, cancel and clear commands; push.
    Command,
    /// Make enrollment links; let devices enroll again.
    Enroll,
    /// Look at enrollments, queues and results.
    Read,
    /// Help the user of one device: lock it, release it from Setup Assistant, restart it, find it.
    Support,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Audit,
        Self::Command,
        Self::Enroll,
        Self::Read,
        Self::Support,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Audit => "audit",
            Self::Command => "command",
            Self::Enroll => "enroll",
            Self::Read => "read",
            Self::Support => "support",
        }
    }

    /// The scope of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Whether having this one includes `other`: `admin` includes all, `command` includes `support`.
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Admin || (self == Self::Command && other == Self::Support)
    }
}

/// What a person is to the server. Alphabetical.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May look at everything, the audit log included.
    Auditor,
    /// May bring devices in.
    Enroller,
    /// May help the user of one device.
    Helpdesk,
    /// May look at devices.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Auditor,
        Self::Enroller,
        Self::Helpdesk,
        Self::Viewer,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Enroller => "enroller",
            Self::Helpdesk => "helpdesk",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What it is for, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Admin => "May do everything.",
            Self::Auditor => "May look at everything, the audit log included.",
            Self::Enroller => "May bring devices in.",
            Self::Helpdesk => "May help the user of one device: lock it, release it, restart it, find it.",
            Self::Viewer => "May look at devices.",
        }
    }

    /// What it may do.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Admin => &[Scope::Admin],
            Self::Auditor => &[Scope::Audit, Scope::Read],
            Self::Enroller => &[Scope::Enroll, Scope::Read],
            Self::Helpdesk => &[Scope::Read, Scope::Support],
            Self::Viewer => &[Scope::Read],
        }
    }
}

/// How an operator said who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperatorKind {
    /// By an API key.
    Key,
    /// By being able to open the server's local socket.
    Local,
    /// By signing in.
    User,
}

impl OperatorKind {
    /// Its name, as the audit log has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Local => "local",
            Self::User => "user",
        }
    }
}

/// Who an operator's request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The key's or the user's name; `local` for the server's own user.
    pub name: String,
    /// How that is known.
    pub kind: OperatorKind,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// The scope tags to whose devices, profiles and tokens they are confined; `None`: to none, they see everything.
    pub tags: Option<Vec<String>>,
}

impl Operator {
    /// Whoever can open the server's files is its master anyway.
    pub fn local() -> Self {
        Self {
            name: "local".into(),
            kind: OperatorKind::Local,
            scopes: vec![Scope::Admin],
            tags: None,
        }
    }

    /// Whether this scope is theirs, or one that includes it.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| own.includes(scope))
    }

    /// Refuses if neither this scope nor one that includes it is theirs.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.has(scope) {
            return Ok(());
        }
        Err(Error::with(
            Code::KeyScope,
            format!("it needs the scope {:?}", scope.as_str()),
        ))
    }

    /// The same for what belongs to no device: whoever is confined to scope tags has no business there.
    pub fn require_everywhere(&self, scope: Scope) -> Result<()> {
        self.require(scope)?;
        match self.tags {
            None => Ok(()),
            Some(_) => Err(Error::new(Code::Confined)),
        }
    }
}

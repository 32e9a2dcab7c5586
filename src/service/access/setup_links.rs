//! Setup links: how the first administrator begins, and how anyone gets a password of their own choice. There never is a
//! password that was not chosen by whoever uses it.

use std::{sync::Arc, time::Duration};

use super::{
    Role,
    users::{MAX_USERS, Users, checked_text, spelled, unknown},
};
use crate::{
    error::{Code, Error, Result},
    pki::secret::{self, Secret},
    protocol::time::Timestamp,
    service::keys::check_name,
    storage::{SetupLinkRecord, SetupUse, Storage, UserRecord},
};

/// How long a link can be used.
pub const TTL: Duration = Duration::from_secs(15 * 60);

/// What whoever follows a link says.
#[derive(Clone, Default)]
pub struct Setup {
    /// The new user's name; of no use where the link is for a user who is there.
    pub name: String,
    /// As people write it.
    pub display_name: String,
    /// The password they choose.
    pub password: String,
}

/// A link that was made. The secret is shown this once.
#[derive(Clone, Debug)]
pub struct MadeLink {
    /// What the URL ends with.
    pub secret: Secret,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl MadeLink {
    /// The path of its page.
    pub fn path(&self) -> String {
        format!("/setup/{}", self.secret.reveal())
    }
}

/// The links.
#[derive(Debug)]
pub struct SetupLinks {
    store: Arc<dyn Storage>,
    users: Arc<Users>,
}

impl SetupLinks {
    /// For these users.
    pub fn new(store: Arc<dyn Storage>, users: Arc<Users>) -> Self {
        Self { store, users }
    }

    /// Makes a link: for this user to set a password, or for an administrator who is not there yet.
    pub async fn create(&self, user: Option<&str>, now: Timestamp) -> Result<MadeLink> {
        let user = match user {
            Some(name) => {
                let user = self.users.show(name).await?;
                if user.subject.is_some() {
                    return Err(Error::with(Code::UserOfProvider, format!("{:?}", user.name)));
                }
                Some(user.name)
            }
            None => None,
        };
        let secret = Secret::generate().map_err(Error::internal)?;
        let expires_at = now.plus(TTL);
        let link = SetupLinkRecord {
            hash: secret.hash().into(),
            user,
            created_at: now,
            expires_at,
            used_at: None,
        };
        self.store.add_setup_link(link).await?;
        Ok(MadeLink { secret, expires_at })
    }

    /// Makes a link for the first administrator, unless there is a user already.
    pub async fn first(&self, now: Timestamp) -> Result<Option<MadeLink>> {
        if !self.store.users().await?.is_empty() {
            return Ok(None);
        }
        self.create(None, now).await.map(Some)
    }

    /// Whose password a link sets; `None`: it makes a new administrator.
    pub async fn look(&self, secret: &str, now: Timestamp) -> Result<Option<String>> {
        let link = self.store.setup_link(&secret::hash(secret).into()).await?;
        let link = link.filter(|link| link.used_at.is_none() && now < link.expires_at);
        Ok(link.ok_or_else(spent)?.user)
    }

    /// Uses a link up: makes the administrator, or sets the user's password and ends all sessions.
    pub async fn redeem(&self, secret: &str, setup: Setup, now: Timestamp) -> Result<UserRecord> {
        let user = self.look(secret, now).await?;
        let name = match &user {
            Some(name) => name.clone(),
            None => spelled(&setup.name),
        };
        check_name(&name)?;
        let display_name = checked_text("display_name", setup.display_name)?;
        let hash = self.users.checked_hash(&name, &setup.password).await?;
        let wanted = name.clone();
        let rule = move |link: &SetupLinkRecord, users: &[UserRecord]| {
            let present = users.iter().find(|user| user.name == wanted);
            match (&link.user, present) {
                (Some(_), Some(user)) => Some(UserRecord {
                    password_hash: Some(hash.clone()),
                    revision: user.revision + 1,
                    updated_at: now,
                    ..user.clone()
                }),
                (None, None) if users.len() < MAX_USERS => Some(UserRecord {
                    name: wanted.clone(),
                    display_name: display_name.clone(),
                    email: None,
                    role: Role::Admin.as_str().to_owned(),
                    tags: None,
                    password_hash: Some(hash.clone()),
                    subject: None,
                    disabled: false,
                    revision: 1,
                    signed_in_at: None,
                    created_at: now,
                    updated_at: now,
                }),
                _ => None,
            }
        };
        let hash = secret::hash(secret).into();
        match self.store.use_setup_link(&hash, now, Box::new(rule)).await? {
            SetupUse::Done(user) => Ok(*user),
            SetupUse::Expired | SetupUse::Unknown | SetupUse::Used => Err(spent()),
            SetupUse::Refused if user.is_some() => Err(unknown(&name)),
            SetupUse::Refused => Err(Error::with(Code::UserExists, format!("{name:?}"))),
        }
    }
}

fn spent() -> Error {
    Error::new(Code::SetupLinkSpent)
}

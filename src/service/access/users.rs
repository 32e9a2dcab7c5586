//! Users: making, changing and removing them. One administrator with a password always remains.

use std::{net::IpAddr, sync::Arc};

use super::{Role, sessions::CurrentSession, sign_in::SignIns};
use crate::{
    error::{Code, Error, Result},
    pki::secret::Secret,
    protocol::time::Timestamp,
    service::{
        keys::check_name,
        passwords::{MAX_LENGTH, Passwords},
        revision::{Expected, Revision},
    },
    storage::{SessionFate, Storage, UserAdded, UserRecord, UserRefusal, UserRule, UserRuling},
};

/// There are no more users than this.
pub(super) const MAX_USERS: usize = 1000;

/// Characters that a password has at least.
const MIN_PASSWORD: usize = 12;

/// The longest display name, e-mail address or tag, in characters.
const MAX_TEXT: usize = 128;

/// A user is confined to so many tags at most.
const MAX_TAGS: usize = 100;

/// A user who is to be made.
#[derive(Clone, Default)]
pub struct NewUser {
    /// What they type; unique.
    pub name: String,
    /// As people write it.
    pub display_name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// What they are to the server.
    pub role: Option<Role>,
    /// The scope tags they are confined to; absent: to none.
    pub tags: Option<Vec<String>>,
    /// Their password; without one they need a setup link first.
    pub password: Option<String>,
}

/// What is to be different about a user; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// As people write it.
    pub display_name: Option<String>,
    /// Their e-mail address; empty: none.
    pub email: Option<String>,
    /// What they are to the server.
    pub role: Option<Role>,
    /// The scope tags they are confined to; `Some(None)`: to none any more.
    pub tags: Option<Option<Vec<String>>>,
    /// Whether they are kept out.
    pub disabled: Option<bool>,
    /// What the change takes for granted.
    pub expected: Expected,
}

/// A user after a change.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What is stored now.
    pub user: UserRecord,
    /// The new secret of the session in which the change was made, if it got one.
    pub rotated: Option<Secret>,
}

/// The users.
#[derive(Debug)]
pub struct Users {
    store: Arc<dyn Storage>,
    passwords: Passwords,
}

impl Users {
    /// Kept in this store.
    pub fn new(store: Arc<dyn Storage>, passwords: Passwords) -> Self {
        Self { store, passwords }
    }

    /// Makes a user.
    pub async fn add(&self, new: NewUser, now: Timestamp) -> Result<UserRecord> {
        let name = spelled(&new.name);
        check_name(&name)?;
        let role = new.role.ok_or_else(|| Error::invalid("role", "is missing"))?;
        let password_hash = match &new.password {
            Some(password) => Some(self.checked_hash(&name, password).await?),
            None => None,
        };
        let user = UserRecord {
            display_name: checked_text("display_name", new.display_name.unwrap_or_default())?,
            email: checked_email(new.email)?,
            role: role.as_str().to_owned(),
            tags: checked_tags(new.tags)?,
            password_hash,
            subject: None,
            disabled: false,
            revision: 1,
            signed_in_at: None,
            created_at: now,
            updated_at: now,
            name,
        };
        self.store_new(user).await
    }

    pub(super) async fn store_new(&self, user: UserRecord) -> Result<UserRecord> {
        match self.store.add_user(user.clone(), MAX_USERS).await? {
            UserAdded::Added => Ok(user),
            UserAdded::NameTaken | UserAdded::SubjectTaken => {
                Err(Error::with(Code::UserExists, format!("{:?}", user.name)))
            }
            UserAdded::TooMany => Err(Error::new(Code::UserLimit)),
        }
    }

    /// All users, by name.
    pub async fn list(&self) -> Result<Vec<UserRecord>> {
        Ok(self.store.users().await?)
    }

    /// One user.
    pub async fn show(&self, name: &str) -> Result<UserRecord> {
        let name = spelled(name);
        self.store.user(&name).await?.ok_or_else(|| unknown(&name))
    }

    /// Changes a user, unless the record is another than the change takes for granted. With another role, other
    /// tags, or kept out, the user's sessions end; the one in which the change is made goes on under a new secret.
    pub async fn change(
        &self,
        name: &str,
        change: UserChange,
        within: Option<&CurrentSession>,
        now: Timestamp,
    ) -> Result<Changed> {
        let display_name = change.display_name.map(|text| checked_text("display_name", text));
        let display_name = display_name.transpose()?;
        let email = change.email.map(|email| checked_email(Some(email))).transpose()?;
        let tags = change.tags.map(checked_tags).transpose()?;
        let role = change.role;
        let rotated = Secret::generate_long().map_err(Error::internal)?;
        let fate = rotation(name, within, &rotated);
        let rule = move |before: &UserRecord, others: &[UserRecord]| {
            if !change.expected.is_met(&revision(before)) {
                return UserRuling::Refuse(UserRefusal::Changed);
            }
            if before.subject.is_some() && role.is_some_and(|role| role.as_str() != before.role) {
                return UserRuling::Refuse(UserRefusal::OfProvider);
            }
            let mut after = before.clone();
            if let Some(text) = &display_name {
                after.display_name.clone_from(text);
            }
            if let Some(email) = &email {
                after.email.clone_from(email);
            }
            if let Some(role) = role {
                after.role = role.as_str().to_owned();
            }
            if let Some(tags) = &tags {
                after.tags.clone_from(tags);
            }
            after.disabled = change.disabled.unwrap_or(before.disabled);
            let may = |user: &UserRecord| (user.role.clone(), user.tags.clone(), user.disabled);
            let fate = if may(before) == may(&after) {
                SessionFate::Keep
            } else if after.disabled {
                SessionFate::End
            } else {
                fate
            };
            put(before, after, others, fate, now)
        };
        self.edit(name, Box::new(rule), rotated).await
    }

    /// Sets a user's password. All sessions of theirs end, but for the one in which it is done.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        within: Option<&CurrentSession>,
        now: Timestamp,
    ) -> Result<Changed> {
        let name = spelled(name);
        let hash = self.checked_hash(&name, password).await?;
        let rotated = Secret::generate_long().map_err(Error::internal)?;
        let fate = rotation(&name, within, &rotated);
        let rule = move |before: &UserRecord, others: &[UserRecord]| {
            if before.subject.is_some() {
                return UserRuling::Refuse(UserRefusal::OfProvider);
            }
            let after = UserRecord {
                password_hash: Some(hash.clone()),
                ..before.clone()
            };
            put(before, after, others, fate, now)
        };
        self.edit(&name, Box::new(rule), rotated).await
    }

    /// Sets the password of the user whose session this is, who says the present one once more.
    pub async fn change_own_password(
        &self,
        name: &str,
        (current, password): (&str, &str),
        (session, peer): (&CurrentSession, Option<IpAddr>),
        sign_ins: &SignIns,
        now: Timestamp,
    ) -> Result<Changed> {
        if !sign_ins.confirm(name, current, peer, now).await? {
            return Err(Error::invalid("current_password", "is not the present password"));
        }
        self.set_password(name, password, Some(session), now).await
    }

    /// Forgets a user, with all sessions.
    pub async fn remove(&self, name: &str, expected: Expected) -> Result<()> {
        let rule = move |before: &UserRecord, others: &[UserRecord]| {
            if !expected.is_met(&revision(before)) {
                UserRuling::Refuse(UserRefusal::Changed)
            } else if is_admin(before) && !others.iter().any(is_admin) {
                UserRuling::Refuse(UserRefusal::LastAdmin)
            } else {
                UserRuling::Remove
            }
        };
        let name = spelled(name);
        match self.store.edit_user(&name, Box::new(rule)).await? {
            None => Err(unknown(&name)),
            Some(UserRuling::Refuse(refusal)) => Err(refused(refusal, &name)),
            Some(UserRuling::Put(..) | UserRuling::Remove) => Ok(()),
        }
    }

    async fn edit(&self, name: &str, rule: UserRule, secret: Secret) -> Result<Changed> {
        let name = spelled(name);
        match self.store.edit_user(&name, rule).await? {
            None | Some(UserRuling::Remove) => Err(unknown(&name)),
            Some(UserRuling::Refuse(refusal)) => Err(refused(refusal, &name)),
            Some(UserRuling::Put(user, fate)) => {
                let is_rotated = matches!(fate, SessionFate::Rotate { .. });
                Ok(Changed {
                    user: *user,
                    rotated: is_rotated.then_some(secret),
                })
            }
        }
    }

    /// The hash of a password that may be used.
    pub(super) async fn checked_hash(&self, name: &str, password: &str) -> Result<String> {
        if !(MIN_PASSWORD..=MAX_LENGTH).contains(&password.chars().count()) {
            let rule = format!("has {MIN_PASSWORD} to {MAX_LENGTH} characters");
            return Err(Error::invalid("password", rule));
        }
        if password.to_lowercase().contains(name) && name.len() >= 4 {
            return Err(Error::invalid("password", "holds the user's name"));
        }
        self.passwords.hash(password).await
    }
}

/// Names what a user was like.
pub fn revision(user: &UserRecord) -> Revision {
    Revision::of(&(&user.name, user.created_at, user.revision))
}

/// What happens to the sessions of a user who may do something else than before: they end, but for the one in which the
/// user does it.
fn rotation(name: &str, within: Option<&CurrentSession>, secret: &Secret) -> SessionFate {
    let own = within.filter(|session| session.user == spelled(name));
    own.map_or(SessionFate::End, |session| SessionFate::Rotate {
        from: session.hash,
        to: secret.hash().into(),
    })
}

fn put(
    before: &UserRecord,
    after: UserRecord,
    others: &[UserRecord],
    fate: SessionFate,
    now: Timestamp,
) -> UserRuling {
    if is_admin(before) && !is_admin(&after) && !others.iter().any(is_admin) {
        return UserRuling::Refuse(UserRefusal::LastAdmin);
    }
    let after = UserRecord {
        revision: before.revision + 1,
        updated_at: now,
        ..after
    };
    UserRuling::Put(Box::new(after), fate)
}

/// Whether this is an administrator of everything who can sign in even when the OpenID provider is away.
pub(super) fn is_admin(user: &UserRecord) -> bool {
    let has_password = user.password_hash.is_some();
    user.role == Role::Admin.as_str() && user.tags.is_none() && !user.disabled && has_password
}

/// Names do not differ by case or by spaces around them.
pub(super) fn spelled(name: &str) -> String {
    name.trim().to_lowercase()
}

pub(super) fn unknown(name: &str) -> Error {
    Error::with(Code::UserUnknown, format!("{name:?}"))
}

fn refused(refusal: UserRefusal, name: &str) -> Error {
    let code = match refusal {
        UserRefusal::Changed => Code::PreconditionFailed,
        UserRefusal::LastAdmin => Code::UserLastAdmin,
        UserRefusal::OfProvider => Code::UserOfProvider,
    };
    Error::with(code, format!("{name:?}"))
}

pub(super) fn checked_text(field: &str, text: String) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > MAX_TEXT || text.contains(char::is_control) {
        let rule = format!("has at most {MAX_TEXT} characters, none of them a control character");
        return Err(Error::invalid(field, rule));
    }
    Ok(text.to_owned())
}

pub(super) fn checked_email(email: Option<String>) -> Result<Option<String>> {
    let Some(email) = email.filter(|email| !email.trim().is_empty()) else {
        return Ok(None);
    };
    let email = checked_text("email", email)?;
    let halves = email.split_once('@');
    let is_address = halves.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !is_address || email.contains(char::is_whitespace) {
        return Err(Error::invalid("email", "is no e-mail address"));
    }
    Ok(Some(email))
}

/// Tags that a user or a key may be confined to. None at all is no confinement to nothing, but a mistake.
pub(crate) fn checked_tags(tags: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    let Some(tags) = tags else { return Ok(None) };
    let mut checked = Vec::with_capacity(tags.len());
    for tag in tags {
        let tag = checked_text("tags", tag)?;
        if tag.is_empty() {
            return Err(Error::invalid("tags", "holds an empty tag"));
        }
        checked.push(tag);
    }
    checked.sort();
    checked.dedup();
    if checked.is_empty() || checked.len() > MAX_TAGS {
        let rule = format!("has 1 to {MAX_TAGS} tags; leave it out (null) for all devices");
        return Err(Error::invalid("tags", rule));
    }
    Ok(Some(checked))
}

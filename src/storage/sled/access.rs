//! Users of the operator's door, their sessions, and setup links.

use async_trait::async_trait;

use super::{
    SledStorage,
    keys::{Key, Prefix},
    transaction::Transaction,
    view::{View, decode},
};
use crate::{
    protocol::time::Timestamp,
    storage::{
        AccessStore, SecretHash, SessionFate, SessionRecord, SetupLinkRecord, SetupRule, SetupUse,
        StoreResult, UserAdded, UserRecord, UserRule, UserRuling,
    },
};

#[async_trait]
impl AccessStore for SledStorage {
    async fn add_user(&self, user: UserRecord, limit: usize) -> StoreResult<UserAdded> {
        self.write(move |transaction| {
            let view = transaction.view();
            if view.get(&Key::User(user.name.clone()))?.is_some() {
                return Ok(UserAdded::NameTaken);
            }
            if let Some(subject) = &user.subject
                && view.get(&Key::UserSubject(subject.clone()))?.is_some()
            {
                return Ok(UserAdded::SubjectTaken);
            }
            if view.scan(&Prefix::users()).take(limit).count() >= limit {
                return Ok(UserAdded::TooMany);
            }
            put_user(transaction, &user)?;
            Ok(UserAdded::Added)
        })
        .await
    }

    async fn user(&self, name: &str) -> StoreResult<Option<UserRecord>> {
        self.shared
            .read(|view, _| view.record(&Key::User(name.to_owned())))
    }

    async fn user_by_subject(&self, subject: &str) -> StoreResult<Option<UserRecord>> {
        self.shared.read(|view, _| {
            let name: Option<String> = view.record(&Key::UserSubject(subject.to_owned()))?;
            name.map_or(Ok(None), |name| view.record(&Key::User(name)))
        })
    }

    async fn users(&self) -> StoreResult<Vec<UserRecord>> {
        self.shared.read(|view, _| users(&view))
    }

    async fn edit_user(&self, name: &str, rule: UserRule) -> StoreResult<Option<UserRuling>> {
        let key = Key::User(name.to_owned());
        self.write(move |transaction| {
            let Some(before) = transaction.view().record::<UserRecord>(&key)? else {
                return Ok(None);
            };
            let mut others = users(&transaction.view())?;
            others.retain(|other| other.name != before.name);
            let mut ruling = rule(&before, &others);
            match &mut ruling {
                UserRuling::Refuse(_) => {}
                UserRuling::Put(record, fate) => {
                    record.name.clone_from(&before.name);
                    record.subject.clone_from(&before.subject);
                    record.created_at = before.created_at;
                    put_user(transaction, record)?;
                    settle(transaction, &before.name, *fate)?;
                }
                UserRuling::Remove => {
                    settle(transaction, &before.name, SessionFate::End)?;
                    remove_links(transaction, Some(&before.name), None)?;
                    if let Some(subject) = before.subject {
                        transaction.remove(&Key::UserSubject(subject));
                    }
                    transaction.remove(&key);
                }
            }
            Ok(Some(ruling))
        })
        .await
    }

    async fn add_session(
        &self,
        session: SessionRecord,
        replaces: Option<SecretHash>,
        limit: usize,
    ) -> StoreResult<bool> {
        self.write(move |transaction| {
            let key = Key::User(session.user.clone());
            let user: Option<UserRecord> = transaction.view().record(&key)?;
            let Some(mut user) = user.filter(|user| !user.disabled) else {
                return Ok(false);
            };
            if let Some(former) = replaces {
                end(transaction, &former)?;
            }
            let present = sessions(&transaction.view(), &session.user)?;
            let surplus = (present.len() + 1).saturating_sub(limit);
            for oldest in present.iter().take(surplus) {
                end(transaction, &oldest.hash)?;
            }
            user.signed_in_at = Some(session.created_at);
            transaction.put_record(&key, &user)?;
            put_session(transaction, &session)?;
            Ok(true)
        })
        .await
    }

    async fn session(&self, hash: &SecretHash) -> StoreResult<Option<(SessionRecord, UserRecord)>> {
        self.shared.read(|view, _| {
            let Some(session) = view.record::<SessionRecord>(&Key::Session(*hash))? else {
                return Ok(None);
            };
            let user = view.record(&Key::User(session.user.clone()))?;
            Ok(user.map(|user| (session, user)))
        })
    }

    async fn sessions(&self, user: &str) -> StoreResult<Vec<SessionRecord>> {
        self.shared.read(|view, _| sessions(&view, user))
    }

    async fn session_seen(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<()> {
        let key = Key::Session(*hash);
        self.write(move |transaction| {
            let session: Option<SessionRecord> = transaction.view().record(&key)?;
            if let Some(mut session) = session.filter(|session| session.seen_at < at) {
                session.seen_at = at;
                transaction.put_record(&key, &session)?;
            }
            Ok(())
        })
        .await
    }

    async fn end_session(&self, hash: &SecretHash) -> StoreResult<bool> {
        let hash = *hash;
        self.write(move |transaction| end(transaction, &hash)).await
    }

    async fn purge_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
        limit: usize,
    ) -> StoreResult<usize> {
        self.write(move |transaction| {
            let is_over =
                |session: &SessionRecord| session.expires_at <= now || session.seen_at <= unused_since;
            let sessions = records(&transaction.view(), &Prefix::sessions(), is_over, limit)?;
            for session in &sessions {
                end(transaction, &session.hash)?;
            }
            let is_over = |link: &SetupLinkRecord| link.expires_at <= now;
            let left = limit - sessions.len();
            let links = records(&transaction.view(), &Prefix::setup_links(), is_over, left)?;
            for link in &links {
                transaction.remove(&Key::SetupLink(link.hash));
            }
            Ok(sessions.len() + links.len())
        })
        .await
    }

    async fn add_setup_link(&self, link: SetupLinkRecord) -> StoreResult<()> {
        self.write(move |transaction| transaction.put_record(&Key::SetupLink(link.hash), &link))
            .await
    }

    async fn setup_link(&self, hash: &SecretHash) -> StoreResult<Option<SetupLinkRecord>> {
        self.shared.read(|view, _| view.record(&Key::SetupLink(*hash)))
    }

    async fn use_setup_link(
        &self,
        hash: &SecretHash,
        at: Timestamp,
        rule: SetupRule,
    ) -> StoreResult<SetupUse> {
        let key = Key::SetupLink(*hash);
        self.write(move |transaction| {
            let Some(mut link) = transaction.view().record::<SetupLinkRecord>(&key)? else {
                return Ok(SetupUse::Unknown);
            };
            if link.used_at.is_some() {
                return Ok(SetupUse::Used);
            }
            if link.expires_at <= at {
                return Ok(SetupUse::Expired);
            }
            let Some(user) = rule(&link, &users(&transaction.view())?) else {
                return Ok(SetupUse::Refused);
            };
            put_user(transaction, &user)?;
            settle(transaction, &user.name, SessionFate::End)?;
            remove_links(transaction, link.user.as_deref(), Some(&link.hash))?;
            link.used_at = Some(at);
            transaction.put_record(&key, &link)?;
            Ok(SetupUse::Done(Box::new(user)))
        })
        .await
    }
}

fn users(view: &View<'_>) -> StoreResult<Vec<UserRecord>> {
    view.scan(&Prefix::users()).map(|pair| decode(&pair?.1)).collect()
}

fn put_user(transaction: &mut Transaction<'_>, user: &UserRecord) -> StoreResult<()> {
    if let Some(subject) = &user.subject {
        transaction.put_record(&Key::UserSubject(subject.clone()), &user.name)?;
    }
    transaction.put_record(&Key::User(user.name.clone()), user)
}

/// A user's sessions, by their beginning.
fn sessions(view: &View<'_>, user: &str) -> StoreResult<Vec<SessionRecord>> {
    let mut sessions: Vec<SessionRecord> = Vec::new();
    for pair in view.scan(&Prefix::sessions_of(user)) {
        if let (Key::SessionOf(_, hash), _) = pair? {
            sessions.extend(view.record(&Key::Session(hash))?);
        }
    }
    sessions.sort_by_key(|session| (session.created_at, session.hash));
    Ok(sessions)
}

fn put_session(transaction: &mut Transaction<'_>, session: &SessionRecord) -> StoreResult<()> {
    transaction.put(&Key::SessionOf(session.user.clone(), session.hash), &[]);
    transaction.put_record(&Key::Session(session.hash), session)
}

fn end(transaction: &mut Transaction<'_>, hash: &SecretHash) -> StoreResult<bool> {
    let key = Key::Session(*hash);
    let Some(session) = transaction.view().record::<SessionRecord>(&key)? else {
        return Ok(false);
    };
    transaction.remove(&Key::SessionOf(session.user, *hash));
    transaction.remove(&key);
    Ok(true)
}

/// Does with a user's sessions what a change of the user asks for.
fn settle(transaction: &mut Transaction<'_>, user: &str, fate: SessionFate) -> StoreResult<()> {
    if fate == SessionFate::Keep {
        return Ok(());
    }
    for session in sessions(&transaction.view(), user)? {
        end(transaction, &session.hash)?;
        if let SessionFate::Rotate { from, to } = fate
            && session.hash == from
        {
            put_session(transaction, &SessionRecord { hash: to, ..session })?;
        }
    }
    Ok(())
}

/// Forgets the links for a user (or for none), but for one.
fn remove_links(
    transaction: &mut Transaction<'_>,
    user: Option<&str>,
    but: Option<&SecretHash>,
) -> StoreResult<()> {
    let goes = |link: &SetupLinkRecord| link.user.as_deref() == user && Some(&link.hash) != but;
    let links = records(&transaction.view(), &Prefix::setup_links(), goes, usize::MAX)?;
    for link in links {
        transaction.remove(&Key::SetupLink(link.hash));
    }
    Ok(())
}

/// The records of a prefix that `wanted` picks, at most `limit`.
fn records<T: serde::de::DeserializeOwned>(
    view: &View<'_>,
    prefix: &Prefix,
    wanted: impl Fn(&T) -> bool,
    limit: usize,
) -> StoreResult<Vec<T>> {
    let mut records = Vec::new();
    for pair in view.scan(prefix) {
        if records.len() == limit {
            break;
        }
        records.extend(Some(decode(&pair?.1)?).filter(&wanted));
    }
    Ok(records)
}

//! Operators' API keys: random secrets, kept as hashes, each with scopes.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Code, Error, Result},
    pki::secret::{self, Secret},
    protocol::time::Timestamp,
    storage::{ApiKeyRecord, Storage},
};

use super::access::{Operator, OperatorKind, Scope, users::checked_tags};

/// How often the latest use of a key is written down: a request is no durable write.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// Refuses a name that operators could not give, show or put into a URL without trouble.
pub fn check_name(name: &str) -> Result<()> {
    let printable = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
    // Dots alone are steps of a path, and a hyphen stands for the default.
    let is_name = name.contains(|c: char| c.is_ascii_alphanumeric());
    if name.len() > 64 || !printable || !is_name {
        let rule = "has 1 to 64 letters, digits, or any of - _ . @, and a letter or digit among them";
        return Err(Error::invalid("name", rule));
    }
    Ok(())
}

/// A key that is to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Unique; the name in lists and in the audit log.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The scope tags it is confined to; absent: to none.
    pub tags: Option<Vec<String>>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// The API keys.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Arc<dyn Storage>,
}

impl Keys {
    /// Kept in this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store }
    }

    /// Makes a key. The secret is shown this once.
    pub async fn create(&self, new: NewKey, now: Timestamp) -> Result<Secret> {
        check_name(&new.name)?;
        if new.scopes.is_empty() {
            return Err(Error::invalid("scopes", "one at least is needed"));
        }
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::invalid("expires_at", "is over"));
        }
        let secret = Secret::generate().map_err(Error::internal)?;
        let name = new.name.clone();
        let record = ApiKeyRecord {
            hash: secret.hash().into(),
            name: new.name,
            scopes: new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: now,
            expires_at: new.expires_at,
            tags: checked_tags(new.tags)?,
            used_at: None,
        };
        if self.store.add_api_key(record).await? {
            Ok(secret)
        } else {
            Err(Error::with(Code::ApiKeyExists, name))
        }
    }

    /// Who bears this key.
    pub async fn operator(&self, secret: &str, now: Timestamp) -> Result<Operator> {
        let record = self.store.api_key(&secret::hash(secret).into()).await?;
        let record = record.ok_or_else(|| Error::new(Code::KeyMissing))?;
        if record.expires_at.is_some_and(|expires| expires <= now) {
            return Err(Error::with(Code::KeyMissing, "it has expired"));
        }
        let is_due = |used| now.since(used) >= WRITTEN_EVERY;
        if record.used_at.is_none_or(is_due)
            && let Err(error) = self.store.api_key_used(&record.hash, now).await
        {
            // A store that can't be written may still be read.
            tracing::debug!(%error, "the use of an API key was not written down");
        }
        let scopes = record
            .scopes
            .iter()
            .filter_map(|name| Scope::parse(name))
            .collect();
        Ok(Operator {
            name: record.name,
            kind: OperatorKind::Key,
            scopes,
            tags: record.tags,
        })
    }

    /// All keys, by name, without their secrets.
    pub async fn list(&self) -> Result<Vec<ApiKeyRecord>> {
        Ok(self.store.api_keys().await?)
    }

    /// Forgets a key.
    pub async fn remove(&self, name: &str) -> Result<()> {
        if self.store.remove_api_key(name).await? {
            Ok(())
        } else {
            Err(Error::with(Code::ApiKeyUnknown, format!("{name:?}")))
        }
    }
}

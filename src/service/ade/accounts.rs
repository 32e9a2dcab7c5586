//! Accounts of people who log in on a device that enrolls: names and passwords of this server's own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    service::{
        keys::check_name,
        passwords::{MAX_LENGTH, Passwords},
    },
    storage::{AccountRecord, Storage},
};

/// Characters of a password.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=MAX_LENGTH;

/// So many wrong passwords for one account, and for how long it is closed then.
const MAX_FAILURES: u32 = 10;
const CLOSED: Duration = Duration::from_secs(15 * 60);

/// So many accounts have their failures remembered.
const MAX_REMEMBERED: usize = 10_000;

/// The accounts.
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn Storage>,
    passwords: Passwords,
    failures: Mutex<HashMap<String, (u32, Timestamp)>>,
}

impl Accounts {
    /// Kept in this store.
    pub fn new(store: Arc<dyn Storage>, passwords: Passwords) -> Self {
        Self {
            store,
            passwords,
            failures: Mutex::default(),
        }
    }

    /// Makes an account.
    pub async fn add(&self, name: &str, password: &str, now: Timestamp) -> Result<AccountRecord> {
        let name = spelled(name);
        check_name(&name)?;
        if !PASSWORD_LENGTH.contains(&password.chars().count()) {
            return Err(Error::invalid("password", "has 8 to 256 characters"));
        }
        let password_hash = self.passwords.hash(password).await?;
        let account = AccountRecord {
            name,
            password_hash,
            created_at: now,
        };
        if self.store.add_account(account.clone()).await? {
            Ok(account)
        } else {
            Err(Error::with(Code::AccountExists, format!("{:?}", account.name)))
        }
    }

    /// All accounts, by name.
    pub async fn list(&self) -> Result<Vec<AccountRecord>> {
        Ok(self.store.accounts().await?)
    }

    /// Forgets an account.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let name = spelled(name);
        if self.store.remove_account(&name).await? {
            Ok(())
        } else {
            Err(Error::with(Code::AccountUnknown, format!("{name:?}")))
        }
    }

    /// The account's name if this is its password. Otherwise `None`, whatever is wrong, and in the same time: an unknown
    /// account has a hash to be compared with too. An account with too many wrong passwords is closed for a while.
    pub(super) async fn log_in(&self, name: &str, password: &str, now: Timestamp) -> Result<Option<String>> {
        let name = spelled(name);
        let account = self.store.account(&name).await?;
        let closed = self.is_closed(&name, now);
        let kept = account.map(|account| account.password_hash);
        let fits = self.passwords.verify(password, kept).await?;
        if fits && !closed {
            self.forget_failures(&name);
            return Ok(Some(name));
        }
        self.failed(name, now);
        Ok(None)
    }

    fn is_closed(&self, name: &str, now: Timestamp) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(name)
            .is_some_and(|(count, until)| *count >= MAX_FAILURES && now < *until)
    }

    fn failed(&self, name: String, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, until)| now < *until);
        if failures.len() < MAX_REMEMBERED || failures.contains_key(&name) {
            let entry = failures.entry(name).or_insert((0, now.plus(CLOSED)));
            // Counted from the first: whoever keeps trying does not keep the account closed for ever.
            entry.0 = entry.0.saturating_add(1);
        }
    }

    fn forget_failures(&self, name: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(name);
    }
}

/// Names do not differ by case or by spaces around them.
fn spelled(name: &str) -> String {
    name.trim().to_lowercase()
}

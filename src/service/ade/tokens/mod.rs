//! The server tokens: each the link to one MDM server in Apple Business Manager or Apple School Manager.
//!
//! A token begins as a key pair that waits ([`pending`]), comes to life with the `.p7m` that Apple encrypted to it
//! ([`import`]), is watched until its year is over ([`expiry`]) and while Apple refuses it ([`trouble`]), and goes only
//! when nothing depends on it any more ([`removal`]). Its key also vouches for devices to Apple ([`maid`]).

pub mod expiry;
pub mod import;
pub mod maid;
pub mod pending;
pub mod removal;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod trouble;
pub mod view;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{
    apple::dep::{DepAccess, DepCredentials, DepDevice, DepForward, DepForwarded, DeviceAssignment},
    error::{Code, Error, Result},
    pki::{
        dep_token::{ServerToken, TokenKey},
        seal::Sealer,
    },
    protocol::time::Timestamp,
    service::{
        ade::profiles::{AppleAndCredentials, Credentials},
        events::Events,
    },
    storage::{AdeAccount, AdeKeyPair, AdeTokenRecord, AdeTokenRule, Sealed, Storage, StoreResult},
};

/// More tokens than this are not kept (T7).
pub const MAX_TOKENS: usize = 2_000;

/// From more devices than this on, Apple advises to use several tokens (T6).
pub const ADVISED_DEVICES: u64 = 200_000;

/// What a pair's key is sealed for, followed by the token's name.
const KEY: &str = "ade-token-key";

/// What credentials are sealed for, followed by the token's name.
const CREDENTIALS: &str = "ade-token-credentials";

/// The server tokens. Clones share everything.
#[derive(Clone, Debug)]
pub struct AdeTokens {
    store: Arc<dyn Storage>,
    sealer: Arc<Sealer>,
    apple: Option<Arc<dyn DeviceAssignment>>,
    events: Arc<Events>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Counts the tokens that were imported.
    changes: watch::Sender<u64>,
    /// One import or removal at a time: each looks at what is stored before it stores.
    alone: tokio::sync::Mutex<()>,
}

impl AdeTokens {
    /// Puts the parts together. Without Apple, tokens are taken unverified.
    pub fn new(
        store: Arc<dyn Storage>,
        sealer: Arc<Sealer>,
        apple: Option<Arc<dyn DeviceAssignment>>,
        events: Arc<Events>,
    ) -> Self {
        Self {
            store,
            sealer,
            apple,
            events,
            shared: Arc::new(Shared {
                changes: watch::Sender::new(0),
                alone: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Moves each time a token has been imported, by this process.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Apple's Device Assignment Services.
    pub fn apple(&self) -> Result<&Arc<dyn DeviceAssignment>> {
        self.apple
            .as_ref()
            .ok_or_else(|| Error::new(Code::AdeNotConnected))
    }

    /// Apple and the credentials, for whoever needs both.
    pub fn connected(&self) -> Option<AppleAndCredentials> {
        let apple = Arc::clone(self.apple.as_ref()?);
        Some((apple, Arc::new(self.clone())))
    }

    /// The token of a name.
    pub async fn record(&self, name: &str) -> Result<AdeTokenRecord> {
        self.store.ade_token(name).await?.ok_or_else(|| unknown(name))
    }

    /// All tokens, by name.
    pub async fn records(&self) -> StoreResult<Vec<AdeTokenRecord>> {
        self.store.ade_tokens().await
    }

    /// The token that is meant where none is named: the default, or the only one that is in use.
    pub async fn meant(&self) -> StoreResult<Option<AdeTokenRecord>> {
        let mut in_use = self.records().await?;
        in_use.retain(|record| record.credentials.is_some());
        if let Some(at) = in_use.iter().position(|record| record.is_default) {
            return Ok(Some(in_use.swap_remove(at)));
        }
        Ok(in_use.pop().filter(|_| in_use.is_empty()))
    }

    /// With what Apple is asked for a token: not before it was imported, and not after it has expired (T14).
    pub fn access(&self, record: &AdeTokenRecord, now: Timestamp) -> Result<DepAccess> {
        check_usable(record, now).inspect_err(|error| {
            let (token, code) = (&record.name, error.code().as_str());
            tracing::warn!(token, code, "the server token can't be used: {error}");
        })?;
        Ok(access_with(record, &self.credentials(record)?))
    }

    /// What is in a token. Secret.
    pub fn credentials(&self, record: &AdeTokenRecord) -> Result<ServerToken> {
        let sealed = record.credentials.as_ref().ok_or_else(|| pending(record))?;
        let json = self.open(CREDENTIALS, &record.name, sealed)?;
        ServerToken::from_json(&json).map_err(Error::internal)
    }

    /// Asks Apple for the account that a token belongs to, and remembers the answer.
    pub async fn learn_account(&self, record: &AdeTokenRecord, now: Timestamp) -> Result<AdeAccount> {
        let access = self.access(record, now)?;
        let answer = self.apple()?.account(&access).await;
        self.note(record.number, answer.as_ref().err(), now).await?;
        let account = account_of(&answer.map_err(|failure| trouble::error_of(&failure))?);
        let learnt = account.clone();
        let rule: AdeTokenRule = Box::new(move |stored| {
            (stored.account.as_ref() != Some(&learnt)).then(|| AdeTokenRecord {
                account: Some(learnt.clone()),
                updated_at: now,
                ..stored.clone()
            })
        });
        self.store.edit_ade_token(record.number, rule).await?;
        Ok(account)
    }

    /// Passes a request on to Apple as it is, within the token's session; whatever Apple answers comes back.
    pub async fn forward(&self, name: &str, request: DepForward, now: Timestamp) -> Result<DepForwarded> {
        let record = self.record(name).await?;
        let access = self.access(&record, now)?;
        let answer = self.apple()?.forward(&access, request).await;
        if let Err(failure) = &answer {
            self.note_failure(record.number, failure, now).await?;
        }
        answer.map_err(|failure| trouble::error_of(&failure))
    }

    /// Changes a token by a rule.
    async fn edit(&self, record: &AdeTokenRecord, rule: AdeTokenRule) -> Result<AdeTokenRecord> {
        let edited = self.store.edit_ade_token(record.number, rule).await?;
        edited.ok_or_else(|| unknown(&record.name))
    }

    fn seal(&self, purpose: &str, name: &str, plain: &[u8]) -> Result<Sealed> {
        let sealed = self.sealer.seal(&format!("{purpose}:{name}"), plain);
        Ok(Sealed::new(sealed.map_err(Error::internal)?))
    }

    fn open(&self, purpose: &str, name: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>> {
        let plain = self.sealer.open(&format!("{purpose}:{name}"), sealed.as_bytes());
        Ok(Zeroizing::new(plain.map_err(Error::internal)?))
    }

    /// A stored pair, ready to open what was encrypted to it.
    fn pair(&self, name: &str, stored: &AdeKeyPair) -> Result<TokenKey> {
        Ok(TokenKey {
            certificate: stored.certificate.clone(),
            key_pkcs8: self.open(KEY, name, &stored.key)?,
        })
    }
}

impl Credentials for AdeTokens {
    fn access(&self, token: &AdeTokenRecord, now: Timestamp) -> Result<Option<DepAccess>> {
        match token.credentials {
            Some(_) => self.access(token, now).map(Some),
            None => Ok(None),
        }
    }
}

/// Whether Apple may be asked with a token at all.
pub fn check_usable(record: &AdeTokenRecord, now: Timestamp) -> Result<()> {
    if record.credentials.is_none() {
        return Err(pending(record));
    }
    match record.expires_at {
        Some(end) if end <= now => Err(Error::with(
            Code::TokenExpired,
            format!("{}, on {end}", record.name),
        )),
        _ => Ok(()),
    }
}

/// The way to Apple with credentials that may not be stored yet.
fn access_with(record: &AdeTokenRecord, token: &ServerToken) -> DepAccess {
    DepAccess {
        name: record.name.clone(),
        credentials: DepCredentials {
            consumer_key: token.consumer_key.clone(),
            consumer_secret: token.consumer_secret.clone(),
            access_token: token.access_token.clone(),
            access_secret: token.access_secret.clone(),
        },
        base_url: record.base_url.clone(),
    }
}

/// What `GET /account` says, read leniently.
fn account_of(answer: &DepDevice) -> AdeAccount {
    let text = |key: &str| {
        let value = answer.get(key).and_then(Value::as_str);
        value.unwrap_or_default().chars().take(1_000).collect::<String>()
    };
    let limits = answer.get("urls").and_then(Value::as_array);
    let limit = |url: &Value| {
        let most = url["limit"]["maximum"].as_u64()?;
        Some((url["uri"].as_str()?.to_owned(), u32::try_from(most).ok()?))
    };
    AdeAccount {
        server_name: text("server_name"),
        server_uuid: text("server_uuid"),
        admin_id: Some(text("admin_id"))
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| text("facilitator_id")),
        org_name: text("org_name"),
        org_email: text("org_email"),
        org_phone: text("org_phone"),
        org_address: text("org_address"),
        org_id: text("org_id"),
        org_id_hash: text("org_id_hash"),
        org_type: text("org_type"),
        org_version: text("org_version"),
        limits: limits.into_iter().flatten().take(100).filter_map(limit).collect(),
    }
}

fn unknown(name: &str) -> Error {
    Error::with(Code::AdeTokenUnknown, format!("{name:?}"))
}

fn pending(record: &AdeTokenRecord) -> Error {
    Error::with(Code::AdeTokenPending, &record.name)
}

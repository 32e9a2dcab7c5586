//! Key pairs that wait for their token. Nothing is lost by an operator who comes back another day (T4): asking again
//! gives the same certificate again. While a token is renewed, the pair of the present one stays in use.

use std::time::Duration;

use super::{AdeTokens, KEY, MAX_TOKENS};
use crate::{
    error::{Code, Error, Result},
    pki::{dep_token::TokenKey, pem},
    protocol::time::Timestamp,
    service::{keys::check_name, push_certificates::import::checked_apple_id},
    storage::{AdeKeyPair, AdeTokenAdded, AdeTokenRecord},
};

/// How long the certificates say that they are valid; Apple does not mind.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A token that is to be.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// The Apple Account it is made with: a reminder for the renewal (T3).
    pub apple_id: Option<String>,
    /// Who may see it and its devices (T16).
    pub scope_tags: Option<Vec<String>>,
}

/// A certificate for the portal, and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCertificate {
    /// The token's record, as it is now.
    pub record: AdeTokenRecord,
    /// The certificate, as PEM.
    pub pem: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether the token was not there before.
    pub is_new: bool,
    /// What to do now, step by step.
    pub steps: Vec<String>,
}

impl AdeTokens {
    /// The certificate that a token's file has to be encrypted to: of the token of that name, which is made if there is
    /// none.
    pub async fn certificate(&self, new: NewToken, now: Timestamp) -> Result<TokenCertificate> {
        check_name(&new.name)?;
        let apple_id = new.apple_id.as_deref().map(checked_apple_id).transpose()?;
        super::settings::check_tags(new.scope_tags.as_deref().unwrap_or_default())?;
        let _alone = self.shared.alone.lock().await;
        let (record, is_new) = match self.store.ade_token(&new.name).await? {
            None => (self.begin(&new.name, now).await?, true),
            Some(record) => (record, false),
        };
        // One that was made by its credentials alone has no pair yet.
        let record = match (&record.staged, &record.key) {
            (None, None) => self.stage(&record, &new.name, VALIDITY, now).await?,
            _ => record,
        };
        let tags = new.scope_tags;
        let record = if apple_id.is_some() || tags.is_some() {
            let noted = move |stored: &AdeTokenRecord| {
                Some(AdeTokenRecord {
                    apple_id: apple_id.clone().or_else(|| stored.apple_id.clone()),
                    scope_tags: tags.clone().unwrap_or_else(|| stored.scope_tags.clone()),
                    updated_at: now,
                    ..stored.clone()
                })
            };
            self.edit(&record, Box::new(noted)).await?
        } else {
            record
        };
        shown(record, is_new)
    }

    /// The certificate for the renewal of a token: a new pair waits for the new token, and the present one stays in use
    /// until that works.
    pub async fn renew(&self, name: &str, now: Timestamp) -> Result<TokenCertificate> {
        let _alone = self.shared.alone.lock().await;
        let record = self.record(name).await?;
        let record = match &record.staged {
            Some(_) => record,
            None => self.stage(&record, name, VALIDITY, now).await?,
        };
        shown(record, false)
    }

    /// A new pair in any case, in place of one that waits (NanoDEP's way); the token is made if there is none.
    pub async fn fresh_certificate(
        &self,
        name: &str,
        common_name: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<TokenCertificate> {
        check_name(name)?;
        let _alone = self.shared.alone.lock().await;
        let record = self.find_or_begin(name, now).await?;
        shown(self.stage(&record, common_name, validity, now).await?, false)
    }

    /// The token of a name, made if there is none.
    pub(super) async fn find_or_begin(&self, name: &str, now: Timestamp) -> Result<AdeTokenRecord> {
        match self.store.ade_token(name).await? {
            Some(record) => Ok(record),
            None => self.begin(name, now).await,
        }
    }

    async fn begin(&self, name: &str, now: Timestamp) -> Result<AdeTokenRecord> {
        let record = AdeTokenRecord::new(name, now);
        match self.store.add_ade_token(record, MAX_TOKENS).await? {
            AdeTokenAdded::Added(_) | AdeTokenAdded::NameTaken => self.record(name).await,
            AdeTokenAdded::TooMany => Err(Error::with(
                Code::AdeTokenLimit,
                "2,000 server tokens are the most that one server keeps",
            )),
        }
    }

    /// Makes a pair that waits.
    async fn stage(
        &self,
        record: &AdeTokenRecord,
        common_name: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<AdeTokenRecord> {
        let common_name = common_name.to_owned();
        // Finding two primes takes long enough to keep other requests waiting.
        let made = tokio::task::spawn_blocking(move || TokenKey::generate(&common_name, validity, now)).await;
        let made = made.map_err(Error::internal)?.map_err(Error::internal)?;
        let pair = AdeKeyPair {
            key: self.seal(KEY, &record.name, &made.key_pkcs8)?,
            certificate: made.certificate,
            created_at: now,
        };
        let staged = move |stored: &AdeTokenRecord| {
            Some(AdeTokenRecord {
                staged: Some(pair.clone()),
                updated_at: now,
                ..stored.clone()
            })
        };
        self.edit(record, Box::new(staged)).await
    }
}

fn shown(record: AdeTokenRecord, is_new: bool) -> Result<TokenCertificate> {
    let pair = record.staged.as_ref().or(record.key.as_ref());
    let pair = pair.ok_or_else(|| Error::internal("a server token has no key pair"))?;
    Ok(TokenCertificate {
        pem: pem::encode("CERTIFICATE", &pair.certificate),
        created_at: pair.created_at,
        is_new,
        steps: steps(&record),
        record,
    })
}

/// What the operator does with the certificate.
fn steps(record: &AdeTokenRecord) -> Vec<String> {
    let name = &record.name;
    let portal = "https://business.apple.com or https://school.apple.com";
    let import = format!("Import it: russet ade token import {name} FILE.p7m --apple-id ACCOUNT");
    if record.credentials.is_none() {
        return vec![
            format!(
                "Sign in at {portal} with a managed account that belongs to the organization, not to a person who may leave."
            ),
            "Add an MDM server, upload this certificate to it, and download its token.".to_owned(),
            import,
        ];
    }
    let server = match &record.account {
        Some(account) if !account.server_name.is_empty() => {
            format!("the MDM server {:?}", account.server_name)
        }
        _ => "the same MDM server".to_owned(),
    };
    let account = match &record.apple_id {
        Some(account) => format!("{account}, or another account that may manage MDM servers"),
        None => "an account that may manage MDM servers".to_owned(),
    };
    vec![
        format!("Sign in at {portal} with {account}."),
        format!(
            "Open {server}, never a new one: upload this certificate to it, and download its token. From then on the \
             present token no longer works."
        ),
        import,
    ]
}

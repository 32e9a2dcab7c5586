//! What is wrong with a token, in Apple's eyes (T10, T11, T17): named, with what to do about it, told once, and
//! forgotten as soon as Apple takes the token again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use super::AdeTokens;
use crate::{
    apple::dep::DepFailure,
    error::{Code, Error},
    protocol::time::Timestamp,
    storage::{AdeTokenRecord, AdeTrouble, StoreResult},
};

/// Tells of a token that Apple does not serve.
pub const TROUBLE: &str = "russet.ade_token_trouble";

/// Tells that Apple serves it again.
pub const RECOVERED: &str = "russet.ade_token_recovered";

/// The name of a failure that is the token's own; `None` for what may happen to any.
pub fn of_token(failure: &DepFailure) -> Option<Code> {
    match failure {
        DepFailure::AccessDenied => Some(Code::TokenAccessDenied),
        DepFailure::SignatureInvalid(_) => Some(Code::TokenSignatureInvalid),
        DepFailure::TermsNotSigned => Some(Code::TermsNotSigned),
        DepFailure::TokenExpired(_) => Some(Code::TokenExpired),
        DepFailure::TokenRejected(_) => Some(Code::TokenRejected),
        _ => None,
    }
}

/// Apple's refusal, as an operator is told of it.
pub fn error_of(failure: &DepFailure) -> Error {
    let (code, after) = match failure {
        DepFailure::TooManyRequests(after) => (Code::AppleBusy, *after),
        DepFailure::Unavailable(_, after) => (Code::AppleUnavailable, *after),
        DepFailure::Malformed(_) => (Code::AppleUnavailable, None),
        DepFailure::NotFound | DepFailure::ProfileNotFound => (Code::AppleUnknown, None),
        other => (of_token(other).unwrap_or(Code::AppleRefused), None),
    };
    let error = Error::with(code, failure);
    match after {
        Some(after) => error.after(after),
        None => error,
    }
}

/// What is known of a trouble by its code.
pub fn named(code: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|known| known.as_str() == code)
}

impl AdeTokens {
    /// Remembers that Apple has refused a token. A failure that is not the token's own changes nothing.
    pub async fn note_failure(&self, token: u64, failure: &DepFailure, now: Timestamp) -> StoreResult<()> {
        let Some(code) = of_token(failure) else {
            return Ok(());
        };
        let detail = failure.to_string();
        let is_news = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_news);
        let rule = move |stored: &AdeTokenRecord| {
            let known = stored.trouble.as_ref().map(|trouble| trouble.code.as_str());
            // The rule may run more than once: its latest word counts.
            told.store(known != Some(code.as_str()), Ordering::Relaxed);
            (known != Some(code.as_str())).then(|| AdeTokenRecord {
                trouble: Some(AdeTrouble {
                    code: code.as_str().to_owned(),
                    detail: detail.clone(),
                    since: now,
                }),
                ..stored.clone()
            })
        };
        let record = self.store.edit_ade_token(token, Box::new(rule)).await?;
        if let Some(record) = record
            && is_news.load(Ordering::Relaxed)
        {
            tracing::error!(
                token = record.name,
                code = code.as_str(),
                "{failure}; {}",
                code.step()
            );
            let body = json!({
                "token": record.name,
                "code": code.as_str(),
                "message": code.cause(),
                "detail": failure.to_string(),
                "step": code.step(),
            });
            self.tell(TROUBLE, &body, now).await;
        }
        Ok(())
    }

    /// Remembers that Apple has served a token. Costs a read where nothing was wrong.
    pub async fn note_success(&self, token: u64, now: Timestamp) -> StoreResult<()> {
        let Some(record) = self.store.ade_token_by_number(token).await? else {
            return Ok(());
        };
        let Some(trouble) = record.trouble else {
            return Ok(());
        };
        let cleared = |stored: &AdeTokenRecord| {
            stored.trouble.is_some().then(|| AdeTokenRecord {
                trouble: None,
                ..stored.clone()
            })
        };
        self.store.edit_ade_token(token, Box::new(cleared)).await?;
        tracing::info!(
            token = record.name,
            code = trouble.code,
            "Apple accepts the server token again"
        );
        let body = json!({ "token": record.name, "code": trouble.code, "since": trouble.since.to_rfc3339() });
        self.tell(RECOVERED, &body, now).await;
        Ok(())
    }

    /// Either of the two.
    pub async fn note(&self, token: u64, failure: Option<&DepFailure>, now: Timestamp) -> StoreResult<()> {
        match failure {
            Some(failure) => self.note_failure(token, failure, now).await,
            None => self.note_success(token, now).await,
        }
    }

    pub(super) async fn tell(&self, topic: &str, body: &serde_json::Value, now: Timestamp) {
        if let Err(error) = self.events.announce(topic, body, now).await {
            tracing::error!(%error, topic, "an event is lost");
        }
    }
}

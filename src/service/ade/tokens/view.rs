//! How a token stands, for people (T8).

use super::{ADVISED_DEVICES, AdeTokens, expiry::left, settings::revision, trouble};
use crate::{
    error::{Code, Result},
    protocol::time::Timestamp,
    service::revision::Revision,
    storage::{AdeFigures, AdeSyncRecord, AdeTokenRecord},
};

/// From so many days before its end on, a token is shown as expiring.
const EXPIRING_DAYS: i64 = 30;

/// A token's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// It works.
    Active,
    /// Its year is over.
    Expired,
    /// It works for 30 days at most.
    Expiring,
    /// Apple does not accept it any more.
    Invalid,
    /// Its key pair waits for the `.p7m`.
    PendingKey,
    /// Apple waits for somebody to accept new terms.
    TermsNotSigned,
}

impl TokenStatus {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::Invalid => "invalid",
            Self::PendingKey => "pending-key",
            Self::TermsNotSigned => "terms-not-signed",
        }
    }
}

/// A token, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenView {
    /// What is stored.
    pub record: AdeTokenRecord,
    /// How it stands.
    pub status: TokenStatus,
    /// Days that have begun or are still to come before it expires.
    pub days_left: Option<i64>,
    /// What is wrong in Apple's eyes.
    pub trouble: Option<Code>,
    /// Where its sync stands.
    pub sync: AdeSyncRecord,
    /// How many of its devices stand where; only where a single token is shown.
    pub figures: Option<AdeFigures>,
    /// What the operator should think about.
    pub advice: Vec<String>,
}

impl TokenView {
    /// What an operator has set, and which token it is now.
    pub fn revision(&self) -> Revision {
        revision(&self.record)
    }
}

impl AdeTokens {
    /// All tokens, by name, without figures.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<TokenView>> {
        let mut views = Vec::new();
        for record in self.records().await? {
            let sync = self.store.ade_sync(record.number).await?;
            views.push(view(record, sync, None, now));
        }
        Ok(views)
    }

    /// One token, with its figures.
    pub async fn show(&self, name: &str, now: Timestamp) -> Result<TokenView> {
        let record = self.record(name).await?;
        let sync = self.store.ade_sync(record.number).await?;
        let figures = self.store.ade_figures(record.number).await?;
        Ok(view(record, sync, Some(figures), now))
    }
}

fn view(
    record: AdeTokenRecord,
    sync: AdeSyncRecord,
    figures: Option<AdeFigures>,
    now: Timestamp,
) -> TokenView {
    let left = record.expires_at.map(|end| left(end, now));
    let trouble = record.trouble.as_ref();
    let trouble = trouble.and_then(|trouble| trouble::named(&trouble.code));
    TokenView {
        status: status(&record, left, trouble),
        days_left: left.map(|(days, _)| days),
        trouble,
        advice: figures.and_then(advice).into_iter().collect(),
        record,
        sync,
        figures,
    }
}

fn status(record: &AdeTokenRecord, left: Option<(i64, bool)>, trouble: Option<Code>) -> TokenStatus {
    if record.credentials.is_none() {
        return TokenStatus::PendingKey;
    }
    match (left, trouble) {
        (Some((_, true)), _) | (_, Some(Code::TokenExpired)) => TokenStatus::Expired,
        (_, Some(Code::TermsNotSigned)) => TokenStatus::TermsNotSigned,
        (_, Some(_)) => TokenStatus::Invalid,
        (Some((days, _)), None) if days <= EXPIRING_DAYS => TokenStatus::Expiring,
        _ => TokenStatus::Active,
    }
}

fn advice(figures: AdeFigures) -> Option<String> {
    (figures.devices > ADVISED_DEVICES).then(|| {
        format!(
            "it has {} devices, over 200,000: split them over several tokens, as Apple advises",
            figures.devices
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_more_than_200_000_devices_are_advised_against() {
        let with = |devices| {
            advice(AdeFigures {
                devices,
                ..AdeFigures::default()
            })
        };
        assert_eq!(with(200_000), None);
        let advice = with(200_001).unwrap();
        assert!(advice.contains("over 200,000") && advice.contains("split"));
    }
}

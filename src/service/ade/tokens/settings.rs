//! What operators set on a token: notes, whether it is the default, where its service is.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::AdeTokens;
use crate::{
    error::{Code, Error, Result},
    outbound::guard,
    protocol::time::Timestamp,
    service::{
        push_certificates::import::checked_apple_id,
        revision::{Expected, Revision},
    },
    storage::AdeTokenRecord,
};

/// More tags than this are on no token.
const MAX_TAGS: usize = 100;

/// The longest tag, identifier or URL.
const MAX_TEXT: usize = 256;

/// A change to a token; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct TokenChange {
    /// The Apple Account that it was made with.
    pub apple_id: Option<String>,
    /// Who may see it and its devices.
    pub scope_tags: Option<Vec<String>>,
    /// Whether it is meant where no token is named.
    pub is_default: Option<bool>,
    /// Where Apple's service is for it; empty: at the configured place.
    pub base_url: Option<String>,
    /// The Apple identifier of the profile that every added device gets; empty: none.
    pub assigner_profile_uuid: Option<String>,
    /// What the token has to be like before.
    pub expected: Expected,
}

impl AdeTokens {
    /// Changes a token.
    pub async fn change(&self, name: &str, change: TokenChange, now: Timestamp) -> Result<AdeTokenRecord> {
        let apple_id = change.apple_id.as_deref().map(checked_apple_id).transpose()?;
        check_tags(change.scope_tags.as_deref().unwrap_or_default())?;
        let base_url = change.base_url.map(checked_base_url).transpose()?;
        if let Some(uuid) = &change.assigner_profile_uuid {
            check_text("profile_uuid", uuid)?;
        }
        let record = self.record(name).await?;
        let met = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&met);
        let rule = move |stored: &AdeTokenRecord| {
            let is_met = change.expected.is_met(&revision(stored));
            seen.store(is_met, Ordering::Relaxed);
            if !is_met {
                return None;
            }
            let mut changed = AdeTokenRecord {
                updated_at: now,
                ..stored.clone()
            };
            if let Some(apple_id) = &apple_id {
                changed.apple_id = Some(apple_id.clone());
            }
            if let Some(tags) = &change.scope_tags {
                changed.scope_tags = tags.clone();
            }
            if let Some(is_default) = change.is_default {
                changed.is_default = is_default;
            }
            if let Some(base_url) = &base_url {
                changed.base_url = base_url.clone();
            }
            if let Some(uuid) = &change.assigner_profile_uuid {
                changed.assigner_profile_uuid = Some(uuid.clone()).filter(|uuid| !uuid.is_empty());
            }
            Some(changed)
        };
        let edited = self.edit(&record, Box::new(rule)).await?;
        match met.load(Ordering::Relaxed) {
            true => Ok(edited),
            false => Err(Error::new(Code::PreconditionFailed)),
        }
    }

    /// The same for a token that is made if there is none, as NanoDEP's settings can come before its tokens.
    pub async fn change_or_begin(
        &self,
        name: &str,
        change: TokenChange,
        now: Timestamp,
    ) -> Result<AdeTokenRecord> {
        crate::service::keys::check_name(name)?;
        self.find_or_begin(name, now).await?;
        self.change(name, change, now).await
    }
}

/// What an operator has set on a token, and which token it is now.
pub(super) fn revision(record: &AdeTokenRecord) -> Revision {
    Revision::of(&(
        (record.number, record.edition),
        &record.apple_id,
        &record.scope_tags,
        record.is_default,
        &record.base_url,
        &record.defaults,
        &record.assigner_profile_uuid,
    ))
}

/// Refuses tags that nobody could have meant.
pub(super) fn check_tags(tags: &[String]) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(Error::of_field(
            Code::AdeTokenInvalid,
            "scope_tags",
            format!("{MAX_TAGS} are the most"),
        ));
    }
    tags.iter().try_for_each(|tag| match tag.trim() {
        "" => Err(Error::of_field(
            Code::AdeTokenInvalid,
            "scope_tags",
            "a tag is empty",
        )),
        tag => check_text("scope_tags", tag),
    })
}

fn check_text(name: &str, text: &str) -> Result<()> {
    if text.len() > MAX_TEXT || text.contains(char::is_control) {
        let rule = format!("has at most {MAX_TEXT} characters, none of them a control character");
        return Err(Error::of_field(Code::AdeTokenInvalid, name, rule));
    }
    Ok(())
}

/// The address that a URL names in place of a host name.
fn named_address(url: &str) -> Option<IpAddr> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok()
}

/// `https://host[:port]`, also `http://`, with nothing after it but slashes; empty stands for none.
fn checked_base_url(url: String) -> Result<Option<String>> {
    let trimmed = url.trim().trim_end_matches('/');
    if trimmed.is_empty() {
        return Ok(None);
    }
    let parsed: Option<http::Uri> = trimmed.parse().ok();
    let usable = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if !usable || trimmed.len() > MAX_TEXT {
        return Err(Error::of_field(
            Code::AdeTokenInvalid,
            "base_url",
            "is not a URL such as https://host:port",
        ));
    }
    if let Some(reason) = named_address(trimmed).and_then(guard::objection) {
        return Err(Error::of_field(
            Code::AdeTokenInvalid,
            "base_url",
            format!("names {reason}"),
        ));
    }
    Ok(Some(trimmed.to_owned()))
}

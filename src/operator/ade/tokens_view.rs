//! How server tokens are shown. Keys and credentials never show.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::Code,
    operator::view::Time,
    service::ade::tokens::{import::Imported, pending::TokenCertificate, view::TokenView},
    storage::{AdeAccount, AdeFigures, AdeSyncRecord, AdeTrouble},
};

/// A server token, and how it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct AdeTokenView {
    /// Its name; what NanoDEP calls the DEP name.
    name: String,
    /// `active`, `expired`, `expiring`, `invalid`, `pending-key` or `terms-not-signed`.
    #[schema(value_type = String, example = "active")]
    status: &'static str,
    /// Until when it is valid.
    expires_at: Option<Time>,
    /// Days that have begun or are still to come before that.
    days_until_expiration: Option<i64>,
    /// The Apple Account that it was made with, as far as it was noted.
    apple_id: Option<String>,
    /// Whether it is meant where no token is named.
    is_default: bool,
    /// By platform: the profile that a device gets which has none.
    #[schema(value_type = BTreeMap<String, String>)]
    defaults: BTreeMap<&'static str, String>,
    /// The profile that every added device gets, by Apple's identifier (NanoDEP's assigner).
    assigner_profile_uuid: Option<String>,
    /// Who may see it and its devices.
    scope_tags: Vec<String>,
    /// Where Apple's service is for it; null: at the configured place.
    base_url: Option<String>,
    /// What Apple says of the account; null until Apple was asked.
    account: Option<AccountOfToken>,
    /// Whether a key pair waits for a newer token.
    renewal_waits: bool,
    /// What is wrong with it.
    trouble: Option<TroubleView>,
    /// Where its sync stands.
    sync: SyncSummary,
    /// How many of its devices stand where; only where a single token is shown.
    devices: Option<AdeFigures>,
    /// What the operator should think about.
    advice: Vec<String>,
    /// When it was made.
    created_at: Time,
    /// When it changed last.
    updated_at: Time,
}

impl From<TokenView> for AdeTokenView {
    fn from(view: TokenView) -> Self {
        let record = view.record;
        Self {
            name: record.name,
            status: view.status.as_str(),
            expires_at: record.expires_at.map(Time),
            days_until_expiration: view.days_left,
            apple_id: record.apple_id,
            is_default: record.is_default,
            defaults: record
                .defaults
                .into_iter()
                .map(|(platform, profile)| (platform.as_str(), profile))
                .collect(),
            assigner_profile_uuid: record.assigner_profile_uuid,
            scope_tags: record.scope_tags,
            base_url: record.base_url,
            account: record.account.map(AccountOfToken::from),
            renewal_waits: record.credentials.is_some() && record.staged.is_some(),
            trouble: record
                .trouble
                .map(|trouble| TroubleView::new(trouble, view.trouble)),
            sync: SyncSummary::from(view.sync),
            devices: view.figures,
            advice: view.advice,
            created_at: record.created_at.into(),
            updated_at: record.updated_at.into(),
        }
    }
}

/// All server tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct AdeTokenList {
    /// By name.
    pub(super) ade_tokens: Vec<AdeTokenView>,
}

/// What Apple says of a token's account.
#[derive(Serialize, ToSchema)]
struct AccountOfToken {
    /// The name of the MDM server in the portal.
    server_name: String,
    /// Names the MDM server for good; a renewed token has the same.
    server_uuid: String,
    /// The Apple Account that made the token.
    admin_id: String,
    /// The organisation's name.
    org_name: String,
    /// The organisation's identifier.
    org_id: String,
    /// `org` or `edu`.
    org_type: String,
}

impl From<AdeAccount> for AccountOfToken {
    fn from(account: AdeAccount) -> Self {
        Self {
            server_name: account.server_name,
            server_uuid: account.server_uuid,
            admin_id: account.admin_id,
            org_name: account.org_name,
            org_id: account.org_id,
            org_type: account.org_type,
        }
    }
}

/// What is wrong with a token.
#[derive(Serialize, ToSchema)]
struct TroubleView {
    /// The failure's name in the catalogue.
    code: String,
    /// What happened, as a sentence.
    #[schema(value_type = Option<String>)]
    message: Option<&'static str>,
    /// What Apple said.
    detail: String,
    /// What to do next.
    #[schema(value_type = Option<String>)]
    step: Option<&'static str>,
    /// When it was seen first.
    since: Time,
}

impl TroubleView {
    fn new(trouble: AdeTrouble, code: Option<Code>) -> Self {
        Self {
            code: trouble.code,
            message: code.map(Code::cause),
            detail: trouble.detail,
            step: code.map(Code::step),
            since: trouble.since.into(),
        }
    }
}

/// Where a token's sync stands.
#[derive(Serialize, ToSchema)]
struct SyncSummary {
    /// `running`, `never`, `failed` or `ok`.
    #[schema(value_type = String, pattern = "^(running|never|failed|ok)$")]
    status: &'static str,
    /// When Apple last gave a page.
    last_fetch_at: Option<Time>,
    /// When the latest sync ended.
    last_ended_at: Option<Time>,
    /// Why it failed.
    failure: Option<SyncFailure>,
}

/// Why a sync failed.
#[derive(Serialize, ToSchema)]
struct SyncFailure {
    /// The failure's name in the catalogue.
    code: String,
    /// What went wrong.
    message: String,
}

impl From<AdeSyncRecord> for SyncSummary {
    fn from(sync: AdeSyncRecord) -> Self {
        let status = match (&sync.running, &sync.last_end) {
            (Some(_), _) => "running",
            (None, None) => "never",
            (None, Some(end)) if end.failure.is_some() => "failed",
            (None, Some(_)) => "ok",
        };
        Self {
            status,
            last_fetch_at: sync.last_fetch_at.map(Time),
            last_ended_at: sync.last_end.as_ref().map(|end| end.at.into()),
            failure: sync
                .last_end
                .and_then(|end| end.failure)
                .map(|(code, message)| SyncFailure { code, message }),
        }
    }
}

/// A certificate for Apple's portal, and what to do with it.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenCertificateView {
    /// The server token.
    name: String,
    /// PEM. The key never leaves the server.
    certificate: String,
    /// When it was made.
    created_at: Time,
    /// What to do now, step by step.
    steps: Vec<String>,
}

impl From<TokenCertificate> for TokenCertificateView {
    fn from(made: TokenCertificate) -> Self {
        Self {
            name: made.record.name,
            certificate: made.pem,
            created_at: made.created_at.into(),
            steps: made.steps,
        }
    }
}

/// A server token that was imported.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportedToken {
    #[serde(flatten)]
    token: AdeTokenView,
    /// Whether it replaced another.
    renewed: bool,
    /// Whether Apple has accepted it.
    verified: bool,
    /// What the operator should look at.
    warnings: Vec<String>,
}

impl ImportedToken {
    pub(super) fn new(imported: Imported, view: TokenView) -> Self {
        Self {
            token: view.into(),
            renewed: imported.renewed,
            verified: imported.verified,
            warnings: imported.warnings,
        }
    }
}

//! How the sync of a token is shown.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    operator::view::Time,
    service::ade::sync::SyncStatus,
    storage::{AdeSyncEnd, AdeSyncKind, AdeSyncRun, AdeTokenRecord},
};

/// How the syncs stand.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncList {
    /// By token.
    pub(super) syncs: Vec<SyncView>,
}

/// How the sync of a token with Apple's list stands.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncView {
    /// The server token.
    token: String,
    /// What runs now.
    running: Option<SyncRunView>,
    /// How long that will still take, about; null if nobody can know.
    eta_seconds: Option<u64>,
    /// How the latest one ended.
    last: Option<SyncEndView>,
    /// When Apple last gave a page.
    last_fetch_at: Option<Time>,
    /// When all devices were last read to the end.
    last_full_at: Option<Time>,
    /// How many have failed in a row.
    failures_in_a_row: u32,
    /// When the next one begins by itself; null while the token waits for its file.
    next_at: Option<Time>,
    /// What it will be.
    next_kind: AdeSyncKind,
    /// From when an operator may ask for one; null: now.
    manual_allowed_at: Option<Time>,
    /// From when an operator may ask for all devices; null: now.
    full_allowed_at: Option<Time>,
    /// Before when another one is of little use; null: now.
    manual_advised_at: Option<Time>,
    /// How many devices Apple has for the token, as far as is known here.
    devices: u64,
    /// Whether devices are being given profiles now.
    assigning: bool,
    /// When a device has to be given a profile next.
    next_assignment_at: Option<Time>,
    /// What should be changed about the token.
    warning: Option<String>,
}

impl SyncView {
    pub(super) fn new(token: AdeTokenRecord, status: SyncStatus) -> Self {
        Self {
            warning: status.warning(),
            eta_seconds: status.eta.as_ref().map(Duration::as_secs),
            running: status.record.running.map(SyncRunView::from),
            last: status.record.last_end.map(SyncEndView::from),
            last_fetch_at: status.record.last_fetch_at.map(Time),
            last_full_at: status.record.last_full_done_at.map(Time),
            failures_in_a_row: status.record.failures,
            next_at: token.credentials.is_some().then(|| status.next_at.into()),
            token: token.name,
            next_kind: status.next_kind,
            manual_allowed_at: status.next_manual_at.map(Time),
            full_allowed_at: status.next_full_at.map(Time),
            manual_advised_at: status.advised_manual_at.map(Time),
            devices: status.devices,
            assigning: status.assigning,
            next_assignment_at: status.next_assignment_at.map(Time),
        }
    }
}

/// A sync.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncRunView {
    /// Names it.
    id: String,
    /// What it does.
    kind: AdeSyncKind,
    /// Whether an operator asked for it.
    manual: bool,
    /// When it began.
    started_at: Time,
    /// When it counts as dead.
    deadline: Time,
    /// How many pages are stored.
    pages: u64,
    /// How many device records they held.
    devices: u64,
}

impl From<AdeSyncRun> for SyncRunView {
    fn from(run: AdeSyncRun) -> Self {
        Self {
            id: run.id,
            kind: run.kind,
            manual: run.manual,
            started_at: run.started_at.into(),
            deadline: run.deadline.into(),
            pages: run.pages,
            devices: run.devices,
        }
    }
}

/// A sync that has ended.
#[derive(Serialize, ToSchema)]
struct SyncEndView {
    #[serde(flatten)]
    run: SyncRunView,
    /// When it ended.
    ended_at: Time,
    /// `done`, `timed_out`, `interrupted` or `failed`.
    #[schema(value_type = String, pattern = "^(done|timed_out|interrupted|failed)$")]
    result: &'static str,
    /// The failure's name in the catalogue.
    code: Option<String>,
    /// What went wrong.
    message: Option<String>,
}

impl From<AdeSyncEnd> for SyncEndView {
    fn from(end: AdeSyncEnd) -> Self {
        let (code, message) = end.failure.unzip();
        Self {
            run: end.run.into(),
            ended_at: end.at.into(),
            result: match code.as_deref() {
                None => "done",
                Some("ade_sync_timed_out") => "timed_out",
                Some("ade_sync_interrupted") => "interrupted",
                Some(_) => "failed",
            },
            code,
            message,
        }
    }
}

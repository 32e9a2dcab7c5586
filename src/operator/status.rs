//! `/v1/status`: how the server is doing, on one screen.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    protocol::time::Timestamp,
    service::access::{Operator, Scope},
};

/// When the server's own certificates end, by kind: `device_ca` and `tls`. Whoever loads them keeps this up to date.
#[derive(Clone, Debug, Default)]
pub struct Ends(Arc<Mutex<BTreeMap<&'static str, Timestamp>>>);

impl Ends {
    /// Takes down when one of them ends.
    pub fn set(&self, kind: &'static str, at: Timestamp) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(kind, at);
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<&'static str, Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How the server is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// This release.
    version: String,
    /// The store.
    store: StoreStatus,
    /// Devices and users.
    enrollments: EnrollmentStatus,
    /// Commands that are not finished.
    queue: QueueStatus,
    /// Pushes.
    pushes: PushingStatus,
    /// Push certificates.
    push_certificates: Vec<PushCertificateStatus>,
    /// Server tokens of Apple Business Manager and Apple School Manager.
    ade_tokens: Vec<TokenStatus>,
    /// Hooks.
    hooks: Vec<HookStatus>,
    /// The server's own certificates.
    certificates: Vec<CertificateStatus>,
    /// The audit log.
    audit: AuditStatus,
}

/// The store.
#[derive(Serialize, ToSchema)]
pub(super) struct StoreStatus {
    /// On disk.
    bytes: u64,
}

/// Devices and users.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrollmentStatus {
    /// Of every state.
    all: u64,
    /// Those that are enrolled.
    enrolled: u64,
}

/// Commands that are not finished.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueStatus {
    /// How many, over all enrollments.
    commands: u64,
    /// When the oldest was enqueued.
    oldest_at: Option<Time>,
}

/// Pushes.
#[derive(Serialize, ToSchema)]
pub(super) struct PushingStatus {
    /// Whether there is a push service.
    configured: bool,
    /// Enrollments that are to be woken.
    pending: usize,
    /// Since when APNs is down.
    apns_down_since: Option<String>,
}

/// A push certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct PushCertificateStatus {
    /// Its topic.
    topic: String,
    /// When it expires.
    expires_at: Time,
    /// Whole days until then; negative after that.
    days_left: i64,
}

/// A server token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenStatus {
    /// Its name.
    name: String,
    /// How it stands.
    status: String,
    /// When it expires.
    expires_at: Option<Time>,
    /// Whole days until then; negative after that.
    days_left: Option<i64>,
    /// When Apple last gave a page of its devices.
    last_fetch_at: Option<Time>,
}

/// A hook.
#[derive(Serialize, ToSchema)]
pub(super) struct HookStatus {
    /// Its name.
    name: String,
    /// Whether it gets events.
    enabled: bool,
    /// Since when it takes none.
    failing_since: Option<Time>,
    /// Events that wait.
    waiting: u64,
    /// Events that were given up.
    dead_letters: u64,
}

/// One of the server's own certificates.
#[derive(Serialize, ToSchema)]
pub(super) struct CertificateStatus {
    /// device_ca or tls.
    kind: String,
    /// When it expires.
    expires_at: Time,
    /// Whole days until then; negative after that.
    days_left: i64,
}

/// The audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditStatus {
    /// How many entries it has.
    entries: u64,
    /// Number and hash of the latest, to be kept elsewhere.
    head: String,
}

fn days(end: Timestamp, now: Timestamp) -> i64 {
    end.seconds().saturating_sub(now.seconds()).div_euclid(86_400)
}

/// How the server is doing.
#[utoipa::path(
    get, path = "/v1/status", tag = "server", operation_id = "show_status",
    responses((status = 200, description = "How it is doing.", body = Status)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    Ok(json_response(StatusCode::OK, &gather(&door).await?))
}

async fn gather(door: &OperatorDoor) -> Result<Status, Failure> {
    let now = door.clock.now();
    let (figures, head) = (door.store.figures().await?, door.audit.head().await?);
    let pushes = door.pushes.status();
    let certificates = door.push_certificates.list().await?.into_iter();
    let tokens = door.ade_tokens.list(now).await?.into_iter();
    let hooks = door.events.hooks().await?.into_iter();
    Ok(Status {
        version: crate::VERSION.to_owned(),
        store: StoreStatus { bytes: figures.bytes },
        enrollments: EnrollmentStatus {
            all: figures.enrollments,
            enrolled: figures.enrolled,
        },
        queue: QueueStatus {
            commands: figures.queued_commands,
            oldest_at: figures.oldest_queued_at.map(Time),
        },
        pushes: PushingStatus {
            configured: pushes.configured,
            pending: pushes.pending,
            apns_down_since: pushes.apns_down_since,
        },
        push_certificates: certificates
            .map(|one| PushCertificateStatus {
                topic: one.topic.to_string(),
                expires_at: one.not_after.into(),
                days_left: days(one.not_after, now),
            })
            .collect(),
        ade_tokens: tokens
            .map(|one| TokenStatus {
                status: one.status.as_str().to_owned(),
                expires_at: one.record.expires_at.map(Time),
                days_left: one.record.expires_at.map(|end| days(end, now)),
                last_fetch_at: one.sync.last_fetch_at.map(Time),
                name: one.record.name,
            })
            .collect(),
        hooks: hooks
            .map(|one| HookStatus {
                name: one.record.name,
                enabled: one.record.enabled,
                failing_since: one.failing_since.map(Time),
                waiting: one.figures.waiting,
                dead_letters: one.figures.dead_letters,
            })
            .collect(),
        certificates: door
            .ends
            .all()
            .into_iter()
            .map(|(kind, end)| CertificateStatus {
                kind: kind.to_owned(),
                expires_at: end.into(),
                days_left: days(end, now),
            })
            .collect(),
        audit: AuditStatus {
            entries: head.number,
            head: format!("{}:{}", head.number, head.hash),
        },
    })
}

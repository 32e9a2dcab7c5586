//! `/v1/audit`: reading and checking the audit log. There is no way to change it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::Error,
    operator::{
        OperatorDoor, Routes,
        input::{PageQuery, Query},
        render::{Failure, json_response},
        view::Time,
    },
    protocol::ids::Fingerprint,
    service::{
        access::{Operator, Scope},
        audit::Broken,
    },
    storage::{AuditFilter, AuditHead, AuditRow},
};

/// Entries of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditList {
    /// In the order that was asked for.
    entries: Vec<EntryView>,
    /// Present where there may be more; a page may have fewer entries than asked for all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries about the enrollment with this id.
    device: Option<String>,
    /// Only entries of this operator.
    operator: Option<String>,
    /// Which come first; the newest if absent.
    #[param(inline)]
    order: Option<Order>,
    /// Only entries of this time or later.
    since: Option<Time>,
    /// Only entries with this target, such as `serial:C02XX`.
    target: Option<String>,
    /// Only entries of earlier than this time.
    until: Option<Time>,
}

/// Which entries come first.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// The latest.
    Newest,
    /// The first ones.
    Oldest,
}

/// What is to be checked.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct VerifyQuery {
    /// Begin after this entry; with the first one if absent.
    after: Option<u64>,
    /// A head that was kept elsewhere: that entry must still have that hash.
    #[param(pattern = "^[0-9]+:[0-9a-f]{64}$")]
    head: Option<String>,
}

/// An entry. Its hash is SHA-256 over its JSON without `hash`, in the form of RFC 8785.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Where the request came from; absent on the local socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// When.
    at: Time,
    /// More about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
    /// SHA-256, hexadecimal.
    hash: String,
    /// How it is known who it was: key, local, user, or none.
    kind: String,
    /// Its place in the log; the first is 1.
    number: u64,
    /// The entry whose outcome this tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// What was done: an operation of this API.
    operation: String,
    /// Who did it.
    operator: String,
    /// begun, done, failed or refused. What has begun went well unless a later entry names it.
    outcome: String,
    /// The hash of the entry before it.
    previous: String,
    /// The request's id, as the log and `X-Request-Id` have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// The scope that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// To what, such as `enrollment:UDID`; the first ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    /// How many targets there are, where that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets_count: Option<u64>,
    /// SHA-256 over all of them, each with a line feed after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets_hash: Option<String>,
}

impl From<AuditRow> for EntryView {
    fn from(AuditRow { entry, hash }: AuditRow) -> Self {
        Self {
            address: entry.address,
            at: entry.at.into(),
            details: entry.details,
            hash: hash.to_string(),
            kind: entry.kind,
            number: entry.number,
            of: entry.of,
            operation: entry.operation,
            operator: entry.operator,
            outcome: entry.outcome.as_str().to_owned(),
            previous: entry.previous.to_string(),
            request: entry.request,
            scope: entry.scope,
            targets: entry.targets,
            targets_count: entry.targets_count,
            targets_hash: entry.targets_hash.map(|hash| hash.to_string()),
        }
    }
}

/// The end of the log, or of a part of it.
#[derive(Serialize, ToSchema)]
pub(super) struct HeadView {
    /// The number of the latest entry; 0 if there is none.
    number: u64,
    /// Its hash; zeros if there is none.
    hash: String,
    /// Both in one, to be kept elsewhere and given to the check.
    head: String,
}

impl From<AuditHead> for HeadView {
    fn from(head: AuditHead) -> Self {
        Self {
            number: head.number,
            hash: head.hash.to_string(),
            head: format!("{}:{}", head.number, head.hash),
        }
    }
}

/// What a check has found.
#[derive(Serialize, ToSchema)]
pub(super) struct Verification {
    /// Whether all that was checked is as it should be.
    ok: bool,
    /// The latest entry that is as it should be.
    reached: HeadView,
    /// The end of the log.
    head: HeadView,
    /// The first broken link, if one was met.
    broken: Option<BrokenLink>,
    /// Go on with `after` at this number; null when there is nothing more to check.
    next_after: Option<u64>,
}

/// An entry that is not as it should be.
#[derive(Serialize, ToSchema)]
pub(super) struct BrokenLink {
    /// Its number.
    number: u64,
    /// What is wrong, to be read after the number.
    problem: String,
}

impl From<Broken> for BrokenLink {
    fn from(broken: Broken) -> Self {
        Self {
            number: broken.number,
            problem: broken.problem.to_owned(),
        }
    }
}

/// Entries of the audit log.
///
/// A page may have fewer entries than asked for, even none, and a `next_cursor` all the same.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "list_audit",
    params(AuditQuery, PageQuery),
    responses((status = 200, description = "Entries.", body = AuditList)),
    security(("bearer" = ["audit"]))
)]
async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<AuditQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Audit)?;
    let page = page.page()?;
    let filter = AuditFilter {
        operator: query.operator,
        target: query
            .target
            .or_else(|| query.device.map(|id| format!("enrollment:{id}"))),
        since: query.since.map(|at| at.0),
        until: query.until.map(|at| at.0),
        oldest_first: query.order == Some(Order::Oldest),
    };
    let listing = door.audit.entries(&filter, &page).await?;
    let list = AuditList {
        entries: listing.rows.into_iter().map(EntryView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// The end of the audit log.
///
/// Whoever keeps it elsewhere can tell later whether anything before it was changed.
#[utoipa::path(
    get, path = "/v1/audit/head", tag = "audit", operation_id = "show_audit_head",
    responses((status = 200, description = "The end of the log.", body = HeadView)),
    security(("bearer" = ["audit"]))
)]
async fn head(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Audit)?;
    Ok(json_response(
        StatusCode::OK,
        &HeadView::from(door.audit.head().await?),
    ))
}

/// Follows the chain of hashes, and names the first entry that breaks it.
///
/// A part of it at a time: `next_after` says where to go on.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", operation_id = "verify_audit",
    params(VerifyQuery),
    responses((status = 200, description = "What was found.", body = Verification)),
    security(("bearer" = ["audit"]))
)]
async fn verify(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<VerifyQuery>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Audit)?;
    let pinned = match &query.head {
        None => None,
        Some(text) => {
            let malformed = || Error::invalid("head", "is not a number, a colon and 64 hexadecimal digits");
            door.audit.pinned(&pin(text).ok_or_else(malformed)?).await?
        }
    };
    let verified = door.audit.verify(query.after.unwrap_or(0)).await?;
    let over = verified.is_over();
    let reached = verified.reached;
    let broken = verified.broken.or(pinned);
    Ok(json_response(
        StatusCode::OK,
        &Verification {
            ok: broken.is_none(),
            next_after: (!over && broken.is_none()).then_some(reached.number),
            reached: reached.into(),
            head: verified.head.into(),
            broken: broken.map(BrokenLink::from),
        },
    ))
}

fn pin(text: &str) -> Option<AuditHead> {
    let (number, hash) = text.split_once(':')?;
    Some(AuditHead {
        number: number.parse().ok()?,
        hash: Fingerprint::try_from(hash.to_owned()).ok()?,
    })
}

/// The routes of this part.
pub(in crate::operator) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(head))
        .routes(routes!(verify))
}

//! `/v1/audit`: reading and checking the audit log. There is no way to change it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Extension, RawQuery, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    operator::{
        OperatorDoor, Routes,
        input::{Params, bad},
        openapi::Problem,
        render::{Failure, json_response},
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

/// An entry. Its hash is SHA-256 over its JSON without `hash`, in the form of RFC 8785.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Where the request came from; absent on the local socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    at: String,
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
            at: entry.at.to_rfc3339(),
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
    #[schema(required)]
    broken: Option<BrokenLink>,
    /// Go on with `after` at this number; null when there is nothing more to check.
    #[schema(required)]
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
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "list_audit",
    params(
        ("cursor" = Option<String>, Query, description = "Continue after the page that gave this cursor."),
        ("device" = Option<String>, Query, description = "Only entries about the enrollment with this id."),
        ("limit" = Option<usize>, Query, description = "At most so many entries; 100 unless given."),
        ("operator" = Option<String>, Query, description = "Only entries of this operator."),
        ("order" = Option<String>, Query, description = "`newest` (unless given) or `oldest` first."),
        ("since" = Option<String>, Query, description = "Only entries of this time (RFC 3339) or later."),
        ("target" = Option<String>, Query, description = "Only entries with this target, such as `serial:C02XX`."),
        ("until" = Option<String>, Query, description = "Only entries of earlier than this time (RFC 3339)."),
    ),
    responses((status = 200, description = "Entries.", body = AuditList)),
    security(("basic" = ["audit"]), ("bearer" = ["audit"]))
)]
async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Audit)?;
    let params = Params::parse(query.as_deref());
    let page = params.page()?;
    if page
        .cursor
        .as_ref()
        .is_some_and(|cursor| cursor.parse::<u64>().is_err())
    {
        return Err(bad("cursor", "is none that this list has given").into());
    }
    let target = params.get("target").map(str::to_owned);
    let filter = AuditFilter {
        operator: params.get("operator").map(str::to_owned),
        target: target.or_else(|| params.get("device").map(|id| format!("enrollment:{id}"))),
        since: params.time("since")?,
        until: params.time("until")?,
        oldest_first: match params.get("order") {
            None | Some("newest") => false,
            Some("oldest") => true,
            Some(_) => return Err(bad("order", "is neither newest nor oldest").into()),
        },
    };
    let listing = door.audit.entries(&filter, &page).await?;
    let list = AuditList {
        entries: listing.rows.into_iter().map(EntryView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// The end of the audit log. Whoever keeps it elsewhere can tell later whether anything before it was changed.
#[utoipa::path(
    get, path = "/v1/audit/head", tag = "audit", operation_id = "show_audit_head",
    responses((status = 200, description = "The end of the log.", body = HeadView)),
    security(("basic" = ["audit"]), ("bearer" = ["audit"]))
)]
async fn head(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Audit)?;
    Ok(json_response(
        StatusCode::OK,
        &HeadView::from(door.audit.head().await?),
    ))
}

/// Follows the chain of hashes, a part of it at a time, and names the first entry that breaks it.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", operation_id = "verify_audit",
    params(
        ("after" = Option<u64>, Query, description = "Begin after this entry; with the first one unless given."),
        ("head" = Option<String>, Query, description = "A head that was kept elsewhere: that entry must still have that hash."),
    ),
    responses(
        (status = 200, description = "What was found.", body = Verification),
        (status = 400, description = "A parameter can't be used.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("basic" = ["audit"]), ("bearer" = ["audit"]))
)]
async fn verify(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Audit)?;
    let params = Params::parse(query.as_deref());
    let after = params.number("after")?.unwrap_or(0);
    let pinned = match params.get("head") {
        None => None,
        Some(text) => {
            let pin =
                pin(text).ok_or_else(|| bad("head", "is not a number, a colon and 64 hexadecimal digits"))?;
            door.audit.pinned(&pin).await?
        }
    };
    let verified = door.audit.verify(after).await?;
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

//! `/v1/ade/sync`: how the sync of a token with Apple's list stands, and starting one.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    operator::{
        OperatorDoor,
        input::Params,
        render::{Failure, json_response},
    },
    protocol::time::Timestamp,
    service::{
        access::{Operator, Scope},
        ade::sync::SyncStatus,
    },
    storage::{AdeSyncEnd, AdeSyncRun, AdeTokenRecord},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    token: Option<String>,
    #[serde(default)]
    full: bool,
}

/// Begins a sync and answers 202 at once; `GET` tells how far it is.
pub(super) async fn start(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let asked: Asked = door.json(&headers, body).await?;
    let token = door.ade_devices.token(asked.token.as_deref()).await?;
    let started = door.ade_sync.start(&token, asked.full).await?;
    tracing::info!(
        by = operator.name,
        token = token.name,
        full = asked.full,
        "sync asked for"
    );
    let answer = json!({ "token": token.name, "running": run(&started) });
    Ok(json_response(StatusCode::ACCEPTED, &answer))
}

/// How it stands: of one token (`token`), or of all.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let tokens = match params.get("token") {
        Some(name) => vec![door.ade_devices.token(Some(name)).await?],
        None => door.store.ade_tokens().await?,
    };
    let mut syncs = Vec::new();
    for token in &tokens {
        let status = door.ade_sync.status(token).await?;
        syncs.push(view(token, &status));
    }
    Ok(json_response(StatusCode::OK, &json!({ "syncs": syncs })))
}

fn view(token: &AdeTokenRecord, status: &SyncStatus) -> Value {
    let record = &status.record;
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    json!({
        "token": token.name,
        "running": record.running.as_ref().map(run),
        "eta_seconds": status.eta.as_ref().map(Duration::as_secs),
        "last": record.last_end.as_ref().map(end),
        "last_fetch_at": time(record.last_fetch_at),
        "last_full_at": time(record.last_full_done_at),
        "failures_in_a_row": record.failures,
        "next_at": token.credentials.is_some().then(|| status.next_at.to_rfc3339()),
        "next_kind": status.next_kind,
        "manual_allowed_at": time(status.next_manual_at),
        "full_allowed_at": time(status.next_full_at),
        "manual_advised_at": time(status.advised_manual_at),
        "devices": status.devices,
        "assigning": status.assigning,
        "next_assignment_at": time(status.next_assignment_at),
        "warning": status.warning(),
    })
}

fn run(run: &AdeSyncRun) -> Value {
    json!({
        "id": run.id,
        "kind": run.kind,
        "manual": run.manual,
        "started_at": run.started_at.to_rfc3339(),
        "deadline": run.deadline.to_rfc3339(),
        "pages": run.pages,
        "devices": run.devices,
    })
}

fn end(end: &AdeSyncEnd) -> Value {
    let (code, message) = end.failure.clone().unzip();
    let mut view = run(&end.run);
    view["ended_at"] = end.at.to_rfc3339().into();
    view["result"] = match code.as_deref() {
        None => "done".into(),
        Some("ade_sync_timed_out") => "timed_out".into(),
        Some("ade_sync_interrupted") => "interrupted".into(),
        Some(_) => "failed".into(),
    };
    view["code"] = code.into();
    view["message"] = message.into();
    view
}

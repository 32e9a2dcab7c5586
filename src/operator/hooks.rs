//! `/v1/hooks`: the endpoints that get events, and what could not be delivered to them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    OperatorDoor,
    input::{Params, Path, bad},
    render::{Failure, json_response},
};
use crate::{
    protocol::time::Timestamp,
    service::{
        access::{Operator, Scope},
        events::{HookChange, HookView, NewHook, generate_secret},
    },
    storage::{DeadLetter, HookFormat},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    url: String,
    #[serde(default)]
    format: HookFormat,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    statuses: Vec<String>,
    secret: Option<String>,
    #[serde(default)]
    generate_secret: bool,
    #[serde(default)]
    allow_any_address: bool,
}

/// Makes a hook. A secret that was generated shows in this answer and nowhere else.
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Asked = door.json(&headers, body).await?;
    let generated = match (asked.generate_secret, &asked.secret) {
        (true, Some(_)) => return Err(bad("generate_secret", "and secret exclude each other").into()),
        (true, None) => Some(generate_secret()?),
        (false, _) => None,
    };
    let secret = generated.as_ref().map(|secret| secret.reveal().to_owned());
    let new = NewHook {
        name: asked.name,
        url: asked.url,
        format: asked.format,
        topics: asked.topics,
        statuses: asked.statuses,
        secret: secret.clone().or(asked.secret),
        allow_any_address: asked.allow_any_address,
    };
    let hook = door.events.add_hook(new, door.clock.now()).await?;
    tracing::info!(by = operator.name, hook = hook.record.name, "hook added");
    let mut answer = shown(&hook);
    if let Some(secret) = secret {
        answer["secret"] = secret.into();
    }
    Ok(json_response(StatusCode::CREATED, &answer))
}

/// All hooks, without their secrets.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let hooks: Vec<Value> = door.events.hooks().await?.iter().map(shown).collect();
    Ok(json_response(StatusCode::OK, &json!({ "hooks": hooks })))
}

/// One hook.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let hook = door.events.hook(&name).await?;
    Ok(json_response(StatusCode::OK, &shown(&hook)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    enabled: Option<bool>,
    url: Option<String>,
    topics: Option<Vec<String>>,
    statuses: Option<Vec<String>>,
    secret: Option<String>,
}

/// Changes a hook; what is not named stays.
pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Change = door.json(&headers, body).await?;
    let change = HookChange {
        enabled: asked.enabled,
        url: asked.url,
        topics: asked.topics,
        statuses: asked.statuses,
        secret: asked.secret,
    };
    let hook = door.events.change_hook(&name, change).await?;
    tracing::info!(by = operator.name, hook = name, "hook changed");
    Ok(json_response(StatusCode::OK, &shown(&hook)))
}

/// Removes a hook, with all that waits for it.
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.events.remove_hook(&name).await?;
    tracing::info!(by = operator.name, hook = name, "hook removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends a hook an event, past its queue, and says what came of it.
pub(super) async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let outcome = door.events.test_hook(&name, door.clock.now()).await?;
    let answer = json!({
        "hook": name,
        "event_id": outcome.event_id,
        "delivered": outcome.problem.is_none(),
        "problem": outcome.problem,
    });
    Ok(json_response(StatusCode::OK, &answer))
}

/// What could not be delivered, the earliest given up first.
pub(super) async fn dead_letters(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let page = Params::parse(query.as_deref()).page()?;
    let listing = door.events.dead_letters(&name, &page).await?;
    let letters: Vec<Value> = listing.rows.iter().map(letter).collect();
    let mut answer = json!({ "dead_letters": letters });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// Forgets them all.
pub(super) async fn forget_dead_letters(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let forgotten = door.events.forget_dead_letters(&name).await?;
    tracing::info!(
        by = operator.name,
        hook = name,
        forgotten,
        "dead letters forgotten"
    );
    Ok(json_response(StatusCode::OK, &json!({ "forgotten": forgotten })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    event_ids: Option<Vec<String>>,
}

/// Puts dead letters back into the queue: those that are named, or all.
pub(super) async fn replay(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Replay = door.json(&headers, body).await?;
    let outcome = door
        .events
        .replay(&name, asked.event_ids, door.clock.now())
        .await?;
    let replayed = outcome.replayed;
    tracing::info!(by = operator.name, hook = name, replayed, "dead letters replayed");
    let answer = json!({ "replayed": replayed, "unknown": outcome.unknown });
    Ok(json_response(StatusCode::OK, &answer))
}

/// The URL may hold a token in its query; whoever may see hooks may see that.
fn shown(hook: &HookView) -> Value {
    let record = &hook.record;
    json!({
        "name": record.name,
        "url": record.url,
        "format": record.format,
        "topics": record.topics,
        "statuses": record.statuses,
        "signed": record.secret.is_some(),
        "credentials": record.credentials.is_some(),
        "allow_any_address": record.allow_any_address,
        "enabled": record.enabled,
        "created_at": record.created_at.to_rfc3339(),
        "waiting": hook.figures.waiting,
        "dead_letters": hook.figures.dead_letters,
        "bytes": hook.figures.bytes,
        "dropped": hook.figures.dropped,
        "last_delivered_at": hook.last_delivered_at.map(Timestamp::to_rfc3339),
        "failing_since": hook.failing_since.map(Timestamp::to_rfc3339),
        "last_problem": hook.last_problem,
    })
}

fn letter(letter: &DeadLetter) -> Value {
    let record = &letter.record;
    json!({
        "event_id": record.id,
        "topic": record.topic,
        "created_at": record.created_at.to_rfc3339(),
        "enrollment": record.subject.as_ref().map(|subject| &subject.id),
        "command_uuid": record.command_uuid,
        "status": record.status,
        "given_up_at": letter.at.to_rfc3339(),
        "reason": letter.reason,
    })
}

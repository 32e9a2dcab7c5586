//! `/v1/ade/tokens`: making, importing, showing, renewing and deleting server tokens. Keys and credentials never show.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    operator::{
        OperatorDoor,
        input::{Params, Path},
        render::{Failure, json_response},
    },
    protocol::time::Timestamp,
    service::{
        access::{Operator, Scope},
        ade::tokens::{
            import::Import,
            pending::{NewToken, TokenCertificate},
            settings::TokenChange,
            view::TokenView,
        },
    },
    storage::AdeSyncRecord,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    apple_id: Option<String>,
    scope_tags: Option<Vec<String>>,
}

/// Makes a token's key pair, or gives the certificate of one that is there; either way, what to do with it.
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Asked = door.json(&headers, body).await?;
    let new = NewToken {
        name: asked.name,
        apple_id: asked.apple_id,
        scope_tags: asked.scope_tags,
    };
    let made = door.ade_tokens.certificate(new, door.clock.now()).await?;
    let status = if made.is_new {
        tracing::info!(by = operator.name, token = made.record.name, "server token begun");
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json_response(status, &certificate(&made)))
}

/// The certificate for a renewal, and what to do with it.
pub(super) async fn renew(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let made = door.ade_tokens.renew(&name, door.clock.now()).await?;
    tracing::info!(by = operator.name, token = name, "server token's renewal begun");
    Ok(json_response(StatusCode::OK, &certificate(&made)))
}

/// Takes a token into service; the body is the `.p7m`, as Apple's portal gives it.
pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let params = Params::parse(query.as_deref());
    let import = Import {
        apple_id: params.get("apple_id"),
        force: params.flag("force")?.unwrap_or(false),
    };
    let file = door.body(&headers, body).await?;
    let now = door.clock.now();
    let imported = door.ade_tokens.import(&name, &file, import, now).await?;
    tracing::info!(by = operator.name, token = name, "server token imported");
    let mut answer = shown(&door.ade_tokens.show(&name, now).await?);
    answer["renewed"] = imported.renewed.into();
    answer["verified"] = imported.verified.into();
    answer["warnings"] = imported.warnings.into();
    Ok(json_response(StatusCode::OK, &answer))
}

/// All tokens, by name, without the figures of their devices.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let views = door.ade_tokens.list(door.clock.now()).await?;
    let tokens: Vec<Value> = views.iter().map(shown).collect();
    Ok(json_response(StatusCode::OK, &json!({ "ade_tokens": tokens })))
}

/// One token, with the figures of its devices.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let view = door.ade_tokens.show(&name, door.clock.now()).await?;
    Ok(json_response(StatusCode::OK, &shown(&view)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    apple_id: Option<String>,
    scope_tags: Option<Vec<String>>,
    is_default: Option<bool>,
    base_url: Option<String>,
}

/// Changes a token; what is not named stays.
pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Change = door.json(&headers, body).await?;
    let change = TokenChange {
        apple_id: asked.apple_id,
        scope_tags: asked.scope_tags,
        is_default: asked.is_default,
        base_url: asked.base_url,
        assigner_profile_uuid: None,
    };
    let now = door.clock.now();
    door.ade_tokens.change(&name, change, now).await?;
    tracing::info!(by = operator.name, token = name, "server token changed");
    let view = door.ade_tokens.show(&name, now).await?;
    Ok(json_response(StatusCode::OK, &shown(&view)))
}

/// Deletes a token that nothing depends on.
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.ade_tokens.remove(&name).await?;
    tracing::info!(by = operator.name, token = name, "server token deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn certificate(made: &TokenCertificate) -> Value {
    json!({
        "name": made.record.name,
        "certificate": made.pem,
        "created_at": made.created_at.to_rfc3339(),
        "steps": made.steps,
    })
}

fn shown(view: &TokenView) -> Value {
    let record = &view.record;
    let account = record.account.as_ref().map(|account| {
        json!({
            "server_name": account.server_name,
            "server_uuid": account.server_uuid,
            "admin_id": account.admin_id,
            "org_name": account.org_name,
            "org_id": account.org_id,
            "org_type": account.org_type,
        })
    });
    let trouble = record.trouble.as_ref().map(|trouble| {
        json!({
            "code": trouble.code,
            "message": view.trouble.map(|code| code.cause()),
            "detail": trouble.detail,
            "step": view.trouble.map(|code| code.step()),
            "since": trouble.since.to_rfc3339(),
        })
    });
    json!({
        "name": record.name,
        "status": view.status.as_str(),
        "expires_at": record.expires_at.map(Timestamp::to_rfc3339),
        "days_until_expiration": view.days_left,
        "apple_id": record.apple_id,
        "is_default": record.is_default,
        "defaults": record.defaults,
        "assigner_profile_uuid": record.assigner_profile_uuid,
        "scope_tags": record.scope_tags,
        "base_url": record.base_url,
        "account": account,
        "renewal_waits": record.credentials.is_some() && record.staged.is_some(),
        "trouble": trouble,
        "sync": sync(&view.sync),
        "devices": view.figures,
        "advice": view.advice,
        "created_at": record.created_at.to_rfc3339(),
        "updated_at": record.updated_at.to_rfc3339(),
    })
}

fn sync(sync: &AdeSyncRecord) -> Value {
    let failure = sync.last_end.as_ref().and_then(|end| end.failure.as_ref());
    let status = match (&sync.running, &sync.last_end) {
        (Some(_), _) => "running",
        (None, None) => "never",
        (None, Some(_)) if failure.is_some() => "failed",
        (None, Some(_)) => "ok",
    };
    json!({
        "status": status,
        "last_fetch_at": sync.last_fetch_at.map(Timestamp::to_rfc3339),
        "last_ended_at": sync.last_end.as_ref().map(|end| end.at.to_rfc3339()),
        "failure": failure.map(|(code, said)| json!({ "code": code, "message": said })),
    })
}

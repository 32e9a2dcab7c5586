//! `/v1/ade/accounts`: who may log in on a device that enrolls. Passwords never show, nor do their hashes.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    operator::{
        OperatorDoor,
        input::Path,
        render::{Failure, json_response},
    },
    service::access::{Operator, Scope},
    storage::AccountRecord,
};

/// All accounts, by name.
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let accounts: Vec<Value> = door.accounts.list().await?.iter().map(view).collect();
    Ok(json_response(StatusCode::OK, &json!({ "accounts": accounts })))
}

fn view(account: &AccountRecord) -> Value {
    json!({ "name": account.name, "created_at": account.created_at.to_rfc3339() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    name: String,
    password: String,
}

/// Makes an account.
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let new: NewAccount = door.json(&headers, body).await?;
    let account = door
        .accounts
        .add(&new.name, &new.password, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, account = account.name, "account made");
    Ok(json_response(StatusCode::CREATED, &view(&account)))
}

/// Forgets an account.
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.accounts.remove(&name).await?;
    tracing::info!(by = operator.name, account = name, "account removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

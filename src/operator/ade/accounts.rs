//! `/v1/ade/accounts`: who may log in on a device that enrolls. Passwords never show, nor do their hashes.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    operator::{
        OperatorDoor,
        input::Path,
        render::{Failure, json_response},
        view::Time,
    },
    service::access::{Operator, Scope},
    storage::AccountRecord,
};

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountView {
    /// What its user types.
    name: String,
    /// When it was made.
    created_at: Time,
}

impl From<AccountRecord> for AccountView {
    fn from(account: AccountRecord) -> Self {
        Self {
            name: account.name,
            created_at: account.created_at.into(),
        }
    }
}

/// All accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountList {
    /// By name.
    accounts: Vec<AccountView>,
}

/// Who may log in on a device that enrolls. Neither passwords nor their hashes show.
#[utoipa::path(
    get, path = "/v1/ade/accounts", tag = "ade", operation_id = "list_accounts",
    responses((status = 200, description = "All accounts.", body = AccountList)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let accounts = door.accounts.list().await?;
    let accounts = accounts.into_iter().map(AccountView::from).collect();
    Ok(json_response(StatusCode::OK, &AccountList { accounts }))
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// 1 to 64 letters, digits, or any of `-` `_` `.` `@`; capitals count as small letters.
    #[schema(
        max_length = 64,
        min_length = 1,
        pattern = "^[A-Za-z0-9_.@-]*[A-Za-z0-9][A-Za-z0-9_.@-]*$"
    )]
    name: String,
    /// 8 to 256 characters.
    #[schema(max_length = 256, min_length = 8, format = Password)]
    password: String,
}

/// Makes an account for the login page of Automated Device Enrollment.
#[utoipa::path(
    post, path = "/v1/ade/accounts", tag = "ade", operation_id = "create_account",
    request_body = NewAccount,
    responses(
        (status = 201, description = "Made.", body = AccountView),
        (status = 409, description = "The name is taken."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let new: NewAccount = door.json(&headers, body).await?;
    let account = door
        .accounts
        .add(&new.name, &new.password, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, account = account.name, "account made");
    Ok(json_response(StatusCode::CREATED, &AccountView::from(account)))
}

/// Forgets an account.
#[utoipa::path(
    delete, path = "/v1/ade/accounts/{name}", tag = "ade", operation_id = "remove_account",
    params(("name" = String, Path, description = "The account's name.")),
    responses(
        (status = 204, description = "Forgotten."),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    door.accounts.remove(&name).await?;
    tracing::info!(by = operator.name, account = name, "account removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

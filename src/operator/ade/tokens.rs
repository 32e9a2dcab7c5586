//! `/v1/ade/tokens`: making, importing, showing, renewing and deleting server tokens. Keys and credentials never show.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::tokens_view::{AdeTokenList, AdeTokenView, ImportedToken, TokenCertificateView};
use crate::{
    operator::{
        OperatorDoor,
        etag::{IfMatch, tagged},
        input::{Path, Query},
        render::{Failure, json_response},
    },
    service::{
        access::{Operator, Scope},
        ade::tokens::{import::Import, pending::NewToken, settings::TokenChange},
    },
};

/// A server token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAdeToken {
    /// 1 to 64 letters, digits, or any of `-` `_` `.` `@`.
    #[schema(
        max_length = 64,
        min_length = 1,
        pattern = "^[A-Za-z0-9_.@-]*[A-Za-z0-9][A-Za-z0-9_.@-]*$"
    )]
    name: String,
    /// The Apple Account that it will be made with, as a note for the renewal.
    #[schema(max_length = 256, min_length = 1)]
    apple_id: Option<String>,
    /// Who may see it, its devices and its profiles; everyone if absent.
    #[schema(max_items = 100)]
    scope_tags: Option<Vec<String>>,
}

/// Makes a server token's key pair; what to do with its certificate.
///
/// Asked again before the token is imported, it gives the same certificate.
#[utoipa::path(
    post, path = "/v1/ade/tokens", tag = "ade", operation_id = "create_ade_token",
    request_body = NewAdeToken,
    responses(
        (status = 200, description = "The certificate of one that waits already.", body = TokenCertificateView),
        (status = 201, description = "Made.", body = TokenCertificateView),
        (status = 409, description = "There are as many tokens as there may be."),
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
    let asked: NewAdeToken = door.json(&headers, body).await?;
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
    Ok(json_response(status, &TokenCertificateView::from(made)))
}

/// Begins a server token's renewal: the certificate for it, and what to do with that.
///
/// The present token stays in service until the new one is imported.
#[utoipa::path(
    post, path = "/v1/ade/tokens/{name}/renew", tag = "ade", operation_id = "renew_ade_token",
    params(("name" = String, Path, description = "The token's name.")),
    responses(
        (status = 200, description = "The certificate.", body = TokenCertificateView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn renew(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &name).await?;
    let made = door.ade_tokens.renew(&name, door.clock.now()).await?;
    tracing::info!(by = operator.name, token = name, "server token's renewal begun");
    Ok(json_response(StatusCode::OK, &TokenCertificateView::from(made)))
}

/// How a token is to be imported.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// The Apple Account that it was made with, as a note for the renewal.
    #[param(max_length = 256)]
    apple_id: Option<String>,
    /// Takes it even if it belongs to another MDM server, or if Apple does not accept it.
    #[serde(default)]
    force: bool,
}

/// Takes a server token into service.
#[utoipa::path(
    put, path = "/v1/ade/tokens/{name}/token", tag = "ade", operation_id = "import_ade_token",
    params(("name" = String, Path, description = "The token's name."), ImportQuery),
    request_body(
        content = Vec<u8>, content_type = "application/octet-stream",
        description = "The `.p7m` file, as Apple's portal gives it.",
    ),
    responses(
        (status = 200, description = "In service.", body = ImportedToken),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "The file belongs to another MDM server, or the token was changed meanwhile."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &name).await?;
    let import = Import {
        apple_id: query.apple_id.as_deref(),
        force: query.force,
    };
    let file = door.body(&headers, body).await?;
    let now = door.clock.now();
    let imported = door.ade_tokens.import(&name, &file, import, now).await?;
    tracing::info!(by = operator.name, token = name, "server token imported");
    let view = door.ade_tokens.show(&name, now).await?;
    Ok(json_response(StatusCode::OK, &ImportedToken::new(imported, view)))
}

/// All server tokens, without the figures of their devices.
#[utoipa::path(
    get, path = "/v1/ade/tokens", tag = "ade", operation_id = "list_ade_tokens",
    responses((status = 200, description = "All of them, by name.", body = AdeTokenList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let sight = door.sight(&operator).await?;
    let mut views = door.ade_tokens.list(door.clock.now()).await?;
    views.retain(|view| sight.sees_token(&view.record));
    let ade_tokens = views.into_iter().map(AdeTokenView::from).collect();
    Ok(json_response(StatusCode::OK, &AdeTokenList { ade_tokens }))
}

/// One server token, with the figures of its devices.
#[utoipa::path(
    get, path = "/v1/ade/tokens/{name}", tag = "ade", operation_id = "show_ade_token",
    params(("name" = String, Path, description = "The token's name.")),
    responses(
        (status = 200, description = "The token.", body = AdeTokenView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    door.see_token(&operator, &name).await?;
    let view = door.ade_tokens.show(&name, door.clock.now()).await?;
    let revision = view.revision();
    let response = json_response(StatusCode::OK, &AdeTokenView::from(view));
    Ok(tagged(response, &revision))
}

/// What is to be different about a server token; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedAdeToken {
    /// The Apple Account that it was made with.
    #[schema(max_length = 256, min_length = 1)]
    apple_id: Option<String>,
    /// Which of those who are confined to scope tags may see it, its devices and its profiles; none of them if empty.
    #[schema(max_items = 100)]
    scope_tags: Option<Vec<String>>,
    /// Whether it is meant where no token is named; then no other is.
    is_default: Option<bool>,
    /// Where Apple's service is for it; empty: at the configured place.
    #[schema(max_length = 256, example = "https://mdmenrollment.apple.com")]
    base_url: Option<String>,
}

/// Changes a server token; what is not named stays.
#[utoipa::path(
    patch, path = "/v1/ade/tokens/{name}", tag = "ade", operation_id = "change_ade_token",
    params(("name" = String, Path, description = "The token's name."), IfMatch),
    request_body = ChangedAdeToken,
    responses(
        (status = 200, description = "As it is now.", body = AdeTokenView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &name).await?;
    let asked: ChangedAdeToken = door.json(&headers, body).await?;
    if asked.scope_tags.is_some() || asked.is_default.is_some() || asked.base_url.is_some() {
        operator.require_everywhere(Scope::Admin)?;
    }
    let change = TokenChange {
        apple_id: asked.apple_id,
        scope_tags: asked.scope_tags,
        is_default: asked.is_default,
        base_url: asked.base_url,
        assigner_profile_uuid: None,
        expected,
    };
    let now = door.clock.now();
    door.ade_tokens.change(&name, change, now).await?;
    tracing::info!(by = operator.name, token = name, "server token changed");
    let view = door.ade_tokens.show(&name, now).await?;
    let revision = view.revision();
    let response = json_response(StatusCode::OK, &AdeTokenView::from(view));
    Ok(tagged(response, &revision))
}

/// Deletes a server token that nothing depends on.
#[utoipa::path(
    delete, path = "/v1/ade/tokens/{name}", tag = "ade", operation_id = "remove_ade_token",
    params(("name" = String, Path, description = "The token's name."), IfMatch),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "It has devices or profiles."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &name).await?;
    door.ade_tokens.remove(&name, &expected).await?;
    tracing::info!(by = operator.name, token = name, "server token deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

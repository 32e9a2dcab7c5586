//! `/v1/bypasscode` and `/v1/maidjwt`: what is made on the spot.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::{
    error::Error,
    operator::{
        OperatorDoor,
        input::{Params, Path, bad},
        openapi::NanoProblem,
        render::json_response,
    },
    service::{
        access::{Operator, Scope},
        ade::BypassCode,
    },
};

/// An Activation Lock bypass code.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct BypassCodeView {
    /// 16 bytes in hexadecimal.
    raw: String,
    /// As people type it.
    #[schema(example = "NANAN-ANANA-NANA-NANA-NANA-NAN2")]
    code: String,
    /// What Apple is told.
    hash: String,
}

/// An Activation Lock bypass code in all its forms: a new one, or the one given in one of them.
#[utoipa::path(
    get, path = "/v1/bypasscode", tag = "nanodep", operation_id = "nanodep_bypass_code",
    params(
        ("raw" = Option<String>, Query, description = "16 bytes in hexadecimal. Not together with `code`."),
        ("code" = Option<String>, Query, description = "As people type it."),
    ),
    responses(
        (status = 200, description = "The code.", body = BypassCodeView),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn bypass_code(
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let code = match (params.get("raw"), params.get("code")) {
        (Some(_), Some(_)) => return Err(bad("raw", "and code exclude each other").into()),
        (Some(raw), None) => {
            BypassCode::from_hex(raw).map_err(|_| bad("raw", "is not 16 bytes in hexadecimal"))?
        }
        (None, Some(code)) => BypassCode::from_code(code).map_err(|_| bad("code", "is no bypass code"))?,
        (None, None) => BypassCode::generate().map_err(Error::internal)?,
    };
    let (raw, text) = (code.to_hex(), code.code());
    // Deriving the hash is slow by design.
    let hash = tokio::task::spawn_blocking(move || code.hash()).await;
    let body = BypassCodeView {
        raw,
        code: text,
        hash: hash.map_err(Error::internal)?,
    };
    Ok(json_response(StatusCode::OK, &body))
}

/// What a device gets for GetToken of `com.apple.maid`.
///
/// Asks Apple for the MDM server's UUID unless it is given.
#[utoipa::path(
    get, path = "/v1/maidjwt/{name}", tag = "nanodep", operation_id = "nanodep_maid_jwt",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        ("server_uuid" = Option<String>, Query, description = "The MDM server's UUID; Apple is asked for it if absent."),
    ),
    responses(
        (status = 200, description = "An RS256 JWT.", body = str, content_type = "application/jwt"),
        (status = 500, description = "There is no such token, or it does not fit.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn maid(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let params = Params::parse(query.as_deref());
    let record = door.ade_tokens.record(&name).await?;
    let now = door.clock.now();
    let uuid = match params.get("server_uuid") {
        Some(uuid) => uuid.to_owned(),
        None => door.ade_tokens.learn_account(&record, now).await?.server_uuid,
    };
    let made = door.ade_tokens.maid(&record, uuid, now)?;
    let uuid = HeaderValue::try_from(&made.server_uuid)
        .map_err(|_| bad("server_uuid", "holds what no header may"))?;
    let id = HeaderValue::try_from(&made.id).map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt")),
        (HeaderName::from_static("x-server-uuid"), uuid),
        (HeaderName::from_static("x-jwt-jti"), id),
    ];
    Ok((headers, made.jwt).into_response())
}

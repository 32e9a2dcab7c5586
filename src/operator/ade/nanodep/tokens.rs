//! `/v1/tokenpki` and `/v1/tokens`: the credentials of server tokens. Secret.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Extension, RawQuery, Request, State},
    http::{StatusCode, header},
    response::IntoResponse as _,
};
use serde_json::Value;
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
        ade::tokens::import::Import,
    },
};

/// The subject of certificates, unless another is asked for.
const COMMON_NAME: &str = "depserver";

/// Longer names are in no certificate (X.520).
const MAX_COMMON_NAME: usize = 64;

/// The longest validity of a certificate, in days; Apple minds none.
const MAX_DAYS: u64 = 36_500;

/// OAuth 1.0a credentials, as Apple writes them.
#[derive(ToSchema)]
#[allow(
    dead_code,
    reason = "it describes what Apple writes, and what is passed on as it is"
)]
pub(in crate::operator::ade) struct TokenCredentials {
    /// Names the MDM server.
    consumer_key: String,
    /// Secret.
    consumer_secret: String,
    /// Names the token.
    access_token: String,
    /// Secret.
    access_secret: String,
    /// Until when it is valid.
    #[schema(format = DateTime)]
    access_token_expiry: String,
}

/// Makes a key pair that waits for a server token; its certificate.
#[utoipa::path(
    get, path = "/v1/tokenpki/{name}", tag = "nanodep", operation_id = "nanodep_token_certificate",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        ("cn" = Option<String>, Query, description = "The subject; `depserver` if absent."),
        ("validity_days" = Option<u64>, Query, minimum = 1, maximum = 36_500, description = "For so many days; 1 if absent."),
    ),
    responses(
        (status = 200, description = "The certificate, as PEM.", body = str, content_type = "application/x-pem-file"),
        (status = 500, description = "There is no such token, or it does not fit.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn certificate(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let params = Params::parse(query.as_deref());
    let common_name = params.get("cn").unwrap_or(COMMON_NAME);
    if common_name.chars().count() > MAX_COMMON_NAME || common_name.contains(char::is_control) {
        return Err(bad("cn", "is no name of 1 to 64 characters").into());
    }
    let days = params.number("validity_days")?.unwrap_or(1);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(bad("validity_days", "is not between 1 and 36500").into());
    }
    let validity = Duration::from_secs(days * 86_400);
    let now = door.clock.now();
    let made = door
        .ade_tokens
        .fresh_certificate(&name, common_name, validity, now)
        .await?;
    tracing::info!(
        by = operator.name,
        token = name,
        "a key pair waits for a server token"
    );
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file".to_owned()),
        // The name has nothing in it that would have to be escaped.
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.pem\""),
        ),
    ];
    Ok((headers, made.pem).into_response())
}

/// Takes Apple's `.p7m` into service.
#[utoipa::path(
    put, path = "/v1/tokenpki/{name}", tag = "nanodep", operation_id = "nanodep_import_token",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        (
            "force" = Option<bool>, Query,
            description = "Takes it even if it belongs to another MDM server, or if Apple does not accept it.",
        ),
    ),
    request_body(
        content = Vec<u8>, content_type = "application/octet-stream",
        description = "The `.p7m` file, as Apple's portal gives it.",
    ),
    responses(
        (status = 200, description = "What is in the token. Secret.", body = TokenCredentials),
        (status = 500, description = "There is no such token, or it does not fit.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn decrypt(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let (force, file) = forced_body(&door, request).await?;
    let now = door.clock.now();
    door.ade_tokens.import(&name, &file, force, now).await?;
    tracing::info!(by = operator.name, token = name, "server token imported");
    door.credentials_of(&name).await
}

/// What is in a server token. Secret.
#[utoipa::path(
    get, path = "/v1/tokens/{name}", tag = "nanodep", operation_id = "nanodep_show_credentials",
    params(("name" = String, Path, description = "The server token's name (NanoDEP's DEP name).")),
    responses(
        (status = 200, description = "What is in the token. Secret.", body = TokenCredentials),
        (status = 500, description = "There is no such token, or it does not fit.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn credentials(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    tracing::info!(
        by = operator.name,
        token = name,
        "server token's credentials shown"
    );
    door.credentials_of(&name).await
}

/// Takes credentials into service that come without their file.
#[utoipa::path(
    put, path = "/v1/tokens/{name}", tag = "nanodep", operation_id = "nanodep_store_credentials",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        (
            "force" = Option<bool>, Query,
            description = "Takes it even if it belongs to another MDM server, or if Apple does not accept it.",
        ),
    ),
    request_body = TokenCredentials,
    responses(
        (status = 200, description = "What is in the token now. Secret.", body = TokenCredentials),
        (status = 500, description = "There is no such token, or it does not fit.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn set_credentials(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let (force, json) = forced_body(&door, request).await?;
    let now = door.clock.now();
    door.ade_tokens
        .import_credentials(&name, &json, force, now)
        .await?;
    tracing::info!(
        by = operator.name,
        token = name,
        "server token's credentials stored"
    );
    door.credentials_of(&name).await
}

async fn forced_body(door: &OperatorDoor, request: Request) -> Result<(Import<'static>, Vec<u8>), Error> {
    let force = Params::parse(request.uri().query()).flag("force")?;
    let (parts, body) = request.into_parts();
    let import = Import {
        apple_id: None,
        force: force.unwrap_or(false),
    };
    Ok((import, door.body(&parts.headers, body).await?))
}

impl OperatorDoor {
    async fn credentials_of(&self, name: &str) -> Answer {
        let record = self.ade_tokens.record(name).await?;
        let token = self.ade_tokens.credentials(&record)?;
        let body: Value = serde_json::from_slice(&token.to_json()).map_err(Error::internal)?;
        Ok(json_response(StatusCode::OK, &body))
    }
}

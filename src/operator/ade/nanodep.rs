//! NanoDEP's API, exact in paths, statuses and JSON. What NanoDEP calls a DEP name is a server token's name here.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, RawQuery, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    error::{Code, Error, Kind},
    operator::{
        OperatorDoor,
        input::{Params, Path, bad},
        render::{json_response, respond, status},
    },
    service::{
        access::{Operator, Scope},
        ade::{
            BypassCode, DepForward,
            tokens::{import::Import, settings::TokenChange},
        },
    },
};

/// The subject of certificates, unless another is asked for.
const COMMON_NAME: &str = "depserver";

/// Longer names are in no certificate (X.520).
const MAX_COMMON_NAME: usize = 64;

/// The longest validity of a certificate, in days; Apple minds none.
const MAX_DAYS: u64 = 36_500;

/// A failure in NanoDEP's way: 500 for what is not there or does not fit, with its words where its clients look for
/// them.
pub(super) struct DepServerFailure(Error);

impl<T: Into<Error>> From<T> for DepServerFailure {
    fn from(error: T) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for DepServerFailure {
    fn into_response(self) -> Response {
        let error = self.0;
        let own = matches!(
            error.kind(),
            Kind::Forbidden | Kind::Invalid | Kind::Malformed | Kind::TooLarge
        ) || error.code() == Code::StoreUnavailable;
        let code = match error.code() {
            Code::TokenFileIncomplete | Code::TokenFileExpired => StatusCode::BAD_REQUEST,
            _ if own && !is_of_file(error.code()) => status(&error),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = match error.code() {
            Code::AdeTokenUnknown | Code::AdeTokenPending => {
                format!("resource not found: {}", error.message())
            }
            Code::AdeTokenOtherServer => format!("mismatched consumer key: {}", error.message()),
            _ => error.message(),
        };
        let body = json!({ "error": text, "code": error.code().as_str(), "step": error.code().step() });
        respond(code, &body, Some(error))
    }
}

fn is_of_file(code: Code) -> bool {
    matches!(
        code,
        Code::TokenFileAlgorithm
            | Code::TokenFileDamaged
            | Code::TokenFileNoJson
            | Code::TokenFileNotP7m
            | Code::TokenFileOtherKey
    )
}

type Answer = Result<Response, DepServerFailure>;

/// `GET /v1/tokenpki/{name}`: a new key pair that waits; its certificate.
pub(super) async fn certificate(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require(Scope::Admin)?;
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

/// `PUT /v1/tokenpki/{name}`: takes Apple's `.p7m` into service.
pub(super) async fn decrypt(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    operator.require(Scope::Admin)?;
    let (force, file) = forced_body(&door, request).await?;
    let now = door.clock.now();
    door.ade_tokens.import(&name, &file, force, now).await?;
    tracing::info!(by = operator.name, token = name, "server token imported");
    door.credentials_of(&name).await
}

/// `GET /v1/tokens/{name}`: what is in a token. Secret.
pub(super) async fn credentials(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require(Scope::Admin)?;
    tracing::info!(
        by = operator.name,
        token = name,
        "server token's credentials shown"
    );
    door.credentials_of(&name).await
}

/// `PUT /v1/tokens/{name}`: takes credentials into service that come without their file.
pub(super) async fn set_credentials(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    operator.require(Scope::Admin)?;
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

/// `GET /v1/config/{name}`: where the service is, if it is not at the usual place.
pub(super) async fn config(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require(Scope::Read)?;
    let token = door.store.ade_token(&name).await?;
    let base_url = token.and_then(|token| token.base_url);
    let body = base_url.map(|url| json!({ "base_url": url }));
    Ok(json_response(StatusCode::OK, &body))
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    base_url: String,
}

/// `PUT /v1/config/{name}`
pub(super) async fn set_config(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: axum::http::HeaderMap,
    body: Body,
) -> Answer {
    operator.require(Scope::Admin)?;
    let config: Config = door.json(&headers, body).await?;
    let change = TokenChange {
        base_url: Some(config.base_url),
        ..TokenChange::default()
    };
    let record = door
        .ade_tokens
        .change_or_begin(&name, change, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, token = name, "server token's address changed");
    let body = json!({ "base_url": record.base_url.unwrap_or_default() });
    Ok(json_response(StatusCode::OK, &body))
}

/// `GET /v1/assigner/{name}`: the profile that every added device gets.
pub(super) async fn assigner(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require(Scope::Read)?;
    let token = door.store.ade_token(&name).await?;
    Ok(assigned(token.and_then(|token| token.assigner_profile_uuid)))
}

/// `PUT /v1/assigner/{name}?profile_uuid=`
pub(super) async fn set_assigner(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require(Scope::Admin)?;
    let params = Params::parse(query.as_deref());
    let uuid = params
        .get("profile_uuid")
        .ok_or_else(|| bad("profile_uuid", "is missing"))?;
    let change = TokenChange {
        assigner_profile_uuid: Some(uuid.to_owned()),
        ..TokenChange::default()
    };
    let record = door
        .ade_tokens
        .change_or_begin(&name, change, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token = name,
        uuid,
        "server token's assigner changed"
    );
    Ok(assigned(record.assigner_profile_uuid))
}

fn assigned(uuid: Option<String>) -> Response {
    let body = match uuid {
        Some(uuid) => json!({ "profile_uuid": uuid }),
        None => json!({}),
    };
    json_response(StatusCode::OK, &body)
}

/// `GET /v1/dep_names`
pub(super) async fn names(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let wanted: Vec<&str> = params.all("dep_name").collect();
    let (offset, limit) = (
        params.number::<usize>("offset")?,
        params.number::<usize>("limit")?,
    );
    let limit = limit.filter(|limit| *limit > 0);
    let names = door
        .ade_tokens
        .records()
        .await?
        .into_iter()
        .map(|token| token.name);
    let mut rest = names
        .filter(|name| wanted.is_empty() || wanted.contains(&name.as_str()))
        .filter(|name| params.get("cursor").is_none_or(|cursor| name.as_str() > cursor))
        .skip(offset.unwrap_or(0));
    let page: Vec<String> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let mut body = json!({ "dep_names": (!page.is_empty()).then_some(&page) });
    if rest.next().is_some() {
        body["next_cursor"] = page.last().cloned().into();
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// `GET /v1/maidjwt/{name}`: what a device gets for GetToken of `com.apple.maid`. Asks Apple for the MDM server's UUID
/// unless it is given.
pub(super) async fn maid(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require(Scope::Admin)?;
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

/// `GET /v1/bypasscode`: an Activation Lock bypass code in all its forms: a new one, or the one given in one of them.
pub(super) async fn bypass_code(
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
    // Deriving the hash is slow by design.
    let hash = tokio::task::spawn_blocking(move || code.hash()).await;
    let body = json!({
        "raw": code.to_hex(),
        "code": code.code(),
        "hash": hash.map_err(Error::internal)?,
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// `/proxy/{name}/…`: passes a request on to Apple within a token's session, and the answer back.
pub(super) async fn proxy(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((name, _)): Path<(String, String)>,
    request: Request,
) -> Answer {
    operator.require(Scope::Admin)?;
    let (parts, body) = request.into_parts();
    // As it came, with its escapes: "/proxy/", the name, and the rest from the slash on.
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.splitn(4, '/').nth(3).unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove(header::AUTHORIZATION);
    let forward = DepForward {
        method: parts.method,
        path: format!("/{path}"),
        body: door.body(&headers, body).await?,
        headers,
    };
    let answer = match door.ade_tokens.forward(&name, forward, door.clock.now()).await {
        Ok(answer) => answer,
        Err(error) if error.code() == Code::StoreUnavailable => return Err(error.into()),
        Err(error) => {
            tracing::warn!(
                token = name,
                code = error.code().as_str(),
                "nothing was passed on: {error}"
            );
            return Ok(StatusCode::BAD_GATEWAY.into_response());
        }
    };
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    // The one that was put in for a body without a type.
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in &answer.headers {
        if name != header::CONTENT_LENGTH {
            headers.append(name, value.clone());
        }
    }
    Ok(response)
}

//! `Idempotency-Key`: a request that is sent again under the same key gets the answer that it got before, and changes
//! nothing (draft-ietf-httpapi-idempotency-key-header).

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    OperatorDoor,
    input::bad,
    render::{Failure, NanoFailure},
};
use crate::{
    error::{Error, Result},
    service::{access::Operator, idempotency::Begun},
    storage::KeptAnswer,
};

/// The header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// No key is longer.
const MAX_KEY: usize = 255;

/// From what a request's identifiers are made: the same for the same key, otherwise unique.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Seed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        let given = parts.extensions.get::<Self>().copied();
        Ok(given.unwrap_or_else(|| Self(Uuid::new_v4())))
    }
}

/// The header, as the document describes it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes what `key` reads")]
pub(super) struct IdempotencyKey {
    /// The same request under the same key is done once; a repetition gets the same answer.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]*[!-~])?$"
    )]
    key: String,
}

/// The middleware: looks a key up, and keeps the answer to its request.
pub(super) async fn keyed(State(door): State<Arc<OperatorDoor>>, request: Request, next: Next) -> Response {
    let answer = answered(&door, request, next).await;
    answer.unwrap_or_else(|error| Failure(error).into_response())
}

/// The same for NanoMDM's endpoints, whose failures have a form of their own.
pub(super) async fn keyed_as_nanomdm(
    State(door): State<Arc<OperatorDoor>>,
    request: Request,
    next: Next,
) -> Response {
    let answer = answered(&door, request, next).await;
    answer.unwrap_or_else(|error| NanoFailure(error).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    let fits =
        !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| (0x20..0x7F).contains(&byte));
    if !fits || values.next().is_some() {
        return Err(bad(
            "Idempotency-Key",
            "must be given once, with 1 to 255 printable characters",
        ));
    }
    Ok(Some(key.to_owned()))
}

async fn answered(door: &OperatorDoor, request: Request, next: Next) -> Result<Response> {
    let operator = request.extensions().get::<Operator>().cloned();
    let (Some(key), Some(operator)) = (key(request.headers())?, operator) else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    let body = door.body(&parts.headers, body).await?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let mut whole = format!("{} {target}\n", parts.method).into_bytes();
    whole.extend_from_slice(&body);
    let in_hand = match door
        .idempotence
        .begin(&operator, &key, &whole, door.clock.now())
        .await?
    {
        Begun::Answered(answer) => return Ok(repeated(answer)),
        Begun::Fresh(in_hand) => in_hand,
    };
    parts.extensions.insert(Seed(in_hand.seed));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(Error::internal)?.to_bytes();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let answer = KeptAnswer {
        status: parts.status.as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: body.to_vec(),
    };
    door.idempotence.end(&in_hand, answer).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn repeated(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    if let Ok(value) = HeaderValue::from_str(&answer.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    let replayed = HeaderValue::from_static("true");
    response.headers_mut().insert("idempotent-replayed", replayed);
    response
}

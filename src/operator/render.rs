//! How this door shows a failure: a problem document (RFC 9457) with its code, its text and the next step.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    error::{Code, Error, FieldProblem, Kind},
    net::{
        log::{self, Cause},
        retry_after,
    },
};

/// A failure on its way out of this door.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<crate::storage::StoreError> for Failure {
    fn from(error: crate::storage::StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let mut response = respond(status, &problem(&self.0), Some(self.0));
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem);
        response
    }
}

/// A failure in NanoMDM's shape: `{"error": "text"}`.
pub(super) struct NanoFailure(pub(super) Error);

impl From<Error> for NanoFailure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<crate::storage::StoreError> for NanoFailure {
    fn from(error: crate::storage::StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for NanoFailure {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.0.message(), "code": self.0.code().as_str(), "step": self.0.code().step() });
        let status = status(&self.0);
        respond(status, &body, Some(self.0))
    }
}

/// The failure as a problem document (RFC 9457). `code`, `step` and `fields` are extension members: the failure's name in
/// the catalogue, what to do next, and what is wrong with which field where that is known.
pub(super) fn problem(error: &Error) -> Value {
    let code = error.code();
    let mut body = json!({
        "type": format!("urn:russet:problem:{}", code.as_str()),
        "title": code.cause(),
        "status": status(error).as_u16(),
        "detail": error.message(),
        "code": code.as_str(),
        "step": code.step(),
    });
    if let Some(id) = log::request_id() {
        body["instance"] = id.urn().into();
    }
    if !error.fields().is_empty() {
        let field = |field: &FieldProblem| json!({ "fields": field.fields, "problem": field.problem });
        body["fields"] = error.fields().iter().map(field).collect();
    }
    body
}

/// HTTP's word for it.
pub(super) fn status(error: &Error) -> StatusCode {
    match error.code() {
        Code::BodyTimeout => return StatusCode::REQUEST_TIMEOUT,
        Code::MediaTypeUnsupported => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::MethodNotAllowed => return StatusCode::METHOD_NOT_ALLOWED,
        Code::PreconditionFailed => return StatusCode::PRECONDITION_FAILED,
        _ => {}
    }
    match error.kind() {
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Forbidden | Kind::IdentityMismatch => StatusCode::FORBIDDEN,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooSoon => StatusCode::TOO_MANY_REQUESTS,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// JSON, tab-indented as NanoMDM's tools show it.
pub(super) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    respond(status, body, None)
}

/// The same for a failure, which the request's log line is to tell of.
pub(super) fn respond(status: StatusCode, body: &impl Serialize, cause: Option<Error>) -> Response {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    if let Err(error) = body.serialize(&mut serializer) {
        tracing::error!(%error, "an answer could not be written as JSON");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    text.push(b'\n');
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (status, [content_type], text).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, challenge(cause.as_ref()));
    }
    if let Some(value) = retry_after(status, cause.as_ref()) {
        headers.insert(header::RETRY_AFTER, value);
    }
    if let Some(error) = cause {
        response.extensions_mut().insert(Cause(Arc::new(error)));
    }
    response
}

/// What credentials are asked for. A browser would ask its user for a key in place of a page that shows what went wrong.
fn challenge(cause: Option<&Error>) -> HeaderValue {
    match cause.map(Error::code) {
        Some(Code::SessionOver | Code::SignInFailed) => HeaderValue::from_static("Cookie realm=\"russet\""),
        _ => HeaderValue::from_static("Basic realm=\"russet\""),
    }
}

/// There is nothing here.
pub(super) async fn not_found() -> Failure {
    // Which address that was is not said: it may hold a link's secret, and failures are logged.
    Failure(Error::new(Code::NotFound))
}

/// There is something here, for another method.
pub(super) async fn method_not_allowed(method: Method) -> Failure {
    Failure(Error::with(Code::MethodNotAllowed, method))
}

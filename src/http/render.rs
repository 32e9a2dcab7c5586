//! How this door shows a failure: a status that no device misunderstands, and the failure's name as text.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    error::{Code, Error, Kind},
    net::{log::Cause, retry_after},
};

/// A failure on its way out of this door.
pub(super) struct Failure(pub(super) Error);

/// A status that no device misunderstands.
pub(super) fn status(error: &Error) -> StatusCode {
    match error.code() {
        Code::BadContentType => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::BodyTimeout => return StatusCode::REQUEST_TIMEOUT,
        // Asking again does not help the device.
        Code::TokenExpired => return StatusCode::FORBIDDEN,
        Code::MethodNotAllowed => return StatusCode::METHOD_NOT_ALLOWED,
        _ => {}
    }
    match error.kind() {
        // 401 and "unrecognized device" would unenroll the device: they have no place here.
        Kind::Conflict | Kind::Malformed | Kind::Unauthenticated => StatusCode::BAD_REQUEST,
        Kind::Forbidden | Kind::IdentityMismatch => StatusCode::FORBIDDEN,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooSoon => StatusCode::TOO_MANY_REQUESTS,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let text = format!(
            "{}: {}. {}\n",
            self.0.code().as_str(),
            self.0.message(),
            self.0.code().step()
        );
        let mut response = (status, text).into_response();
        if let Some(value) = retry_after(status, Some(&self.0)) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response.extensions_mut().insert(Cause(Arc::new(self.0)));
        response
    }
}

/// A response with a body of a fixed type.
pub(super) fn typed(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body.into()).into_response()
}

/// There is nothing here.
pub(super) async fn not_found() -> Failure {
    Failure(Error::new(Code::NotFound))
}

/// An address that devices use in another way; most often somebody has opened it in a browser.
pub(super) async fn method_not_allowed(method: Method) -> Failure {
    let detail = match method {
        Method::GET | Method::HEAD => "this address is for devices; a browser finds the way to enroll at /",
        _ => "devices use PUT here",
    };
    Failure(Error::with(Code::MethodNotAllowed, detail))
}

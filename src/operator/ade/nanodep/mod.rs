//! NanoDEP's API, exact in paths, statuses and JSON. What NanoDEP calls a DEP name is a server token's name here.

mod making;
mod proxy;
mod settings;
mod tokens;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::{Code, Error, Kind},
    operator::{
        Routes,
        render::{respond, status},
    },
};

/// The routes of this part.
pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(proxy::proxy))
        .routes(routes!(settings::assigner, settings::set_assigner))
        .routes(routes!(making::bypass_code))
        .routes(routes!(settings::config, settings::set_config))
        .routes(routes!(settings::names))
        .routes(routes!(making::maid))
        .routes(routes!(tokens::certificate, tokens::decrypt))
        .routes(routes!(tokens::credentials, tokens::set_credentials))
}

/// A failure in NanoDEP's way: 500 for what is not there or does not fit, with its words where its clients look for
/// them.
pub(in crate::operator::ade) struct DepServerFailure(Error);

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
            Code::FieldInvalid | Code::TokenFileIncomplete | Code::TokenFileExpired => {
                StatusCode::BAD_REQUEST
            }
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

pub(super) type Answer = Result<Response, DepServerFailure>;

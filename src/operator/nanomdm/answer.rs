//! NanoMDM's answer to an enqueue or a push.

use std::collections::BTreeMap;

use axum::{http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{Code, Error},
    operator::render::{json_response, respond, status},
    service::push::PushOutcome,
};

/// The answer to an enqueue or a push. Empty parts are left out.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::operator) struct ApiResult {
    /// By enrollment: what went wrong, or the id that APNs gave the push.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) status: BTreeMap<String, ApiStatus>,
    /// Whether nothing was pushed on request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) no_push: bool,
    /// Why nothing was pushed at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push_error: Option<String>,
    /// Why nothing was queued at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command_error: Option<String>,
    /// The command that was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command_uuid: Option<String>,
    /// Its RequestType.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_type: Option<String>,
    /// Ours: the name of a failure of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) code: Option<&'static str>,
    /// Ours: what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) step: Option<&'static str>,
}

/// What became of it for one enrollment.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::operator) struct ApiStatus {
    /// Why it was not woken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push_error: Option<String>,
    /// The id that APNs gave the push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push_result: Option<String>,
    /// Why nothing was queued for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command_error: Option<String>,
    /// Ours: what Apple's schema says against the command for this enrollment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

impl ApiStatus {
    pub(super) fn tell(&mut self, push: Option<PushOutcome>) {
        match push.map(|outcome| outcome.tell()) {
            None => {}
            Some(Err(why)) => self.push_error = Some(why),
            Some(Ok(result)) => self.push_result = Some(result),
        }
    }
}

impl ApiResult {
    /// 200 when it went well for all `ids`, 207 when for some, 500 when for none.
    pub(super) fn respond(self, ids: usize) -> Response {
        let failed = self
            .status
            .values()
            .filter(|one| one.push_error.is_some() || one.command_error.is_some())
            .count();
        let code = match failed {
            _ if self.command_error.is_some() || self.push_error.is_some() => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            0 => StatusCode::OK,
            _ if failed == ids => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::MULTI_STATUS,
        };
        json_response(code, &self)
    }

    /// A failure of the whole: bad input is the caller's fault and says so in its status.
    pub(super) fn refuse(error: Error, no_push: bool) -> Response {
        let result = Self {
            command_error: Some(error.message()),
            code: Some(error.code().as_str()),
            step: Some(error.code().step()),
            no_push,
            ..Self::default()
        };
        let code = match error.code() {
            Code::CommandExists => StatusCode::INTERNAL_SERVER_ERROR,
            _ => status(&error),
        };
        respond(code, &result, Some(error))
    }
}

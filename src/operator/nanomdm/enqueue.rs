//! `/v1/enqueue/{ids}` and `/v1/push/{ids}`.

use std::sync::Arc;

use axum::{
    extract::{Extension, Request, State},
    response::Response,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    answer::{ApiResult, ApiStatus},
    last_segment,
};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        audit::Trail,
        idempotency::IdempotencyKey,
        input::{Params, ids},
        render::NanoFailure,
    },
    protocol::ids::EnrollmentId,
    service::{
        access::{Operator, Scope},
        commands::EnqueueOptions,
    },
};

/// What goes with a command.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Params` reads")]
pub(in crate::operator) struct EnqueueQuery {
    /// Anything but empty: the enrollments are not woken.
    nopush: Option<String>,
    /// Ours: higher goes first; 0 is the ordinary one.
    priority: Option<u8>,
    /// Ours: not offered before (RFC 3339).
    #[param(format = DateTime)]
    not_before: Option<String>,
    /// Ours: not offered from here on (RFC 3339).
    #[param(format = DateTime)]
    expires: Option<String>,
    /// Ours: for an `EraseDevice` to several devices, how many they are.
    confirm_count: Option<u64>,
}

/// Wakes enrollments.
///
/// They fetch their next command, if there is one.
#[utoipa::path(
    method(get, put, post), path = "/v1/push/{ids}", tag = "nanomdm", operation_id = "nanomdm_push",
    params(("ids" = String, Path, description = "Enrollment ids, separated by commas.")),
    responses(
        (status = 200, description = "All were woken.", body = ApiResult),
        (status = 207, description = "Some were woken.", body = ApiResult),
        (status = 500, description = "None was woken.", body = ApiResult),
    ),
    security(("bearer" = ["command"]))
)]
pub(in crate::operator) async fn push(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    door.see(&operator, &ids).await?;
    Ok(door.push_all(&ids).await?.respond(ids.len()))
}

/// Queues a command for enrollments, and wakes them unless `nopush` is given.
///
/// Without a body it only wakes them.
#[utoipa::path(
    method(put, get, post), path = "/v1/enqueue/{ids}", tag = "nanomdm", operation_id = "nanomdm_enqueue",
    params(
        ("ids" = String, Path, description = "Enrollment ids, separated by commas."),
        IdempotencyKey,
        EnqueueQuery,
    ),
    request_body(
        content = String, content_type = "application/xml",
        description = "The command as a plist, with `CommandUUID` and `Command`/`RequestType`.",
    ),
    responses(
        (status = 200, description = "Queued for all, and all woken.", body = ApiResult),
        (status = 207, description = "Something failed for some.", body = ApiResult),
        (status = 400, description = "The command or a parameter can't be read.", body = ApiResult),
        (status = 409, description = "A device of a person's own does not take the command; nothing was queued.", body = ApiResult),
        (status = 422, description = "Several devices would be wiped, and their number was not confirmed; or the Idempotency-Key was sent with another request.", body = ApiResult),
        (status = 500, description = "It failed for all, or there is a command of that CommandUUID.", body = ApiResult),
    ),
    security(("bearer" = ["command"]))
)]
pub(in crate::operator) async fn enqueue(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Extension(trail): Extension<Trail>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    door.see(&operator, &ids).await?;
    let params = Params::parse(request.uri().query());
    let no_push = params.get("nopush").is_some();
    let (parts, body) = request.into_parts();
    let command = door.body(&parts.headers, body).await?;
    if command.is_empty() {
        if no_push {
            let result = ApiResult {
                no_push,
                command_error: Some("must enqueue or push".into()),
                code: Some(Code::BadParameter.as_str()),
                step: Some("Send a command, or leave nopush out."),
                ..ApiResult::default()
            };
            return Ok(result.respond(ids.len()));
        }
        trail.begin(&door.audit).await?;
        return Ok(door.push_all(&ids).await?.respond(ids.len()));
    }
    let options = EnqueueOptions {
        wake: !no_push,
        priority: params.number("priority")?.unwrap_or(0),
        not_before: params.time("not_before")?,
        expires_at: params.time("expires")?,
        confirm_count: params.number("confirm_count")?,
    };
    let report = door
        .commands
        .enqueue_audited(
            &operator,
            ids,
            command,
            options,
            Some(trail.ride()),
            door.clock.now(),
        )
        .await;
    trail.rode(&report);
    let report = match report {
        Ok(report) => report,
        Err(error) => return Ok(ApiResult::refuse(error, no_push)),
    };
    let mut result = ApiResult {
        no_push,
        command_uuid: Some(report.command_uuid.to_string()),
        request_type: Some(report.request_type),
        ..ApiResult::default()
    };
    let asked = report.targets.len();
    let told = report.targets.into_iter().map(|target| {
        let mut one = ApiStatus {
            warnings: target.warnings,
            ..ApiStatus::default()
        };
        match target.outcome {
            Err(code) => one.command_error = Some(Error::new(code).message()),
            Ok(()) => one.tell(target.push),
        }
        (target.id.to_string(), one)
    });
    // NanoMDM says nothing of an enrollment of which there is nothing to say.
    result.status.extend(told.filter(|(_, one)| {
        one.command_error.is_some()
            || one.push_error.is_some()
            || one.push_result.is_some()
            || !one.warnings.is_empty()
    }));
    Ok(result.respond(asked))
}

impl OperatorDoor {
    async fn push_all(&self, ids: &[EnrollmentId]) -> Result<ApiResult, NanoFailure> {
        let mut result = ApiResult::default();
        let outcomes = self.pushes.push(ids, self.clock.now()).await?;
        for (id, outcome) in ids.iter().zip(outcomes) {
            let mut status = ApiStatus::default();
            status.tell(Some(outcome));
            result.status.insert(id.to_string(), status);
        }
        Ok(result)
    }
}

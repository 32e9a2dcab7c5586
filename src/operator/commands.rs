//! `/v1/commands/{uuid}`: where a command stands, and what came back.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    audit::Trail,
    input::{Params, Path},
    openapi::Problem,
    render::{Failure, json_response},
};
use crate::{
    error::{Code, Error},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        plist,
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope},
        commands::count,
    },
    storage::CommandStatus,
};

/// The command with its status for each enrollment; each latest answer as JSON and as the plist that came.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(uuid): Path<CommandUuid>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page()?;
    let command = door.store.command(&uuid).await?;
    let command = command.ok_or_else(|| Error::with(Code::CommandUnknown, &uuid))?;
    let listing = door.store.command_statuses(&uuid, &page).await?;
    let mut enrollments = Vec::with_capacity(listing.rows.len());
    for status in listing.rows {
        enrollments.push(door.status(&uuid, status).await?);
    }
    let mut answer = json!({
        "command_uuid": command.uuid,
        "request_type": command.request_type,
        "priority": command.priority,
        "enqueued_at": command.enqueued_at.to_rfc3339(),
        "not_before": command.not_before.map(Timestamp::to_rfc3339),
        "expires_at": command.expires_at.map(Timestamp::to_rfc3339),
        "enrollments": enrollments,
    });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

impl OperatorDoor {
    async fn status(&self, uuid: &CommandUuid, status: CommandStatus) -> Result<Value, Failure> {
        let raw = self.store.command_result(uuid, &status.enrollment).await?;
        let result = raw.as_deref().and_then(|raw| plist::parse(raw).ok()).map(to_json);
        Ok(json!({
            "id": status.enrollment,
            "state": status.state,
            "at": status.at.to_rfc3339(),
            "result": result,
            "result_plist": raw.map(|raw| STANDARD.encode(raw)),
        }))
    }
}

/// A plist as JSON: data as base64, dates as RFC 3339.
fn to_json(value: ::plist::Value) -> Value {
    use ::plist::Value as Plist;
    match value {
        Plist::Array(items) => items.into_iter().map(to_json).collect(),
        Plist::Boolean(value) => value.into(),
        Plist::Data(bytes) => STANDARD.encode(bytes).into(),
        Plist::Date(date) => date.to_xml_format().into(),
        Plist::Dictionary(items) => items
            .into_iter()
            .map(|(key, value)| (key, to_json(value)))
            .collect(),
        Plist::Integer(number) => match (number.as_signed(), number.as_unsigned()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => Value::Null,
        },
        Plist::Real(number) => number.into(),
        Plist::String(text) => text.into(),
        Plist::Uid(uid) => uid.get().into(),
        _ => Value::Null,
    }
}

/// For whom a command is to be queued anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// These enrollments; if absent, all that it failed for, or was cancelled or expired for.
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<EnrollmentId>>,
}

/// A command that was queued anew.
#[derive(Serialize, ToSchema)]
pub(super) struct Retried {
    /// Its own UUID.
    command_uuid: String,
    /// Its RequestType.
    request_type: String,
    /// What there is to say of single enrollments.
    status: BTreeMap<String, RetriedFor>,
}

/// What became of it for one enrollment.
#[derive(Serialize, ToSchema)]
pub(super) struct RetriedFor {
    /// Why it is not in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    command_error: Option<String>,
    /// What Apple's schema says against it there.
    warnings: Vec<String>,
}

/// Queues a command anew, under a UUID of its own.
#[utoipa::path(
    post, path = "/v1/commands/{uuid}/retry", tag = "commands", operation_id = "retry_command",
    params(("uuid" = String, Path, description = "The command's UUID.")),
    request_body = Retry,
    responses(
        (status = 200, description = "Queued, as far as possible.", body = Retried),
        (status = 404, description = "There is no such command, or it has failed for nobody.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("basic" = ["command"]), ("bearer" = ["command"]))
)]
pub(super) async fn retry(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Extension(trail): Extension<Trail>,
    Path(uuid): Path<CommandUuid>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let Retry { ids } = door.json(&headers, body).await?;
    let report = door
        .commands
        .retry(&uuid, ids, Some(trail.ride()), door.clock.now())
        .await;
    trail.rode(&report);
    let report = report?;
    let status = report.targets.into_iter().map(|target| {
        let command_error = target.outcome.err().map(|code| Error::new(code).message());
        let told = RetriedFor {
            command_error,
            warnings: target.warnings,
        };
        (target.id.to_string(), told)
    });
    let retried = Retried {
        command_uuid: report.command_uuid.to_string(),
        request_type: report.request_type,
        status: status.collect(),
    };
    Ok(json_response(StatusCode::OK, &retried))
}

/// Takes a command back from one enrollment, unless it is finished.
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((uuid, id)): Path<(CommandUuid, EnrollmentId)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    if !door.store.cancel(&uuid, &id, door.clock.now()).await? {
        return Err(Error::with(
            Code::CommandUnknown,
            "not queued for that enrollment, or finished",
        )
        .into());
    }
    let command = door.store.command(&uuid).await?;
    count(
        command.as_ref().map(|command| command.request_type.as_str()),
        "cancelled",
        1,
    );
    tracing::info!(by = operator.name, command = %uuid, enrollment = %id, "command cancelled");
    Ok(StatusCode::NO_CONTENT.into_response())
}

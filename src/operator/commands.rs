//! `/v1/commands/{uuid}`: where a command stands, and what came back.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    audit::Trail,
    input::{PageQuery, Path, Query},
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    error::{Code, Error},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        plist,
    },
    service::{
        access::{Operator, Scope},
        commands::count,
    },
    storage::{CommandState, CommandStatus},
};

/// A command, and where it stands for each enrollment.
#[derive(Serialize, ToSchema)]
pub(super) struct CommandView {
    /// Its identifier.
    command_uuid: CommandUuid,
    /// Its RequestType.
    #[schema(example = "DeviceInformation")]
    request_type: String,
    /// Higher goes first; 0 is the ordinary one.
    priority: u8,
    /// When it was queued.
    enqueued_at: Time,
    /// Not offered before.
    not_before: Option<Time>,
    /// Not offered from here on.
    expires_at: Option<Time>,
    /// The enrollments that it is for, by id.
    enrollments: Vec<CommandStatusView>,
    /// Where the next page of enrollments begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A command for one enrollment.
#[derive(Serialize, ToSchema)]
pub(super) struct CommandStatusView {
    /// The enrollment.
    id: EnrollmentId,
    /// Where the command stands.
    state: CommandState,
    /// When it came there.
    at: Time,
    /// The latest answer as JSON: data in base64, dates as RFC 3339.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// The same as the plist that came, in base64.
    result_plist: Option<String>,
}

/// A command: where it stands, and what came back.
///
/// Results are kept for `retention.results_days`.
#[utoipa::path(
    get, path = "/v1/commands/{uuid}", tag = "commands", operation_id = "show_command",
    params(("uuid" = CommandUuid, Path, description = "The CommandUUID."), PageQuery),
    responses(
        (status = 200, description = "The command.", body = CommandView),
        (status = 404, description = "There is no such command, or no more."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(uuid): Path<CommandUuid>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = page.page()?;
    let command = door.store.command(&uuid).await?;
    let command = command.ok_or_else(|| Error::with(Code::CommandUnknown, &uuid))?;
    let sight = door.sight(&operator).await?;
    sight.command(&uuid).await?;
    let listing = door.store.command_statuses(&uuid, &page).await?;
    let ids = listing.rows.iter().map(|status| status.enrollment.clone());
    let seen = sight.seen_of(ids.collect()).await?;
    let mut enrollments = Vec::with_capacity(listing.rows.len());
    for status in listing.rows {
        if !seen.contains(&status.enrollment) {
            continue;
        }
        enrollments.push(door.status(&uuid, status).await?);
    }
    let view = CommandView {
        command_uuid: command.uuid,
        request_type: command.request_type,
        priority: command.priority,
        enqueued_at: command.enqueued_at.into(),
        not_before: command.not_before.map(Time),
        expires_at: command.expires_at.map(Time),
        enrollments,
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &view))
}

impl OperatorDoor {
    async fn status(&self, uuid: &CommandUuid, status: CommandStatus) -> Result<CommandStatusView, Failure> {
        let raw = self.store.command_result(uuid, &status.enrollment).await?;
        Ok(CommandStatusView {
            id: status.enrollment,
            state: status.state,
            at: status.at.into(),
            result: raw.as_deref().and_then(|raw| plist::parse(raw).ok()).map(to_json),
            result_plist: raw.map(|raw| STANDARD.encode(raw)),
        })
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
    ids: Option<Vec<EnrollmentId>>,
}

/// A command that was queued anew.
#[derive(Serialize, ToSchema)]
pub(super) struct Retried {
    /// Its own UUID.
    command_uuid: CommandUuid,
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
    params(("uuid" = CommandUuid, Path, description = "The CommandUUID.")),
    request_body = Retry,
    responses(
        (status = 200, description = "Queued, as far as possible.", body = Retried),
        (status = 404, description = "There is no such command, or it has failed for nobody."),
        (status = 409, description = "There is a command of that CommandUUID."),
    ),
    security(("bearer" = ["command"]))
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
    match &ids {
        Some(ids) => door.see(&operator, ids).await?,
        None => door.sight(&operator).await?.whole_command(&uuid).await?,
    }
    let report = door
        .commands
        .retry(&operator, &uuid, ids, Some(trail.ride()), door.clock.now())
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
        command_uuid: report.command_uuid,
        request_type: report.request_type,
        status: status.collect(),
    };
    Ok(json_response(StatusCode::OK, &retried))
}

/// Takes a command back from one enrollment.
///
/// One that the device has fetched already may still be carried out; one that is finished stays.
#[utoipa::path(
    delete, path = "/v1/commands/{uuid}/enrollments/{id}", tag = "commands", operation_id = "cancel_command",
    params(
        ("uuid" = CommandUuid, Path, description = "The CommandUUID."),
        ("id" = EnrollmentId, Path, description = "The enrollment."),
    ),
    responses(
        (status = 204, description = "Taken back."),
        (status = 404, description = "It is not queued for that enrollment, or is finished."),
    ),
    security(("bearer" = ["command"]))
)]
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((uuid, id)): Path<(CommandUuid, EnrollmentId)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Command)?;
    let seen = door.see(&operator, std::slice::from_ref(&id)).await.is_ok();
    if !seen || !door.store.cancel(&uuid, &id, door.clock.now()).await? {
        return Err(Error::with(
            Code::CommandUnknown,
            "not queued for that enrollment, or finished",
        )
        .into());
    }
    if let Some(command) = door.store.command(&uuid).await? {
        count(&command.request_type, "cancelled", 1);
    }
    tracing::info!(by = operator.name, command = %uuid, enrollment = %id, "command cancelled");
    Ok(StatusCode::NO_CONTENT.into_response())
}

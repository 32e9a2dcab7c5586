//! `/v1/commands/{uuid}`: where a command stands, and what came back.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    OperatorDoor,
    input::{Params, Path},
    render::{Failure, json_response},
};
use crate::{
    error::{Code, Error},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        plist,
        time::Timestamp,
    },
    service::access::{Operator, Scope},
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
    tracing::info!(by = operator.name, command = %uuid, enrollment = %id, "command cancelled");
    Ok(StatusCode::NO_CONTENT.into_response())
}

//! `/v1/queue/{ids}`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Extension, RawQuery, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use utoipa::ToSchema;

use super::{last_segment, query::NanoPageQuery};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        input::{MAX_PAGE, Params, Path, ids},
        render::{NanoFailure, json_response},
    },
    protocol::ids::{CommandUuid, EnrollmentId},
    service::{
        access::{Operator, Scope},
        commands::{count_closed, secrecy::is_sealed},
    },
    storage::CommandState,
};

/// A page of a queue.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct QueueAnswer {
    /// In the order in which they are offered.
    commands: Vec<QueuedCommand>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A command in a queue.
#[derive(Serialize, ToSchema)]
struct QueuedCommand {
    /// Its identifier.
    command_uuid: CommandUuid,
    /// Its RequestType.
    request_type: String,
    /// The plist in base64; null without the scope `command`, and for commands that hold PINs, passwords or tokens.
    command: Option<String>,
    /// Ours: where it stands.
    state: CommandState,
    /// Ours: higher goes first.
    priority: u8,
    /// Ours: when it was queued.
    #[schema(format = DateTime)]
    enqueued_at: String,
}

/// What could not be cleared.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ClearFailures {
    /// By enrollment: why.
    status: BTreeMap<String, String>,
}

/// The queue of an enrollment, as a draft of NanoMDM's has it.
///
/// 1000 commands are in a page unless another limit is given.
#[utoipa::path(
    get, path = "/v1/queue/{ids}", tag = "nanomdm", operation_id = "nanomdm_show_queue",
    params(("ids" = String, Path, description = "One enrollment id."), NanoPageQuery),
    responses(
        (status = 200, description = "What waits, in the order in which it is offered.", body = QueueAnswer),
        (status = 404, description = "There is no enrollment of that id."),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    // A command may hold secrets, such as a challenge that makes its bearer this device. Those that are sealed are
    // shown to nobody.
    let with_payload = operator.require(Scope::Command).is_ok();
    let page = Params::parse(query.as_deref()).page_of(MAX_PAGE)?;
    door.see(&operator, std::slice::from_ref(&id)).await?;
    if door.store.enrollment(&id).await?.is_none() {
        return Err(Error::with(Code::EnrollmentUnknown, id).into());
    }
    let listing = door.store.queue(&id, &page).await?;
    let commands = listing.rows.into_iter().map(|row| QueuedCommand {
        command_uuid: row.record.uuid,
        request_type: row.record.request_type,
        command: (with_payload && !is_sealed(&row.payload)).then(|| STANDARD.encode(row.payload)),
        state: row.state,
        priority: row.record.priority,
        enqueued_at: row.record.enqueued_at.to_rfc3339(),
    });
    let answer = QueueAnswer {
        commands: commands.collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &answer))
}

/// Clears the queues of enrollments.
#[utoipa::path(
    delete, path = "/v1/queue/{ids}", tag = "nanomdm", operation_id = "nanomdm_clear_queue",
    params(("ids" = String, Path, description = "Enrollment ids, separated by commas.")),
    responses(
        (status = 204, description = "All are empty."),
        (status = 207, description = "Some could not be cleared.", body = ClearFailures),
        (status = 500, description = "None could be cleared.", body = ClearFailures),
    ),
    security(("bearer" = ["command"]))
)]
pub(in crate::operator) async fn clear(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    door.see(&operator, &ids).await?;
    let mut failed = BTreeMap::new();
    for id in &ids {
        match door.store.clear_queue(id, door.clock.now()).await {
            Ok(Some(closed)) => count_closed(&closed, "cancelled"),
            Ok(None) => drop(failed.insert(id.to_string(), Error::new(Code::EnrollmentUnknown).message())),
            Err(error) => drop(failed.insert(id.to_string(), Error::from(error).message())),
        }
    }
    let status = match failed.len() {
        0 => return Ok(StatusCode::NO_CONTENT.into_response()),
        some if some < ids.len() => StatusCode::MULTI_STATUS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok(json_response(status, &ClearFailures { status: failed }))
}

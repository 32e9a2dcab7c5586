//! What can be done to a device here.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    response::Response,
};

use super::detail::row;
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        console::frame::{Answer, Frame, encoded, see},
        input::Path,
    },
    protocol::ids::{CommandUuid, EnrollmentId},
    service::{access::Scope, admission},
    storage::Ruling,
};

fn back(id: &EnrollmentId, tab: &str, done: &str) -> Response {
    see(&format!("/devices/{}{tab}", encoded(id.as_str())), Some(done))
}

/// Lets the next `Authenticate` take the enrollment over.
pub(super) async fn allow_reenroll(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    frame.require(Scope::Enroll)?;
    let id = id.device();
    let rule = Box::new(admission::allow_reenroll);
    if let Ruling::Refuse(_) = door.store.check_in(&id, None, rule).await? {
        return Err(Error::with(Code::EnrollmentUnknown, id).into());
    }
    tracing::info!(by = frame.operator.name, enrollment = %id, "may enroll again");
    Ok(back(&id, "", "may-reenroll"))
}

/// Takes a command back.
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((id, uuid)): Path<(EnrollmentId, CommandUuid)>,
) -> Answer {
    frame.require(Scope::Command)?;
    if !door.store.cancel(&uuid, &id, frame.now).await? {
        return Err(Error::with(
            Code::CommandUnknown,
            "not queued for that enrollment, or finished",
        )
        .into());
    }
    tracing::info!(by = frame.operator.name, command = %uuid, enrollment = %id, "command cancelled");
    Ok(back(&id, "/commands", "cancelled"))
}

/// Wakes it.
pub(super) async fn push(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    frame.require(Scope::Command)?;
    row(&door, &frame, &id).await?;
    door.pushes.push(std::slice::from_ref(&id), frame.now).await?;
    tracing::info!(by = frame.operator.name, enrollment = %id, "pushed");
    Ok(back(&id, "", "pushed"))
}

/// Ends its hold in Setup Assistant.
pub(super) async fn release(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    frame.require(Scope::Support)?;
    door.holds.release(&id, frame.now).await?;
    tracing::info!(by = frame.operator.name, enrollment = %id, "released from Setup Assistant");
    Ok(back(&id, "", "released"))
}

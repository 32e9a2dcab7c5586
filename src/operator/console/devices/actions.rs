//! What can be done to a device here: as the API does it, by the same functions, with a page as the answer.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    response::Response,
};

use super::detail::{row, shown};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, encoded, see},
            holds,
        },
        enrollments,
        input::Path,
    },
    protocol::ids::{CommandUuid, EnrollmentId},
    service::access::Scope,
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
    let operator = Extension(frame.operator.clone());
    enrollments::allow_reenroll(State(door), operator, Path(id.clone())).await?;
    Ok(back(&id.device(), "", "may-reenroll"))
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
    let operator = Extension(frame.operator.clone());
    enrollments::release(State(door), operator, Path(id.clone())).await?;
    Ok(back(&id, "", "released"))
}

/// Tries what has failed in its hold once more.
pub(super) async fn retry_hold(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    if let Err(error) = holds::retry(&door, &frame, &id).await {
        let row = row(&door, &frame, &id).await?;
        let body = holds::of_device(&door, &frame, &id).await?;
        return Ok(frame.refuse(error, shown(&frame, &row, "Hold", body)));
    }
    Ok(back(&id, "/hold", "retried"))
}

/// Has it ask for a new identity.
pub(super) async fn renew_identity(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let operator = Extension(frame.operator.clone());
    enrollments::renew_identity(State(door), operator, Path(id.clone())).await?;
    Ok(back(&id, "/commands", "queued"))
}

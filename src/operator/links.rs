//! `/v1/enroll-links`: one-time links to an enrollment profile.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    render::{Failure, json_response},
    view::{MadeForView, Time},
};
use crate::{
    error::Error,
    protocol::ids::EnrollmentId,
    service::{
        access::{Operator, Scope},
        enrollment::made_for,
    },
    storage::MadeFor,
};

/// A link that nobody has used after this long is worth nothing. Longest, and the usual.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
const USUAL_TTL: Duration = Duration::from_secs(24 * 3600);

/// A link to be made: for anyone, or bound to a device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// Only for the device with this UDID.
    udid: Option<String>,
    /// Only for the device with this serial number.
    serial: Option<String>,
    /// For so many seconds; a day if absent.
    #[schema(minimum = 1, maximum = 2_592_000)]
    ttl_seconds: Option<u64>,
}

/// A link that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeLink {
    /// For whom.
    made_for: MadeForView,
    /// From when on it is refused.
    expires_at: Time,
    /// The link, which is shown this once. Whoever opens it first gets the profile.
    #[schema(format = "uri")]
    url: String,
}

/// Refuses a link for a device that is not this operator's to see.
pub(super) async fn may_link(
    door: &OperatorDoor,
    operator: &Operator,
    made_for: &MadeFor,
) -> Result<(), Error> {
    let (
        MadeFor::Device {
            serial: Some(serial),
            udid,
            ..
        },
        Some(_),
    ) = (made_for, &operator.tags)
    else {
        // Whoever enrolls with it would be nobody's whom the confined see.
        return operator.require_everywhere(Scope::Enroll);
    };
    door.see_serial(operator, serial).await?;
    match udid {
        // The link lets its holder take that enrollment over.
        Some(udid) => door.see(operator, &[EnrollmentId::new(udid.as_str())]).await,
        None => Ok(()),
    }
}

/// Makes a one-time link to an enrollment profile.
///
/// It is bound to a device if its UDID or serial number is given, and then lets that device take its own enrollment over.
#[utoipa::path(
    post, path = "/v1/enroll-links", tag = "enrollments", operation_id = "create_enroll_link",
    request_body = NewLink,
    responses((status = 201, description = "Made.", body = MadeLink)),
    security(("bearer" = ["enroll"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Enroll)?;
    let new: NewLink = door.json(&headers, body).await?;
    let ttl = new.ttl_seconds.map_or(USUAL_TTL, Duration::from_secs);
    if ttl.is_zero() || ttl > MAX_TTL {
        return Err(Error::invalid("ttl_seconds", "lies outside 1 second to 30 days").into());
    }
    let made_for = made_for(new.udid, new.serial)?;
    may_link(&door, &operator, &made_for).await?;
    let now = door.clock.now();
    let url = door.enrollments.create_link(made_for.clone(), ttl, now).await?;
    tracing::info!(by = operator.name, "enrollment link created");
    let link = MadeLink {
        made_for: made_for.into(),
        expires_at: now.plus(ttl).into(),
        url,
    };
    Ok(json_response(StatusCode::CREATED, &link))
}

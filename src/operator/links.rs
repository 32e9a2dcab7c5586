//! `/v1/enroll-links`: one-time links to an enrollment profile.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    OperatorDoor,
    input::bad,
    render::{Failure, json_response},
};
use crate::service::{
    access::{Operator, Scope},
    enrollment::made_for,
};

/// A link that nobody has used after this long is worth nothing. Longest, and the usual.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
const USUAL_TTL: Duration = Duration::from_secs(24 * 3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLink {
    udid: Option<String>,
    serial: Option<String>,
    ttl_seconds: Option<u64>,
}

/// Makes a link, bound to a device if its UDID or serial number is given.
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
        return Err(bad("ttl_seconds", "lies outside 1 second to 30 days").into());
    }
    let made_for = made_for(new.udid, new.serial)?;
    let now = door.clock.now();
    let answer = json!({ "made_for": &made_for, "expires_at": now.plus(ttl).to_rfc3339() });
    let url = door.enrollments.create_link(made_for, ttl, now).await?;
    tracing::info!(by = operator.name, "enrollment link created");
    let mut answer = answer;
    answer["url"] = url.into();
    Ok(json_response(StatusCode::CREATED, &answer))
}

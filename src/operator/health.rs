//! Whether the server lives, whether it can work, what it counts, and which one it is. Open to everyone: no secrets.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    OperatorDoor, figures,
    render::{Failure, json_response},
};
use crate::protocol::time::Timestamp;

/// Whether the server lives.
///
/// 200 as long as requests are answered.
#[utoipa::path(
    get, path = "/healthz", tag = "server", operation_id = "healthz",
    responses((status = 200, description = "It lives.", body = str, content_type = "text/plain", example = "ok\n"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The check is a durable write, and the address is open to everyone.
const RECENTLY: Duration = Duration::from_secs(1);

/// Whether the server can work.
///
/// 200 when the store can be read and written.
#[utoipa::path(
    get, path = "/readyz", tag = "server", operation_id = "readyz",
    responses(
        (status = 200, description = "It can.", body = str, content_type = "text/plain", example = "ready\n"),
        (status = 503, description = "The store can't be reached."),
    )
)]
pub(super) async fn readyz(State(door): State<Arc<OperatorDoor>>) -> Result<&'static str, Failure> {
    let now = door.clock.now();
    let seen = Timestamp::from_millis(door.ready_at.load(Ordering::Relaxed));
    if now.since(seen) >= RECENTLY {
        door.store.ready().await?;
        door.ready_at.store(now.millis(), Ordering::Relaxed);
    }
    Ok("ready\n")
}

/// What the server counts, in Prometheus' text format.
///
/// Open to everyone who reaches this listener: no secrets, no names of devices or people.
#[utoipa::path(
    get, path = "/metrics", tag = "server", operation_id = "metrics",
    responses(
        (status = 200, description = "The figures.", body = str, content_type = "text/plain"),
        (status = 503, description = "The store can't be reached."),
    )
)]
pub(super) async fn metrics(State(door): State<Arc<OperatorDoor>>) -> Result<Response, Failure> {
    let more = figures::gather(&door).await?;
    let text = door.metrics.as_ref().map(|handle| handle.render() + &more);
    let text = text.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Which server this is.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// Its version.
    version: &'static str,
}

/// Which server this is, in NanoMDM's shape.
///
/// Open to everyone who reaches this listener.
#[utoipa::path(
    get, path = "/version", tag = "server", operation_id = "version",
    responses((status = 200, description = "The version.", body = Version))
)]
pub(super) async fn version() -> Response {
    let version = crate::VERSION;
    json_response(StatusCode::OK, &Version { version })
}

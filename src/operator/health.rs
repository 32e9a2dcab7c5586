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
use serde_json::json;

use super::{
    OperatorDoor, figures,
    render::{Failure, json_response},
};
use crate::protocol::time::Timestamp;

/// 200 as long as requests are answered.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The check is a durable write, and the address is open to everyone.
const RECENTLY: Duration = Duration::from_secs(1);

/// 200 when the store can be read and written, else 503.
pub(super) async fn readyz(State(door): State<Arc<OperatorDoor>>) -> Result<&'static str, Failure> {
    let now = door.clock.now();
    let seen = Timestamp::from_millis(door.ready_at.load(Ordering::Relaxed));
    if now.since(seen) >= RECENTLY {
        door.store.ready().await?;
        door.ready_at.store(now.millis(), Ordering::Relaxed);
    }
    Ok("ready\n")
}

/// Prometheus' text format.
pub(super) async fn metrics(State(door): State<Arc<OperatorDoor>>) -> Result<Response, Failure> {
    let more = figures::gather(&door).await?;
    let text = door.metrics.as_ref().map(|handle| handle.render() + &more);
    let text = text.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// NanoMDM's shape.
pub(super) async fn version() -> Response {
    json_response(StatusCode::OK, &json!({ "version": crate::VERSION }))
}

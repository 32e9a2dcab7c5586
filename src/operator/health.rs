//! Whether the server lives, whether it can work, what it counts, and which one it is. Open to everyone: no secrets.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
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
    DeviceClass, OperatorDoor,
    render::{Failure, json_response},
};
use crate::{protocol::time::Timestamp, service::push_certificates::PushCertificateFacts};

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
    let figures = door.store.figures().await?;
    metrics::gauge!("russet_enrollments").set(figures.enrollments as f64);
    metrics::gauge!("russet_enrollments_enabled").set(figures.enrolled as f64);
    metrics::gauge!("russet_queue_depth").set(figures.queued_commands as f64);
    metrics::gauge!("russet_store_bytes").set(figures.bytes as f64);
    devices(&door).await?;
    for certificate in door.push_certificates.list().await? {
        push_certificate(&certificate, door.clock.now());
    }
    for token in door.ade_tokens.records().await? {
        if let Some(expires_at) = token.expires_at {
            let left = expires_at.seconds().saturating_sub(door.clock.now().seconds());
            metrics::gauge!("russet_ade_token_expires_seconds", "token" => token.name.clone())
                .set(left as f64);
            let in_trouble = f64::from(u8::from(token.trouble.is_some()));
            metrics::gauge!("russet_ade_token_in_trouble", "token" => token.name).set(in_trouble);
        }
    }
    for hook in door.events.hooks().await? {
        let (name, figures) = (hook.record.name, hook.figures);
        metrics::gauge!("russet_hook_waiting", "hook" => name.clone()).set(figures.waiting as f64);
        metrics::gauge!("russet_hook_deadletters", "hook" => name.clone()).set(figures.dead_letters as f64);
        metrics::gauge!("russet_hook_bytes", "hook" => name.clone()).set(figures.bytes as f64);
        metrics::gauge!("russet_hook_failing", "hook" => name.clone())
            .set(f64::from(u8::from(hook.failing_since.is_some())));
        metrics::counter!("russet_hook_dropped_total", "hook" => name).absolute(figures.dropped);
    }
    let text = door
        .metrics
        .as_ref()
        .map(|handle| handle.render())
        .unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// How many devices stand where.
async fn devices(door: &OperatorDoor) -> Result<(), Failure> {
    let mut counted: BTreeMap<DeviceClass, u64> = BTreeMap::new();
    for (class, totals) in door.store.report_totals(None).await? {
        let states = [
            ("enrolled", totals.enrolled),
            ("failed", totals.failed),
            ("in_progress", totals.in_progress),
        ];
        for (state, devices) in states {
            let class = (class.platform.as_str(), class.method.as_str(), state);
            *counted.entry(class).or_default() += devices;
        }
    }
    counted.insert(
        ("any", "ade", "pending"),
        door.store.awaiting_devices(None).await?,
    );
    tell(door, &counted);
    Ok(())
}

/// A class that has become empty says so.
fn tell(door: &OperatorDoor, counted: &BTreeMap<DeviceClass, u64>) {
    let mut known = door.device_classes.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(counted.keys().copied());
    for class in known.iter() {
        let (platform, method, state) = *class;
        let devices = counted.get(class).copied().unwrap_or_default();
        metrics::gauge!("russet_devices", "platform" => platform, "method" => method, "state" => state)
            .set(devices as f64);
    }
}

/// Seconds that are left; negative once it has expired.
fn push_certificate(certificate: &PushCertificateFacts, now: Timestamp) {
    let left = certificate.not_after.seconds().saturating_sub(now.seconds());
    let topic = certificate.topic.to_string();
    metrics::gauge!("russet_push_certificate_expires_seconds", "topic" => topic).set(left as f64);
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

//! How a token keeps up with Apple's list: the latest sync, the next one, and the present one as it goes.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            form::Form,
            frame::{Answer, Frame, encoded, see},
            live,
            parts::{
                Tone, badge, facts, plain,
                text::{count, number},
                time::{ago, distance, duration, full},
            },
        },
        input::Path,
    },
    protocol::time::Timestamp,
    service::{access::Scope, ade::sync::SyncStatus},
    storage::{AdeSyncKind, AdeTokenRecord},
};

/// The part of a token's page, which keeps itself up to date.
pub(super) async fn part(door: &OperatorDoor, frame: &Frame, token: &AdeTokenRecord) -> Result<Markup> {
    let status = door.ade_sync.status(token).await?;
    let name = encoded(&token.name);
    Ok(html! {
        section.card aria-label="Sync with Apple" hx-ext="sse" sse-connect={ "/live/ade/tokens/" (name) } {
            header { h2 { "Sync with Apple" } span.badge.quiet data-line="off" { "Not live" } }
            div.in {
                div sse-swap="sync" aria-live="polite" { (shown(&status, frame.now)) }
                @if frame.operator.has(Scope::Command) { (buttons(frame, &name, &status)) }
            }
        }
    })
}

fn buttons(frame: &Frame, name: &str, status: &SyncStatus) -> Markup {
    html! {
        form.buttons action={ "/ade/tokens/" (name) "/sync" } method="post" {
            (frame.csrf_field())
            button type="submit" name="full" value="" { "Sync now" }
            button type="submit" name="full" value="yes" { "Read all devices" }
            @if let Some(at) = status.next_manual_at { span.muted.small { "By hand again " (distance(at, frame.now)) } }
        }
    }
}

fn shown(status: &SyncStatus, now: Timestamp) -> Markup {
    let record = &status.record;
    let kind = |kind: AdeSyncKind| match kind {
        AdeSyncKind::Full => "all devices",
        AdeSyncKind::Delta => "changes",
    };
    let last = record.last_end.as_ref();
    let failure = last.and_then(|end| end.failure.as_ref());
    let state = match (&record.running, failure) {
        (Some(run), _) => html! {
            (badge(Tone::Info, "Running")) " "
            (kind(run.kind)) ", " (count(run.devices, "device", "devices")) " on " (count(run.pages, "page", "pages"))
            @if let Some(left) = status.eta { ", about " (duration(left.as_secs())) " to go" }
        },
        (None, Some((code, said))) => html! { (badge(Tone::Bad, "Failed")) " " (said) " " code { (code) } },
        (None, None) if last.is_some() => badge(Tone::Ok, "Up to date"),
        (None, None) => badge(Tone::Quiet, "Never yet"),
    };
    facts(&[
        ("State", Some(state)),
        ("Last fetch", record.last_fetch_at.map(|at| full(at, now))),
        (
            "All devices read",
            record.last_full_done_at.map(|at| full(at, now)),
        ),
        (
            "Next by itself",
            Some(html! { (ago(status.next_at, now)) ", " (kind(status.next_kind)) }),
        ),
        ("Devices", plain(number(status.devices))),
        (
            "Profiles",
            Some(match (status.assigning, status.next_assignment_at) {
                (true, _) => badge(Tone::Info, "being assigned"),
                (false, Some(at)) => html! { "next look " (ago(at, now)) },
                (false, None) => badge(Tone::Ok, "nothing to assign"),
            }),
        ),
        (
            "Failures in a row",
            (record.failures > 0).then(|| html! { (record.failures) }),
        ),
        ("Worth a thought", status.warning().map(|text| html! { (text) })),
    ])
}

/// Begins one.
pub(super) async fn start(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Command)?;
    let form = Form::read(&door, &headers, body).await?;
    let token = door.ade_devices.token(Some(&name)).await?;
    let full = form.text("full") == "yes";
    door.ade_sync.start(&token, full).await?;
    tracing::info!(
        by = frame.operator.name,
        token = token.name,
        full,
        "sync asked for"
    );
    Ok(see(&format!("/ade/tokens/{}", encoded(&name)), Some("sync")))
}

/// How it goes.
pub(super) async fn live(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Read)?;
    let token = door.ade_devices.token(Some(&name)).await?;
    Ok(live::stream(move || {
        let (door, token) = (Arc::clone(&door), token.clone());
        async move {
            let Ok(status) = door.ade_sync.status(&token).await else {
                return Vec::new();
            };
            vec![("sync", shown(&status, live::to_the_minute(door.clock.now())))]
        }
    }))
}

//! The first page: how the server stands, at a cost that does not grow with the devices.

use std::sync::Arc;

use axum::extract::{Extension, State};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page},
    live,
    parts::{
        Tone, badge,
        chart::{Expiry, expiry_strip},
        empty, sheet,
        table::{col, or_dash, table},
        text::{bytes, count, number},
        tile::{Tile, tiles},
        time::{ago, maybe_ago},
    },
};
use crate::{
    error::Result,
    operator::OperatorDoor,
    service::{access::Scope, ade::tokens::view::TokenView, push_certificates::standing::standing},
};

/// So many refusals are shown.
const REFUSALS: usize = 8;

/// The page.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let tokens = door.ade_tokens.list(frame.now).await?;
    let body = html! {
        div.stack hx-ext="sse" sse-connect="/live/overview" {
            (figures(&door).await?)
            div.grid.wide {
                (expiries(&door, &frame, &tokens).await?)
                (syncs(&frame, &tokens))
            }
            div.grid.wide {
                (refusals(&door, &frame))
                (pushes(&door))
            }
        }
    };
    let page = Page::new("Overview")
        .actions(html! { span.badge.quiet data-line="off" { "Not live" } })
        .body(body);
    Ok(frame.show(&page))
}

/// Its figures, as they change.
pub(super) async fn live(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    Ok(live::stream(move || {
        let door = Arc::clone(&door);
        async move {
            let Ok(figures) = door.store.figures().await else {
                return Vec::new();
            };
            let text = |value: u64| html! { (number(value)) };
            vec![
                ("enrolled", text(figures.enrolled)),
                ("queued", text(figures.queued_commands)),
                ("pushes", text(door.pushes.status().pending as u64)),
            ]
        }
    }))
}

async fn figures(door: &OperatorDoor) -> Result<Markup> {
    let figures = door.store.figures().await?;
    let pushes = door.pushes.status();
    let others = figures.enrollments.saturating_sub(figures.enrolled);
    let flying = pushes.in_flight as u64;
    let row = tiles([
        Tile::new("Enrolled", number(figures.enrolled))
            .detail(format!("{} not enrolled, or no more", number(others)))
            .link("/devices?state=enrolled")
            .live("enrolled"),
        Tile::new("Commands waiting", number(figures.queued_commands))
            .detail("over all queues")
            .live("queued"),
        Tile::new("Devices to wake", number(pushes.pending as u64))
            .detail(match pushes.configured {
                true => format!("{} on the way to Apple", number(flying)),
                false => "no push service".into(),
            })
            .tone(if pushes.configured {
                Tone::Quiet
            } else {
                Tone::Warn
            })
            .live("pushes"),
        Tile::new("Store", bytes(figures.bytes)).detail("on disk"),
    ]);
    Ok(html! {
        section aria-label="Figures" { (row) }
    })
}

async fn expiries(door: &OperatorDoor, frame: &Frame, tokens: &[TokenView]) -> Result<Markup> {
    let mut expiries = Vec::new();
    for certificate in door.push_certificates.list().await? {
        expiries.push(Expiry {
            name: format!("Push certificate {}", certificate.topic),
            address: "/push-certificates".into(),
            days: standing(certificate.not_after, frame.now).days_left,
        });
    }
    for token in tokens {
        if let Some(days) = token.days_left {
            expiries.push(Expiry {
                name: format!("Server token {}", token.record.name),
                address: "/ade/tokens".into(),
                days,
            });
        }
    }
    expiries.sort_by_key(|expiry| expiry.days);
    let body = html! {
        div.in {
            @if expiries.is_empty() {
                (empty("Nothing that expires", "There is no push certificate and no server token yet. No Apple device can enroll without a push certificate.",
                    Some(("/push-certificates", "Get a push certificate"))))
            } @else {
                (expiry_strip(&expiries))
                ul.expiries {
                    @for expiry in &expiries {
                        li { a.break href=(expiry.address) { (expiry.name) } (badge(expiry.tone(), expiry.left())) }
                    }
                }
            }
        }
    };
    Ok(sheet("What expires", html! {}, body))
}

fn syncs(frame: &Frame, tokens: &[TokenView]) -> Markup {
    let rows: Vec<Vec<Markup>> = tokens
        .iter()
        .map(|token| {
            let sync = &token.sync;
            let failed = sync.last_end.as_ref().and_then(|end| end.failure.as_ref());
            let state = match (&sync.running, failed) {
                (Some(_), _) => badge(Tone::Info, "running"),
                (None, Some((code, _))) => badge(Tone::Bad, code),
                (None, None) if sync.last_end.is_some() => badge(Tone::Ok, "done"),
                (None, None) => badge(Tone::Quiet, "never"),
            };
            vec![
                html! { a href="/ade/tokens" { (token.record.name) } },
                state,
                or_dash(maybe_ago(sync.last_fetch_at, frame.now)),
            ]
        })
        .collect();
    let body = match rows.is_empty() {
        true => empty(
            "No server token",
            "With a token of Apple Business Manager or Apple School Manager, devices enroll by themselves when they come out of their boxes.",
            Some(("/ade/tokens", "Add a token")),
        ),
        false => table(
            "Server tokens and their latest sync",
            &[col("Token"), col("Sync"), col("Last fetch")],
            &rows,
        ),
    };
    sheet("Apple’s list of devices", html! {}, body)
}

fn refusals(door: &OperatorDoor, frame: &Frame) -> Markup {
    let refusals = door.ade.refusals(REFUSALS);
    let rows: Vec<Vec<Markup>> = refusals
        .iter()
        .map(|refused| {
            vec![
                html! { span.mono { (refused.serial) } },
                html! { (refused.code.cause()) span.sub { (refused.code.step()) } },
                ago(refused.at, frame.now),
            ]
        })
        .collect();
    let body = match rows.is_empty() {
        true => empty(
            "None",
            "No device was turned away at the door since the server began.",
            None,
        ),
        false => table(
            "Devices that were turned away, the latest first",
            &[col("Device"), col("Why"), col("When")],
            &rows,
        ),
    };
    let aside = html! { span.muted.small { "since the server began" } };
    sheet("Turned away at the door", aside, body)
}

fn pushes(door: &OperatorDoor) -> Markup {
    let status = door.pushes.status();
    let line = |name: &str, value: usize| {
        html! { dt { (name) } dd { (number(value as u64)) } }
    };
    let body = html! {
        div.in {
            @if !status.configured { p { (badge(Tone::Warn, "no push service")) " Devices take their commands when they next connect." } }
            @if let Some(since) = &status.apns_down_since { p { (badge(Tone::Bad, "APNs is down")) " since " (since) } }
            dl.facts {
                (line("On the way to Apple", status.in_flight))
                (line("Taken by Apple, device not seen yet", status.unanswered))
                (line("Failed, to be repeated", status.retrying))
                (line("Held back with their topic", status.held))
                dt { "Pace" } dd { (count(status.per_second as u64, "push a second", "pushes a second")) }
            }
        }
    };
    sheet("Waking devices", html! {}, body)
}

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
        text::{bytes, number},
        tile::{Tile, tiles},
        time::maybe_ago,
    },
    status,
};
use crate::{
    error::Result,
    operator::OperatorDoor,
    service::{access::Scope, ade::tokens::view::TokenView, push_certificates::standing::standing},
};

/// The page.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let sight = door.sight(&frame.operator).await?;
    let mut tokens = door.ade_tokens.list(frame.now).await?;
    tokens.retain(|token| sight.sees_token(&token.record));
    let confined = door.reports.tokens_of(&frame.operator).await?;
    let overview = door.reports.overview(confined.clone(), frame.now).await?;
    let body = html! {
        div.stack hx-ext="sse" sse-connect="/live/overview" {
            (status::overview::figures(&overview))
            (status::overview::platforms(&overview))
            (status::overview::failures(&door, &frame, confined, &overview.reasons).await?)
            div.grid.wide {
                (expiries(&door, &frame, &tokens).await?)
                (syncs(&frame, &tokens))
            }
            @if sight.is_everything() { (work(&door).await?) }
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
    let tokens = door.reports.tokens_of(&frame.operator).await?;
    Ok(live::stream(move || {
        let (door, tokens) = (Arc::clone(&door), tokens.clone());
        async move {
            let mut parts = status::overview::live(&door, tokens.clone(), door.clock.now()).await;
            if tokens.is_none()
                && let Ok(figures) = door.store.figures().await
            {
                parts.push(("queued", html! { (number(figures.queued_commands)) }));
                parts.push(("pushes", html! { (number(door.pushes.status().pending as u64)) }));
            }
            parts
        }
    }))
}

/// What the server has to do.
async fn work(door: &OperatorDoor) -> Result<Markup> {
    let figures = door.store.figures().await?;
    let pushes = door.pushes.status();
    let flying = pushes.in_flight as u64;
    let row = tiles([
        Tile::new("Commands waiting", number(figures.queued_commands))
            .detail("over all queues")
            .link("/commands")
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
        Tile::new("Enrollments", number(figures.enrollments)).detail("devices and users, of any state"),
        Tile::new("Store", bytes(figures.bytes))
            .detail("on disk")
            .link("/health"),
    ]);
    Ok(html! {
        section aria-label="What the server has to do" { (row) }
    })
}

async fn expiries(door: &OperatorDoor, frame: &Frame, tokens: &[TokenView]) -> Result<Markup> {
    let mut expiries = Vec::new();
    let certificates = match frame.operator.tags {
        None => door.push_certificates.list().await?,
        Some(_) => Vec::new(),
    };
    for certificate in certificates {
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
            @if expiries.is_empty() && frame.operator.tags.is_some() {
                (empty("Nothing that expires", "None of your server tokens has an end yet.", None))
            } @else if expiries.is_empty() {
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

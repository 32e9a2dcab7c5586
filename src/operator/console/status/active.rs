//! Devices that enroll now, with the stage that each has come to.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{device, filter, filters, kept, method, system};
use crate::{
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page, encoded},
            live as events,
            parts::{
                button,
                chart::stage_bar,
                empty,
                table::{acts, col, or_dash, pager, table},
                time::ago,
            },
        },
        input::Params,
    },
    protocol::time::Timestamp,
    service::{access::Scope, reports::progress},
    storage::{self, AttemptFilter, AttemptList, AttemptRow, AttemptStage, Listing},
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let tokens = door.reports.tokens_of(&frame.operator).await?;
    let filter = filter(&params, AttemptList::Active, tokens);
    let page = params.page_of(ROWS)?;
    let listing = door.reports.attempts(&filter, &page).await?;
    let mut shown = rows(&listing, frame.now, Some(&frame));
    shown = html! {
        (shown)
        (pager("/enrolling", &kept(&params), page.cursor.as_deref(), listing.next_cursor.as_deref()))
    };
    if frame.piece {
        return Ok(frame.piece(shown));
    }
    // What is live is the whole first page; with a filter or on a later page it stands still.
    let is_live = page.cursor.is_none() && kept(&params).iter().all(|(_, value)| value.is_empty());
    let body = html! {
        section.card aria-label="Devices that enroll now" {
            (filters("/enrolling", &params, html! {}))
            div #results aria-live="polite" {
                @if is_live {
                    // The event only says that something is different: the rows hold forms, which belong to a request.
                    div hx-ext="sse" sse-connect="/live/enrolling" {
                        div hx-get="/enrolling" hx-trigger="sse:rows" hx-swap="innerHTML" { (shown) }
                    }
                } @else { (shown) }
            }
        }
    };
    let page = Page::new("Active enrollments")
        .lead("Device setup until the device is managed; then its policies, then its apps. A device that is held waits in Setup Assistant until it is released.")
        .actions(html! { span.badge.quiet data-line="off" { "Not live" } })
        .body(body);
    Ok(frame.show(&page))
}

/// The table; with buttons for whoever may press them.
fn rows(listing: &Listing<AttemptRow>, now: Timestamp, frame: Option<&Frame>) -> Markup {
    let may_release = frame.filter(|frame| frame.operator.has(Scope::Support));
    let rows: Vec<Vec<Markup>> = listing
        .rows
        .iter()
        .map(|row| {
            let record = &row.record;
            let progress = progress(row);
            let held = record.stage == AttemptStage::Configuring;
            let id = record.subject.enrollment.as_ref();
            vec![
                device(record),
                or_dash(record.facts.user.as_ref().map(|user| html! { (user) })),
                html! { (system(record)) span.sub { (method(record.method)) } },
                html! {
                    (stage_bar(progress.stage.label(), progress.stage.percent()))
                    @if held { span.sub { "held in Setup Assistant" } }
                },
                html! { (ago(record.started_at, now)) span.sub { "heard of " (ago(progress.last_activity, now)) } },
                html! {
                    @if let (Some(frame), Some(id), true) = (may_release, id, held) {
                        (button(frame.csrf_field(), &format!("/devices/{}/release", encoded(id.as_str())), "small", "Release"))
                    }
                },
            ]
        })
        .collect();
    let columns = [
        col("Device"),
        col("User"),
        col("Platform"),
        col("Stage"),
        col("Began"),
        acts(),
    ];
    match rows.is_empty() {
        true => empty(
            "Nobody enrolls now",
            "A device shows here from the moment it asks for its enrollment profile.",
            None,
        ),
        false => table("Devices that enroll now, the first begun first", &columns, &rows),
    }
}

/// The first page, as it changes.
pub(super) async fn live(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let tokens = door.reports.tokens_of(&frame.operator).await?;
    Ok(events::stream(move || {
        let (door, tokens) = (Arc::clone(&door), tokens.clone());
        async move {
            let filter = AttemptFilter {
                tokens,
                ..AttemptFilter::all(AttemptList::Active)
            };
            let Ok(listing) = door.reports.attempts(&filter, &storage::Page::first(ROWS)).await else {
                return Vec::new();
            };
            vec![(
                "rows",
                rows(&listing, events::to_the_minute(door.clock.now()), None),
            )]
        }
    }))
}

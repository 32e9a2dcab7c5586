//! Who is held now, and the hold of one device: what it waits for, and what could not be installed.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use crate::{
    error::{Code, Result},
    operator::{
        OperatorDoor,
        console::{
            devices::enrollment_name,
            frame::{Answer, Frame, Page, encoded},
            live as events,
            parts::{
                Tone, badge, button, card,
                chart::stage_bar,
                empty, facts, maybe, plain, sheet,
                table::{acts, col, num, or_dash, pager, table},
                text::number,
                time::{ago, full},
            },
        },
        input::Params,
    },
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::{
        access::{Scope, visibility::Sight},
        holds::progress,
    },
    storage::{
        self, EnrollmentRow, HeldItem, HeldKind, HeldOrigin, HeldState, HoldRecord, HoldStage, ReleaseReason,
    },
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

/// Who is held now.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(ROWS)?;
    let sight = door.sight(&frame.operator).await?;
    let (rows, next) = rows(&door, &sight, &page, frame.now, Some(&frame)).await?;
    let shown = html! {
        (rows)
        (pager("/holds", &[], page.cursor.as_deref(), next.as_deref()))
    };
    if frame.piece {
        return Ok(frame.piece(shown));
    }
    let body = html! {
        section.card aria-label="Devices that are held" {
            div aria-live="polite" {
                @if page.cursor.is_none() {
                    // The event only says that something is different: the rows hold forms, which belong to a request.
                    div hx-ext="sse" sse-connect="/live/holds" {
                        div hx-get="/holds" hx-trigger="sse:rows" hx-swap="innerHTML" { (shown) }
                    }
                } @else { (shown) }
            }
        }
    };
    let actions = html! {
        span.badge.quiet data-line="off" { "Not live" }
        @if frame.has_everywhere(Scope::Read) { a.button href="/hold-profiles" { "Hold profiles" } }
    };
    let page = Page::new("Held in Setup Assistant")
        .lead("These devices wait until they have what their hold profile lists; then they are released by themselves.")
        .actions(actions)
        .body(body);
    Ok(frame.show(&page))
}

/// The first page, as it changes.
pub(super) async fn live(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let sight = door.sight(&frame.operator).await?;
    Ok(events::stream(move || {
        let (door, sight) = (Arc::clone(&door), sight.clone());
        async move {
            let now = events::to_the_minute(door.clock.now());
            let page = storage::Page::first(ROWS);
            match rows(&door, &sight, &page, now, None).await {
                Ok((rows, _)) => vec![("rows", rows)],
                Err(_) => Vec::new(),
            }
        }
    }))
}

/// A page of them, and where it goes on; with buttons for whoever may press them.
async fn rows(
    door: &OperatorDoor,
    sight: &Sight,
    page: &storage::Page,
    now: Timestamp,
    frame: Option<&Frame>,
) -> Result<(Markup, Option<String>)> {
    let listing = door.holds.list(page).await?;
    let ids = listing.rows.iter().map(|hold| hold.enrollment.clone());
    let seen = sight.seen_of(ids.collect()).await?;
    let may_release = frame.filter(|frame| frame.operator.has(Scope::Support));
    let mut rows = Vec::with_capacity(listing.rows.len());
    for hold in listing.rows.iter().filter(|hold| seen.contains(&hold.enrollment)) {
        let row = door.store.enrollment(&hold.enrollment).await?;
        rows.push(line(hold, row.as_ref(), now, may_release));
    }
    let columns = [
        col("Device"),
        col("Hold profile"),
        col("Stage"),
        num("Waits for"),
        num("Has"),
        num("Failed"),
        col("Held"),
        acts(),
    ];
    let shown = match rows.is_empty() {
        true => empty(
            "Nobody is held",
            "A device is held if its enrollment profile says so, from Setup Assistant’s first steps until it has what it waits for.",
            None,
        ),
        false => table("Devices that are held in Setup Assistant", &columns, &rows),
    };
    Ok((shown, listing.next_cursor))
}

fn line(hold: &HoldRecord, row: Option<&EnrollmentRow>, now: Timestamp, may: Option<&Frame>) -> Vec<Markup> {
    let id = &hold.enrollment;
    let base = format!("/devices/{}", encoded(id.as_str()));
    let name = row.map_or_else(|| id.to_string(), enrollment_name);
    let serial = row.and_then(|row| row.device.serial.as_ref());
    let failed = count(hold, HeldState::Failed);
    let waiting = tracked(hold).filter(|item| !item.state.is_settled()).count() as u64;
    vec![
        html! {
            a href={ (base) "/hold" } { (name) }
            @if let Some(serial) = serial { span.sub.mono { (serial) } }
        },
        or_dash(hold.profile.as_ref().map(|name| html! { (name) })),
        stage(hold),
        html! { (number(waiting)) },
        html! { (number(count(hold, HeldState::Installed))) },
        html! { @if failed > 0 { (badge(Tone::Bad, number(failed))) } @else { "0" } },
        html! {
            "since " (ago(hold.begun_at, now))
            @if let Some(deadline) = hold.deadline { span.sub { (until(hold, deadline, now)) } }
        },
        html! {
            @if let (Some(frame), false) = (may, id.is_user_channel()) {
                (button(frame.csrf_field(), &format!("{base}/release"), "small", "Release"))
            }
        },
    ]
}

fn until(hold: &HoldRecord, deadline: Timestamp, now: Timestamp) -> Markup {
    html! { @match hold.timed_out_at { None => { "time is up " (ago(deadline, now)) }, Some(at) => { "time was up " (ago(at, now)) } } }
}

fn tracked(hold: &HoldRecord) -> impl Iterator<Item = &HeldItem> {
    hold.items.iter().filter(|item| item.tracked)
}

fn count(hold: &HoldRecord, state: HeldState) -> u64 {
    tracked(hold).filter(|item| item.state == state).count() as u64
}

/// How far it is, or how it ended.
fn stage(hold: &HoldRecord) -> Markup {
    match (progress(hold), hold.stage) {
        (Some(stage), HoldStage::Releasing) => {
            html! { (stage_bar(stage.label(), stage.percent())) span.sub { "its release is on the way" } }
        }
        (Some(stage), _) => stage_bar(stage.label(), stage.percent()),
        (None, HoldStage::Released) => badge(Tone::Ok, "Released"),
        (None, _) => badge(Tone::Quiet, "Ended"),
    }
}

/// The tab of a device.
pub(in super::super) async fn of_device(
    door: &OperatorDoor,
    frame: &Frame,
    id: &EnrollmentId,
) -> Result<Markup> {
    let hold = match door.holds.hold(id).await {
        Err(error) if error.code() == Code::HoldUnknown => {
            return Ok(sheet(
                "Hold in Setup Assistant",
                html! {},
                empty("Not held", "It was never held in Setup Assistant.", None),
            ));
        }
        hold => hold?,
    };
    let terms = hold.terms.as_ref();
    let release = hold.release.as_ref();
    let rows: Vec<Vec<Markup>> = hold.items.iter().map(|item| item_line(frame, item)).collect();
    let columns = [col("What"), col("State"), col("Waited for"), col("Since")];
    let may_retry = hold.stage.is_open()
        && count(&hold, HeldState::Failed) > 0
        && terms.is_none_or(|terms| terms.allow_retry)
        && frame.operator.has(Scope::Support);
    let aside = html! {
        @if may_retry {
            (button(frame.csrf_field(), &format!("/devices/{}/hold/retry", encoded(id.as_str())), "small main", "Try the failed ones again"))
        }
    };
    Ok(html! {
        div.stack {
            (card("Hold in Setup Assistant", facts(&[
                ("Stage", Some(stage(&hold))),
                ("Hold profile", profile(frame, hold.profile.as_deref())),
                ("Began", Some(full(hold.begun_at, frame.now))),
                ("Time is up", hold.deadline.filter(|_| hold.stage.is_open()).map(|at| full(at, frame.now))),
                ("Time was up", hold.timed_out_at.map(|at| full(at, frame.now))),
                ("Message for its user", maybe(terms.and_then(|terms| terms.message.as_deref()))),
                ("Release", release.map(|release| html! {
                    (match release.reason {
                        ReleaseReason::Completed => "it has everything",
                        ReleaseReason::Operator => "by an operator",
                        ReleaseReason::TimedOut => "it has lasted too long",
                    })
                    ", " (full(release.at, frame.now))
                })),
                ("Ended", hold.ended_at.map(|at| full(at, frame.now))),
            ])))
            (sheet("What it is to get", aside, html! {
                @if rows.is_empty() {
                    (empty("Nothing", "Its hold profile installs nothing on it, or what it is to get is not settled yet.", None))
                } @else {
                    (table("What the device is to get while it is held", &columns, &rows))
                }
            }))
        }
    })
}

fn profile(frame: &Frame, name: Option<&str>) -> Option<Markup> {
    match name {
        None => plain("none: the server’s own terms"),
        Some(name) if frame.has_everywhere(Scope::Read) => {
            Some(html! { a href={ "/hold-profiles/" (encoded(name)) } { (name) } })
        }
        Some(name) => plain(name),
    }
}

fn item_line(frame: &Frame, item: &HeldItem) -> Vec<Markup> {
    let kind = match item.kind {
        HeldKind::App => "app",
        HeldKind::Profile => "profile",
    };
    let origin = match item.origin {
        HeldOrigin::AdeProfile => "of the enrollment profile",
        HeldOrigin::HoldProfile => "of the hold profile",
    };
    let state = match item.state {
        HeldState::Failed => badge(Tone::Bad, "Failed"),
        HeldState::Installed => badge(Tone::Ok, "Installed"),
        HeldState::Installing => badge(Tone::Info, "Installing"),
        HeldState::NotNow => badge(Tone::Warn, "Not now"),
        HeldState::Queued => badge(Tone::Info, "Queued"),
    };
    vec![
        html! { (item.name) span.sub { (kind) " " (origin) } },
        html! {
            (state)
            @if item.attempt > 1 { span.sub { "try no. " (item.attempt) } }
            @if let Some(word) = &item.app_state { span.sub { (word) } }
            @for error in &item.errors {
                span.sub { (error.text) " (" (error.domain) " " (error.code) ")" }
            }
        },
        html! { (if item.tracked { "yes" } else { "no" }) },
        html! {
            (ago(item.at, frame.now))
            span.sub { a href={ "/commands/" (encoded(item.command.as_str())) } { "its command" } }
        },
    ]
}

/// Queues what has failed once more, and nothing else.
pub(in super::super) async fn retry(door: &OperatorDoor, frame: &Frame, id: &EnrollmentId) -> Result<()> {
    frame.require(Scope::Support)?;
    door.holds.retry(id, frame.now).await?;
    tracing::info!(by = frame.operator.name, enrollment = %id, "what has failed is tried again");
    Ok(())
}

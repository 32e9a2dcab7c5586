//! The audit log: who did what, and whether it is all still there.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, RawQuery, State},
    routing::get,
};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page, encoded},
    parts::{
        Tone, badge, card, code, empty, facts,
        field::Field,
        sheet,
        table::{col, or_dash, pager, table},
        text::{block, number},
        time::ago,
    },
};
use crate::{
    error::Result,
    operator::{OperatorDoor, input::Params},
    protocol::ids::EnrollmentId,
    service::{access::Scope, audit::Verified},
    storage::{self, AuditFilter, AuditOutcome, AuditRow},
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/audit", get(page))
        .route("/audit/verify", get(verify))
}

async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Audit)?;
    let params = Params::parse(query.as_deref());
    let filter = AuditFilter {
        operator: params.get("operator").map(str::to_owned),
        target: params.get("target").map(str::to_owned),
        since: None,
        until: None,
        oldest_first: params.get("order") == Some("oldest"),
    };
    let page = params.page_of(ROWS)?;
    let listing = door.audit.entries(&filter, &page).await?;
    let kept = ["operator", "target", "order"].map(|name| (name, params.get(name).unwrap_or_default()));
    let shown = html! {
        (entries(&frame, &listing.rows))
        (pager("/audit", &kept, page.cursor.as_deref(), listing.next_cursor.as_deref()))
    };
    if frame.piece {
        return Ok(frame.piece(shown));
    }
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let head = door.audit.head().await?;
    let body = html! {
        div.stack {
            (card("The chain", html! {
                p { "Each entry holds the hash of the one before it: what is changed or taken away shows. There is no way to delete an entry." }
                (facts(&[
                    ("Entries", Some(html! { (number(head.number)) })),
                    ("Its end", code(Some(format!("{}:{}", head.number, head.hash)))),
                ]))
                p.small.muted { "Whoever keeps the end elsewhere can tell later whether anything before it was changed." }
                div #verdict aria-live="polite" {
                    a.button href="/audit/verify" hx-get="/audit/verify" hx-target="#verdict" { "Check the chain" }
                }
            }))
            section.card aria-label="Entries" {
                form.filters action="/audit" method="get" hx-get="/audit" hx-target="#results" hx-push-url="true"
                    hx-trigger="input delay:250ms, submit" hx-sync="this:replace" {
                    (Field::new("operator", "Operator").kind("search").value(text("operator")).line())
                    (Field::new("target", "Target").kind("search").value(text("target")).placeholder("enrollment:UDID, serial:C02…").class("grow").line())
                    (Field::new("order", "Order").value(text("order")).class("half").choice([("", "The latest first"), ("oldest", "The oldest first")]))
                    button type="submit" { "Find" }
                }
                div #results aria-live="polite" { (shown) }
            }
        }
    };
    Ok(frame.show(&Page::new("Audit log").body(body)))
}

fn entries(frame: &Frame, rows: &[AuditRow]) -> Markup {
    let lines: Vec<Vec<Markup>> = rows.iter().map(|row| line(frame, row)).collect();
    let columns = [
        col("What"),
        col("Who"),
        col("On what"),
        col("Outcome"),
        col("When"),
        col("More"),
    ];
    match lines.is_empty() {
        true => empty(
            "No entries",
            "Nothing was done that matches. There may be more on the next page.",
            None,
        ),
        false => table("Entries of the audit log", &columns, &lines),
    }
}

fn line(frame: &Frame, row: &AuditRow) -> Vec<Markup> {
    let entry = &row.entry;
    let outcome = match entry.outcome {
        AuditOutcome::Begun => badge(Tone::Ok, "Begun"),
        AuditOutcome::Done => badge(Tone::Ok, "Done"),
        AuditOutcome::Failed => badge(Tone::Bad, "Failed"),
        AuditOutcome::Refused => badge(Tone::Warn, "Refused"),
    };
    vec![
        html! { (entry.operation.replace('_', " ")) span.sub { "no. " (number(entry.number)) @if let Some(of) = entry.of { ", of " (number(of)) } } },
        html! { (entry.operator) span.sub { (entry.kind) @if let Some(scope) = &entry.scope { ", " (scope) } } },
        html! {
            @if entry.targets.is_empty() { (or_dash(None)) }
            @for name in &entry.targets { span.sub.break { (target(name)) } }
            @if let Some(count) = entry.targets_count { span.sub { "of " (number(count)) } }
        },
        outcome,
        ago(entry.at, frame.now),
        html! {
            details.more {
                summary { "Show" }
                (facts(&[
                    ("From", code(entry.address.as_deref())),
                    ("Request", code(entry.request.as_deref())),
                    ("Hash", code(Some(row.hash.to_string()))),
                    ("Before it", code(Some(entry.previous.to_string()))),
                ]))
                @if !entry.details.is_empty() {
                    @let details: Vec<String> = entry.details.iter().map(|(name, text)| format!("{name}: {text}")).collect();
                    (block(&format!("entry-{}", entry.number), &details.join("\n")))
                }
            }
        },
    ]
}

/// A target, with the way to it where there is one.
fn target(name: &str) -> Markup {
    match name.split_once(':') {
        Some(("enrollment", id)) => html! { a href={ "/devices/" (encoded(id)) } { (id) } },
        Some(("serial", serial)) => html! { a href={ "/devices?q=" (encoded(serial)) } { (serial) } },
        Some(("command", uuid)) => html! { a href={ "/commands/" (encoded(uuid)) } { (uuid) } },
        _ => html! { (name) },
    }
}

/// Follows the chain, a part of it at a time.
async fn verify(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Audit)?;
    let after = Params::parse(query.as_deref()).number("after")?.unwrap_or(0);
    let verified = door.audit.verify(after).await?;
    let verdict = verdict(&verified);
    if frame.piece {
        return Ok(frame.piece(verdict));
    }
    let page = Page::new("Check of the audit log")
        .under("/audit", "Audit log")
        .body(verdict);
    Ok(frame.show(&page))
}

fn verdict(verified: &Verified) -> Markup {
    let (reached, end) = (verified.reached.number, verified.head.number);
    let next = format!("/audit/verify?after={reached}");
    html! {
        @if let Some(broken) = &verified.broken {
            div.note.bad role="alert" {
                h3 { "The chain is broken." }
                p { "Entry " (number(broken.number)) " " (broken.problem) "." }
                p { "Compare the store with a backup, and with the end of the log that was kept elsewhere." }
            }
        } @else if verified.is_over() {
            div.note.ok role="status" { h3 { "The chain is whole." } p { (number(end)) " entries were checked." } }
        } @else {
            // Goes on by itself where scripts run.
            div.note role="status" hx-get=(next) hx-trigger="load" hx-target="#verdict" {
                p { (number(reached)) " of " (number(end)) " entries are as they should be so far. " a href=(next) { "Go on" } }
            }
        }
    }
}

/// What was done to an enrollment, for its page.
pub(super) async fn of_enrollment(
    door: &OperatorDoor,
    frame: &Frame,
    id: &EnrollmentId,
    page: &storage::Page,
) -> Result<Markup> {
    let filter = AuditFilter {
        operator: None,
        target: Some(format!("enrollment:{id}")),
        since: None,
        until: None,
        oldest_first: false,
    };
    let listing = door.audit.entries(&filter, page).await?;
    let path = format!("/devices/{}/audit", encoded(id.as_str()));
    Ok(sheet(
        "What was done to it",
        html! { span.muted.small { "the latest first" } },
        html! {
            (entries(frame, &listing.rows))
            (pager(&path, &[], page.cursor.as_deref(), listing.next_cursor.as_deref()))
        },
    ))
}

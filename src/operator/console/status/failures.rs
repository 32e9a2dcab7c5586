//! Enrollments that failed: why, how often, and what to do.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{device, device_name, filter, filters, kept, method, overview::reasons, system};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page, encoded},
            parts::{
                card, code, empty, facts,
                field::Field,
                maybe, plain, sheet,
                table::{col, or_dash, pager, table},
                text::prose,
                time::{ago, full},
            },
        },
        input::{Params, Path},
    },
    service::{access::Scope, reports::advice},
    storage::{AttemptList, AttemptRow},
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
    let filter = filter(&params, AttemptList::Failed, tokens.clone());
    let page = params.page_of(ROWS)?;
    let listing = door.reports.attempts(&filter, &page).await?;
    let rows: Vec<Vec<Markup>> = listing.rows.iter().map(|row| line(&frame, row)).collect();
    let columns = [
        col("Device"),
        col("User"),
        col("Platform"),
        col("Why"),
        col("When"),
    ];
    let shown = html! {
        @if rows.is_empty() {
            (empty("No failures", "No enrollment has failed that matches, in the time that is kept.", None))
        } @else {
            (table("Failures, the latest first", &columns, &rows))
        }
        (pager("/failures", &kept(&params), page.cursor.as_deref(), listing.next_cursor.as_deref()))
    };
    if frame.piece {
        return Ok(frame.piece(shown));
    }
    let counted = door.reports.reasons(tokens, frame.now).await?;
    let choices: Vec<(&str, &str)> = counted
        .iter()
        .map(|reason| (reason.code.as_str(), advice(&reason.code).cause))
        .collect();
    let choices = [("", "Any reason")].into_iter().chain(choices);
    let chosen = params.get("code").unwrap_or_default();
    let more = Field::new("code", "Reason").value(chosen).choice(choices);
    let body = html! {
        div.stack {
            (sheet("Common reasons", html! { span.muted.small { "last 30 days" } }, reasons(&counted)))
            section.card aria-label="Failures" {
                (filters("/failures", &params, more))
                div #results aria-live="polite" { (shown) }
            }
        }
    };
    Ok(frame.show(&Page::new("Enrollment failures").body(body)))
}

fn line(frame: &Frame, row: &AttemptRow) -> Vec<Markup> {
    let record = &row.record;
    let outcome = record.outcome.as_ref();
    let code = outcome
        .and_then(|outcome| outcome.code.as_deref())
        .unwrap_or_default();
    vec![
        html! {
            a href={ "/failures/" (record.number) } { (device_name(record)) }
            @if let Some(serial) = &record.subject.serial { span.sub.mono { (serial) } }
        },
        or_dash(record.facts.user.as_ref().map(|user| html! { (user) })),
        html! { (system(record)) span.sub { (method(record.method)) } },
        html! {
            (advice(code).cause)
            span.sub { code { (code) } @if let Some(outcome) = outcome { @if outcome.count > 1 { ", " (outcome.count) " times" } } }
        },
        or_dash(outcome.map(|outcome| ago(outcome.last_at, frame.now))),
    ]
}

/// One of them, with what to do.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<String>,
) -> Answer {
    frame.require(Scope::Read)?;
    let tokens = door.reports.tokens_of(&frame.operator).await?;
    let number = id.parse().map_err(|_| Error::with(Code::AttemptUnknown, &id))?;
    let row = door.reports.attempt(number, &tokens).await?;
    let record = &row.record;
    let outcome = record.outcome.as_ref();
    let name = outcome
        .and_then(|outcome| outcome.code.as_deref())
        .unwrap_or_default();
    let said = advice(name);
    let serial = record.subject.serial.as_ref();
    let body = html! {
        div.stack {
            @if outcome.is_some() {
                div.note.bad {
                    h2 { (said.cause) }
                    @if let Some(detail) = outcome.and_then(|outcome| outcome.detail.as_ref()) { p { (detail) } }
                    p { b { "What to do: " } (prose(said.step)) }
                    p.muted.small { "Code: " code { (name) } }
                }
            }
            div.grid.wide {
                (card("Device", facts(&[
                    ("Device", Some(device(record))),
                    ("Model", maybe(record.facts.model_name.as_deref().or(record.facts.product.as_deref()))),
                    ("Platform", plain(system(record))),
                    ("Build", code(record.facts.build_version.as_deref())),
                    ("User", maybe(record.facts.user.as_deref())),
                    ("UDID", code(record.subject.udid.as_ref().map(|udid| udid.as_str()))),
                ])))
                (card("Attempt", facts(&[
                    ("Method", plain(method(record.method))),
                    ("Left in", plain(record.stage.section().as_str().replace('_', " "))),
                    ("Began", Some(full(record.started_at, frame.now))),
                    ("Ended", outcome.map(|outcome| full(outcome.at, frame.now))),
                    ("How often", outcome.map(|outcome| html! { (outcome.count) })),
                    ("Last", outcome.filter(|outcome| outcome.count > 1).map(|outcome| full(outcome.last_at, frame.now))),
                    ("Tried again since", Some(html! { (if record.attention { "no" } else { "yes" }) })),
                ])))
            }
            @if let Some(serial) = serial {
                p.actions { a.button href={ "/ade/why?serial=" (encoded(serial.as_str())) } { "What Apple says of it" } }
            }
        }
    };
    let page = Page::new(device_name(record))
        .under("/failures", "Enrollment failures")
        .body(body);
    Ok(frame.show(&page))
}

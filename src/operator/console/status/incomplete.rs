//! Enrollments that were begun and left: how many, where, and which.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{device, filter, filters, kept, system};
use crate::{
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page},
            parts::{
                Tone, card,
                chart::{bars, sparkline},
                empty,
                field::Field,
                table::{col, or_dash, pager, table},
                text::number,
                tile::{Tile, tiles},
                time::{ago, exact},
            },
        },
        input::Params,
    },
    service::{
        access::Scope,
        reports::{Incomplete, day_span},
    },
    storage::{AttemptList, AttemptRow, EnrollmentSection},
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
    let span = day_span(params.number("days")?, tokens.clone(), frame.now)?;
    let section = params.get("section").and_then(EnrollmentSection::parse);
    let mut filter = filter(&params, AttemptList::Incomplete, tokens);
    filter.section = section;
    filter.from = Some(span.from.start());
    let page = params.page_of(ROWS)?;
    let listing = door.reports.attempts(&filter, &page).await?;
    let report = door.reports.incomplete(span, filter.platform, section).await?;
    let rows: Vec<Vec<Markup>> = listing.rows.iter().map(|row| line(&frame, row)).collect();
    let columns = [
        col("Device"),
        col("Platform"),
        col("Left in"),
        col("Cause"),
        col("When"),
    ];
    let days = params.get("days").unwrap_or_default();
    let named = params.get("section").unwrap_or_default();
    let mut stay = kept(&params).to_vec();
    stay.extend([("days", days), ("section", named)]);
    let shown = html! {
        (figures(&report))
        section.card aria-label="Incomplete enrollments" {
            @if rows.is_empty() {
                (empty("None", "Everything that was begun in these days was brought to an end, or is still under way.", None))
            } @else {
                (table("Incomplete enrollments, the latest first", &columns, &rows))
            }
            (pager("/incomplete", &stay, page.cursor.as_deref(), listing.next_cursor.as_deref()))
        }
    };
    if frame.piece {
        return Ok(frame.piece(shown));
    }
    let sections = EnrollmentSection::ALL.map(|section| (section.as_str(), in_words(section)));
    let more = html! {
        (Field::new("section", "Section").value(named).class("half").choice([("", "All sections")].into_iter().chain(sections)))
        (Field::new("days", "Days").value(days).class("half").choice([("", "14 days"), ("7", "7 days"), ("30", "30 days")]))
    };
    let body = html! {
        div.stack {
            section.card aria-label="Filter" { (filters("/incomplete", &params, more)) }
            div.stack #results aria-live="polite" { (shown) }
        }
    };
    let page = Page::new("Incomplete enrollments")
        .lead("A user stopped, closed the device, or did not go on for half an hour.")
        .body(body);
    Ok(frame.show(&page))
}

fn in_words(section: EnrollmentSection) -> &'static str {
    match section {
        EnrollmentSection::Activation => "Compliance and activation",
        EnrollmentSection::PlatformScreens => "Platform screens",
        EnrollmentSection::SetupChecklist => "Setup checklist",
        EnrollmentSection::Terms => "Terms",
    }
}

fn figures(report: &Incomplete) -> Markup {
    let begun: Vec<u64> = report.days.iter().map(|day| day.initiated).collect();
    let left: Vec<u64> = report.days.iter().map(|day| day.sections.iter().sum()).collect();
    let sections: Vec<(String, u64)> = EnrollmentSection::ALL
        .iter()
        .enumerate()
        .map(|(place, section)| {
            let sum = report.days.iter().map(|day| day.sections[place]).sum();
            (in_words(*section).to_owned(), sum)
        })
        .collect();
    let daily: Vec<Vec<Markup>> = report
        .days
        .iter()
        .rev()
        .map(|day| {
            let mut cells = vec![
                html! { (exact(day.day.start()).split(' ').next().unwrap_or_default()) },
                html! { (number(day.initiated)) },
            ];
            cells.extend(day.sections.iter().map(|count| html! { (number(*count)) }));
            cells
        })
        .collect();
    let columns = [
        col("Day"),
        col("Begun"),
        col("Setup checklist"),
        col("Platform screens"),
        col("Terms"),
        col("Activation"),
    ];
    let rate = report.rate.map_or("–".to_owned(), |rate| format!("{rate:.1} %"));
    html! {
        (tiles([
            Tile::new("Begun", number(report.initiated)),
            Tile::new("Incomplete", number(report.incomplete)).tone(if report.incomplete > 0 { Tone::Warn } else { Tone::Quiet }),
            Tile::new("Rate", rate),
        ]))
        div.grid.wide {
            (card("Day by day", html! {
                p.small.muted { "Begun" }
                (sparkline("Enrollments begun, day by day; the table below has the figures", &begun))
                p.small.muted { "Left" }
                (sparkline("Enrollments left, day by day; the table below has the figures", &left))
                details.more { summary { "The figures" } (table("Figures by day", &columns, &daily)) }
            }))
            (card("Where they were left", bars("Incomplete enrollments by section", &sections)))
        }
    }
}

fn line(frame: &Frame, row: &AttemptRow) -> Vec<Markup> {
    let record = &row.record;
    let outcome = record.outcome.as_ref();
    let cause = outcome.and_then(|outcome| outcome.incomplete);
    vec![
        device(record),
        html! { (system(record)) },
        html! { (in_words(record.stage.section())) },
        or_dash(cause.map(|cause| html! { (cause.as_str()) })),
        or_dash(outcome.map(|outcome| ago(outcome.last_at, frame.now))),
    ]
}

//! The figures of enrollment on the overview.

use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Frame, encoded},
            parts::{
                Tone,
                chart::{bars, donut},
                empty, sheet,
                table::{col, num, or_dash, table},
                text::{number, prose},
                tile::{Tile, tiles},
                time::{ago, duration},
            },
        },
    },
    protocol::time::Timestamp,
    service::reports::{Overview, PlatformReport, Reason, advice},
    storage::{AttemptFilter, AttemptList, AttemptRow, Page},
};

/// So many failures, and so many reasons, are shown.
const FAILURES: usize = 6;

/// The four tiles.
pub(in super::super) fn figures(overview: &Overview) -> Markup {
    html! {
        section aria-label="Enrollment" {
            (tiles([
                Tile::new("Enrolled", number(overview.enrolled)).detail("managed devices").tone(Tone::Ok)
                    .link("/devices?state=enrolled").live("enrolled"),
                Tile::new("In progress", number(overview.in_progress)).detail("enrolling now")
                    .link("/enrolling").live("in-progress"),
                Tile::new("Pending", number(overview.pending)).detail("have a profile, not begun")
                    .link("/ade/devices?status=assigned").live("pending"),
                Tile::new("Failed", number(overview.failed)).detail("need attention")
                    .tone(if overview.failed > 0 { Tone::Bad } else { Tone::Quiet }).link("/failures").live("failed"),
            ]))
        }
    }
}

/// The same as they change.
pub(in super::super) async fn live(
    door: &OperatorDoor,
    tokens: Option<Vec<u64>>,
    now: Timestamp,
) -> Vec<(&'static str, Markup)> {
    let Ok(overview) = door.reports.overview(tokens, now).await else {
        return Vec::new();
    };
    let text = |value: u64| html! { (number(value)) };
    vec![
        ("enrolled", text(overview.enrolled)),
        ("in-progress", text(overview.in_progress)),
        ("pending", text(overview.pending)),
        ("failed", text(overview.failed)),
    ]
}

/// Platforms: a ring of shares, and a line for each.
pub(in super::super) fn platforms(overview: &Overview) -> Markup {
    let shares: Vec<(String, u64)> = overview
        .platforms
        .iter()
        .filter(|report| report.total > 0)
        .map(|report| (report.group.label().to_owned(), report.total))
        .collect();
    let rows: Vec<Vec<Markup>> = overview.platforms.iter().map(line).collect();
    let columns = [
        col("Platform"),
        num("Total"),
        num("Last 7 days"),
        num("Success rate"),
        num("Average time"),
    ];
    html! {
        div.grid.wide {
            (sheet("Enrolled, by platform", html! {}, html! {
                div.in {
                    @if shares.is_empty() {
                        (empty("No devices yet", "Make an enrollment link for a device in somebody’s hand, or add a server token for devices that come out of their boxes.",
                            Some(("/enroll-links", "Make an enrollment link"))))
                    } @else {
                        (donut("Enrolled devices by platform", &number(overview.enrolled), &shares))
                    }
                }
            }))
            (sheet("Platforms", html! {}, table("Enrollment by platform", &columns, &rows)))
        }
    }
}

fn line(report: &PlatformReport) -> Vec<Markup> {
    let average = report.average().map(|average| duration(average.as_secs().max(1)));
    vec![
        html! { span.nowrap { (report.group.label()) } },
        html! { (number(report.total)) },
        html! { (number(report.week.enrolled)) },
        or_dash(
            report
                .success_rate()
                .map(|rate| html! { (format!("{rate:.1} %")) }),
        ),
        or_dash(average.map(|average| html! { span.nowrap { (average) } })),
    ]
}

/// What failed lately, and why.
pub(in super::super) async fn failures(
    door: &OperatorDoor,
    frame: &Frame,
    tokens: Option<Vec<u64>>,
    reasons: &[Reason],
) -> Result<Markup> {
    let filter = AttemptFilter {
        tokens,
        ..AttemptFilter::all(AttemptList::Failed)
    };
    let listing = door.reports.attempts(&filter, &Page::first(FAILURES)).await?;
    let rows: Vec<Vec<Markup>> = listing.rows.iter().map(|row| failure(frame, row)).collect();
    let more = html! { a.small href="/failures" { "All failures" } };
    Ok(html! {
        div.grid.wide {
            (sheet("Recent failures", more, html! {
                @if rows.is_empty() {
                    (empty("None", "No enrollment has failed in the time that is kept.", None))
                } @else {
                    (table("Recent failures", &[col("Device"), col("Why"), col("When")], &rows))
                }
            }))
            (sheet("Common reasons", html! { span.muted.small { "last 30 days" } }, self::reasons(reasons)))
        }
    })
}

fn failure(frame: &Frame, row: &AttemptRow) -> Vec<Markup> {
    let record = &row.record;
    let outcome = record.outcome.as_ref();
    let code = outcome
        .and_then(|outcome| outcome.code.as_deref())
        .unwrap_or_default();
    let said = advice(code);
    vec![
        html! {
            a href={ "/failures/" (record.number) } { (super::device_name(record)) }
            span.sub { (super::system(record)) @if let Some(user) = &record.facts.user { ", " (user) } }
        },
        html! { (said.cause) span.sub { (prose(said.step)) } },
        or_dash(outcome.map(|outcome| ago(outcome.last_at, frame.now))),
    ]
}

/// How often each reason, the most frequent first.
pub(super) fn reasons(reasons: &[Reason]) -> Markup {
    let shown: Vec<(String, u64)> = reasons
        .iter()
        .take(FAILURES)
        .map(|reason| {
            (
                advice(&reason.code).cause.trim_end_matches('.').to_owned(),
                reason.count,
            )
        })
        .collect();
    html! {
        div.in {
            @if shown.is_empty() {
                p.muted { "Nothing has failed." }
            } @else {
                (bars("Common reasons for failures", &shown))
                p.small { a href={ "/failures?code=" (encoded(&reasons[0].code)) } { "Those for the first reason" } }
            }
        }
    }
}

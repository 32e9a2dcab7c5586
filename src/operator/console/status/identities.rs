//! The devices' identities: when they expire, and whose expires first.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use crate::{
    operator::{
        OperatorDoor,
        console::{
            devices::enrollment_name,
            frame::{Answer, Frame, Page, encoded},
            parts::{
                Tone, badge, card,
                chart::histogram,
                code, empty, facts, plain, sheet,
                table::{col, or_dash, pager, table},
                text::block,
                time::{ago, full, maybe_ago},
            },
        },
        input::Params,
    },
    protocol::time::Timestamp,
    service::{access::Scope, authority::AuthorityFacts, reports::Expiring},
    storage::EnrollmentRow,
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(ROWS)?;
    let tokens = door.reports.tokens_of(&frame.operator).await?;
    let report = door.reports.expiring(tokens.clone(), frame.now).await?;
    let listing = door.reports.expiring_enrollments(tokens, &page).await?;
    let rows: Vec<Vec<Markup>> = listing
        .rows
        .iter()
        .map(|(at, row)| line(&frame, *at, row))
        .collect();
    let columns = [col("Device"), col("Expires"), col("Renewal"), col("Last seen")];
    let body = html! {
        div.stack {
            (card("When identities expire", chart(&report)))
            @if let Some(authority) = &door.authority { (self::authority(&frame, authority)) }
            (sheet("The first to expire", html! { span.muted.small { "the first first" } }, html! {
                @if rows.is_empty() {
                    (empty("No identities", "No enrolled device has a certificate of this server yet.", None))
                } @else {
                    (table("Devices by the expiry of their identities", &columns, &rows))
                }
                (pager("/identities", &[], page.cursor.as_deref(), listing.next_cursor.as_deref()))
            }))
        }
    };
    let page = Page::new("Identities")
        .lead("Each device proves who it is with a certificate of this server. It is renewed by itself while the device connects; one that has expired is lost without a word.")
        .body(body);
    Ok(frame.show(&page))
}

fn authority(frame: &Frame, authority: &AuthorityFacts) -> Markup {
    card(
        "The authority",
        html! {
            (facts(&[
                ("Subject", plain(&authority.subject)),
                ("Valid until", Some(full(authority.not_after, frame.now))),
                ("Valid from", Some(full(authority.not_before, frame.now))),
                ("Serial number", code(Some(&authority.serial))),
                ("SHA-256", code(Some(authority.fingerprint.to_string()))),
            ]))
            details.more { summary { "Its certificate" } (block("authority", &authority.pem)) }
        },
    )
}

fn chart(report: &Expiring) -> Markup {
    let mut bars = vec![("expired".to_owned(), report.expired, Tone::Bad)];
    for (days, count) in &report.within {
        let tone = match days {
            ..=14 => Tone::Bad,
            15..=30 => Tone::Warn,
            _ => Tone::Ok,
        };
        bars.push((format!("{days} d"), *count, tone));
    }
    bars.push(("later".to_owned(), report.later, Tone::Ok));
    html! {
        (histogram("Identities by the days that are left", &bars))
        p.small.muted { "Each bar: within so many days, and not within fewer." }
    }
}

fn line(frame: &Frame, at: Timestamp, row: &EnrollmentRow) -> Vec<Markup> {
    let record = &row.record;
    let renewing = record.pending.as_ref().is_some_and(|pending| pending.renewal);
    vec![
        html! {
            a href={ "/devices/" (encoded(record.id.as_str())) "/certificates" } { (enrollment_name(row)) }
            @if let Some(serial) = &row.device.serial { span.sub.mono { (serial) } }
        },
        html! { @if at <= frame.now { (badge(Tone::Bad, "expired")) " " } (ago(at, frame.now)) },
        if renewing {
            badge(Tone::Info, "has begun")
        } else {
            or_dash(None)
        },
        or_dash(maybe_ago(row.last_seen, frame.now)),
    ]
}

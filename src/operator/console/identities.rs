//! The authority that issues the devices' identities.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Extension, State},
    routing::get,
};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page},
    parts::{Tone, card, chart::histogram, code, empty, facts, plain, text::block, time::full},
};
use crate::{
    operator::OperatorDoor,
    protocol::time::Timestamp,
    service::{access::Scope, authority::AuthorityFacts},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new().route("/identities", get(page))
}

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Read)?;
    let days = door.store.identity_days().await?;
    let body = html! {
        div.stack {
            (card("When they expire", chart(&days, frame.now)))
            @match &door.authority {
                Some(authority) => (shown(&frame, authority)),
                None => section.card { (empty("No authority", "Its certificate can’t be read.", None)) },
            }
        }
    };
    let page = Page::new("Identities")
        .lead("Each device proves who it is with a certificate of this server. It is renewed by itself while the device connects; one that has expired is lost without a word.")
        .body(body);
    Ok(frame.show(&page))
}
/// The bars' ends, in days.
const STEPS: [i64; 6] = [7, 14, 30, 60, 90, 180];

/// How many expire when. `days`: by the day since 1970 on which they do.
fn chart(days: &BTreeMap<i64, u64>, now: Timestamp) -> Markup {
    let today = now.seconds().div_euclid(86_400);
    let between = |from: i64, to: i64| days.range(from..to).map(|(_, count)| count).sum::<u64>();
    let mut bars = vec![("expired".to_owned(), between(i64::MIN, today), Tone::Bad)];
    let mut from = today;
    for step in STEPS {
        let tone = match step {
            ..=14 => Tone::Bad,
            15..=30 => Tone::Warn,
            _ => Tone::Ok,
        };
        bars.push((format!("{step} d"), between(from, today + step), tone));
        from = today + step;
    }
    bars.push(("later".to_owned(), between(from, i64::MAX), Tone::Ok));
    html! {
        (histogram("Identities of enrolled devices by the days that are left", &bars))
        p.small.muted { "Each bar: within so many days, and not within fewer." }
    }
}

fn shown(frame: &Frame, authority: &AuthorityFacts) -> Markup {
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

//! The authority that issues the devices' identities.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, State},
    routing::get,
};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page},
    parts::{card, code, empty, facts, plain, text::block, time::full},
};
use crate::{
    operator::OperatorDoor,
    service::{access::Scope, authority::AuthorityFacts},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new().route("/identities", get(page))
}

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Read)?;
    let body = html! {
        div.stack {
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

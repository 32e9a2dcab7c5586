//! Why is this device not here? Apple and the store are asked, and the answer is in plain words.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page, encoded},
            parts::{Tone, badge, card, field::Field},
        },
        input::Params,
    },
    protocol::ids::SerialNumber,
    service::{
        access::Scope,
        ade::why::{Finding, Refusal},
    },
};

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let serial = params
        .get("serial")
        .map(str::trim)
        .filter(|serial| !serial.is_empty());
    let answer = match serial {
        None => html! {},
        Some(serial) => answer(&door, &frame, &SerialNumber::new(serial)).await?,
    };
    let body = html! {
        div.stack {
            (card("Which device?", html! {
                form.form action="/ade/why" method="get" {
                    (Field::new("serial", "Serial number").value(serial.unwrap_or_default()).required()
                        .hint("As on the device or its box. Apple is asked about it, for each server token.").line())
                    div.buttons { button.main type="submit" { "Find out" } }
                }
            }))
            (answer)
        }
    };
    let page = Page::new("Why is this device not here?")
        .lead("For a device that should have enrolled by itself: what Apple’s list, its profile and this server say about it.")
        .body(body);
    Ok(frame.show(&page))
}

async fn answer(door: &OperatorDoor, frame: &Frame, serial: &SerialNumber) -> Result<Markup> {
    let sight = door.sight(&frame.operator).await?;
    let is_seen = sight.serial(serial).await.is_ok();
    let refusal = door.ade.last_refusal(serial).filter(|_| is_seen);
    let refusal = refusal.map(|refused| Refusal {
        message: refused.message,
        step: refused.code.step().to_owned(),
        at: refused.at,
    });
    let why = door.ade_why.why(serial, refusal, &sight, frame.now).await?;
    let tone = match why.finding {
        Finding::Enrolled => Tone::Ok,
        Finding::ReadyToEnroll | Finding::NotSyncedYet => Tone::Info,
        Finding::Throttled | Finding::FetchedNotEnrolled | Finding::ForeignProfile | Finding::NoProfile => {
            Tone::Warn
        }
        Finding::AssignmentFailed
        | Finding::NoToken
        | Finding::NotOurs
        | Finding::Refused
        | Finding::Released
        | Finding::Unanswered => Tone::Bad,
    };
    let find = format!("/devices?q={}", encoded(serial.as_str()));
    Ok(html! {
        section.card aria-label="Answer" {
            header { h2 { "Device " (serial) } (badge(tone, why.finding.as_str().replace('_', " "))) }
            div.in {
                p { (why.explanation) }
                @if !why.step.is_empty() { p { b { "Next: " } (why.step) } }
                @if !why.evidence.is_empty() {
                    h3 { "What was said" }
                    ul.steps { @for line in &why.evidence { li { (line) } } }
                }
                p.actions {
                    a.button href={ "/ade/devices?serial=" (encoded(serial.as_str())) } { "In Apple’s list" }
                    a.button href=(find) { "Among the enrollments" }
                }
            }
        }
    })
}

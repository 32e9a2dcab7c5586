//! Enrollment links, with a QR code for the device's camera.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    routing::get,
};
use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

use super::{
    form::{Form, Problems},
    frame::{Answer, Frame, Page},
    parts::{card, field::Field, text::block, time::full},
};
use crate::{
    error::{Code, Error, Result},
    operator::{OperatorDoor, links::may_link},
    service::{access::Scope, enrollment::made_for},
};

/// How long a link may be good.
const TIMES: [(&str, &str, u64); 4] = [
    ("hour", "One hour", 3_600),
    ("day", "One day", 86_400),
    ("week", "One week", 7 * 86_400),
    ("month", "30 days", 30 * 86_400),
];

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new().route("/enroll-links", get(page).post(create))
}

async fn page(Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Enroll)?;
    Ok(frame.show(&whole(&frame, &Form::default(), &Problems::default())))
}

fn whole(frame: &Frame, form: &Form, problems: &Problems) -> Page {
    let times = TIMES.map(|(value, text, _)| (value, text));
    let time = form.given("time").unwrap_or_else(|| "day".into());
    let body = card(
        "Make a link",
        html! {
            form.form action="/enroll-links" method="post" {
                (frame.csrf_field())
                (Field::new("serial", "Serial number").value(form.text("serial")).checked(problems)
                    .hint("Only the device with this serial number can use the link; it may be enrolled already.").line())
                (Field::new("udid", "UDID").value(form.text("udid")).checked(problems)
                    .hint("Without either, the first device that opens the link enrolls.").line())
                (Field::new("time", "Good for").value(time).choice(times))
                div.buttons { button.main type="submit" { "Make the link" } }
            }
        },
    );
    Page::new("Enrollment links")
        .lead("A link hands out one enrollment profile, once. It is for a device in somebody’s hand; devices from Apple Business Manager need none.")
        .body(body)
}

async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Enroll)?;
    let form = Form::read(&door, &headers, body).await?;
    match made(&door, &frame, &form).await {
        Ok(page) => Ok(frame.show(&page)),
        Err(error) => {
            let problems = Problems::of(&error)
                .or(&error, "serial", &[Code::AdeDeviceUnknown, Code::Confined])
                .or(&error, "udid", &[Code::EnrollmentUnknown]);
            let page = whole(&frame, &form, &problems);
            Ok(frame.refuse(error, page))
        }
    }
}

async fn made(door: &OperatorDoor, frame: &Frame, form: &Form) -> Result<Page> {
    let (serial, udid) = (form.given("serial"), form.given("udid"));
    let whom = serial
        .as_deref()
        .or(udid.as_deref())
        .unwrap_or("the first device that opens it")
        .to_owned();
    let time = form.given("time").unwrap_or_else(|| "day".to_owned());
    let time = TIMES.iter().find(|(name, _, _)| *name == time);
    let (_, _, seconds) = time.ok_or_else(|| Error::invalid("time", "is none of these"))?;
    let ttl = Duration::from_secs(*seconds);
    let made_for = made_for(udid, serial)?;
    may_link(door, &frame.operator, &made_for).await?;
    let url = door.enrollments.create_link(made_for, ttl, frame.now).await?;
    tracing::info!(by = frame.operator.name, "enrollment link created");
    let code = qr(&url);
    Ok(Page::new("Enrollment link")
        .under("/enroll-links", "Enrollment links")
        .lead("Open it on the device: point the camera at the code, or send the address. It shows here only.")
        .body(html! {
            div.grid {
                @if let Some(code) = code { (card("For the camera", code)) }
                (card("For a message", html! {
                    (block("url", &url))
                    p { "For " b { (whom) } ", until " (full(frame.now.plus(ttl), frame.now)) "." }
                    p.actions { a.button href="/enroll-links" { "Make another" } }
                }))
            }
        }))
}

/// The code as one path of squares.
fn qr(text: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (place, _) in code
        .to_colors()
        .iter()
        .enumerate()
        .filter(|(_, colour)| **colour == Color::Dark)
    {
        let (x, y) = (place % width + 4, place / width + 4);
        path.push_str(&format!("M{x} {y}h1v1h-1z"));
    }
    let side = width + 8;
    Some(html! {
        div.qr {
            svg viewBox=(format!("0 0 {side} {side}")) role="img" aria-label="QR code of the enrollment link" shape-rendering="crispEdges" {
                rect width=(side) height=(side) fill="#fff" {}
                path d=(path) {}
            }
        }
    })
}

//! The identity that speaks for a device.

use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Frame, encoded},
            parts::{
                Tone, badge, button, card,
                chart::{Expiry, expiry_strip},
                code, empty, facts, maybe,
                time::full,
            },
        },
    },
    protocol::time::Timestamp,
    service::access::Scope,
    storage::EnrollmentRow,
};

pub(super) async fn tab(door: &OperatorDoor, frame: &Frame, row: &EnrollmentRow) -> Result<Markup> {
    let Some(fingerprint) = row.record.identity else {
        let text = match row.record.id.is_user_channel() {
            true => "A user’s channel is spoken for by its device’s identity.",
            false => "No certificate speaks for this enrollment yet.",
        };
        return Ok(html! { section.card { (empty("No identity of its own", text, None)) } });
    };
    let Some(certificate) = door.store.certificate(&fingerprint).await? else {
        let known = facts(&[("SHA-256", code(Some(fingerprint.to_string())))]);
        return Ok(card("Identity", known));
    };
    let days = days(certificate.not_after, frame.now);
    let expiry = Expiry {
        name: "Identity".into(),
        address: String::new(),
        days,
    };
    let standing = match certificate.revoked_at {
        Some(_) => badge(Tone::Bad, "Revoked"),
        None => badge(expiry.tone(), expiry.left()),
    };
    Ok(html! {
        div.stack {
            (card("Identity", html! {
                (expiry_strip(&[expiry]))
                @if frame.operator.has(Scope::Command) {
                    (button(frame.csrf_field(), &format!("/devices/{}/renew-identity", encoded(row.record.id.as_str())), "", "Renew it now"))
                }
                (facts(&[
                    ("Standing", Some(standing)),
                    ("Subject", maybe(Some(&certificate.subject))),
                    ("Serial number", code(Some(&certificate.serial))),
                    ("SHA-256", code(Some(fingerprint.to_string()))),
                    ("Valid from", Some(full(certificate.not_before, frame.now))),
                    ("Valid until", Some(full(certificate.not_after, frame.now))),
                    ("Revoked", certificate.revoked_at.map(|at| full(at, frame.now))),
                ]))
            }))
        }
    })
}

/// Days between now and then; negative after it.
fn days(at: Timestamp, now: Timestamp) -> i64 {
    at.seconds().saturating_sub(now.seconds()).div_euclid(86_400)
}

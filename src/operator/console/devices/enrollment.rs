//! How a device came to be managed.

use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Frame, encoded},
            parts::{Tone, badge, card, code, facts, maybe, plain, time::full},
        },
    },
    storage::EnrollmentRow,
};

pub(super) async fn tab(door: &OperatorDoor, frame: &Frame, row: &EnrollmentRow) -> Result<Markup> {
    let record = &row.record;
    let token = match &record.ade {
        None => None,
        Some(ade) => door.store.ade_token_by_number(ade.token).await?,
    };
    let ade = record.ade.as_ref();
    let settings = record.ade_settings.as_ref();
    let method = match ade {
        Some(_) => "Automated Device Enrollment",
        None if record.kind.is_user_enrollment() => "User Enrollment",
        None if record.migrated => "Brought over from another server",
        None => "By a profile",
    };
    let pending = record.pending.as_ref();
    Ok(html! {
        div.grid.wide {
            (card("How it came", facts(&[
                ("Method", plain(method)),
                ("Server token", maybe(token.as_ref().map(|token| token.name.as_str()))),
                ("Profile", settings.map(|settings| html! {
                    @match &token {
                        Some(token) => a href={ "/ade/profiles/" (encoded(&token.name)) "/" (encoded(&settings.profile)) } { (settings.profile) },
                        None => (settings.profile),
                    }
                })),
                ("Apple’s profile identifier", code(ade.and_then(|ade| ade.profile_uuid.as_deref()))),
                ("Logged in on the device", maybe(ade.and_then(|ade| ade.user.as_deref()))),
                ("Given its profile", ade.map(|ade| full(ade.at, frame.now))),
                ("Enrolled", record.enrolled_at.map(|at| full(at, frame.now))),
                ("Token updates", plain(record.token_update_tally.to_string())),
            ])))
            (card("Setup Assistant", facts(&[
                ("Held", Some(match record.awaiting_configuration {
                    true => badge(Tone::Info, "Waits for its release"),
                    false => badge(Tone::Quiet, "No"),
                })),
                ("Release", code(record.release.as_ref().map(|uuid| uuid.as_str()))),
                ("Initial commands", settings.map(|settings| html! { "queued " (full(settings.at, frame.now)) })),
                ("Name that was set", maybe(settings.and_then(|settings| settings.name.as_deref()))),
            ])))
            @if let Some(pending) = pending {
                (card("An enrollment that has begun", facts(&[
                    ("Kind", plain(if pending.renewal { "renewal of the identity" } else { "new enrollment" })),
                    ("Since", Some(full(pending.at, frame.now))),
                    ("Identity", code(Some(pending.identity.to_string()))),
                ])))
            }
            @if !record.url_params.is_empty() {
                @let params: Vec<(&str, Option<Markup>)> = record.url_params.iter().map(|(name, value)| (name.as_str(), plain(value))).collect();
                (card("Parameters of its URL", facts(&params)))
            }
        }
    })
}

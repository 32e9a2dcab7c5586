//! What there is to know of an enrollment at one look.

use maud::{Markup, html};

use super::{model, state, system};
use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Frame, encoded},
            parts::{
                card,
                chart::stage_bar,
                code, empty, facts, maybe, plain, sheet,
                table::{col, or_dash, table},
                text::count,
                time::{full, maybe_ago},
            },
        },
    },
    storage::{EnrollmentFilter, EnrollmentRow, EnrollmentState, Page},
};

/// So many users are listed.
const USERS: usize = 50;

pub(super) async fn tab(door: &OperatorDoor, frame: &Frame, row: &EnrollmentRow) -> Result<Markup> {
    let record = &row.record;
    let device = &row.device;
    let queue = door.store.queue(&record.id, &Page::first(100)).await?;
    let waiting = match queue.next_cursor {
        Some(_) => "more than 100 commands".to_owned(),
        None => count(queue.rows.len() as u64, "command", "commands"),
    };
    let push = record.push.as_ref();
    Ok(html! {
        div.stack {
            div.grid.wide {
                (card("Device", facts(&[
                    ("Name", maybe(device.device_name.as_deref())),
                    ("Model", maybe(model(row))),
                    ("System", maybe(system(row))),
                    ("Serial number", code(device.serial.as_ref().map(|serial| serial.as_str()))),
                    ("UDID", code(device.udid.as_ref().map(|udid| udid.as_str()))),
                    ("Enrollment id", code(Some(record.id.as_str()))),
                    ("User", maybe(user(row))),
                ])))
                (card("Management", facts(&[
                    ("State", Some(state(row))),
                    ("Enrollment", stage(row)),
                    ("Kind", plain(record.kind.as_str())),
                    ("Last seen", Some(or_dash(row.last_seen.map(|at| full(at, frame.now))))),
                    ("Enrolled", record.enrolled_at.map(|at| full(at, frame.now))),
                    ("In its queue", plain(waiting)),
                    ("Push topic", code(push.map(|push| push.topic.as_str()))),
                    ("Push token", push.and_then(|push| push.refused.as_ref()).map(|refused| html! {
                        "refused by Apple (" (refused.reason) ") " (full(refused.at, frame.now))
                    })),
                    ("May enroll again", record.allow_reenroll.then(|| html! { "yes, with any certificate" })),
                ])))
            }
            @if !record.id.is_user_channel() { (users(door, frame, row).await?) }
        }
    })
}

/// How far its enrollment is, until it is over.
fn stage(row: &EnrollmentRow) -> Option<Markup> {
    match row.record.state {
        EnrollmentState::Authenticated => Some(stage_bar("Device setup", 25)),
        EnrollmentState::Enrolled if row.record.awaiting_configuration => {
            Some(stage_bar("Held in Setup Assistant", 50))
        }
        EnrollmentState::CheckedOut | EnrollmentState::Enrolled => None,
    }
}

fn user(row: &EnrollmentRow) -> Option<String> {
    let record = &row.record;
    let user = record.user.as_ref();
    match user.map(|user| (&user.long_name, &user.short_name)) {
        Some((Some(long), Some(short))) => Some(format!("{long} ({short})")),
        Some((Some(name), None) | (None, Some(name))) => Some(name.clone()),
        _ => record.ade.as_ref().and_then(|ade| ade.user.clone()),
    }
}

/// The channels of its users.
async fn users(door: &OperatorDoor, frame: &Frame, row: &EnrollmentRow) -> Result<Markup> {
    // Without a serial number (User Enrollment) the store has no way to a device's users but its id.
    let found = match &row.device.serial {
        None => Vec::new(),
        Some(serial) => {
            let filter = EnrollmentFilter {
                serials: Some(vec![serial.clone()]),
                ..EnrollmentFilter::default()
            };
            door.store.enrollments(&filter, &Page::first(USERS)).await?.rows
        }
    };
    let id = &row.record.id;
    let rows: Vec<Vec<Markup>> = found
        .iter()
        .filter(|user| user.record.id.is_user_channel() && user.record.id.device() == *id)
        .map(|user| {
            vec![
                html! { a href={ "/devices/" (encoded(user.record.id.as_str())) } { (super::enrollment_name(user)) } },
                state(user),
                or_dash(maybe_ago(user.last_seen, frame.now)),
            ]
        })
        .collect();
    let body = match rows.is_empty() {
        true => empty(
            "No users",
            "Nobody has a management channel of their own on this device.",
            None,
        ),
        false => table("Users", &[col("User"), col("State"), col("Last seen")], &rows),
    };
    Ok(sheet("Users", html! {}, body))
}

//! One device, or one user's channel of it: a head and tabs.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{certificates, commands, enrollment, enrollment_name, hardware, state, summary};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            audit::of_enrollment,
            frame::{Answer, Frame, Page, encoded},
            holds,
            parts::{button, confirmed, tabs},
        },
        input::{Params, Path},
    },
    protocol::ids::EnrollmentId,
    service::access::Scope,
    storage::{EnrollmentRow, EnrollmentState},
};

/// The tab that comes first.
pub(super) async fn summary(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let body = summary::tab(&door, &frame, &row).await?;
    Ok(frame.show(&shown(&frame, &row, "Summary", body)))
}

/// What it is made of, and what is escrowed for it.
pub(super) async fn hardware(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let body = hardware::tab(&door, &frame, &row).await?;
    Ok(frame.show(&shown(&frame, &row, "Hardware", body)))
}

/// Its queue and its history.
pub(super) async fn commands(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let page = Params::parse(query.as_deref()).page_of(25)?;
    let body = commands::tab(&door, &frame, &row, &page).await?;
    Ok(frame.show(&shown(&frame, &row, "Commands", body)))
}

/// How it came.
pub(super) async fn enrollment(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let body = enrollment::tab(&door, &frame, &row).await?;
    Ok(frame.show(&shown(&frame, &row, "Enrollment", body)))
}

/// Its hold in Setup Assistant.
pub(super) async fn hold(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let body = holds::of_device(&door, &frame, &id).await?;
    Ok(frame.show(&shown(&frame, &row, "Hold", body)))
}

/// With what it says who it is.
pub(super) async fn certificates(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    let row = row(&door, &frame, &id).await?;
    let body = certificates::tab(&door, &frame, &row).await?;
    Ok(frame.show(&shown(&frame, &row, "Certificates", body)))
}

/// What was done to it.
pub(super) async fn audit(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Audit)?;
    let row = row(&door, &frame, &id).await?;
    let page = Params::parse(query.as_deref()).page_of(25)?;
    let body = of_enrollment(&door, &frame, &id, &page).await?;
    Ok(frame.show(&shown(&frame, &row, "Audit", body)))
}

/// The enrollment, for whoever may see it.
pub(super) async fn row(door: &OperatorDoor, frame: &Frame, id: &EnrollmentId) -> Result<EnrollmentRow> {
    frame.require(Scope::Read)?;
    let row = door.store.enrollment(id).await?;
    row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))
}

/// The page, with its head and tabs.
pub(super) fn shown(frame: &Frame, row: &EnrollmentRow, tab: &str, body: Markup) -> Page {
    let id = &row.record.id;
    let base = format!("/devices/{}", encoded(id.as_str()));
    let mut links = vec![
        (base.clone(), "Summary"),
        (format!("{base}/hardware"), "Hardware"),
        (format!("{base}/commands"), "Commands"),
        (format!("{base}/enrollment"), "Enrollment"),
        (format!("{base}/hold"), "Hold"),
        (format!("{base}/certificates"), "Certificates"),
    ];
    if frame.operator.has(Scope::Support) {
        links.insert(1, (format!("{base}/actions"), "Actions"));
    }
    if frame.has_everywhere(Scope::Audit) {
        links.push((format!("{base}/audit"), "Audit"));
    }
    let mut page = Page::new(enrollment_name(row)).under("/devices", "Devices");
    if id.is_user_channel() {
        let device = id.device();
        let name = row
            .device
            .device_name
            .clone()
            .unwrap_or_else(|| device.to_string());
        page = page.under(format!("/devices/{}", encoded(device.as_str())), name);
    }
    page.actions(actions(frame, row, &base)).body(html! {
        (tabs("About this device", &links, tab))
        (body)
    })
}

fn actions(frame: &Frame, row: &EnrollmentRow, base: &str) -> Markup {
    let record = &row.record;
    let operator = &frame.operator;
    let enrolled = record.state == EnrollmentState::Enrolled;
    let held = enrolled && record.awaiting_configuration && !record.id.is_user_channel();
    html! {
        (state(row))
        @if enrolled && operator.has(Scope::Command) {
            (button(frame.csrf_field(), &format!("{base}/push"), "", "Wake"))
        }
        @if held && operator.has(Scope::Support) {
            (button(frame.csrf_field(), &format!("{base}/release"), "main", "Release from Setup Assistant"))
        }
        @if !record.id.is_user_channel() && !record.allow_reenroll && operator.has(Scope::Enroll) {
            (confirmed(frame.csrf_field(), &format!("{base}/allow-reenroll"), "", "Allow to enroll again",
                "The next device that says it is this one takes the enrollment over, whatever certificate it brings. Meant for a device that was erased and comes back with an ordinary profile."))
        }
    }
}

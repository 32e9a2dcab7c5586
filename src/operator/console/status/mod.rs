//! Enrollment status: devices that enroll now, those that failed and why, those that were left unfinished, and identities
//! that expire.

mod active;
mod failures;
mod identities;
mod incomplete;
pub(super) mod overview;

use std::sync::Arc;

use axum::{Router, routing::get};
use maud::{Markup, html};

use super::{frame::encoded, parts::field::Field};
use crate::{
    operator::{OperatorDoor, input::Params},
    protocol::catalogue::Platform,
    storage::{AttemptFilter, AttemptList, AttemptRecord, EnrollmentMethod, ReportPlatform},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/enrolling", get(active::page))
        .route("/failures", get(failures::page))
        .route("/failures/{id}", get(failures::show))
        .route("/identities", get(identities::page))
        .route("/incomplete", get(incomplete::page))
        .route("/live/enrolling", get(active::live))
}

/// Which attempts are asked for.
fn filter(params: &Params, list: AttemptList, tokens: Option<Vec<u64>>) -> AttemptFilter {
    AttemptFilter {
        tokens,
        user: params.get("user").map(str::to_owned),
        serial: params.get("serial").map(str::to_owned),
        code: params.get("code").map(str::to_owned),
        platform: params.get("platform").and_then(ReportPlatform::parse),
        ..AttemptFilter::all(list)
    }
}

/// The parameters that stay from page to page.
fn kept(params: &Params) -> [(&'static str, &str); 4] {
    ["user", "serial", "platform", "code"].map(|name| (name, params.get(name).unwrap_or_default()))
}

/// The fields that every list has.
fn filters(action: &str, params: &Params, more: Markup) -> Markup {
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let platforms = Platform::ALL.map(|platform| (platform.as_str(), platform.as_str()));
    let platforms = [("", "All platforms")].into_iter().chain(platforms);
    html! {
        form.filters action=(action) method="get" hx-get=(action) hx-target="#results" hx-push-url="true"
            hx-trigger="input delay:250ms, submit" hx-sync="this:replace" {
            (Field::new("user", "User").kind("search").value(text("user")).line())
            (Field::new("serial", "Serial number").kind("search").value(text("serial")).line())
            (Field::new("platform", "Platform").value(text("platform")).class("half").choice(platforms))
            (more)
            button type="submit" { "Find" }
        }
    }
}

/// What a person calls the device of an attempt.
fn device_name(record: &AttemptRecord) -> String {
    let subject = &record.subject;
    let name = record.facts.device_name.clone();
    name.filter(|name| !name.trim().is_empty())
        .or_else(|| subject.serial.as_ref().map(ToString::to_string))
        .or_else(|| subject.udid.as_ref().map(ToString::to_string))
        .unwrap_or_else(|| "A device that did not say which".into())
}

/// The device of an attempt, with the way to it if it is known here.
fn device(record: &AttemptRecord) -> Markup {
    let subject = &record.subject;
    let name = device_name(record);
    html! {
        @match &subject.enrollment {
            Some(id) => a href={ "/devices/" (encoded(id.as_str())) } { (name) },
            None => (name),
        }
        @if let Some(serial) = &subject.serial { span.sub.mono { (serial) } }
    }
}

/// Platform and version.
fn system(record: &AttemptRecord) -> String {
    let platform = record
        .facts
        .product
        .as_deref()
        .and_then(Platform::from_product_name);
    let platform = platform.map(|platform| platform.to_string());
    let parts = platform.into_iter().chain(record.facts.os_version.clone());
    parts.collect::<Vec<_>>().join(" ")
}

/// The way a device came, in words.
fn method(method: EnrollmentMethod) -> &'static str {
    match method {
        EnrollmentMethod::Ade => "Automated Device Enrollment",
        EnrollmentMethod::Manual => "By a profile",
        EnrollmentMethod::UserEnrollment => "User Enrollment",
    }
}

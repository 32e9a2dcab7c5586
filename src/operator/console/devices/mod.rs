//! Devices and their users: finding them, and what is known of one.

mod actions;
mod certificates;
mod commands;
mod detail;
mod enrollment;
mod hardware;
mod list;
mod summary;
mod verbs;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use maud::Markup;

pub(super) use commands::state as command_state;
pub(super) use list::searched;
pub(super) use verbs::operation as verb_operation;
#[cfg(test)]
pub(super) use verbs::verb_routes;

use super::parts::{Tone, badge};
use crate::{
    operator::OperatorDoor,
    storage::{EnrollmentRow, EnrollmentState},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    verbs::routes()
        .route("/devices", get(list::page))
        .route("/devices/{id}", get(detail::summary))
        .route("/devices/{id}/audit", get(detail::audit))
        .route("/devices/{id}/certificates", get(detail::certificates))
        .route("/devices/{id}/commands", get(detail::commands))
        .route("/devices/{id}/enrollment", get(detail::enrollment))
        .route("/devices/{id}/hardware", get(detail::hardware))
        .route("/devices/{id}/hold", get(detail::hold))
        .route("/devices/{id}/hold/retry", post(actions::retry_hold))
        .route("/devices/{id}/allow-reenroll", post(actions::allow_reenroll))
        .route("/devices/{id}/cancel/{uuid}", post(actions::cancel))
        .route("/devices/{id}/push", post(actions::push))
        .route("/devices/{id}/release", post(actions::release))
        .route("/devices/{id}/renew-identity", post(actions::renew_identity))
}

/// Where an enrollment stands.
fn state(row: &EnrollmentRow) -> Markup {
    let record = &row.record;
    match record.state {
        EnrollmentState::Authenticated => badge(Tone::Info, "Enrolling"),
        EnrollmentState::CheckedOut => badge(Tone::Quiet, "Checked out"),
        EnrollmentState::Enrolled if record.awaiting_configuration => {
            badge(Tone::Info, "Held in Setup Assistant")
        }
        EnrollmentState::Enrolled if record.push.as_ref().is_some_and(|push| push.refused.is_some()) => {
            badge(Tone::Warn, "Push token invalid")
        }
        EnrollmentState::Enrolled => badge(Tone::Ok, "Enrolled"),
    }
}

/// What a person calls it.
pub(super) fn enrollment_name(row: &EnrollmentRow) -> String {
    let user = row.record.user.as_ref();
    let user = user.and_then(|user| user.long_name.as_ref().or(user.short_name.as_ref()));
    let device = &row.device;
    user.filter(|_| row.record.id.is_user_channel())
        .or(device.device_name.as_ref())
        .cloned()
        .or_else(|| device.serial.as_ref().map(ToString::to_string))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| row.record.id.to_string())
}

/// The model in words, or its identifier.
fn model(row: &EnrollmentRow) -> Option<String> {
    let device = &row.device;
    let model = device.model_name.as_ref().or(device.product_name.as_ref());
    model.or(device.model.as_ref()).cloned()
}

/// System and version.
fn system(row: &EnrollmentRow) -> Option<String> {
    let product = row.device.product_name.as_deref().or(row.device.model.as_deref());
    let platform = product.and_then(crate::protocol::catalogue::Platform::from_product_name);
    match (platform, row.device.os_version.as_deref()) {
        (Some(platform), Some(version)) => Some(format!("{platform} {version}")),
        (Some(platform), None) => Some(platform.to_string()),
        (None, version) => version.map(str::to_owned),
    }
}

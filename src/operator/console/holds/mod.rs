//! Holds in Setup Assistant: who is held now, how far each is, and the hold profiles that say what for.

mod held;
mod item_forms;
mod items;
mod profile;
mod profile_fields;
mod profiles;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

pub(super) use held::{of_device, retry};

use crate::operator::OperatorDoor;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/hold-profiles", get(profiles::page).post(profile::create))
        .route("/hold-profiles/{name}", get(profile::page).post(profile::change))
        .route("/hold-profiles/{name}/apps", post(items::add_app))
        .route("/hold-profiles/{name}/move", post(profiles::shift))
        .route("/hold-profiles/{name}/profiles", post(items::add_profile))
        .route("/hold-profiles/{name}/remove", post(profile::remove))
        .route("/hold-profiles/{name}/remove-item", post(items::remove))
        .route("/holds", get(held::page))
        .route("/live/holds", get(held::live))
}

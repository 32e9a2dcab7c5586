//! The operators' console: pages for people.

mod oidc;
mod sign_in;

use std::sync::Arc;

use axum::Router;

use super::OperatorDoor;

/// The pages. Not part of the API's description.
pub(super) fn router(door: &Arc<OperatorDoor>) -> Router<Arc<OperatorDoor>> {
    sign_in::routes(door)
}

//! Automated Device Enrollment: server tokens, Apple's list of devices, enrollment profiles, and the question why a device
//! is not here.

mod devices;
mod profile_fields;
mod profile_form;
mod profile_page;
mod profiles;
mod sync;
mod token;
mod tokens;
mod why;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use maud::Markup;

pub(super) use profile_page::platform_name;

use super::parts::{Tone, badge};
use crate::{
    operator::OperatorDoor,
    service::ade::tokens::view::{TokenStatus, TokenView},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/ade/devices", get(devices::page))
        .route("/ade/devices/{serial}/forget", post(devices::forget))
        .route("/ade/profiles", get(profiles::page))
        .route("/ade/profiles/{token}", get(profiles::new).post(profiles::create))
        .route("/ade/profiles/{token}/check", post(profiles::check))
        .route(
            "/ade/profiles/{token}/{name}",
            get(profiles::show).post(profiles::change),
        )
        .route(
            "/ade/profiles/{token}/{name}/default",
            post(profiles::make_default),
        )
        .route(
            "/ade/profiles/{token}/{name}/undefault",
            post(profiles::unmake_default),
        )
        .route("/ade/profiles/{token}/{name}/remove", post(profiles::remove))
        .route("/ade/profiles/{token}/{name}/uses", get(profiles::uses))
        .route("/ade/tokens", get(tokens::page).post(tokens::begin))
        .route("/ade/tokens/{name}", get(token::page))
        .route("/ade/tokens/{name}/figures", get(token::figures))
        .route("/ade/tokens/{name}/import", post(token::import))
        .route("/ade/tokens/{name}/remove", post(token::remove))
        .route("/ade/tokens/{name}/renew", post(token::renew))
        .route("/ade/tokens/{name}/settings", post(token::change))
        .route("/ade/tokens/{name}/sync", post(sync::start))
        .route("/ade/why", get(why::page))
        .route("/live/ade/tokens/{name}", get(sync::live))
}

/// How a token stands.
fn standing(token: &TokenView) -> Markup {
    match token.status {
        TokenStatus::Active => badge(Tone::Ok, "Active"),
        TokenStatus::Expired => badge(Tone::Bad, "Expired"),
        TokenStatus::Expiring => badge(Tone::Warn, "Expires soon"),
        TokenStatus::Invalid => badge(Tone::Bad, "Not accepted by Apple"),
        TokenStatus::PendingKey => badge(Tone::Info, "Waits for its file"),
        TokenStatus::TermsNotSigned => badge(Tone::Bad, "New terms to accept"),
    }
}

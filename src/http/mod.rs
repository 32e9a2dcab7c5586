//! The device-facing door. No path of an enrolled device ever answers 401: it would take that for the end of its
//! management. [`ade`] may, to a device that has yet to enroll and asks its user for a password then.

pub mod ade;
mod ade_page;
mod base64;
pub mod device;
pub mod enroll;
mod identity;
mod page;
mod render;
pub mod scep;

use std::{sync::Arc, time::Duration};

use axum::{
    Router, middleware,
    routing::{MethodFilter, any, get, on},
};

use crate::{
    clock::Clock,
    net::{body::Bodies, log},
    pki::identity::IdentityCache,
    service::{
        ade::door::Door, checkin::CheckIns, commands::Commands, enrollment::Enrollments, issuance::Issuer,
        push::Pushes,
    },
};

pub use identity::ProxyTrust;

/// Largest check-in. Largest command result. Largest SCEP message. In bytes.
const MAX_CHECK_IN: usize = 1024 * 1024;
const MAX_REPORT: usize = 16 * 1024 * 1024;
const MAX_SCEP: usize = 2 * 1024 * 1024;

/// All that the device-facing handlers need.
#[derive(Debug)]
pub struct DeviceDoor {
    /// The present time.
    pub clock: Clock,
    /// Check-ins.
    pub check_ins: Arc<CheckIns>,
    /// The command queue.
    pub commands: Arc<Commands>,
    /// Learns how long devices wait.
    pub pushes: Arc<Pushes>,
    /// Certificates.
    pub issuer: Issuer,
    /// Enrollment profiles.
    pub enrollments: Arc<Enrollments>,
    /// Where devices come out of their boxes.
    pub ade: Arc<Door>,
    /// Parsed certificates.
    pub identities: Arc<IdentityCache>,
    /// How far a signature's time may lie from ours.
    pub signature_skew: Duration,
    /// Reads the bodies of devices with an identity.
    pub bodies: Bodies,
    /// Reads the bodies of devices that have none yet, which can't take the others' room.
    pub strangers_bodies: Bodies,
    /// Set when a proxy terminates TLS.
    pub proxy: Option<ProxyTrust>,
    /// Whether this is a development server, for the page that says what this is.
    pub development: bool,
}

/// The device-facing routes.
pub fn router(door: Arc<DeviceDoor>) -> Router {
    let put_or_post = MethodFilter::PUT.or(MethodFilter::POST);
    Router::new()
        .route("/", get(page::welcome))
        .route(
            "/ade/{segment}",
            get(ade::knock)
                .post(ade::knock)
                .fallback(render::method_not_allowed),
        )
        .route(
            "/ade/{segment}/sso/{session}",
            get(ade_page::sso)
                .post(ade_page::log_in_for_token)
                .fallback(render::method_not_allowed),
        )
        .route(
            "/ade/{segment}/web",
            get(ade_page::web)
                .post(ade_page::log_in)
                .fallback(render::method_not_allowed),
        )
        .route(
            "/checkin",
            on(put_or_post, device::checkin).fallback(render::method_not_allowed),
        )
        .route("/enroll", get(enroll::open).fallback(render::method_not_allowed))
        .route(
            "/enroll/{secret}",
            get(enroll::by_link).fallback(render::method_not_allowed),
        )
        .route(
            "/mdm",
            on(put_or_post, device::mdm).fallback(render::method_not_allowed),
        )
        .route("/scep", any(scep::scep))
        .fallback(render::not_found)
        .layer(middleware::from_fn(log::requests))
        .with_state(door)
}

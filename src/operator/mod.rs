//! The human-facing door: NanoMDM's and NanoDEP's API as their tools know it, and the native resources next to
//! it.

mod ade;
mod audit;
pub mod auth;
pub mod client;
mod commands;
mod enrollments;
mod figures;
mod health;
mod hooks;
mod input;
mod keys;
mod links;
mod nanomdm;
mod openapi;
mod push_certificates;
mod pushes;
mod render;
mod status;

use std::sync::{Arc, atomic::AtomicI64};

use axum::{
    Router, middleware,
    routing::{any, delete, get, post, put},
};
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use status::Ends;

use crate::{
    clock::Clock,
    net::{body::Bodies, log},
    service::{
        ade::{
            accounts::Accounts, devices::AdeDevices, door::Door, profiles::Profiles, sync::AdeSync,
            tokens::AdeTokens, why::Explainer,
        },
        audit::Audit,
        checkin::CheckIns,
        commands::Commands,
        enrollment::Enrollments,
        events::Events,
        holds::Holds,
        keys::Keys,
        push::Pushes,
        push_certificates::PushCertificates,
    },
    storage::Storage,
};

/// Largest body: a command, which may hold a profile.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// All that the operator-facing handlers need.
#[derive(Debug)]
pub struct OperatorDoor {
    /// Devices of Apple's list.
    pub ade_devices: Arc<AdeDevices>,
    /// Keeping up with that list.
    pub ade_sync: Arc<AdeSync>,
    /// Server tokens of Apple Business Manager and Apple School Manager.
    pub ade_tokens: AdeTokens,
    /// Why a device is as it is.
    pub ade_why: Explainer,
    /// Who did what.
    pub audit: Audit,
    /// When the server's own certificates end.
    pub ends: Ends,
    /// The present time.
    pub clock: Clock,
    /// Everything that is remembered; handlers only read from it.
    pub store: Arc<dyn Storage>,
    /// The command queue.
    pub commands: Arc<Commands>,
    /// Check-ins that are brought from another server.
    pub check_ins: Arc<CheckIns>,
    /// Enrollment profiles and links.
    pub enrollments: Arc<Enrollments>,
    /// Where devices come out of their boxes.
    pub ade: Arc<Door>,
    /// Who may log in there.
    pub accounts: Arc<Accounts>,
    /// Holds in Setup Assistant.
    pub holds: Holds,
    /// Events, and the hooks that get them.
    pub events: Arc<Events>,
    /// API keys.
    pub keys: Keys,
    /// Waking devices.
    pub pushes: Arc<Pushes>,
    /// Push certificates.
    pub push_certificates: PushCertificates,
    /// Enrollment profiles of Automated Device Enrollment.
    pub ade_profiles: Arc<Profiles>,
    /// The figures for `/metrics`.
    pub metrics: Option<PrometheusHandle>,
    /// When the store was last seen to work (milliseconds since the epoch).
    pub ready_at: AtomicI64,
    /// Reads bodies.
    pub bodies: Bodies,
}

/// Routes with their description.
type Routes = OpenApiRouter<Arc<OperatorDoor>>;

/// The operator-facing routes.
pub fn router(door: Arc<OperatorDoor>) -> Router {
    let guarded = guarded()
        .route_layer(middleware::from_fn_with_state(Arc::clone(&door), audit::layer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&door), auth::keys));
    let (router, _) = open().merge(guarded).split_for_parts();
    router
        .fallback(render::not_found)
        .method_not_allowed_fallback(render::method_not_allowed)
        .layer(middleware::from_fn(log::requests))
        .with_state(door)
}

/// What this door answers, in OpenAPI's words.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = OpenApiRouter::with_openapi(openapi::base())
        .merge(open())
        .merge(guarded())
        .split_for_parts();
    openapi::with_common_answers(document)
}

/// The routes that anyone may use.
fn open() -> Routes {
    OpenApiRouter::new()
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .route("/readyz", get(health::readyz))
        .route("/version", get(health::version))
        .merge(openapi::routes())
}

/// The routes that ask who it is.
fn guarded() -> Routes {
    OpenApiRouter::new()
        .route("/migration", any(nanomdm::migration))
        .route("/v1/ade/panes", get(ade::profiles::panes))
        .route("/v1/ade/presets", get(ade::profiles::presets))
        .route(
            "/v1/ade/tokens/{name}/profiles",
            get(ade::profiles::list).post(ade::profiles::create),
        )
        .route(
            "/v1/ade/tokens/{name}/import-profile",
            post(ade::profiles::import),
        )
        .route(
            "/v1/ade/tokens/{name}/profiles/{profile}",
            get(ade::profiles::show)
                .patch(ade::profiles::change)
                .put(ade::profiles::replace)
                .delete(ade::profiles::remove),
        )
        .route(
            "/v1/ade/tokens/{name}/profiles/{profile}/default",
            put(ade::profiles::set_default).delete(ade::profiles::unset_default),
        )
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::remove))
        .route("/v1/commands/{uuid}", get(commands::show))
        .route("/v1/commands/{uuid}/enrollments/{id}", delete(commands::cancel))
        .route("/v1/enqueue/{ids}", any(nanomdm::enqueue))
        .route("/v1/enroll-links", post(links::create))
        .route("/v1/enrollments", get(enrollments::list))
        .route("/v1/enrollments/query", post(nanomdm::query))
        .route("/v1/enrollments/{id}", get(enrollments::show))
        .route(
            "/v1/enrollments/{id}/allow-reenroll",
            post(enrollments::allow_reenroll),
        )
        .route("/v1/enrollments/{id}/release", post(enrollments::release))
        .route(
            "/v1/enrollments/{id}/renew-identity",
            post(enrollments::renew_identity),
        )
        .route("/v1/hooks", get(hooks::list).post(hooks::create))
        .route(
            "/v1/hooks/{name}",
            get(hooks::show).patch(hooks::change).delete(hooks::remove),
        )
        .route(
            "/v1/hooks/{name}/deadletters",
            get(hooks::dead_letters).delete(hooks::forget_dead_letters),
        )
        .route("/v1/hooks/{name}/replay", post(hooks::replay))
        .route("/v1/hooks/{name}/test", post(hooks::test))
        .route("/v1/push/{ids}", any(nanomdm::push))
        .route(
            "/v1/push-certificates",
            get(push_certificates::list).post(push_certificates::import),
        )
        .route("/v1/push-certificates/csr", post(push_certificates::request))
        .route("/v1/push-certificates/{topic}", get(push_certificates::show))
        .route(
            "/v1/push-certificates/{topic}/test",
            post(push_certificates::test),
        )
        .route(
            "/v1/pushcert",
            get(nanomdm::push_certificate).put(nanomdm::store_push_certificate),
        )
        .route("/v1/pushcerts", get(nanomdm::push_certificates))
        .route("/v1/pushes", get(pushes::status))
        .route(
            "/v1/queue/{ids}",
            get(nanomdm::queue).delete(nanomdm::clear_queue),
        )
        .merge(ade::routes())
        .merge(audit::routes())
        .routes(routes!(commands::retry))
        .routes(routes!(status::show))
}

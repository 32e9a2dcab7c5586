//! The human-facing door: NanoMDM's and NanoDEP's API as their tools know it, and the native resources next to
//! it.
//!
//! The style of a native resource, which `keys.rs` and `hooks/` are examples of:
//!
//! * Each handler is described by `#[utoipa::path]` (tag, `operation_id`, parameters, body, what it answers) and comes in by
//!   `routes!`. Its first doc line is the summary, the rest the description. `security(("bearer" = ["scope"]))` names the
//!   scope that the handler `require`s: `read` to look, `command` for commands, `enroll` for links, `support` to help one
//!   user, `admin` for the rest. What all operations may answer (400, 401, 403, 408, 413, 415, 422, 429, 503, the form of
//!   problems, `X-Request-Id`) is added by `openapi::complete`; say the others: 404, 409, 412.
//! * Bodies are structs with `deny_unknown_fields`, read by `door.json`: what can't be read is a 400, a broken rule a 422
//!   (`Error::invalid`), both name the field. Answers are structs too (`…View`, made by `From` of the record), in `view.rs`
//!   or `*_view.rs` where a file grows. Times are `view::Time`. An absent fact is null, an absent `next_cursor` is left out.
//! * Query parameters are structs (`IntoParams`) taken by `input::Query`; lists add `PageQuery` (`limit`, `cursor`).
//!   `contract.rs` refuses parameters that the document does not name, and bodies of another media type.
//! * Whoever is confined to scope tags sees their tokens' devices only: what is about devices goes by `sight.rs`, the rest
//!   by `Operator::require_everywhere`.
//! * Where edits race, answers carry an `ETag` and changes heed `If-Match` (`etag.rs`).
//! * Whatever changes something leaves an audit entry without the handler's doing (`audit/`): targets come from the path and
//!   from harmless fields of the body (`audit/subject.rs`). A GET that shows a secret, and a handler that hands its entry on to
//!   the store with a command, stand in `audit/rules.rs`.

mod access;
mod actions;
mod ade;
mod audit;
pub mod auth;
mod authority;
pub mod client;
mod commands;
mod console;
mod contract;
mod cookie;
mod csrf;
mod enrollments;
mod enrollments_view;
mod esp;
mod etag;
mod figures;
pub mod front;
mod health;
mod hold_profile_bodies;
mod hold_profiles;
mod holds;
mod hooks;
mod idempotency;
mod input;
mod jobs;
mod keys;
mod links;
mod nanomdm;
mod openapi;
mod push_certificates;
mod pushes;
mod render;
mod reports;
mod sight;
mod status;
mod view;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, atomic::AtomicI64},
    time::Duration,
};

use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
pub use openapi::{Part, described};
pub use reports::csv_text;
use utoipa_axum::{router::OpenApiRouter, routes};

use audit::Auditor;
use contract::Contract;
use front::Front;
pub use status::Ends;

use crate::{
    clock::Clock,
    net::{body::Bodies, log},
    service::{
        access::Access,
        actions::Actions,
        ade::{
            accounts::Accounts, devices::AdeDevices, door::Door, profiles::Profiles, sync::AdeSync,
            tokens::AdeTokens, why::Explainer,
        },
        audit::Audit,
        authority::AuthorityFacts,
        checkin::CheckIns,
        commands::Commands,
        enrollment::Enrollments,
        events::Events,
        holds::{Holds, profiles::HoldProfiles},
        idempotency::Idempotence,
        jobs::Jobs,
        keys::Keys,
        push::Pushes,
        push_certificates::PushCertificates,
        reports::Reports,
    },
    storage::Storage,
};

/// Largest body: a command, which may hold a profile.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A platform, a method and a state.
pub type DeviceClass = (&'static str, &'static str, &'static str);

/// All that the operator-facing handlers need.
#[derive(Debug)]
pub struct OperatorDoor {
    /// Users, and who is signed in.
    pub access: Access,
    /// How this door looks from outside.
    pub front: Front,
    /// What devices are had to do.
    pub actions: Arc<Actions>,
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
    /// The authority that issues the devices' identities, where its certificate can be read.
    pub authority: Option<AuthorityFacts>,
    /// Whether this is a development server, which is said on every page.
    pub development: bool,
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
    /// Hold profiles.
    pub hold_profiles: HoldProfiles,
    /// Answers to repeat.
    pub idempotence: Idempotence,
    /// Actions for many devices.
    pub jobs: Arc<Jobs>,
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
    /// Enrollment status.
    pub reports: Reports,
    /// When a device is said to have missed its assignment that has not fetched its profile.
    pub missed_assignment_after: Duration,
    /// The figures for `/metrics`.
    pub metrics: Option<PrometheusHandle>,
    /// The classes of devices that `/metrics` has ever told of.
    pub device_classes: Mutex<BTreeSet<DeviceClass>>,
    /// When the store was last seen to work (milliseconds since the epoch).
    pub ready_at: AtomicI64,
    /// Reads bodies.
    pub bodies: Bodies,
}

/// Routes with their description.
type Routes = OpenApiRouter<Arc<OperatorDoor>>;

/// The operator-facing routes.
pub fn router(door: Arc<OperatorDoor>) -> Router {
    let document = document();
    let contract = Arc::new(Contract::of(&document));
    let auditor = Auditor::new(Arc::clone(&door), &document);
    let keyed = middleware::from_fn_with_state(Arc::clone(&door), idempotency::keyed);
    let nano_keyed = middleware::from_fn_with_state(Arc::clone(&door), idempotency::keyed_as_nanomdm);
    let guarded = guarded()
        .merge(repeatable().route_layer(keyed))
        .merge(nanomdm::repeatable().route_layer(nano_keyed))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&contract),
            contract::hold,
        ))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&auditor), audit::layer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&door), auth::keys));
    let sign_in = access::open().route_layer(middleware::from_fn_with_state(
        Arc::clone(&contract),
        contract::hold,
    ));
    let (router, _) = open().merge(sign_in).merge(guarded).split_for_parts();
    router
        .merge(console::router(&door, &auditor))
        .fallback(console::not_found)
        .method_not_allowed_fallback(render::method_not_allowed)
        .layer(middleware::from_fn(log::requests))
        .with_state(door)
}

/// What this door answers, in OpenAPI's words: both parts that are served.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = OpenApiRouter::with_openapi(openapi::base())
        .merge(open())
        .merge(access::open())
        .merge(guarded())
        .merge(repeatable())
        .merge(nanomdm::repeatable())
        .split_for_parts();
    openapi::complete(document)
}

/// The routes that anyone may use.
fn open() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::readyz))
        .routes(routes!(health::version))
        .routes(routes!(openapi::show))
        .routes(routes!(openapi::show_nano))
}

/// Those of them that take an `Idempotency-Key`.
fn repeatable() -> Routes {
    actions::routes().routes(routes!(jobs::list, jobs::create))
}

/// The routes that ask who it is.
fn guarded() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(actions::reveal))
        .routes(routes!(authority::issued))
        .routes(routes!(authority::show))
        .routes(routes!(commands::show))
        .routes(routes!(commands::cancel))
        .routes(routes!(enrollments::list))
        .routes(routes!(enrollments::show))
        .routes(routes!(enrollments::allow_reenroll))
        .routes(routes!(enrollments::release))
        .routes(routes!(enrollments::renew_identity))
        .routes(routes!(hooks::list, hooks::create))
        .routes(routes!(hooks::show, hooks::change, hooks::remove))
        .routes(routes!(hooks::letters::list, hooks::letters::forget))
        .routes(routes!(hooks::letters::replay))
        .routes(routes!(hooks::test))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::remove))
        .routes(routes!(links::create))
        .routes(routes!(push_certificates::list, push_certificates::import))
        .routes(routes!(push_certificates::request))
        .routes(routes!(push_certificates::show))
        .routes(routes!(push_certificates::test))
        .routes(routes!(pushes::status))
        .merge(access::routes())
        .routes(routes!(esp::list, esp::create))
        .routes(routes!(hold_profiles::list, hold_profiles::create))
        .routes(routes!(
            hold_profiles::show,
            hold_profiles::replace,
            hold_profiles::change,
            hold_profiles::remove
        ))
        .routes(routes!(hold_profiles::reorder))
        .routes(routes!(hold_profiles::content))
        .routes(routes!(holds::list))
        .routes(routes!(holds::show))
        .routes(routes!(holds::retry))
        .merge(ade::routes())
        .merge(audit::routes())
        .routes(routes!(commands::retry))
        .routes(routes!(status::show))
        .merge(nanomdm::routes())
        .merge(reports::routes())
}

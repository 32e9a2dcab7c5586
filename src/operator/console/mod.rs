//! The operators' console: pages made on the server, over the same services as the API.
//!
//! Every page works without scripts; [htmx](https://htmx.org) and server-sent events make some parts live. A page carries
//! no script and no style of its own: everything comes from `/assets`, and the content security policy allows nothing
//! else. `gate.rs` stands before all of it: who is it, does the request come from our own pages, and how does a failure
//! look; `confine.rs` behind it: what may they open who are confined to scope tags. `layout.rs` is the frame, `nav.rs` the list of pages, `parts/` what pages are put together from.

mod ade;
mod assets;
mod audit;
mod audited;
mod bare;
mod commands;
mod confine;
mod devices;
mod explorer;
mod form;
mod frame;
mod gate;
mod health;
mod holds;
mod hooks;
mod jobs;
mod keys;
mod layout;
mod links;
mod live;
mod nav;
mod oidc;
mod overview;
mod parts;
mod push;
mod shown;
mod sign_in;
mod status;
mod theme;
mod users;
mod verbs;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};

pub(super) use audited::{READING, operation};
pub(super) use gate::not_found;

use super::{OperatorDoor, audit::Auditor};

/// The pages, and what belongs to them. Not part of the API's description.
pub(super) fn router(door: &Arc<OperatorDoor>, auditor: &Arc<Auditor>) -> Router<Arc<OperatorDoor>> {
    let pages = Router::new()
        .route("/", get(overview::page))
        .route("/live/overview", get(overview::live))
        .route("/theme", post(theme::choose))
        .merge(ade::routes())
        .merge(audit::routes())
        .merge(commands::routes())
        .merge(devices::routes())
        .merge(explorer::routes())
        .merge(health::routes())
        .merge(holds::routes())
        .merge(hooks::routes())
        .merge(jobs::routes())
        .merge(keys::routes())
        .merge(links::routes())
        .merge(push::routes())
        .merge(status::routes())
        .merge(users::routes());
    // The gate comes first: it says who it is.
    pages
        .route_layer(middleware::from_fn_with_state(Arc::clone(door), confine::layer))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(auditor),
            super::audit::layer,
        ))
        .route_layer(middleware::from_fn_with_state(Arc::clone(door), gate::gate))
        .route("/assets/{hash}/{file}", get(assets::file))
        .route("/favicon.ico", get(assets::favicon))
        .merge(sign_in::routes(door))
}

//! Automated Device Enrollment: the native resources under `/v1/ade`, and NanoDEP's API as its tools know it.

mod accounts;
mod apple;
mod devices;
mod nanodep;
pub(super) mod profiles;
mod profiles_view;
mod refusals;
mod sync;
mod tokens;

use axum::routing::{any, delete, get, post, put};
use utoipa_axum::router::OpenApiRouter;

use super::Routes;

/// The routes of this part.
pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .route("/proxy/{name}/{*path}", any(nanodep::proxy))
        .route("/v1/ade/activation-locks", post(apple::activation_lock))
        .route("/v1/ade/assignments", post(devices::assign))
        .route("/v1/ade/beta-tokens", get(apple::beta_tokens))
        .route("/v1/ade/devices", get(devices::list))
        .route(
            "/v1/ade/devices/{serial}",
            get(devices::show).delete(devices::forget),
        )
        .route("/v1/ade/disownments", post(devices::disown))
        .route("/v1/ade/replacements/{serial}", get(apple::replacement))
        .route(
            "/v1/ade/service-discovery",
            get(apple::service_discovery)
                .put(apple::set_service_discovery)
                .delete(apple::remove_service_discovery),
        )
        .route("/v1/ade/sync", get(sync::show).post(sync::start))
        .route("/v1/ade/accounts", get(accounts::list).post(accounts::create))
        .route("/v1/ade/accounts/{name}", delete(accounts::remove))
        .route("/v1/ade/refusals", get(refusals::list))
        .route("/v1/ade/tokens", get(tokens::list).post(tokens::create))
        .route(
            "/v1/ade/tokens/{name}",
            get(tokens::show).patch(tokens::change).delete(tokens::remove),
        )
        .route("/v1/ade/tokens/{name}/renew", post(tokens::renew))
        .route("/v1/ade/tokens/{name}/token", put(tokens::import))
        .route("/v1/ade/why/{serial}", get(devices::why))
        .route(
            "/v1/assigner/{name}",
            get(nanodep::assigner).put(nanodep::set_assigner),
        )
        .route("/v1/bypasscode", get(nanodep::bypass_code))
        .route("/v1/config/{name}", get(nanodep::config).put(nanodep::set_config))
        .route("/v1/dep_names", get(nanodep::names))
        .route("/v1/maidjwt/{name}", get(nanodep::maid))
        .route(
            "/v1/tokenpki/{name}",
            get(nanodep::certificate).put(nanodep::decrypt),
        )
        .route(
            "/v1/tokens/{name}",
            get(nanodep::credentials).put(nanodep::set_credentials),
        )
}

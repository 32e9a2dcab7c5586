//! Automated Device Enrollment: the native resources under `/v1/ade`, and NanoDEP's API as its tools know it.

mod nanodep;
pub(super) mod profiles;
mod profiles_view;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    routing::{any, get, post, put},
};

use super::OperatorDoor;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/proxy/{name}/{*path}", any(nanodep::proxy))
        .route("/v1/ade/tokens", get(tokens::list).post(tokens::create))
        .route(
            "/v1/ade/tokens/{name}",
            get(tokens::show).patch(tokens::change).delete(tokens::remove),
        )
        .route("/v1/ade/tokens/{name}/renew", post(tokens::renew))
        .route("/v1/ade/tokens/{name}/token", put(tokens::import))
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

//! NanoMDM's API, exact in paths, statuses and JSON, with the drafts that its clients already use. What NanoMDM does not
//! look at is not looked at here: unknown query parameters, methods that it leaves open, the media type of a body.

mod answer;
mod enqueue;
mod migration;
mod push_certificates;
mod query;
mod queue;

use axum::extract::Request;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Routes;

/// The routes of this part.
pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(migration::migration))
        .routes(routes!(query::query))
        .routes(routes!(enqueue::push))
        .routes(routes!(push_certificates::show, push_certificates::store))
        .routes(routes!(push_certificates::list))
        .routes(routes!(queue::show, queue::clear))
}

/// Those of them that take an `Idempotency-Key`.
pub(super) fn repeatable() -> Routes {
    OpenApiRouter::new().routes(routes!(enqueue::enqueue))
}

/// The raw last segment of the path: axum's `Path` would decode it before it is split.
fn last_segment(request: &Request) -> &str {
    request.uri().path().rsplit('/').next().unwrap_or_default()
}

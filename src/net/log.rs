//! One log line and one set of figures for each request, at both doors. Never a body, never a query (it may hold a
//! challenge or a link's secret). The line and the answer have the request's id in common.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::Error;

/// A failure's inner cause, carried by the response to this middleware, which alone writes it down.
#[derive(Clone, Debug)]
pub struct Cause(pub std::sync::Arc<Error>);

/// In each answer: the request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static ID: Uuid;
}

/// The id of the request that is being answered by this task.
pub fn request_id() -> Option<Uuid> {
    ID.try_with(|id| *id).ok()
}

/// The middleware.
pub async fn requests(request: Request, next: Next) -> Response {
    let id = Uuid::new_v4();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = request.method().clone();
    let started = now();

    let mut response = ID.scope(id, next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        response.headers_mut().insert(REQUEST_ID, id);
    }

    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("russet_request_seconds", "route" => route.to_owned()).record(seconds);
    metrics::counter!("russet_requests_total", "route" => route.to_owned(), "code" => status.to_string())
        .increment(1);
    match response.extensions().get::<Cause>() {
        Some(Cause(error)) => {
            let source = std::error::Error::source(error.as_ref())
                .map(chain)
                .unwrap_or_default();
            let (code, text) = (error.code().as_str(), error.message());
            if status >= 500 {
                tracing::error!(request = %id, %method, route, status, code, source, "{text}");
            } else {
                tracing::warn!(request = %id, %method, route, status, code, source, "{text}");
            }
        }
        None => tracing::debug!(request = %id, %method, route, status, seconds),
    }
    response
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[allow(clippy::disallowed_methods, reason = "this is the outermost layer for time")]
fn now() -> Instant {
    Instant::now()
}

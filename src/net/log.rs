//! One log line, one span and one set of figures for each request, at both doors. Never a body, never a query (it may
//! hold a challenge or a link's secret), never a path (it may hold one too): a route's template stands for it. The line,
//! the span and the answer have the request's id in common.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::{Instrument as _, field};

use super::trace::{RequestId, TraceParent, X_REQUEST_ID};
use crate::error::Error;

/// A failure's inner cause, carried by the response to this middleware, which alone writes it down.
#[derive(Clone, Debug)]
pub struct Cause(pub std::sync::Arc<Error>);

tokio::task_local! {
    static ID: RequestId;
}

/// The id of the request that is being answered by this task.
pub fn request_id() -> Option<RequestId> {
    ID.try_with(RequestId::clone).ok()
}

/// The middleware.
pub async fn requests(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let parent = TraceParent::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = request.method().clone();
    let started = now();
    // What is logged on the way carries the request's name with it.
    let span = tracing::info_span!(
        "request", id = %id, %method, route, status = field::Empty, trace = field::Empty, parent = field::Empty
    );
    if let Some(parent) = &parent {
        span.record("trace", parent.trace_id())
            .record("parent", parent.parent_id());
    }

    let answer = ID.scope(id.clone(), next.run(request));
    let mut response = answer.instrument(span.clone()).await;

    let status = response.status().as_u16();
    span.record("status", status);
    if let Some(value) = id.header() {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
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

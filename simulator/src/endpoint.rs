//! What the fakes have in common: a listener, a lock, and control endpoints, which are JSON over HTTP/1.1 for tests on
//! loopback only.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::Problem;

const MAX_BODY: usize = 16 << 20;
/// After a failure to accept a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A refusal: its status and what is wrong.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

/// What a request comes to.
pub(crate) type Answer = Result<Value, Refusal>;

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        bad(&problem)
    }
}

/// Serves until it is dropped. Connections may be upgraded.
pub(crate) async fn run<F, R>(listener: TcpListener, respond: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, most likely; it passes.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let respond = respond.clone();
        let service = service_fn(move |request| {
            let answer = respond(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades(),
        );
    }
}

/// The answer on the wire.
pub(crate) fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(Refusal(status, text)) => (status, json!({ "error": text })),
    };
    let mut response = Response::new(Full::new(format!("{body}\n").into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// The body's bytes.
pub(crate) async fn bytes(body: Incoming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    Ok(body.map_err(|error| bad(&error))?.to_bytes())
}

/// The body as JSON.
pub(crate) async fn parse<T: DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    serde_json::from_slice(&bytes(body).await?).map_err(|error| bad(&error))
}

/// The pairs of a query, as they are written.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A value of an answer.
pub(crate) fn to_json(value: impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// 400
pub(crate) fn bad(problem: &dyn std::fmt::Display) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, problem.to_string())
}

/// 404
pub(crate) fn missing(what: impl Into<String>) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, what.into())
}

/// Listens here, or says why not.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Problem> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|e| Problem::State(format!("can't listen on {address}: {e}")))
}

/// The lock, whether or not a holder panicked: the counters and tables are sound between any two statements.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The control endpoint: what came, and what shall go wrong, in JSON over HTTP/1.1. For tests on loopback only.
//!
//! | Request | Meaning |
//! |---|---|
//! | `GET /stats` | the counters, [`Stats`](super::Stats) |
//! | `GET /pushes?count=N&token=HEX` | the last pushes, [`Record`](super::Record)s, oldest first |
//! | `GET /tokens/HEX` | `accepted`, `topic`, `kept` of a token |
//! | `PUT /tokens/HEX` | registers a token: `{"topic": …}` |
//! | `GET`, `POST`, `DELETE /faults` | [`Faults`] in force; puts others in force; ends all |
//! | `POST /goaway` | ends all present connections with GOAWAY: [`GoAway`] |
//! | `POST /close` | closes them without a word |
//! | `GET /wake` with `Upgrade: wake` | wakes devices in other processes |

use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::faults::{Faults, GoAway};
use super::hub::{Hub, Order};
use super::{locked, remote};
use crate::encode;
use crate::endpoint::{self, Answer, Refusal, bad, pairs, parse, to_json};

/// Pushes in an answer unless the request says how many.
const PUSHES: usize = 100;

/// Wake channels; they end with the endpoint.
type Channels = Arc<Mutex<JoinSet<()>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    topic: String,
}

/// Serves until it is dropped.
pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener) {
    let channels = Channels::default();
    endpoint::run(listener, move |request| {
        let (hub, channels) = (hub.clone(), channels.clone());
        async move { respond(&hub, &channels, request).await }
    })
    .await;
}

async fn respond(hub: &Arc<Hub>, channels: &Channels, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() == "/wake"
        && request
            .headers()
            .get(UPGRADE)
            .is_some_and(|p| p == remote::PROTOCOL)
    {
        return upgrade(hub.clone(), channels, request);
    }
    endpoint::respond(answer(hub, request).await)
}

fn upgrade(hub: Arc<Hub>, channels: &Channels, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let upgraded = hyper::upgrade::on(&mut request);
    let mut channels = locked(channels);
    while channels.try_join_next().is_some() {}
    channels.spawn(async move {
        if let Ok(io) = upgraded.await {
            remote::serve(hub, TokioIo::new(io)).await;
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(remote::PROTOCOL));
    response
}

async fn answer(hub: &Hub, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let path = head.uri.path().trim_start_matches('/');
    match (&head.method, path.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::GET, ["stats"]) => to_json(hub.stats()),
        (&Method::GET, ["pushes"]) => pushes(hub, query),
        (&Method::GET, ["tokens", hex]) => {
            let (accepted, topic, kept) = hub.token(&token(hex)?);
            Ok(json!({ "accepted": accepted, "topic": topic, "kept": kept }))
        }
        (&Method::PUT, ["tokens", hex]) => {
            let Registration { topic } = parse(body).await?;
            hub.register(&token(hex)?, &topic);
            Ok(json!({}))
        }
        (&Method::GET, ["faults"]) => to_json(hub.faults()),
        (&Method::POST, ["faults"]) => set_faults(hub, parse(body).await?),
        (&Method::DELETE, ["faults"]) => set_faults(hub, Faults::default()),
        (&Method::POST, ["goaway"]) => {
            hub.order(Order::GoAway(parse::<GoAway>(body).await?));
            Ok(json!({}))
        }
        (&Method::POST, ["close"]) => {
            hub.order(Order::Close);
            Ok(json!({}))
        }
        _ => Err(Refusal(
            StatusCode::NOT_FOUND,
            "there is /stats, /pushes, /tokens, /faults, /goaway, /close and /wake".into(),
        )),
    }
}

fn set_faults(hub: &Hub, faults: Faults) -> Answer {
    hub.set_faults(faults).map_err(|problem| bad(&problem))?;
    to_json(hub.faults())
}

fn pushes(hub: &Hub, query: &str) -> Answer {
    let (mut count, mut wanted) = (PUSHES, None);
    for pair in pairs(query) {
        match pair {
            ("count", number) => count = number.parse().map_err(|_| bad(&"count is no number"))?,
            ("token", hex) => wanted = Some(encode::lower_hex(&token(hex)?)),
            _ => return Err(bad(&"the query has count and token only")),
        }
    }
    let fits = |token: &String| wanted.as_ref().is_none_or(|wanted| wanted == token);
    to_json(hub.records(count, |record| fits(&record.token)))
}

fn token(hex: &str) -> Result<Vec<u8>, Refusal> {
    encode::from_hex(hex).ok_or_else(|| bad(&format!("`{hex}` is no token")))
}

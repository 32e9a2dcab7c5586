//! The control endpoint: the portal, the faults and the log, in JSON over HTTP/1.1. For tests on loopback only.
//!
//! | Request | Meaning |
//! |---|---|
//! | `GET /stats` | the counters, [`Stats`](super::Stats) |
//! | `GET /requests?count=N&endpoint=NAME` | the last requests, [`Record`](super::Record)s, oldest first |
//! | `GET`, `POST`, `DELETE /faults` | [`Faults`] in force; puts others in force; ends all |
//! | `GET`, `PUT /organisation` | [`Organisation`] |
//! | `GET /servers` | the MDM servers, [`ServerInfo`](super::ServerInfo) |
//! | `POST /servers?name=NAME` | adds one; the body is its PEM certificate, or empty |
//! | `GET`, `PATCH /servers/NAME` | one; changes `name`, `access_denied`, `may_disown`, `certificate` |
//! | `POST /servers/NAME/token` | a new token as a `.p7m` file; the body is a [`TokenFile`] or empty |
//! | `POST /servers/NAME/credentials` | a new token as JSON, without an envelope |
//! | `POST /servers/NAME/token/expire`, `…/token/revoke` | the token is expired; is no longer known |
//! | `POST /servers/NAME/stock` | buys and assigns devices: `{"count": N, "mix": …}` |
//! | `POST /servers/NAME/assign` | assigns devices: `{"devices": [SERIAL]}` |
//! | `GET /servers/NAME/devices?count=N&from=N` | devices, as the newest protocol version shows them |
//! | `POST /devices` | adds one: `{"serial": …, "family": …, "server": …, "by_hand": …}` |
//! | `GET /devices/SERIAL` | one |
//! | `POST /devices/unassign`, `/devices/release` | `{"devices": [SERIAL]}` |
//! | `POST /devices/replace` | `{"old": SERIAL, "new": SERIAL}` |
//! | `GET /profiles/UUID` | a profile as it was defined |
//! | `POST /sessions/expire` | `{"server": NAME, "refusal": "unauthorized" or "forbidden"}` |
//! | `POST /clock` | `{"advance": SECONDS}` |
//! | `POST /activation/SERIAL` | what a device is told at activation, [`Activation`](super::Activation) |

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::activation::activate;
use super::endpoint::Endpoint;
use super::estate::{Family, Mix, Organisation};
use super::faults::Faults;
use super::hub::Hub;
use super::oauth::unescape;
use super::p7m::TokenFile;
use super::portal::Portal;
use super::settings::SessionRefusal;
use crate::endpoint::{self, Answer, Refusal, bad, missing, pairs, parse, to_json};
use crate::error::Error;

/// Requests in an answer unless the request says how many.
const REQUESTS: usize = 100;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        bad(&error.problem)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Serials {
    devices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    count: usize,
    #[serde(default)]
    mix: Mix,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    serial: String,
    family: Family,
    server: Option<String>,
    #[serde(default)]
    by_hand: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    old: String,
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    access_denied: Option<bool>,
    may_disown: Option<bool>,
    certificate: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Expiry {
    server: Option<String>,
    refusal: SessionRefusal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: u64,
}

/// Serves until it is dropped.
pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener) {
    endpoint::run(listener, move |request| {
        let hub = hub.clone();
        async move { respond(&hub, request).await }
    })
    .await;
}

async fn respond(hub: &Arc<Hub>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let path: Option<Vec<String>> = path.split('/').map(unescape).collect();
    let path = path.unwrap_or_default();
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    if let (&Method::POST, ["servers", name, "token"]) = (request.method(), path.as_slice()) {
        return match token(hub, name, request).await {
            Ok(file) => p7m(file),
            Err(refusal) => endpoint::respond(Err(refusal)),
        };
    }
    endpoint::respond(answer(hub, &path, request).await)
}

async fn answer(hub: &Arc<Hub>, path: &[&str], request: Request<Incoming>) -> Answer {
    let portal = Portal::of(hub.clone());
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    match (&head.method, path) {
        (&Method::GET, ["stats"]) => to_json(&hub.lock().log.stats),
        (&Method::GET, ["requests"]) => requests(hub, query),
        (&Method::GET, ["faults"]) => to_json(&hub.lock().faults),
        (&Method::POST, ["faults"]) => set_faults(hub, parse(body).await?),
        (&Method::DELETE, ["faults"]) => set_faults(hub, Faults::default()),
        (&Method::GET, ["organisation"]) => to_json(portal.organisation()),
        (&Method::PUT, ["organisation"]) => {
            portal.set_organisation(parse::<Organisation>(body).await?);
            to_json(portal.organisation())
        }
        (_, ["servers", rest @ ..]) => servers(&portal, &head.method, rest, query, body).await,
        (_, ["devices", rest @ ..]) => devices(&portal, &head.method, rest, body).await,
        (&Method::GET, ["profiles", uuid]) => to_json(
            portal
                .profile(uuid)
                .ok_or_else(|| missing("there is no such profile"))?,
        ),
        (&Method::POST, ["sessions", "expire"]) => {
            let expiry: Expiry = parse(body).await?;
            portal.expire_sessions(expiry.server.as_deref(), expiry.refusal)?;
            Ok(json!({}))
        }
        (&Method::POST, ["clock"]) => {
            let Advance { advance } = parse(body).await?;
            hub.settings.clock.advance(Duration::from_secs(advance));
            Ok(json!({ "seconds": hub.settings.clock.seconds() }))
        }
        (&Method::POST, ["activation", serial]) => to_json(activate(hub, serial)),
        _ => Err(missing(
            "there is /stats, /requests, /faults, /organisation, /servers, /devices, /profiles, /sessions, /clock \
             and /activation",
        )),
    }
}

async fn servers(portal: &Portal, method: &Method, path: &[&str], query: &str, body: Incoming) -> Answer {
    match (method, path) {
        (&Method::GET, []) => to_json(portal.servers()),
        (&Method::POST, []) => {
            let name = parameter(query, "name").ok_or_else(|| bad(&"the query must have a name"))?;
            let certificate = endpoint::bytes(body).await?;
            let uuid = match &*certificate {
                [] => portal.add_bare_server(&name)?,
                pem => portal.add_server(&name, pem)?,
            };
            to_json(portal.server(&uuid)?)
        }
        (&Method::GET, [name]) => to_json(portal.server(name)?),
        (&Method::PATCH, [name]) => change(portal, name, parse(body).await?),
        (&Method::POST, [name, "credentials"]) => to_json(portal.new_token(name)?),
        (&Method::POST, [name, "token", "expire"]) => {
            portal.expire_token(name)?;
            Ok(json!({}))
        }
        (&Method::POST, [name, "token", "revoke"]) => {
            portal.revoke_token(name)?;
            Ok(json!({}))
        }
        (&Method::POST, [name, "stock"]) => {
            let Stock { count, mix } = parse(body).await?;
            Ok(json!({ "devices": portal.stock(name, count, mix)? }))
        }
        (&Method::POST, [name, "assign"]) => {
            portal.assign(name, &parse::<Serials>(body).await?.devices)?;
            Ok(json!({}))
        }
        (&Method::GET, [name, "devices"]) => list(portal, name, query),
        _ => Err(missing("there is no such thing about servers")),
    }
}

async fn devices(portal: &Portal, method: &Method, path: &[&str], body: Incoming) -> Answer {
    match (method, path) {
        (&Method::POST, []) => {
            let device: NewDevice = parse(body).await?;
            match &device.server {
                Some(server) if device.by_hand => {
                    portal.add_by_hand(server, &device.serial, device.family)?;
                }
                server => {
                    portal.add_device(&device.serial, device.family);
                    if let Some(server) = server {
                        portal.assign(server, &[&device.serial])?;
                    }
                }
            }
            to_json(portal.device(&device.serial))
        }
        (&Method::POST, ["unassign"]) => {
            portal.unassign(&parse::<Serials>(body).await?.devices)?;
            Ok(json!({}))
        }
        (&Method::POST, ["release"]) => {
            portal.release(&parse::<Serials>(body).await?.devices)?;
            Ok(json!({}))
        }
        (&Method::POST, ["replace"]) => {
            let Replacement { old, new } = parse(body).await?;
            portal.replace(&old, &new)?;
            Ok(json!({}))
        }
        (&Method::GET, [serial]) => to_json(
            portal
                .device(serial)
                .ok_or_else(|| missing("there is no such device"))?,
        ),
        _ => Err(missing("there is no such thing about devices")),
    }
}

fn change(portal: &Portal, name: &str, change: Change) -> Answer {
    let uuid = portal.server(name)?.uuid;
    if let Some(denied) = change.access_denied {
        portal.deny_access(&uuid, denied)?;
    }
    if let Some(allowed) = change.may_disown {
        portal.allow_disown(&uuid, allowed)?;
    }
    if let Some(certificate) = change.certificate {
        portal.set_certificate(&uuid, certificate.as_bytes())?;
    }
    if let Some(name) = change.name {
        portal.rename_server(&uuid, &name)?;
    }
    to_json(portal.server(&uuid)?)
}

fn list(portal: &Portal, name: &str, query: &str) -> Answer {
    let number = |key, otherwise: usize| match parameter(query, key) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| bad(&format!("{key} is no number"))),
    };
    let (from, count) = (number("from", 0)?, number("count", REQUESTS)?);
    let serials = portal.serials(name)?;
    let devices = serials.iter().skip(from).take(count);
    Ok(devices
        .filter_map(|serial| portal.device(serial))
        .collect::<Vec<Value>>()
        .into())
}

async fn token(hub: &Arc<Hub>, name: &str, request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let body = endpoint::bytes(request.into_body()).await?;
    let file = match &*body {
        [] => TokenFile::default(),
        body => serde_json::from_slice(body).map_err(|error| bad(&error))?,
    };
    Ok(Portal::of(hub.clone()).download_token(name, file)?)
}

fn p7m(file: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(file.into()));
    let kind = HeaderValue::from_static("application/pkcs7-mime");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn set_faults(hub: &Hub, faults: Faults) -> Answer {
    hub.set_faults(faults)?;
    to_json(&hub.lock().faults)
}

fn requests(hub: &Hub, query: &str) -> Answer {
    let (mut count, mut wanted) = (REQUESTS, None);
    for pair in pairs(query) {
        match pair {
            ("count", number) => count = number.parse().map_err(|_| bad(&"count is no number"))?,
            ("endpoint", name) => {
                let name: Endpoint = serde_json::from_value(name.into()).map_err(|error| bad(&error))?;
                wanted = Some(name);
            }
            _ => return Err(bad(&"the query has count and endpoint only")),
        }
    }
    let records = hub
        .lock()
        .log
        .last(count, |record| wanted.is_none() || record.endpoint == wanted);
    to_json(records)
}

fn parameter(query: &str, name: &str) -> Option<String> {
    pairs(query)
        .find(|(known, _)| *known == name)
        .and_then(|(_, value)| unescape(value))
}

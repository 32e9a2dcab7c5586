//! The service side: what every request goes through before its endpoint sees it, and what its answer goes through after.

mod account;
mod assign;
mod devices;
mod gate;
mod other;
mod profile;
mod session;

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::http_date;
use super::cursor::Cursor;
use super::endpoint::Endpoint;
use super::faults::{Answer, Effect, Subject};
use super::hub::{Hub, Inner};
use super::log::{self, Record};
use super::session::rotates;
use crate::error::Problem;

/// A request as it came.
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether it came over TLS.
    pub(super) secure: bool,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.header(name).map(Into::into)
    }

    /// The value of a query parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        let pairs = crate::endpoint::pairs(&self.query);
        let found = pairs.into_iter().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| super::oauth::unescape(value))
    }
}

/// What becomes of a request.
pub(super) enum Plan {
    /// It is answered after this time.
    Answer(Reply, Duration),
    /// It is never answered.
    Hang,
    /// Its connection is reset.
    Reset,
}

/// An answer before it is compressed.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// `Retry-After`
    pub(super) retry_after: Option<String>,
    /// `X-ADM-Auth-Session`
    pub(super) session: Option<String>,
    pub(super) gzip: bool,
}

/// A refusal: the status, and Apple's word for it.
#[derive(Clone, Debug)]
struct Refused(u16, String);

type Outcome = Result<Vec<u8>, Refused>;

fn refused(status: u16, word: &str) -> Refused {
    Refused(status, word.into())
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(500, problem.to_string())
    }
}

/// What an endpoint works with.
struct Work<'a> {
    hub: &'a Hub,
    inner: &'a mut Inner,
    request: &'a Incoming,
    record: &'a mut Record,
    /// The server whose session it is.
    server: u32,
    /// `X-Server-Protocol-Version`
    version: u32,
    /// Seconds since 1970.
    now: i64,
    /// Whether a page says the same cursor again.
    same_cursor: bool,
}

impl Work<'_> {
    /// The body; an empty one is an empty object.
    fn fields<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let body: &[u8] = match &*self.request.body {
            [] => b"{}",
            body => body,
        };
        serde_json::from_slice(body).map_err(|_| refused(400, "MALFORMED_REQUEST_BODY"))
    }
}

fn json(value: &impl Serialize) -> Outcome {
    serde_json::to_vec(value).map_err(|error| Problem::protocol(error).into())
}

/// Decides on a request and does what it asks for.
pub(super) fn decide(hub: &Hub, request: &Incoming) -> Plan {
    let mut record = Record {
        at: hub.settings.clock.milliseconds(),
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        body: log::text(&request.body),
        session: request.owned(gate::SESSION),
        protocol_version: request.owned(gate::VERSION),
        user_agent: request.owned("user-agent"),
        content_type: request.owned("content-type"),
        gzip: gate::takes_gzip(request),
        ..Record::default()
    };
    let plan = plan(hub, request, &mut record);
    if let Plan::Answer(reply, _) = &plan {
        record.status = reply.status;
    }
    hub.record(record);
    plan
}

fn plan(hub: &Hub, request: &Incoming, record: &mut Record) -> Plan {
    let mut inner = hub.lock();
    let inner = &mut *inner;
    let server = gate::server(inner, request, record.at);
    record.server = server.map(|place| inner.estate.server_at(place).uuid.clone());
    let told = inner.told_to_wait.get(&server).copied().unwrap_or(0);
    record.early = record.at < told;

    let endpoint = match Endpoint::of(&request.method, &request.path) {
        Ok(endpoint) => endpoint,
        Err(status) => {
            let word = if status == 404 {
                "NOT_FOUND"
            } else {
                "METHOD_NOT_ALLOWED"
            };
            return finish(hub, inner, record, None, Err(refused(status, word)));
        }
    };
    record.endpoint = Some(endpoint);
    record.page = endpoint.has_pages().then(|| page_number(hub, request));
    let names = server.map(|place| inner.estate.server_at(place));
    let subject = Subject {
        endpoint,
        server: names.map(|server| (&*server.uuid, &*server.name)),
        page: record.page,
    };
    let effect = inner.active.effect(subject);
    if let Some((effect, false)) = &effect
        && let Some(plan) = instead(hub, inner, record, server, effect)
    {
        return plan;
    }
    let same_cursor = matches!(effect, Some((Effect::SameCursor, _)));
    let outcome = work(hub, inner, request, record, endpoint, same_cursor);
    let plan = finish(hub, inner, record, server, outcome);
    match (effect, plan) {
        (Some((Effect::Delay { ms }, _)), Plan::Answer(reply, after)) => {
            Plan::Answer(reply, after + Duration::from_millis(ms))
        }
        (Some((effect, true)), plan) => instead(hub, inner, record, server, &effect).unwrap_or(plan),
        (_, plan) => plan,
    }
}

/// What happens instead of an answer; `None` for effects that only change the answer.
fn instead(
    hub: &Hub,
    inner: &mut Inner,
    record: &mut Record,
    server: Option<u32>,
    effect: &Effect,
) -> Option<Plan> {
    match effect {
        Effect::Answer(answer) => Some(faulty(hub, inner, record, server, answer)),
        Effect::Hang => Some(Plan::Hang),
        Effect::Reset => Some(Plan::Reset),
        Effect::Delay { .. } | Effect::SameCursor => None,
    }
}

fn faulty(hub: &Hub, inner: &mut Inner, record: &mut Record, server: Option<u32>, answer: &Answer) -> Plan {
    if let Some(seconds) = answer.retry_after {
        inner.told_to_wait.insert(server, record.at + seconds * 1000);
    }
    let at = (record.at / 1000) as i64;
    let retry_after = answer.retry_after.map(|seconds| match answer.as_date {
        true => http_date(at.saturating_add_unsigned(seconds)),
        false => seconds.to_string(),
    });
    let refusal = refused(answer.status, &answer.body);
    match finish(hub, inner, record, None, Err(refusal)) {
        Plan::Answer(reply, after) => Plan::Answer(Reply { retry_after, ..reply }, after),
        plan => plan,
    }
}

fn work(
    hub: &Hub,
    inner: &mut Inner,
    request: &Incoming,
    record: &mut Record,
    endpoint: Endpoint,
    same_cursor: bool,
) -> Outcome {
    gate::check_user_agent(request)?;
    let version = gate::version(request);
    if endpoint == Endpoint::Session {
        return session::begin(hub, inner, request, record);
    }
    let now = hub.settings.clock.seconds();
    let server = gate::admit(inner, request, record.at)?;
    gate::check_content_type(request)?;
    let mut work = Work {
        hub,
        inner,
        request,
        record,
        server,
        version,
        now,
        same_cursor,
    };
    match endpoint {
        Endpoint::Account => account::show(&work),
        Endpoint::ActivationLock => other::lock(&mut work),
        Endpoint::Assign => assign::assign(&mut work),
        Endpoint::BetaTokens => other::beta_tokens(&work),
        Endpoint::DefineProfile => profile::define(&mut work),
        Endpoint::Details => devices::details(&mut work),
        Endpoint::Discovery => other::discovery(&mut work),
        Endpoint::Disown => devices::disown(&mut work),
        Endpoint::Fetch => devices::fetch(&mut work),
        Endpoint::GetProfile => profile::show(&work),
        Endpoint::Replacement => other::replacement(&work),
        Endpoint::Session => session::begin(hub, work.inner, request, work.record),
        Endpoint::Sync => devices::sync(&mut work),
        Endpoint::Unassign => assign::unassign(&mut work),
    }
}

/// The answer, perhaps with a new session.
fn finish(hub: &Hub, inner: &mut Inner, record: &mut Record, server: Option<u32>, outcome: Outcome) -> Plan {
    let faults = &inner.faults;
    let mut delay = Duration::from_millis(faults.latency_ms.unwrap_or(0));
    let mut reply = Reply {
        gzip: record.gzip,
        ..Reply::default()
    };
    match outcome {
        Ok(body) => {
            (reply.status, reply.body) = (200, body);
            if record.page.is_some() {
                let slow = faults.page_delay_ms.map(Duration::from_millis);
                delay += slow.unwrap_or(hub.settings.page_delay);
            }
        }
        Err(Refused(status, word)) => {
            let quoted = faults.quoted_errors.unwrap_or(hub.settings.quoted_errors);
            reply.status = status;
            reply.body = if quoted {
                format!("\"{word}\"")
            } else {
                word.clone()
            }
            .into_bytes();
            record.refusal = Some(word);
        }
    }
    if let Some(server) = server {
        reply.session = rotate(hub, inner, record, server);
    }
    record.status = reply.status;
    Plan::Answer(reply, delay)
}

fn rotate(hub: &Hub, inner: &mut Inner, record: &Record, server: u32) -> Option<String> {
    let rotation = inner.faults.rotation.unwrap_or(hub.settings.rotation);
    if !rotates(rotation).ok()? {
        return None;
    }
    let lifetime = hub.settings.session_lifetime.as_millis() as u64;
    let grace = hub.settings.session_grace.as_millis() as u64;
    let next = inner
        .sessions
        .begin(server, record.at + lifetime, record.at)
        .ok()?;
    if let Some(former) = &record.session {
        inner.sessions.limit(former, record.at + grace);
    }
    inner.log.stats.rotations += 1;
    Some(next)
}

/// The number of the page that a request asks for.
fn page_number(hub: &Hub, request: &Incoming) -> u64 {
    #[derive(serde::Deserialize)]
    struct Body {
        cursor: Option<String>,
    }
    let body = serde_json::from_slice::<Body>(&request.body).ok();
    let cursor = body.and_then(|body| Cursor::read(&body.cursor?, &hub.secret));
    cursor.map_or(1, |cursor| cursor.page)
}

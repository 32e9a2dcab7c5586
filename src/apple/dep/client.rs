//! The real [`DeviceAssignment`]: a session by OAuth 1.0a, then JSON over HTTPS (Apple, "Device Assignment",
//! "Authenticating through OAuth 1.0").

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::rand;
use http_body_util::Full;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, body::Bytes, header, header::HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    DepAccess, DepAssigned, DepDefined, DepDevice, DepFailure, DepForward, DepForwarded, DepPage,
    DepStatuses, DeviceAssignment, answer,
    oauth::{self, Once},
    retry::RetryPolicy,
    session::{Held, SESSION, Session, Sessions},
    verdict::{self, Subject},
    wire::{self, Answer, Unanswered, Wire},
};
use crate::{
    apple::roots::{self, BadCaFile},
    config,
    protocol::time::Timestamp,
};

const USER_AGENT: &str = concat!("russet/", env!("CARGO_PKG_VERSION"));

/// As Apple's own simulator insists on it.
const CONTENT_TYPE: &str = "application/json;charset=UTF8";

const PROTOCOL_VERSION: &str = "x-server-protocol-version";

/// What NanoDEP's proxy says where its client says nothing.
const FORWARDED_VERSION: &str = "7";

/// Tells the present time: OAuth signs it, and dates are counted from it.
pub type DepClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum DepError {
    /// The URL is not one of the service.
    #[error("{0:?} is no place for the service: give https://host or https://host:port")]
    BaseUrl(String),
    /// The file of the CAs to trust can't be used.
    #[error(transparent)]
    CaFile(#[from] BadCaFile),
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(String),
}

/// How to reach the service.
#[derive(Clone, Debug)]
pub struct DepOptions {
    /// `https://host[:port]`; `http://` on a loopback address.
    pub base_url: String,
    /// PEM of the CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one request, from connecting to the end of the answer.
    pub request_timeout: Duration,
    /// When a request is made again.
    pub retry: RetryPolicy,
}

impl DepOptions {
    /// The options that a configuration gives; its paths are relative to `data_dir`.
    pub fn new(config: &config::Ade, data_dir: &Path) -> Self {
        Self {
            base_url: config.base_url.clone(),
            ca_file: config.ca_file.as_ref().map(|path| data_dir.join(path)),
            request_timeout: config.request_timeout,
            retry: RetryPolicy::default(),
        }
    }
}

/// The client. Nothing is connected before the first question.
pub struct DepClient {
    base_url: String,
    wire: Wire,
    sessions: Sessions,
    retry: RetryPolicy,
    clock: DepClock,
}

impl fmt::Debug for DepClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DepClient({})", self.base_url)
    }
}

/// A question, whoever asks it.
struct Call<'a> {
    method: Method,
    /// With its query.
    path: &'a str,
    body: Option<Value>,
    /// Whether asking twice does no harm.
    repeatable: bool,
    subject: Subject,
}

impl<'a> Call<'a> {
    fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            repeatable: true,
            subject: Subject::Other,
        }
    }

    fn with(method: Method, path: &'a str, body: Value) -> Self {
        Self {
            method,
            body: Some(body),
            ..Self::get(path)
        }
    }

    fn post(path: &'a str, body: Value) -> Self {
        Self::with(Method::POST, path, body)
    }

    fn once(self) -> Self {
        Self {
            repeatable: false,
            ..self
        }
    }

    fn about_a_profile(self) -> Self {
        Self {
            subject: Subject::Profile,
            ..self
        }
    }
}

impl DepClient {
    /// A client.
    pub fn new(options: DepOptions, clock: DepClock) -> Result<Self, DepError> {
        let base_url = wire::base(&options.base_url).ok_or(DepError::BaseUrl(options.base_url))?;
        let roots = roots::load(options.ca_file.as_deref())?;
        Ok(Self {
            base_url,
            wire: Wire::new(roots, options.request_timeout)?,
            sessions: Sessions::default(),
            retry: options.retry,
            clock,
        })
    }

    /// Asks, and takes nothing but success for an answer. The one place where questions are repeated.
    async fn ask(&self, access: &DepAccess, call: Call<'_>) -> Result<Answer, DepFailure> {
        let at = Place::of(self, access)?;
        let body = call.body.as_ref().map(|body| Bytes::from(body.to_string()));
        let mut waits = self.retry.begin(call.repeatable);
        let asked = async {
            loop {
                let outcome = self.ask_once(access, &at, &call, body.as_ref()).await;
                count(call.path, &outcome);
                let failed = match outcome {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                };
                let Some(wait) = waits.after(&failed) else {
                    return Err(failed.failure);
                };
                tracing::debug!(token = access.name, failure = %failed.failure, ?wait, "Apple is asked again");
                tokio::time::sleep(wait).await;
            }
        };
        let in_time = tokio::time::timeout(self.retry.total, asked).await;
        in_time.unwrap_or_else(|_| {
            let seconds = self.retry.total.as_secs();
            Err(DepFailure::Unavailable(
                format!("no answer within {seconds} s"),
                None,
            ))
        })
    }

    async fn ask_once(
        &self,
        access: &DepAccess,
        at: &Place,
        call: &Call<'_>,
        body: Option<&Bytes>,
    ) -> Result<Answer, Unanswered> {
        let is_assignment = call.path == ASSIGNMENTS && call.method == Method::POST;
        loop {
            let version = at.session.version();
            let mut headers = own_headers(body.is_some());
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version));
            let by_put = is_assignment && at.session.assigns_by_put();
            let message = Message {
                method: if by_put { Method::PUT } else { call.method.clone() },
                url: at.url(call.path).map_err(answered)?,
                headers,
                body: body.cloned().unwrap_or_default(),
            };
            let answer = self.within_session(access, at, &message).await?;
            let answer = wire::unpacked(answer).map_err(answered)?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            if verdict::version_refused(&answer) && at.session.older_version(version) {
                tracing::info!(
                    token = access.name,
                    version,
                    "Apple does not speak this version of the protocol"
                );
                continue;
            }
            if is_assignment && !by_put && answer.status == StatusCode::METHOD_NOT_ALLOWED {
                at.session.assign_by_put();
                continue;
            }
            return Err(answered(verdict::failure(access, call.subject, &answer)));
        }
    }

    /// Sends something that needs a session. If Apple does not know the session any more, it is sent a second time, in
    /// a new one.
    async fn within_session(
        &self,
        access: &DepAccess,
        at: &Place,
        message: &Message,
    ) -> Result<Answer, Unanswered> {
        let held = self.hold(access, at).await?;
        let answer = self.send(message, Some(&held)).await?;
        if !verdict::session_refused(&answer) {
            at.session.rotate(&held, answer.headers.get(SESSION));
            return Ok(answer);
        }
        at.session.forget(&held);
        let held = self.hold(access, at).await?;
        let answer = self.send(message, Some(&held)).await?;
        if verdict::session_refused(&answer) {
            // Or the next question would begin with a session that is not known.
            at.session.forget(&held);
        } else {
            at.session.rotate(&held, answer.headers.get(SESSION));
        }
        Ok(answer)
    }

    /// A session: the present one, or a new one. Only one is opened at a time.
    async fn hold(&self, access: &DepAccess, at: &Place) -> Result<Held, Unanswered> {
        if let Some(held) = at.session.held() {
            return Ok(held);
        }
        let _turn = at.session.turn().await;
        if let Some(held) = at.session.held() {
            return Ok(held);
        }
        let answer = self.open_session(access, at).await;
        count(SESSION_PATH, &answer);
        // Whatever has become of it, the question itself has not been asked.
        let unasked = |failure| Unanswered { failure, sent: false };
        let answer = answer.map_err(|unanswered| unasked(unanswered.failure))?;
        let token = answer::session(&answer).map_err(unasked)?;
        let token = HeaderValue::try_from(token)
            .map_err(|_| unasked(DepFailure::Malformed("its session is no header".into())))?;
        Ok(at.session.opened(token))
    }

    async fn open_session(&self, access: &DepAccess, at: &Place) -> Result<Answer, Unanswered> {
        let url = at.url(SESSION_PATH).map_err(answered)?;
        let once = Once {
            timestamp: (self.clock)().seconds(),
            nonce: nonce().map_err(answered)?,
        };
        let authorization = oauth::authorization(&access.credentials, &Method::GET, &url, &once);
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|_| answered(DepFailure::TokenRejected("it holds what no header can".into())))?;
        authorization.set_sensitive(true);
        let mut headers = own_headers(true);
        headers.insert(header::AUTHORIZATION, authorization);
        let message = Message {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
        };
        let answer = self.send(&message, None).await?;
        let answer = wire::unpacked(answer).map_err(answered)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(answered(verdict::failure(access, Subject::Other, &answer)))
    }

    async fn send(&self, message: &Message, held: Option<&Held>) -> Result<Answer, Unanswered> {
        let mut request = Request::new(Full::new(message.body.clone()));
        *request.method_mut() = message.method.clone();
        *request.uri_mut() = message.url.clone();
        *request.headers_mut() = message.headers.clone();
        if let Some(held) = held {
            request.headers_mut().insert(SESSION, held.token.clone());
        }
        self.wire.send(request, (self.clock)()).await
    }
}

/// A request, but for its session.
struct Message {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Where, and in which session, Apple is asked.
struct Place {
    base_url: String,
    session: Arc<Session>,
}

impl Place {
    fn of(client: &DepClient, access: &DepAccess) -> Result<Self, DepFailure> {
        let base_url = match &access.base_url {
            None => client.base_url.clone(),
            Some(url) => wire::base(url).ok_or_else(|| {
                DepFailure::Unavailable(
                    "the token's base_url is neither https nor on this machine".into(),
                    None,
                )
            })?,
        };
        Ok(Self {
            session: client.sessions.of(&base_url, access),
            base_url,
        })
    }

    fn url(&self, path: &str) -> Result<Uri, DepFailure> {
        // Or the path could become a part of the host.
        let path = if path.starts_with('/') { path } else { "/" };
        format!("{}{path}", self.base_url)
            .parse()
            .map_err(|_| DepFailure::Refused(400, "the path is no part of a URL".into()))
    }
}

const SESSION_PATH: &str = "/session";

const ASSIGNMENTS: &str = "/profile/devices";

const SERVICE_DISCOVERY: &str = "/account-driven-enrollment/profile";

fn own_headers(with_type: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if with_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    }
    headers
}

fn answered(failure: DepFailure) -> Unanswered {
    Unanswered { failure, sent: true }
}

fn nonce() -> Result<String, DepFailure> {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce)
        .map_err(|_| DepFailure::Unavailable("this system has no randomness".into(), None))?;
    Ok(nonce.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn count(path: &str, outcome: &Result<Answer, Unanswered>) {
    let endpoint = path.split('?').next().unwrap_or_default().to_owned();
    let result = match outcome {
        Ok(_) => "ok",
        Err(unanswered) => unanswered.failure.code(),
    };
    metrics::counter!("russet_ade_requests_total", "endpoint" => endpoint, "result" => result).increment(1);
}

fn with_cursor(cursor: Option<&str>, limit: u32) -> Value {
    match cursor {
        Some(cursor) => json!({ "cursor": cursor, "limit": limit }),
        None => json!({ "limit": limit }),
    }
}

fn query(path: &str, name: &str, value: &str) -> String {
    format!("{path}?{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}

#[async_trait]
impl DeviceAssignment for DepClient {
    async fn account(&self, access: &DepAccess) -> Result<DepDevice, DepFailure> {
        answer::object(&self.ask(access, Call::get("/account")).await?)
    }

    async fn fetch(
        &self,
        access: &DepAccess,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<DepPage, DepFailure> {
        let call = Call::post("/server/devices", with_cursor(cursor, limit));
        answer::page(&self.ask(access, call).await?)
    }

    async fn sync(&self, access: &DepAccess, cursor: &str, limit: u32) -> Result<DepPage, DepFailure> {
        let call = Call::post("/devices/sync", with_cursor(Some(cursor), limit));
        answer::page(&self.ask(access, call).await?)
    }

    async fn devices(
        &self,
        access: &DepAccess,
        serials: &[String],
    ) -> Result<BTreeMap<String, DepDevice>, DepFailure> {
        let call = Call::post("/devices", json!({ "devices": serials }));
        answer::devices(&self.ask(access, call).await?)
    }

    async fn disown(&self, access: &DepAccess, serials: &[String]) -> Result<DepStatuses, DepFailure> {
        let call = Call::post("/devices/disown", json!({ "devices": serials })).once();
        answer::statuses(&self.ask(access, call).await?)
    }

    async fn define_profile(&self, access: &DepAccess, profile: &Value) -> Result<DepDefined, DepFailure> {
        // Once: the second would be another profile.
        let call = Call::post("/profile", profile.clone()).about_a_profile().once();
        answer::defined(&self.ask(access, call).await?)
    }

    async fn profile(&self, access: &DepAccess, uuid: &str) -> Result<Value, DepFailure> {
        let path = query("/profile", "profile_uuid", uuid);
        answer::json(&self.ask(access, Call::get(&path).about_a_profile()).await?)
    }

    async fn assign(
        &self,
        access: &DepAccess,
        uuid: &str,
        serials: &[String],
    ) -> Result<DepAssigned, DepFailure> {
        let body = json!({ "profile_uuid": uuid, "devices": serials });
        let call = Call::post(ASSIGNMENTS, body).about_a_profile();
        answer::assigned(&self.ask(access, call).await?)
    }

    async fn unassign(&self, access: &DepAccess, serials: &[String]) -> Result<DepStatuses, DepFailure> {
        let call = Call::with(Method::DELETE, ASSIGNMENTS, json!({ "devices": serials }));
        answer::statuses(&self.ask(access, call).await?)
    }

    async fn activation_lock(&self, access: &DepAccess, request: &Value) -> Result<String, DepFailure> {
        // Once: the second would find the device locked already.
        let call = Call::post("/device/activationlock", request.clone()).once();
        let mut object = answer::object(&self.ask(access, call).await?)?;
        match object.remove("response_status") {
            Some(Value::String(status)) => Ok(status),
            _ => Err(DepFailure::Malformed("it has no response_status".into())),
        }
    }

    async fn replacement(&self, access: &DepAccess, serial: &str) -> Result<DepDevice, DepFailure> {
        let path = query("/device/replacementDetails", "device", serial);
        answer::object(&self.ask(access, Call::get(&path)).await?)
    }

    async fn beta_tokens(&self, access: &DepAccess) -> Result<Value, DepFailure> {
        answer::json(&self.ask(access, Call::get("/os-beta-enrollment/tokens")).await?)
    }

    async fn set_service_discovery(&self, access: &DepAccess, url: &str) -> Result<(), DepFailure> {
        let body = json!({ "mdm_service_discovery_url": url });
        let answer = self.ask(access, Call::post(SERVICE_DISCOVERY, body)).await;
        answer.map(drop)
    }

    async fn service_discovery(&self, access: &DepAccess) -> Result<Value, DepFailure> {
        answer::json(&self.ask(access, Call::get(SERVICE_DISCOVERY)).await?)
    }

    async fn remove_service_discovery(&self, access: &DepAccess) -> Result<(), DepFailure> {
        let call = Call {
            method: Method::DELETE,
            ..Call::get(SERVICE_DISCOVERY)
        };
        self.ask(access, call).await.map(drop)
    }

    async fn forward(&self, access: &DepAccess, request: DepForward) -> Result<DepForwarded, DepFailure> {
        let at = Place::of(self, access)?;
        let DepForward {
            method,
            path,
            mut headers,
            body,
        } = request;
        for name in HOP_BY_HOP {
            headers.remove(name);
        }
        for name in [header::AUTHORIZATION.as_str(), header::HOST.as_str(), SESSION] {
            headers.remove(name);
        }
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        headers
            .entry(PROTOCOL_VERSION)
            .or_insert(HeaderValue::from_static(FORWARDED_VERSION));
        let message = Message {
            method,
            url: at.url(&path)?,
            headers,
            body: body.into(),
        };
        let answer = self.within_session(access, &at, &message).await;
        let answer = answer.map_err(|unanswered| unanswered.failure)?;
        let mut headers = answer.headers;
        for name in HOP_BY_HOP {
            headers.remove(name);
        }
        headers.remove(SESSION);
        Ok(DepForwarded {
            status: answer.status,
            headers,
            body: answer.body,
        })
    }
}

/// Headers of a connection, not of what goes through it (RFC 9110 §7.6.1), and the length, which is known anew.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

//! What the fake Apple Business Manager does wrong, and in answer to which requests.

mod active;

use std::collections::BTreeMap;

use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

pub(super) use active::{Active, Subject};

use super::endpoint::Endpoint;
use super::settings::Rotation;

/// All that is wrong at the moment. What is absent is as it was when the fake started.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What happens to requests instead of an answer. The first rule that fits decides.
    pub rules: Vec<Rule>,
    /// Which profile assignments are throttled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// What assigning, un-assigning, disowning and details come to for these serial numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, DeviceStatus>,
    /// Milliseconds before each answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Milliseconds before each page of devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_delay_ms: Option<u64>,
    /// Whether error bodies are JSON strings, in quotation marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted_errors: Option<bool>,
    /// When an answer brings a new session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The share of generated records that come twice, out of order: after each its elder contradiction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<f64>,
    /// Whether throttled devices are left out of the answers to `/devices/sync`, as Apple's were once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_hides_throttled: Option<bool>,
}

impl Faults {
    /// No fault but these rules.
    pub fn rules(rules: impl Into<Vec<Rule>>) -> Self {
        Self {
            rules: rules.into(),
            ..Self::default()
        }
    }

    /// No fault but throttled assignments.
    pub fn throttle(throttle: Throttle) -> Self {
        Self {
            throttle: Some(throttle),
            ..Self::default()
        }
    }

    /// This device comes to this status.
    pub fn device(mut self, serial: &str, status: DeviceStatus) -> Self {
        self.devices.insert(serial.into(), status);
        self
    }
}

/// What happens, and in answer to which requests.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What happens.
    pub effect: Effect,
    /// Only to requests of these endpoints; to all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// Only to requests of this server, by UUID or name. Never fits `/session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Only to this page of a fetch or sync, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Only to so many requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Only after so many requests that would fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Whether the request is done all the same, and only its answer is lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

impl Rule {
    /// A rule for all requests.
    pub fn all(effect: Effect) -> Self {
        Self {
            effect,
            endpoints: Vec::new(),
            server: None,
            page: None,
            next: None,
            after: None,
            done: false,
        }
    }

    /// Answers with this status and body.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::all(Effect::Answer(Answer::new(status, body)))
    }

    /// 429 `TOO_MANY_REQUESTS` with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after: u64) -> Self {
        let answer = Answer::new(429, "TOO_MANY_REQUESTS");
        Self::all(Effect::Answer(answer.retry_after(retry_after)))
    }

    /// 503 with `Retry-After` in seconds.
    pub fn unavailable(retry_after: u64) -> Self {
        Self::all(Effect::Answer(Answer::new(503, "").retry_after(retry_after)))
    }

    /// 500
    pub fn server_error() -> Self {
        Self::answer(500, "INTERNAL_SERVER_ERROR")
    }

    /// 400 `EXPIRED_CURSOR` to fetch and sync.
    pub fn expired_cursor() -> Self {
        Self::answer(400, "EXPIRED_CURSOR").pages()
    }

    /// 400 `INVALID_CURSOR` to fetch and sync.
    pub fn invalid_cursor() -> Self {
        Self::answer(400, "INVALID_CURSOR").pages()
    }

    /// 400 `EXHAUSTED_CURSOR` to fetch and sync.
    pub fn exhausted_cursor() -> Self {
        Self::answer(400, "EXHAUSTED_CURSOR").pages()
    }

    /// Pages that say the same cursor again, with `more_to_follow`.
    pub fn same_cursor() -> Self {
        Self::all(Effect::SameCursor).pages()
    }

    /// 403 `T_C_NOT_SIGNED`
    pub fn terms_not_signed() -> Self {
        Self::answer(403, "T_C_NOT_SIGNED")
    }

    /// No answer as long as the client waits.
    pub fn hang() -> Self {
        Self::all(Effect::Hang)
    }

    /// The TCP connection is reset.
    pub fn reset() -> Self {
        Self::all(Effect::Reset)
    }

    /// The answer takes so long.
    pub fn slow(ms: u64) -> Self {
        Self::all(Effect::Delay { ms })
    }

    /// Only for this endpoint, and those named already.
    pub fn at(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Only for fetch and sync.
    pub fn pages(self) -> Self {
        self.at(Endpoint::Fetch).at(Endpoint::Sync)
    }

    /// Only for requests of this server, by UUID or name.
    pub fn of_server(mut self, server: &str) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Only for this page of a fetch or sync, from 1.
    pub fn page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Only for so many requests.
    pub fn next(mut self, count: u64) -> Self {
        self.next = Some(count);
        self
    }

    /// Only after so many requests that would fit.
    pub fn after(mut self, count: u64) -> Self {
        self.after = Some(count);
        self
    }

    /// The request is done all the same, and only its answer is lost.
    pub fn done(mut self) -> Self {
        self.done = true;
        self
    }
}

/// What happens to a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It gets this answer.
    Answer(Answer),
    /// It is answered late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// It is never answered.
    Hang,
    /// Its TCP connection is reset.
    Reset,
    /// The page has the request's cursor and `more_to_follow`.
    SameCursor,
}

/// An answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// `Retry-After` in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether `Retry-After` is a date instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_date: bool,
}

impl Answer {
    /// A status and a body.
    pub fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.into(),
            retry_after: None,
            as_date: false,
        }
    }

    /// With `Retry-After` in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With `Retry-After` as an HTTP date.
    pub fn retry_after_date(mut self, seconds: u64) -> Self {
        self.as_date = true;
        self.retry_after(seconds)
    }
}

/// Which devices are `THROTTLED` when they are given a profile.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// This share of the serial numbers, always the same ones, at the first attempt and until the time is over.
    #[serde(default)]
    pub share: f64,
    /// Also devices that were given profiles so many times within that time.
    #[serde(default)]
    pub repeats: Option<usize>,
    /// `retry_after_seconds`
    pub retry_after_seconds: u64,
}

impl Throttle {
    /// This share of the devices.
    pub fn share(share: f64, retry_after_seconds: u64) -> Self {
        Self {
            share,
            repeats: None,
            retry_after_seconds,
        }
    }

    pub(super) fn takes(&self, serial: &str) -> bool {
        is_among(serial, self.share)
    }
}

/// Whether the serial number is among this share of all.
pub(super) fn is_among(serial: &str, share: f64) -> bool {
    let digest = sha256(serial.as_bytes());
    let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(first) / (f64::from(u32::MAX) + 1.0) < share
}

/// What becomes of a device in a request about several.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum DeviceStatus {
    Failed,
    NotAccessible,
    Success,
    Throttled,
}

impl DeviceStatus {
    /// The word; `THROTTLED` came with version 9.
    pub(super) fn word(self, version: u32) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::NotAccessible => "NOT_ACCESSIBLE",
            Self::Success => "SUCCESS",
            Self::Throttled if version < 9 => "FAILED",
            Self::Throttled => "THROTTLED",
        }
    }
}

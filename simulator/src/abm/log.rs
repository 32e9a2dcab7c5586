//! What came and what was answered: the last requests one by one, and counters of everything.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;

/// Longer bodies are cut off in the log.
const MAX_BODY: usize = 32 << 10;
/// The bodies in the log together.
const MAX_BODIES: usize = 32 << 20;

/// A request and the answer to it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// Counts all requests, from 1.
    pub number: u64,
    /// When it came, in milliseconds since 1970 by the clock of the fake.
    pub at: u64,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, if there is any.
    pub query: String,
    /// The endpoint, if there is one.
    pub endpoint: Option<Endpoint>,
    /// The request's body.
    pub body: String,
    /// `X-ADM-Auth-Session`
    pub session: Option<String>,
    /// The UUID of the server whose session or token it is.
    pub server: Option<String>,
    /// `X-Server-Protocol-Version`, as it came.
    pub protocol_version: Option<String>,
    /// `User-Agent`
    pub user_agent: Option<String>,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// Whether a compressed answer was asked for.
    pub gzip: bool,
    /// The page of a fetch or sync, from 1.
    pub page: Option<u64>,
    /// The status of the answer; 0 for none.
    pub status: u16,
    /// The body of an answer that refuses.
    pub refusal: Option<String>,
    /// How many devices the answer has.
    pub devices: usize,
    /// Whether it came before an earlier `Retry-After` for its server was over.
    pub early: bool,
}

/// Counters since the start.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Requests with any outcome.
    pub requests: u64,
    /// Requests by endpoint.
    pub endpoints: BTreeMap<Endpoint, u64>,
    /// Answers by status; 0 for none.
    pub statuses: BTreeMap<u16, u64>,
    /// Refusals by their text.
    pub refusals: BTreeMap<String, u64>,
    /// Pages of devices.
    pub pages: u64,
    /// Records of devices in pages.
    pub records: u64,
    /// Answers that brought a new session.
    pub rotations: u64,
    /// Devices given a profile by the API, by outcome.
    pub assigned: BTreeMap<String, u64>,
    /// Throttled devices that were given a profile again too early.
    pub early_assignments: u64,
    /// Requests that came before an earlier `Retry-After` for their server was over.
    pub early: u64,
    /// Requests that are being answered.
    pub open: u64,
    /// The most that were at once.
    pub most_open: u64,
    /// Activation look-ups.
    pub activations: u64,
}

impl Stats {
    /// How many requests came for this endpoint.
    pub fn of(&self, endpoint: Endpoint) -> u64 {
        self.endpoints.get(&endpoint).copied().unwrap_or(0)
    }
}

/// The last records, as many as there is room for.
#[derive(Debug)]
pub(super) struct Log {
    records: VecDeque<Record>,
    capacity: usize,
    bodies: usize,
    pub(super) stats: Stats,
}

impl Log {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            records: VecDeque::new(),
            capacity,
            bodies: 0,
            stats: Stats::default(),
        }
    }

    pub(super) fn add(&mut self, mut record: Record) {
        let stats = &mut self.stats;
        stats.requests += 1;
        record.number = stats.requests;
        if let Some(endpoint) = record.endpoint {
            *stats.endpoints.entry(endpoint).or_default() += 1;
        }
        *stats.statuses.entry(record.status).or_default() += 1;
        if let Some(refusal) = &record.refusal {
            *stats.refusals.entry(refusal.clone()).or_default() += 1;
        }
        stats.early += u64::from(record.early);
        if record.page.is_some() && record.status == 200 {
            stats.pages += 1;
            stats.records += record.devices as u64;
        }
        if self.capacity == 0 {
            return;
        }
        self.bodies += record.body.len();
        self.records.push_back(record);
        while self.records.len() > self.capacity || self.bodies > MAX_BODIES {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bodies -= oldest.body.len();
        }
    }

    /// The last `count` records that fit, oldest first.
    pub(super) fn last(&self, count: usize, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let newest = self.records.iter().rev().filter(|record| fits(record));
        let mut records: Vec<_> = newest.take(count).cloned().collect();
        records.reverse();
        records
    }
}

/// The text of a body, as far as the log keeps it.
pub(super) fn text(body: &[u8]) -> String {
    let kept = &body[..body.len().min(MAX_BODY)];
    String::from_utf8_lossy(kept).into_owned()
}

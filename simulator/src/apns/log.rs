//! What came and what was answered: the last pushes one by one, and counters of everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::notification::Notification;
use super::peer::Peer;
use crate::encode;

/// A push and the answer to it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// Counts all pushes, from 1.
    pub number: u64,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// The connection's number, from 1.
    pub connection: u64,
    /// The device token of the path, in lower-case hexadecimal if it is hexadecimal.
    pub token: String,
    /// `apns-id`, the client's or one made for it.
    pub id: String,
    /// `apns-topic`
    pub topic: Option<String>,
    /// `apns-push-type`
    pub push_type: Option<String>,
    /// `apns-priority`
    pub priority: Option<String>,
    /// `apns-expiration`
    pub expiration: Option<String>,
    /// The value of `mdm` in the body. Not told to other processes.
    #[serde(skip)]
    pub magic: Option<String>,
    /// Whether the body is something else than one JSON object with a string `mdm` and nothing more.
    pub malformed: bool,
    /// The client's certificate.
    pub peer: Arc<Peer>,
    /// What became of it.
    pub answer: Answered,
}

/// What became of a push.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// 200
    Accepted,
    /// 200, but it is never delivered.
    Lost,
    /// Refused with this status for this reason.
    Refused(u16, String),
    /// RST_STREAM
    Reset,
    /// None: the connection ended.
    Unanswered,
}

impl Record {
    pub(super) fn of(notification: &Notification, peer: &Arc<Peer>, connection: u64, at: u64) -> Self {
        let token = notification.token();
        Self {
            number: 0,
            at,
            connection,
            token: encode::from_hex(token).map_or_else(|| token.into(), |bytes| encode::lower_hex(&bytes)),
            id: notification.id.clone(),
            topic: notification.topic.clone(),
            push_type: notification.push_type.clone(),
            priority: notification.priority.clone(),
            expiration: notification.expiration.clone(),
            magic: None,
            malformed: false,
            peer: peer.clone(),
            answer: Answered::Unanswered,
        }
    }
}

/// Counters since the start. They never go back.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Pushes with any outcome.
    pub pushes: u64,
    /// Pushes answered with 200.
    pub accepted: u64,
    /// Refused pushes by reason.
    pub refused: BTreeMap<String, u64>,
    /// Accepted pushes whose body was wrong: they are delivered to nobody.
    pub malformed: u64,
    /// Accepted pushes that were lost on purpose.
    pub lost: u64,
    /// Pushes handed to a device that was connected or came later; again if it left before it read them.
    pub delivered: u64,
    /// Pushes that a later one to the same token replaced before the device saw them.
    pub replaced: u64,
    /// Kept pushes that expired, and pushes to devices that were away and must not be kept.
    pub dropped: u64,
    /// Streams ended with RST_STREAM.
    pub resets: u64,
    /// Pushes whose connection ended before the answer.
    pub unanswered: u64,
    /// Connections whose TLS handshake succeeded.
    pub connections: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Connections ended with GOAWAY.
    pub goaways: u64,
    /// Connections that are open now.
    pub open_connections: u64,
    /// The most streams that one connection had open at once.
    pub max_streams: u64,
    /// Tokens with at least one accepted push.
    pub tokens: u64,
}

/// The last records, as many as there is room for.
#[derive(Debug)]
pub(super) struct Log {
    records: VecDeque<Record>,
    capacity: usize,
    pub(super) stats: Stats,
}

impl Log {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            records: VecDeque::new(),
            capacity,
            stats: Stats::default(),
        }
    }

    pub(super) fn add(&mut self, mut record: Record) {
        let stats = &mut self.stats;
        stats.pushes += 1;
        record.number = stats.pushes;
        match &record.answer {
            Answered::Accepted => stats.accepted += 1,
            Answered::Lost => {
                stats.accepted += 1;
                stats.lost += 1;
            }
            Answered::Refused(_, reason) => {
                *stats.refused.entry(reason.clone()).or_default() += 1;
            }
            Answered::Reset => stats.resets += 1,
            Answered::Unanswered => stats.unanswered += 1,
        }
        let accepted = matches!(record.answer, Answered::Accepted | Answered::Lost);
        stats.malformed += u64::from(record.malformed && accepted);
        if self.capacity == 0 {
            return;
        }
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The last `count` records that fit, oldest first.
    pub(super) fn last(&self, count: usize, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let newest = self.records.iter().rev().filter(|record| fits(record));
        let mut records: Vec<_> = newest.take(count).cloned().collect();
        records.reverse();
        records
    }
}

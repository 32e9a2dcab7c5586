//! What the parts of the fake APNs share: faults, tokens, the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::courier::{Inbox, Wake};
use super::faults::{Active, Answer, Effect, ErrorCode, Faults, GoAway, Outage};
use super::log::{Answered, Log, Record, Stats};
use super::notification::Push;
use super::reason::Reason;
use super::table::Table;
use super::tls::Alert;
use super::{Settings, locked};
use crate::clock;
use crate::error::Problem;

/// Orders to connections that may wait before one is lost; they are rare.
const ORDERS: usize = 16;

/// The shared state. Its lock is held for moments only.
pub(super) struct Hub {
    settings: Settings,
    inner: Mutex<Inner>,
    transport: watch::Sender<Transport>,
    orders: broadcast::Sender<Order>,
    changed: watch::Sender<()>,
    pub(super) alert: Alert,
}

struct Inner {
    faults: Faults,
    active: Active,
    table: Table,
    log: Log,
}

/// What connections and the listener must know of the faults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Transport {
    pub(super) outage: Option<Outage>,
    pub(super) max_streams: u32,
    pub(super) window: u32,
}

/// What a connection is told to do with itself.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Close,
    GoAway(GoAway),
}

/// What becomes of a push.
#[derive(Debug)]
pub(super) enum Outcome {
    Accept(Push),
    /// Accept it and never deliver it.
    Lose(Push),
    /// No answer, since the connection ends.
    Nothing,
    Refuse(Answer),
    Reset(ErrorCode),
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("faults", &self.faults())
            .finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        let faults = Faults::default();
        let inner = Inner {
            active: Active::default(),
            table: Table::new(settings.max_tokens),
            log: Log::new(settings.log_capacity),
            faults: faults.clone(),
        };
        Arc::new(Self {
            transport: watch::Sender::new(transport(&settings, &faults)),
            orders: broadcast::Sender::new(ORDERS),
            changed: watch::Sender::new(()),
            alert: Alert::default(),
            inner: Mutex::new(inner),
            settings,
        })
    }

    pub(super) fn faults(&self) -> Faults {
        locked(&self.inner).faults.clone()
    }

    /// Puts other faults in force; answers what the connections will see.
    pub(super) fn set_faults(&self, faults: Faults) -> Result<Transport, Problem> {
        let active = Active::new(&faults.rules)?;
        if faults
            .initial_window_size
            .is_some_and(|size| size > i32::MAX as u32)
        {
            return Err(Problem::State("the window is larger than 2^31 - 1".into()));
        }
        let transport = transport(&self.settings, &faults);
        *locked(&self.alert) = faults.tls_alert;
        {
            let mut inner = locked(&self.inner);
            (inner.faults, inner.active) = (faults, active);
        }
        self.transport.send_replace(transport);
        Ok(transport)
    }

    pub(super) fn transport(&self) -> watch::Receiver<Transport> {
        self.transport.subscribe()
    }

    pub(super) fn orders(&self) -> broadcast::Receiver<Order> {
        self.orders.subscribe()
    }

    /// Gives an order to all connections.
    pub(super) fn order(&self, order: Order) {
        // Nobody may be connected.
        let _ = self.orders.send(order);
    }

    /// Now, by the clock that certificates and expirations are judged by, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        let offset = locked(&self.inner).faults.clock_offset_seconds;
        clock::milliseconds().saturating_add_signed(offset.unwrap_or(0).saturating_mul(1000))
    }

    pub(super) fn latency(&self) -> Duration {
        let latency = locked(&self.inner).faults.latency_ms;
        latency.map_or(self.settings.latency, Duration::from_millis)
    }

    /// Decides on a push after so many others on the same connection, and what the connection does.
    pub(super) fn judge(&self, push: Push, before: u64) -> (Outcome, Option<Order>) {
        let mut inner = locked(&self.inner);
        let strict = inner.faults.strict_tokens.unwrap_or(self.settings.strict_tokens);
        match inner.table.topic(&push.token) {
            None if strict => return (Outcome::Refuse(Answer::of(Reason::BadDeviceToken)), None),
            Some(topic) if topic != push.topic => {
                return (Outcome::Refuse(Answer::of(Reason::DeviceTokenNotForTopic)), None);
            }
            _ => {}
        }
        match inner.active.effect(&push.token, before) {
            None => (Outcome::Accept(push), None),
            Some(Effect::Answer(answer)) => (Outcome::Refuse(answer), None),
            Some(Effect::Close) => (Outcome::Nothing, Some(Order::Close)),
            Some(Effect::GoAway(go)) if go.code == ErrorCode::NoError => {
                (Outcome::Accept(push), Some(Order::GoAway(go)))
            }
            Some(Effect::GoAway(go)) => (Outcome::Nothing, Some(Order::GoAway(go))),
            Some(Effect::Lose) => (Outcome::Lose(push), None),
            Some(Effect::Reset { code }) => (Outcome::Reset(code), None),
        }
    }

    /// Records what became of a push, and delivers it if it was accepted.
    pub(super) fn record(&self, mut record: Record, push: Option<Push>, answer: Answered) {
        let now = self.now_ms();
        record.answer = answer;
        let mut inner = locked(&self.inner);
        let Inner { table, log, .. } = &mut *inner;
        if let Some(push) = push {
            record.malformed = push.magic.is_none();
            record.magic.clone_from(&push.magic);
            table.accept(&push.token, &mut log.stats);
            if let (Some(magic), Answered::Accepted) = (push.magic, &record.answer) {
                let wake = Wake {
                    token: push.token,
                    magic,
                    topic: push.topic,
                    id: record.id.clone(),
                    at: clock::milliseconds(),
                    expiration: push.expiration,
                };
                table.deliver(wake, now, &mut log.stats);
            }
        }
        log.add(record);
        drop(inner);
        self.changed.send_replace(());
    }

    /// Changes the counters.
    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut locked(&self.inner).log.stats);
        self.changed.send_replace(());
    }

    pub(super) fn stats(&self) -> Stats {
        locked(&self.inner).log.stats.clone()
    }

    /// Wakes up after each change of the counters.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The last records that fit, oldest first.
    pub(super) fn records(&self, count: usize, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        locked(&self.inner).log.last(count, fits)
    }

    /// How many pushes to the token were accepted, its topic, and whether a notification is kept for it.
    pub(super) fn token(&self, token: &[u8]) -> (u64, Option<String>, bool) {
        let inner = locked(&self.inner);
        let topic = inner.table.topic(token).map(Into::into);
        (inner.table.accepted(token), topic, inner.table.keeps(token))
    }

    pub(super) fn register(&self, token: &[u8], topic: &str) {
        locked(&self.inner).table.register(token, topic);
    }

    pub(super) fn forget(&self, token: &[u8]) {
        locked(&self.inner).table.forget(token);
    }

    pub(super) fn subscribe(&self, token: &[u8], topic: &str, inbox: &Arc<Inbox>) {
        self.with_table(|table, now, stats| table.subscribe(token, topic, inbox, now, stats));
    }

    pub(super) fn unsubscribe(&self, token: &[u8], inbox: &Arc<Inbox>) {
        self.with_table(|table, now, stats| table.unsubscribe(token, inbox, now, stats));
    }

    pub(super) fn hang_up(&self, inbox: &Arc<Inbox>) {
        self.with_table(|table, now, stats| table.hang_up(inbox, now, stats));
    }

    fn with_table(&self, change: impl FnOnce(&mut Table, u64, &mut Stats)) {
        let now = self.now_ms();
        let mut inner = locked(&self.inner);
        let Inner { table, log, .. } = &mut *inner;
        change(table, now, &mut log.stats);
    }
}

fn transport(settings: &Settings, faults: &Faults) -> Transport {
    Transport {
        outage: faults.outage,
        max_streams: faults
            .max_concurrent_streams
            .unwrap_or(settings.max_concurrent_streams),
        window: faults.initial_window_size.unwrap_or(settings.initial_window_size),
    }
}

//! Events to other programs: what devices said, as NanoMDM's or MicroMDM's webhooks tell it, and what operators should
//! know of the server itself.
//!
//! An event is stored in the same step as what it tells of, and leaves the store when its hook has taken it: nothing is
//! lost by a crash, and a device never waits for a hook. It may be sent twice, with the same id. Which hooks there are
//! is kept in memory, so that a server without any does nothing for them.

mod announcements;
mod courier;
mod delivery;
mod hooks;
mod lanes;
mod letters;
mod render;
mod sealed;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use serde_json::Value;
use tokio::sync::Notify;

pub use courier::Now;
pub use hooks::{HookChange, HookView, NewHook, TestOutcome, generate_secret};
pub use letters::Replayed;

use crate::{
    config,
    error::{Error, Result},
    outbound::Outbound,
    pki::seal::Sealer,
    protocol::{ids::CommandUuid, mdm::Sender, time::Timestamp},
    storage::{EventRecord, EventSubject, HookRecord, NewEvent, QueueLimits, Storage, StoreResult},
};

/// The topic of reports.
pub const CONNECT: &str = "mdm.Connect";

/// The topic of `TokenUpdate`.
pub const TOKEN_UPDATE: &str = "mdm.TokenUpdate";

/// A command's identifier that is longer than any that was ever enqueued is not repeated.
const LONGEST_UUID: usize = 255;

/// A hook in use.
#[derive(Debug)]
struct Hook {
    number: u64,
    record: ArcSwap<HookRecord>,
    /// Told when there may be something new in its queue.
    wake: Notify,
    state: Mutex<State>,
}

/// What a hook's deliveries have come to since the server began.
#[derive(Clone, Debug, Default)]
struct State {
    last_delivered_at: Option<Timestamp>,
    /// Set from the first failure to the next success.
    failing_since: Option<Timestamp>,
    last_problem: Option<String>,
    /// How many events had been dropped when that was last said.
    dropped: Option<u64>,
    /// Dead letters have come back into the queue: it is to be read from its beginning.
    replayed: bool,
}

impl Hook {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self, topic: &str, status: Option<&str>) -> bool {
        let record = self.record.load();
        record.enabled
            && record.topics.iter().any(|pattern| matches(pattern, topic))
            && status.is_none_or(|status| {
                record.statuses.is_empty() || record.statuses.iter().any(|wanted| wanted == status)
            })
    }
}

/// Whether a topic is meant by a filter's pattern.
fn matches(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => topic.starts_with(beginning),
        None => pattern == topic,
    }
}

/// Events, and the hooks that get them.
pub struct Events {
    store: Arc<dyn Storage>,
    sealer: Arc<Sealer>,
    outbound: Arc<dyn Outbound>,
    settings: config::Hooks,
    hooks: ArcSwap<Vec<Arc<Hook>>>,
    /// Told when `hooks` has changed.
    changed: Notify,
    /// Held while `hooks` is being read from the store.
    loading: tokio::sync::Mutex<()>,
    room: delivery::Room,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} hooks)", self.hooks.load().len())
    }
}

impl Events {
    /// Puts the parts together. Until [`load`](Self::load), there are no hooks.
    pub fn new(
        store: Arc<dyn Storage>,
        sealer: Arc<Sealer>,
        outbound: Arc<dyn Outbound>,
        settings: config::Hooks,
    ) -> Self {
        Self {
            store,
            sealer,
            outbound,
            settings,
            hooks: ArcSwap::default(),
            changed: Notify::new(),
            loading: tokio::sync::Mutex::default(),
            room: delivery::Room::new(),
        }
    }

    /// Learns of the hooks that are stored. Must have succeeded before the first device is let in, or its events are
    /// lost.
    pub async fn load(&self) -> StoreResult<()> {
        let _alone = self.loading.lock().await;
        let records = self.store.hooks().await?;
        let present = self.hooks.load_full();
        let hooks = records.into_iter().map(|record| {
            let known = present.iter().find(|hook| hook.number == record.number);
            match known {
                Some(hook) => {
                    hook.record.store(Arc::new(record));
                    // It may have been enabled, or be somewhere else now.
                    hook.wake.notify_one();
                    Arc::clone(hook)
                }
                None => Arc::new(Hook {
                    number: record.number,
                    record: ArcSwap::from_pointee(record),
                    wake: Notify::new(),
                    state: Mutex::default(),
                }),
            }
        });
        self.hooks.store(Arc::new(hooks.collect()));
        self.changed.notify_one();
        Ok(())
    }

    /// The event of a check-in, if any hook wants it.
    pub fn check_in(
        &self,
        sender: &Sender,
        message_type: &str,
        url_params: &BTreeMap<String, String>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Arc<NewEvent>>> {
        let topic = || format!("mdm.{message_type}");
        let Some(hooks) = self.wanting(topic, None) else {
            return Ok(None);
        };
        let record = EventRecord {
            subject: Some(subject(sender)),
            url_params: url_params.clone(),
            ..record(topic(), now)?
        };
        Ok(Some(self.event(hooks, record, body)?))
    }

    /// The event of a report, if any hook wants it.
    pub fn report(
        &self,
        sender: &Sender,
        (status, uuid): (&str, Option<&CommandUuid>),
        url_params: &BTreeMap<String, String>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Arc<NewEvent>>> {
        let Some(hooks) = self.wanting(|| CONNECT.to_owned(), Some(status)) else {
            return Ok(None);
        };
        let record = EventRecord {
            subject: Some(subject(sender)),
            url_params: url_params.clone(),
            command_uuid: uuid.filter(|uuid| uuid.as_str().len() <= LONGEST_UUID).cloned(),
            status: Some(status.to_owned()),
            ..record(CONNECT.to_owned(), now)?
        };
        Ok(Some(self.event(hooks, record, body)?))
    }

    /// Whether any hook wants events of this topic, so that their bodies have to be made.
    pub fn is_wanted(&self, topic: &str) -> bool {
        self.wanting(|| topic.to_owned(), None).is_some()
    }

    /// Tells operators' programs of something about the server itself, such as `russet.push_certificate_expiring`.
    /// `body` goes into the event as `russet_event`; it must hold no secret. Durable when it returns.
    pub async fn announce(&self, topic: &str, body: &Value, now: Timestamp) -> Result<()> {
        let Some(hooks) = self.wanting(|| topic.to_owned(), None) else {
            return Ok(());
        };
        let event = self.event(hooks, record(topic.to_owned(), now)?, body.to_string().as_bytes())?;
        self.emit(Some(event)).await
    }

    /// Stores an event that nothing else is stored with.
    pub async fn emit(&self, event: Option<Arc<NewEvent>>) -> Result<()> {
        if let Some(event) = event {
            self.store.emit(NewEvent::clone(&event)).await?;
            self.stored(Some(&event));
        }
        Ok(())
    }

    /// The same for a message that changes nothing: whoever sent it gets the answer even if the event can't be stored.
    pub async fn emit_beside(&self, event: Option<Arc<NewEvent>>) {
        if let Err(error) = self.emit(event).await {
            metrics::counter!("russet_events_lost_total").increment(1);
            tracing::error!(cause = ?std::error::Error::source(&error), "an event is lost: {error}");
        }
    }

    /// Has an event delivered that has been stored, perhaps.
    pub fn stored(&self, event: Option<&Arc<NewEvent>>) {
        let Some(event) = event else { return };
        for hook in self.hooks.load().iter() {
            if event.hooks.contains(&hook.number) {
                hook.wake.notify_one();
            }
        }
    }

    /// The hooks that want an event; `None` if there are none, which is found out without work.
    fn wanting(&self, topic: impl Fn() -> String, status: Option<&str>) -> Option<Vec<u64>> {
        let hooks = self.hooks.load();
        if hooks.is_empty() {
            return None;
        }
        let topic = topic();
        let wanting = hooks.iter().filter(|hook| hook.wants(&topic, status));
        let numbers: Vec<u64> = wanting.map(|hook| hook.number).collect();
        (!numbers.is_empty()).then_some(numbers)
    }

    fn event(&self, hooks: Vec<u64>, record: EventRecord, payload: &[u8]) -> Result<Arc<NewEvent>> {
        let payload = self.sealed(&record, payload)?;
        Ok(Arc::new(NewEvent {
            hooks,
            limits: QueueLimits {
                events: self.settings.max_events,
                bytes: self.settings.max_mib.saturating_mul(1024 * 1024),
                dead_letters: self.settings.max_dead_letters,
            },
            record,
            payload,
        }))
    }

    /// Forgets what is too old, and what removed hooks have left behind.
    pub async fn tidy(&self, now: Timestamp) -> StoreResult<()> {
        const BATCH: usize = 500;
        while self.store.purge_removed_hooks(BATCH).await? == BATCH {}
        let days = Duration::from_secs(u64::from(self.settings.dead_letter_days) * 24 * 3600);
        for hook in self.hooks.load_full().iter() {
            let dropped = self.store.hook_figures(hook.number).await?.dropped;
            if let Some(before) = hook.state().dropped.replace(dropped)
                && before < dropped
            {
                let (name, count) = (hook.record.load().name.clone(), dropped - before);
                tracing::error!(
                    hook = name,
                    count,
                    "events were dropped: more than hooks.max_events or max_mib wait"
                );
            }
            let before = now.minus(days);
            while self.store.purge_dead_letters(hook.number, before, BATCH).await? == BATCH {}
        }
        Ok(())
    }
}

fn subject(sender: &Sender) -> EventSubject {
    EventSubject {
        id: sender.id.clone(),
        kind: sender.kind,
        parent: (sender.id != sender.device).then(|| sender.device.clone()),
    }
}

fn record(topic: String, now: Timestamp) -> Result<EventRecord> {
    let mut id = [0; 8];
    rand::fill(&mut id).map_err(|_| Error::internal("the system has no randomness"))?;
    Ok(EventRecord {
        id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        topic,
        created_at: now,
        subject: None,
        url_params: BTreeMap::new(),
        token_update_tally: None,
        command_uuid: None,
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest_of_a_topic() {
        assert!(
            matches("mdm.*", "mdm.Connect")
                && matches("*", "russet.x")
                && matches("mdm.Connect", "mdm.Connect")
        );
        assert!(!matches("mdm.*", "russet.clock_jump") && !matches("mdm.Connect", "mdm.ConnectX"));
    }
}

//! Events on their way out: the hooks that want them, a durable queue for each hook, and the events that could not be
//! delivered.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Listing, Page, Sealed, StoreResult};
use crate::protocol::{
    ids::{CommandUuid, EnrollmentId, EnrollmentKind},
    time::Timestamp,
};

/// Whose JSON a hook gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookFormat {
    /// NanoMDM's.
    #[default]
    Nanomdm,
    /// MicroMDM's.
    Micromdm,
}

/// An endpoint that gets events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRecord {
    /// Names its queue. Given by the store, and never used again for another hook.
    pub number: u64,
    /// Unique; the name in lists and in the log.
    pub name: String,
    /// Where events go, without credentials.
    pub url: String,
    /// Whose JSON it gets.
    pub format: HookFormat,
    /// The topics that it wants; one that ends in `*` stands for all that begin so.
    pub topics: Vec<String>,
    /// Of `mdm.Connect`, the statuses that it wants; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Signs what is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    /// The user and password of HTTP Basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Sealed>,
    /// Whether it may be at an address that is refused otherwise (link-local, metadata services).
    #[serde(default)]
    pub allow_any_address: bool,
    /// Whether it gets events. What happens while it does not is not kept for it.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Of which enrollment an event tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSubject {
    /// The channel.
    pub id: EnrollmentId,
    /// Its kind.
    pub kind: EnrollmentKind,
    /// For a user channel: its device channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EnrollmentId>,
}

/// What happened, without the body that told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// 16 hexadecimal digits; stays the same however often the event is sent.
    pub id: String,
    /// Such as `mdm.TokenUpdate`.
    pub topic: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// The enrollment; absent where the event is of the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<EventSubject>,
    /// The query parameters of the request's URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub url_params: BTreeMap<String, String>,
    /// `mdm.TokenUpdate` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_update_tally: Option<u32>,
    /// `mdm.Connect` only, and not with `Idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_uuid: Option<CommandUuid>,
    /// `mdm.Connect` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl EventRecord {
    /// Events of one lane are delivered in their order: a device's with its users', and those of one topic of the
    /// server's own.
    pub fn lane(&self) -> &str {
        match &self.subject {
            Some(subject) => subject.parent.as_ref().unwrap_or(&subject.id).as_str(),
            None => &self.topic,
        }
    }
}

/// How much may wait for one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Events that wait.
    pub events: u64,
    /// Bytes of all bodies, dead letters' included.
    pub bytes: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// An event that is about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The hooks that want it, by number. One that is gone is passed over.
    pub hooks: Vec<u64>,
    /// How much may wait for each.
    pub limits: QueueLimits,
    /// What happened.
    pub record: EventRecord,
    /// The body that told of it, as received; JSON for an event of the server's own.
    pub payload: Vec<u8>,
}

/// An event in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its place in the order of all events.
    pub sequence: u64,
    /// Since when it has been waiting: when it happened, or was last replayed.
    pub queued_at: Timestamp,
    /// How long its body is.
    pub bytes: u64,
    /// What happened.
    pub record: EventRecord,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the order of all events.
    pub sequence: u64,
    /// When it was given up.
    pub at: Timestamp,
    /// Why: what the latest attempt came to.
    pub reason: String,
    /// What happened.
    pub record: EventRecord,
}

/// How much a hook has waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookFigures {
    /// Events that wait.
    pub waiting: u64,
    /// Events that were given up and are kept.
    pub dead_letters: u64,
    /// Bytes of the bodies of both.
    pub bytes: u64,
    /// Events that were dropped because too much was waiting, since the hook was made.
    pub dropped: u64,
}

/// Hooks, and the events on their way to them.
///
/// Each hook has a queue of its own, in the order of sequence numbers. A number becomes visible only together with or
/// after all lower ones. An event is in the queue, or a dead letter, or gone.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Remembers a hook; its number is the store's choice. `None`: the name is taken.
    async fn add_hook(&self, hook: HookRecord) -> StoreResult<Option<HookRecord>>;

    /// All hooks, by name.
    async fn hooks(&self) -> StoreResult<Vec<HookRecord>>;

    /// Puts a record in the place of a hook's, which keeps its name and number. `false`: it is not `before` that is stored.
    async fn update_hook(&self, before: HookRecord, after: HookRecord) -> StoreResult<bool>;

    /// Forgets a hook. What is left of its queue goes by [`purge_removed_hooks`](Self::purge_removed_hooks).
    /// `false`: there was none of that name.
    async fn remove_hook(&self, name: &str) -> StoreResult<bool>;

    /// Forgets events of removed hooks, at most `limit`; says how many.
    async fn purge_removed_hooks(&self, limit: usize) -> StoreResult<usize>;

    /// Puts an event at the end of its hooks' queues. Where more than `limits` would wait, the oldest are dropped and
    /// counted, dead letters first where it is for the bytes.
    async fn emit(&self, event: NewEvent) -> StoreResult<()>;

    /// The first events of a hook's queue after sequence number `after`, at most `limit`.
    async fn events(&self, hook: u64, after: u64, limit: usize) -> StoreResult<Vec<QueuedEvent>>;

    /// An event of a hook's queue, with its body. `None`: it is not waiting, or no more.
    async fn event(&self, hook: u64, sequence: u64) -> StoreResult<Option<(EventRecord, Vec<u8>)>>;

    /// Takes events out of a hook's queue for good. Those that are not waiting are passed over.
    async fn delivered(&self, hook: u64, sequences: Vec<u64>) -> StoreResult<()>;

    /// Makes events of a hook's queue dead letters, each for its reason; those that are not waiting are passed over.
    /// Of more dead letters than `keep`, the oldest go, and are counted as dropped.
    async fn give_up(
        &self,
        hook: u64,
        events: Vec<(u64, String)>,
        keep: u64,
        at: Timestamp,
    ) -> StoreResult<()>;

    /// A hook's dead letters, the earliest given up first.
    async fn dead_letters(&self, hook: u64, page: &Page) -> StoreResult<Listing<DeadLetter>>;

    /// Puts these dead letters (when they were given up, sequence number) back into the queue, each at its own place;
    /// says how many there were.
    async fn replay(&self, hook: u64, letters: Vec<(Timestamp, u64)>, at: Timestamp) -> StoreResult<usize>;

    /// Forgets a hook's dead letters that were given up before `before`, at most `limit`; says how many.
    async fn purge_dead_letters(&self, hook: u64, before: Timestamp, limit: usize) -> StoreResult<usize>;

    /// How much a hook has waiting, at a cost that does not grow with it. All zero for an unknown one.
    async fn hook_figures(&self, hook: u64) -> StoreResult<HookFigures>;
}

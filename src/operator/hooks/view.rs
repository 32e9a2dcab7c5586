//! How hooks and what could not be delivered to them are shown. Secrets and credentials never show.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    operator::view::Time,
    protocol::ids::{CommandUuid, EnrollmentId},
    service::events::HookView as Hook,
    storage::{DeadLetter, HookFormat},
};

/// A hook, and how it is doing.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct HookView {
    /// Its name.
    name: String,
    /// Where events go, without credentials. A token in its query shows to whoever may see hooks.
    url: String,
    /// Whose JSON it gets.
    format: HookFormat,
    /// The topics that it wants; one that ends in `*` stands for all that begin so.
    #[schema(example = json!(["mdm.*"]))]
    topics: Vec<String>,
    /// Of `mdm.Connect`, the statuses that it wants; empty means all.
    statuses: Vec<String>,
    /// Whether what is sent is signed.
    signed: bool,
    /// Whether a user name and a password are sent along.
    credentials: bool,
    /// Whether it may be at an address that is refused otherwise.
    allow_any_address: bool,
    /// Whether it gets events. What happens while it does not is not kept for it.
    enabled: bool,
    /// When it was made.
    created_at: Time,
    /// Events that wait.
    waiting: u64,
    /// Events that were given up, and are kept.
    dead_letters: u64,
    /// Bytes of all bodies that are kept for it.
    bytes: u64,
    /// Events that were lost because too much waited.
    dropped: u64,
    /// When it last took an event, since the server began.
    last_delivered_at: Option<Time>,
    /// Since when it has taken none, if the latest attempt has failed.
    failing_since: Option<Time>,
    /// What the latest failure was.
    last_problem: Option<String>,
}

impl From<Hook> for HookView {
    fn from(hook: Hook) -> Self {
        let record = hook.record;
        Self {
            name: record.name,
            url: record.url,
            format: record.format,
            topics: record.topics,
            statuses: record.statuses,
            signed: record.secret.is_some(),
            credentials: record.credentials.is_some(),
            allow_any_address: record.allow_any_address,
            enabled: record.enabled,
            created_at: record.created_at.into(),
            waiting: hook.figures.waiting,
            dead_letters: hook.figures.dead_letters,
            bytes: hook.figures.bytes,
            dropped: hook.figures.dropped,
            last_delivered_at: hook.last_delivered_at.map(Time),
            failing_since: hook.failing_since.map(Time),
            last_problem: hook.last_problem,
        }
    }
}

/// All hooks.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct HookList {
    /// By name.
    pub(super) hooks: Vec<HookView>,
}

/// A hook that was just made.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct MadeHook {
    #[serde(flatten)]
    pub(super) hook: HookView,
    /// The secret that was generated, which is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// What became of a test.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct TestOutcomeView {
    /// The hook.
    pub(super) hook: String,
    /// The id of the event that was sent.
    pub(super) event_id: String,
    /// Whether the hook has taken it.
    pub(super) delivered: bool,
    /// What went wrong.
    pub(super) problem: Option<String>,
}

/// An event that could not be delivered.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct DeadLetterView {
    /// Its id, which stays the same however often it is sent.
    event_id: String,
    /// Its topic.
    #[schema(example = "mdm.TokenUpdate")]
    topic: String,
    /// When it happened.
    created_at: Time,
    /// Of which enrollment it tells; null if of the server itself.
    enrollment: Option<EnrollmentId>,
    /// `mdm.Connect` only: the command.
    command_uuid: Option<CommandUuid>,
    /// `mdm.Connect` only: the status.
    status: Option<String>,
    /// When it was given up.
    given_up_at: Time,
    /// What the latest attempt came to.
    reason: String,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let record = letter.record;
        Self {
            event_id: record.id,
            topic: record.topic,
            created_at: record.created_at.into(),
            enrollment: record.subject.map(|subject| subject.id),
            command_uuid: record.command_uuid,
            status: record.status,
            given_up_at: letter.at.into(),
            reason: letter.reason,
        }
    }
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct DeadLetterList {
    /// The earliest given up first.
    pub(super) dead_letters: Vec<DeadLetterView>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

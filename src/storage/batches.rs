//! Several commands in one step, with what belongs to them; and a bound on how often the dangerous ones are queued.

use std::time::Duration;

use super::{EnqueueOutcome, NewCommand, SecretRecord};
use crate::protocol::time::Timestamp;

/// Of commands with these request types the store counts the targets, however they come in.
pub const COUNTED: [&str; 1] = ["EraseDevice"];

/// At most so many targets of commands with one request type over some time. The store counts by the minute, so a
/// target may count for up to a minute longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetLimit {
    /// One of [`COUNTED`].
    pub request_type: String,
    /// So many.
    pub max: u64,
    /// Over this time.
    pub window: Duration,
}

/// Commands that are queued together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order in which they are to be delivered.
    pub commands: Vec<NewCommand>,
    /// What is to be kept of what they hold. What belongs to a command whose UUID is taken is passed over with it.
    pub secrets: Vec<SecretRecord>,
    /// Holds for all of them together.
    pub limit: Option<TargetLimit>,
}

/// What became of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// What became of each command. A command whose UUID is taken is passed over, and does not count.
    Done(Vec<EnqueueOutcome>),
    /// The limit would be exceeded; nothing was stored.
    OverLimit {
        /// When so many will be allowed (if they ever are).
        retry_at: Timestamp,
    },
}

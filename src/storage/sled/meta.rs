//! The store's own state, rewritten in every commit: counters, and what proves that nothing is missing.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sled::IVec;

use super::reports::REPORTS;
use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// The layout of keys and values that this program writes. Since 3 an answer lies with its entry among the finished
/// commands; one that lies where 2 put it is found.
pub(super) const SCHEMA: u32 = 3;

/// The oldest layout that this program reads.
pub(super) const READABLE: u32 = 2;

/// The store's own state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// [`SCHEMA`] of the program that wrote it.
    pub(super) schema: u32,
    /// How many commits there were.
    pub(super) commits: u64,
    /// The sum of all records' [`weight`]s.
    pub(super) sum: Sum,
    /// The sequence number of the latest command.
    pub(super) last_sequence: u64,
    /// Every command with a lower sequence number is finished; some others may be, too.
    #[serde(default)]
    pub(super) finished_below: u64,
    /// How many enrollments there are.
    pub(super) enrollments: u64,
    /// How many of them are enrolled.
    pub(super) enrolled: u64,
    /// How many commands are unfinished, over all enrollments.
    pub(super) queued_commands: u64,
    /// The number of the latest hook.
    #[serde(default)]
    pub(super) last_hook: u64,
    /// The sequence number of the latest event.
    #[serde(default)]
    pub(super) last_event: u64,
    /// The number of the latest server token.
    #[serde(default)]
    pub(super) last_ade_token: u64,
    /// How many entries the audit log has.
    #[serde(default)]
    pub(super) audit_entries: u64,
    /// The hash of the latest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) audit_head: Option<Fingerprint>,
    /// The latest time that any of them names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) audit_latest: Option<Timestamp>,
    /// The number of the latest enrollment attempt.
    #[serde(default)]
    pub(super) last_attempt: u64,
    /// Which counters of reports are kept; 0 in a store that was written before there were any.
    #[serde(default)]
    pub(super) reports: u32,
    /// The number of the latest job.
    #[serde(default)]
    pub(super) last_job: u64,
    /// How many idempotency keys are kept.
    #[serde(default)]
    pub(super) keyed: u64,
    /// Whether the index of words holds every enrollment; a store that is older than the index has to make it first.
    #[serde(default)]
    pub(super) words: bool,
    /// How many holds are open.
    #[serde(default)]
    pub(super) holds: u64,
}

/// A sum over a set of records that a commit can keep up with, and that differs when one record is missing, stale or
/// superfluous. sled checks each piece of its log with a CRC, which finds a wrong byte but not a piece that has
/// disappeared: after damage it may come up with an older state, whole or in part, and call it good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum(u64, u64);

impl Sum {
    /// Accounts for a record that is there now.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let (high, low) = weight(key, value);
        self.0 = self.0.wrapping_add(high);
        self.1 = self.1.wrapping_add(low);
    }

    /// Accounts for a record that is there no more.
    pub(super) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        let (high, low) = weight(key, value);
        self.0 = self.0.wrapping_sub(high);
        self.1 = self.1.wrapping_sub(low);
    }
}

fn weight(key: &[u8], value: &[u8]) -> (u64, u64) {
    let mut text = Vec::with_capacity(4 + key.len() + value.len());
    text.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    text.extend_from_slice(key);
    text.extend_from_slice(value);
    let digest = digest(&SHA256, &text);
    let word = |at: usize| {
        digest.as_ref()[at..at + 8]
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    (word(0), word(8))
}

impl Meta {
    /// The state of an empty store.
    pub(super) fn new() -> Self {
        Self {
            schema: SCHEMA,
            reports: REPORTS,
            words: true,
            ..Self::default()
        }
    }

    /// As a value.
    pub(super) fn encode(&self) -> IVec {
        // A record of plain numbers always has a JSON form.
        IVec::from(serde_json::to_vec(self).unwrap_or_default())
    }

    /// From a value.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_its_bytes() {
        let mut meta = Meta::new();
        meta.sum.add(b"key", b"value");
        meta.last_sequence = u64::MAX;
        assert_eq!(Meta::decode(&meta.encode()), Some(meta));
    }

    #[test]
    fn the_sum_forgets_order_and_nothing_else() {
        let mut one = Sum::default();
        one.add(b"a", b"1");
        one.add(b"b", b"2");
        let mut other = Sum::default();
        other.add(b"b", b"2");
        other.add(b"c", b"3");
        other.add(b"a", b"1");
        assert_ne!(one, other);
        other.subtract(b"c", b"3");
        assert_eq!(one, other);
        let mut shifted = Sum::default();
        shifted.add(b"ab", b"");
        let mut unshifted = Sum::default();
        unshifted.add(b"a", b"b");
        assert_ne!(shifted, unshifted);
    }
}

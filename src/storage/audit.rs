//! The audit log: who did what to which device. Entries are added and never changed or taken away; each carries the
//! hash of the one before it, so that whoever edits the store breaks the chain.
//!
//! An entry's canonical bytes are its JSON with the keys in alphabetical order and no white space, as RFC 8785 has it.
//! Its hash is SHA-256 over them. They hold the hash of the entry before it, and so the chain can be checked with
//! nothing but an exported log. An entry takes about 450 bytes and is kept for ever: a million of them are about half a
//! gigabyte.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{Listing, Page, StoreResult};
use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// So many targets are named in an entry itself; the rest are in the index, and in the hash.
pub const NAMED_TARGETS: usize = 10;

/// Longer targets, names and details are cut off: an entry stays small whatever a caller sends.
const MAX_TEXT: usize = 200;

/// How it went. Alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Written before it was carried out. Where no later entry names this one, it went well.
    Begun,
    /// Carried out, in one step with the entry.
    Done,
    /// It could not be carried out, or not whole.
    Failed,
    /// It was not allowed, or made no sense.
    Refused,
}

impl AuditOutcome {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// Who it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditActor {
    /// The key's or the user's name.
    pub operator: String,
    /// How that is known: `key`, `local` or `user`; `none` where it is not.
    pub kind: String,
    /// The scope that it took.
    pub scope: Option<String>,
    /// Where the request came from; absent on the local socket.
    pub address: Option<String>,
    /// The request's id, as the log has it.
    pub request: Option<String>,
}

/// What is to be entered. Number and hash are the store's to give. No secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: AuditActor,
    /// What: the operation's id, as the API's document has it.
    pub operation: String,
    /// How it went.
    pub outcome: AuditOutcome,
    /// The entry whose outcome this tells.
    pub of: Option<u64>,
    /// To what, such as `enrollment:UDID` or `serial:C02`.
    pub targets: Vec<String>,
    /// More about it.
    pub details: BTreeMap<String, String>,
}

/// An entry as it is stored and exported. The fields are in alphabetical order, which makes its JSON canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// How it is known who it was.
    pub kind: String,
    /// Its place in the log; the first is 1.
    pub number: u64,
    /// The entry whose outcome this tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// What.
    pub operation: String,
    /// Who.
    pub operator: String,
    /// How it went.
    pub outcome: AuditOutcome,
    /// The hash of the entry before it; zeros in the first one.
    pub previous: Fingerprint,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The scope that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// To what: the first [`NAMED_TARGETS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// How many targets there are, where that is more than are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_count: Option<u64>,
    /// SHA-256 over all targets, each with a line feed after it, where there are more than are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_hash: Option<Fingerprint>,
}

/// An entry that was found, with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// What it says.
    pub entry: AuditEntry,
    /// As stored.
    pub hash: Fingerprint,
}

/// The bytes under a number, as they are in the store: for whoever checks the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLink {
    /// Where it stands in the log.
    pub number: u64,
    /// `None`: there is nothing, or nothing that could be an entry.
    pub stored: Option<(Fingerprint, Vec<u8>)>,
}

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of the latest entry, and of entries; 0 if there is none.
    pub number: u64,
    /// Its hash; zeros if there is none.
    pub hash: Fingerprint,
}

/// Before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

impl AuditHead {
    /// The head of an empty log.
    pub fn empty() -> Self {
        Self {
            number: 0,
            hash: Fingerprint::new(GENESIS),
        }
    }
}

impl AuditEntry {
    /// What is entered after `head`, with its canonical bytes and their hash.
    pub fn after(
        head: &AuditHead,
        new: &NewAudit,
    ) -> Result<(Self, Vec<u8>, Fingerprint), serde_json::Error> {
        let clip = |text: &Option<String>| text.as_deref().map(clip);
        let many = new.targets.len() > NAMED_TARGETS;
        let details = new.details.iter();
        let entry = Self {
            address: clip(&new.actor.address),
            at: new.at,
            details: details
                .map(|(key, text)| (key.clone(), self::clip(text)))
                .collect(),
            kind: self::clip(&new.actor.kind),
            number: head.number + 1,
            of: new.of,
            operation: self::clip(&new.operation),
            operator: self::clip(&new.actor.operator),
            outcome: new.outcome,
            previous: head.hash,
            request: clip(&new.actor.request),
            scope: clip(&new.actor.scope),
            targets: new
                .targets
                .iter()
                .take(NAMED_TARGETS)
                .map(|target| self::clip(target))
                .collect(),
            targets_count: many.then_some(new.targets.len() as u64),
            targets_hash: many.then(|| hash_of_all(&new.targets)),
        };
        let bytes = serde_json::to_vec(&entry)?;
        let hash = Self::hash(&bytes);
        Ok((entry, bytes, hash))
    }

    /// The hash of an entry's canonical bytes.
    pub fn hash(bytes: &[u8]) -> Fingerprint {
        fingerprint(digest(&SHA256, bytes).as_ref())
    }
}

/// A text as an entry and the index have it: cut off where it is too long.
pub fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn hash_of_all(targets: &[String]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for target in targets {
        context.update(target.as_bytes());
        context.update(b"\n");
    }
    fingerprint(context.finish().as_ref())
}

fn fingerprint(digest: &[u8]) -> Fingerprint {
    // SHA-256 has 32 bytes.
    Fingerprint::new(digest.try_into().unwrap_or(GENESIS))
}

/// Which entries a list shall hold. Every field that is present must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this operator.
    pub operator: Option<String>,
    /// With this target.
    pub target: Option<String>,
    /// Not earlier.
    pub since: Option<Timestamp>,
    /// Earlier than this.
    pub until: Option<Timestamp>,
    /// In the order in which they were entered; the other way round otherwise.
    pub oldest_first: bool,
}

/// The audit log. It has no way to change an entry or to take one away.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Enters it at the end; returns its number. Numbers have no gaps, in the order in which entries became durable.
    async fn append_audit(&self, entry: NewAudit) -> StoreResult<u64>;

    /// The end of the log, at a cost that does not grow with it.
    async fn audit_head(&self) -> StoreResult<AuditHead>;

    /// Entries that match; the cursor is a number. A page may hold fewer rows than its limit, even none, and have a
    /// cursor all the same: no call looks at more than a few thousand entries.
    async fn audit_entries(&self, filter: &AuditFilter, page: &Page) -> StoreResult<Listing<AuditRow>>;

    /// What is stored under the numbers after `after`, at most `limit` of them, up to the head.
    async fn audit_links(&self, after: u64, limit: usize) -> StoreResult<Vec<AuditLink>>;
}

mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::protocol::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(targets: usize) -> NewAudit {
        NewAudit {
            at: Timestamp::from_millis(1_795_300_000_123),
            actor: AuditActor {
                operator: "ada".into(),
                kind: "key".into(),
                scope: Some("command".into()),
                address: Some("192.0.2.7:5000".into()),
                request: Some("0123456789abcdef".into()),
            },
            operation: "enqueue".into(),
            outcome: AuditOutcome::Done,
            of: Some(7),
            targets: (0..targets)
                .map(|number| format!("enrollment:{number}"))
                .collect(),
            details: BTreeMap::from([("z".into(), "1".into()), ("a".into(), "2 \u{1} \" é /".into())]),
        }
    }

    #[test]
    fn k_w8_an_entrys_bytes_are_its_json_with_sorted_keys() {
        let (entry, bytes, hash) = AuditEntry::after(&AuditHead::empty(), &new(12)).unwrap();
        // A map of serde_json's sorts its keys.
        let map: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json::to_vec(&map).unwrap(), bytes);
        assert_eq!(serde_json::from_slice::<AuditEntry>(&bytes).unwrap(), entry);
        assert_eq!(AuditEntry::hash(&bytes), hash);
        assert_eq!(entry.targets.len(), NAMED_TARGETS);
        assert_eq!(entry.targets_count, Some(12));
    }

    #[test]
    fn an_entry_stays_small_whatever_a_caller_sends() {
        let mut entry = new(100_000);
        entry.actor.operator = "é".repeat(100_000);
        entry.targets[0] = "x".repeat(100_000);
        let (_, bytes, _) = AuditEntry::after(&AuditHead::empty(), &entry).unwrap();
        assert!(bytes.len() < 4_000, "{}", bytes.len());
    }
}

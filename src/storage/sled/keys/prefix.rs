//! The beginnings that keys have in common, by which lists are read.

use super::{kind, parts::Writer};
use crate::protocol::ids::{EnrollmentId, SerialNumber};

/// The keys that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::sled) struct Prefix(pub(super) Vec<u8>);

impl Prefix {
    /// All enrollments.
    pub(in crate::storage::sled) fn enrollments() -> Self {
        Self(vec![kind::ENROLLMENT])
    }

    /// The enrollments whose id begins so.
    pub(in crate::storage::sled) fn ids(beginning: &str) -> Self {
        Self(Writer::new(kind::ENROLLMENT).last(beginning).0)
    }

    /// The user channels of a device channel (whose own id never holds a colon).
    pub(in crate::storage::sled) fn users_of(device: &EnrollmentId) -> Self {
        Self(Writer::new(kind::ENROLLMENT).last(device.as_str()).bytes(b":").0)
    }

    /// The device channels with a serial number.
    pub(in crate::storage::sled) fn serial(serial: &SerialNumber) -> Self {
        Self(Writer::new(kind::SERIAL).text(serial.as_str()).0)
    }

    /// The device channels whose serial number begins so.
    pub(in crate::storage::sled) fn serials(beginning: &str) -> Self {
        Self(Writer::new(kind::SERIAL).escaped(beginning).0)
    }

    /// The enrollments that are found by a word that begins so.
    pub(in crate::storage::sled) fn words(beginning: &str) -> Self {
        Self(Writer::new(kind::WORD).escaped(beginning).0)
    }

    /// The enrollments that are found by this very word.
    pub(in crate::storage::sled) fn word(word: &str) -> Self {
        Self(Writer::new(kind::WORD).text(word).0)
    }

    /// The targets of all commands, those of the oldest first.
    pub(in crate::storage::sled) fn all_targets() -> Self {
        Self(vec![kind::TARGET])
    }

    /// The targets of a command.
    pub(in crate::storage::sled) fn targets(number: u64) -> Self {
        Self(Writer::new(kind::TARGET).number(number).0)
    }

    /// The queue of an enrollment.
    pub(in crate::storage::sled) fn queue(id: &EnrollmentId) -> Self {
        Self(Writer::new(kind::QUEUED).text(id.as_str()).0)
    }

    /// An enrollment's commands, the latest first.
    pub(in crate::storage::sled) fn history(id: &EnrollmentId) -> Self {
        Self(Writer::new(kind::HISTORY).text(id.as_str()).0)
    }

    /// Commands that expire, the earliest first.
    pub(in crate::storage::sled) fn expiries() -> Self {
        Self(vec![kind::EXPIRY])
    }

    /// Commands that have finished, the earliest first.
    pub(in crate::storage::sled) fn finished() -> Self {
        Self(vec![kind::FINISHED])
    }

    /// Challenges, the one that expires first first.
    pub(in crate::storage::sled) fn challenge_expiries() -> Self {
        Self(vec![kind::CHALLENGE_EXPIRY])
    }

    /// API keys by name.
    pub(in crate::storage::sled) fn api_key_names() -> Self {
        Self(vec![kind::API_KEY_NAME])
    }

    /// Accounts by name.
    pub(in crate::storage::sled) fn accounts() -> Self {
        Self(vec![kind::ACCOUNT])
    }

    /// All push certificates.
    pub(in crate::storage::sled) fn push_certificates() -> Self {
        Self(vec![kind::PUSH_CERTIFICATE])
    }

    /// All keys that wait for a push certificate.
    pub(in crate::storage::sled) fn pending_push_keys() -> Self {
        Self(vec![kind::PENDING_PUSH_KEY])
    }

    /// Certificates by fingerprint.
    pub(in crate::storage::sled) fn certificates() -> Self {
        Self(vec![kind::CERTIFICATE])
    }

    /// The outbox of pushes.
    pub(in crate::storage::sled) fn wakes() -> Self {
        Self(vec![kind::WAKE])
    }

    /// Hooks by name.
    pub(in crate::storage::sled) fn hooks() -> Self {
        Self(vec![kind::HOOK])
    }

    /// The queues of all hooks, removed ones included.
    pub(in crate::storage::sled) fn hook_queues() -> Self {
        Self(vec![kind::HOOK_QUEUE])
    }

    /// The events that wait for a hook, the oldest first.
    pub(in crate::storage::sled) fn events(hook: u64) -> Self {
        Self(Writer::new(kind::EVENT).number(hook).0)
    }

    /// A hook's dead letters, the earliest given up first.
    pub(in crate::storage::sled) fn dead_letters(hook: u64) -> Self {
        Self(Writer::new(kind::DEAD_LETTER).number(hook).0)
    }

    /// All server tokens, by name.
    pub(in crate::storage::sled) fn ade_tokens() -> Self {
        Self(vec![kind::ADE_TOKEN])
    }

    /// All server tokens, by number.
    pub(in crate::storage::sled) fn ade_numbers() -> Self {
        Self(vec![kind::ADE_NUMBER])
    }

    /// The enrollment profiles of a server token, by name.
    pub(in crate::storage::sled) fn ade_profiles(token: u64) -> Self {
        Self(Writer::new(kind::ADE_PROFILE).number(token).0)
    }

    /// The devices of a server token whose serial number begins so.
    pub(in crate::storage::sled) fn ade_devices(token: u64, beginning: &str) -> Self {
        Self(Writer::new(kind::ADE_DEVICE).number(token).last(beginning).0)
    }

    /// The server tokens that have a device.
    pub(in crate::storage::sled) fn ade_serial(serial: &SerialNumber) -> Self {
        Self(Writer::new(kind::ADE_SERIAL).text(serial.as_str()).0)
    }

    /// The devices of a server token that are due, the earliest first.
    pub(in crate::storage::sled) fn ade_due(token: u64) -> Self {
        Self(Writer::new(kind::ADE_DUE).number(token).0)
    }

    /// Server tokens that were removed.
    pub(in crate::storage::sled) fn ade_gone() -> Self {
        Self(vec![kind::ADE_GONE])
    }

    /// How many identities expire on which day.
    pub(in crate::storage::sled) fn identity_days() -> Self {
        Self(vec![kind::IDENTITY_DAY])
    }

    /// The audit log's entries with a target, the latest first.
    pub(in crate::storage::sled) fn audit_target(target: &str) -> Self {
        Self(Writer::new(kind::AUDIT_TARGET).text(target).0)
    }

    /// The device channels that enrolled as devices of a server token.
    pub(in crate::storage::sled) fn ade_enrolled(token: u64) -> Self {
        Self(Writer::new(kind::ADE_ENROLLED).number(token).0)
    }

    /// All users, by name.
    pub(in crate::storage::sled) fn users() -> Self {
        Self(vec![kind::USER])
    }

    /// All sessions.
    pub(in crate::storage::sled) fn sessions() -> Self {
        Self(vec![kind::SESSION])
    }

    /// The sessions of a user.
    pub(in crate::storage::sled) fn sessions_of(user: &str) -> Self {
        Self(Writer::new(kind::SESSION_OF).text(user).0)
    }

    /// All links with which users set their passwords.
    pub(in crate::storage::sled) fn setup_links() -> Self {
        Self(vec![kind::SETUP_LINK])
    }

    /// The first bytes of each key.
    pub(in crate::storage::sled) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first bytes that are above all keys with this prefix. No kind is `FF`, so there always are some.
    pub(in crate::storage::sled) fn end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        end
    }
}

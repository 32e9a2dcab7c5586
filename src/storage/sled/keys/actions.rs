//! The keys of what operators have devices do: jobs, secrets, counts of wipes, and requests that are done once.

use super::{Prefix, Reader, Writer};
use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    storage::{JobId, SecretHash},
};

/// A key of this part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::sled) enum ActionKey {
    /// A job, by its number; the latest comes first.
    Job(u64),
    /// Index: the number of a job.
    JobNumber(JobId),
    /// A chunk of a job's parameters.
    JobParameters(u64, u32),
    /// A chunk of a job's targets.
    JobTargets(u64, u32),
    /// A target that a job has refused: the job's number and the target's index.
    JobRefusal(u64, u64),
    /// Index: jobs that are running.
    JobRunning(u64),
    /// Index: jobs that have ended, and those that are not whole yet, by the time at which they did.
    JobEnded(Timestamp, u64),
    /// A secret of an enrollment: its kind, when it was kept, and the command that it belongs to.
    Secret(EnrollmentId, u8, Timestamp, CommandUuid),
    /// How many targets commands of a request type had in a minute (since the epoch).
    Tally(String, u64),
    /// A chunk of a request with an idempotency key.
    Keyed(SecretHash, u32),
    /// Index: idempotency keys by the time at which they came.
    KeyedAge(Timestamp, SecretHash),
}

mod kind {
    pub(super) const JOB: u8 = 0xD0;
    pub(super) const JOB_NUMBER: u8 = 0xD1;
    pub(super) const JOB_PARAMETERS: u8 = 0xD2;
    pub(super) const JOB_TARGETS: u8 = 0xD3;
    pub(super) const JOB_REFUSAL: u8 = 0xD4;
    pub(super) const JOB_RUNNING: u8 = 0xD5;
    pub(super) const JOB_ENDED: u8 = 0xD6;
    pub(super) const SECRET: u8 = 0xD8;
    pub(super) const TALLY: u8 = 0xD9;
    pub(super) const KEYED: u8 = 0xDA;
    pub(super) const KEYED_AGE: u8 = 0xDB;
}

impl ActionKey {
    /// The key's bytes.
    pub(super) fn write(&self) -> Writer {
        match self {
            Self::Job(number) => Writer::new(kind::JOB).number(!number),
            Self::JobNumber(id) => Writer::new(kind::JOB_NUMBER).last(id.as_str()),
            Self::JobParameters(number, chunk) => Writer::new(kind::JOB_PARAMETERS)
                .number(*number)
                .bytes(&chunk.to_be_bytes()),
            Self::JobTargets(number, chunk) => Writer::new(kind::JOB_TARGETS)
                .number(*number)
                .bytes(&chunk.to_be_bytes()),
            Self::JobRefusal(number, index) => Writer::new(kind::JOB_REFUSAL).number(*number).number(*index),
            Self::JobRunning(number) => Writer::new(kind::JOB_RUNNING).number(*number),
            Self::JobEnded(at, number) => Writer::new(kind::JOB_ENDED).time(*at).number(*number),
            Self::Secret(id, kind, at, uuid) => Writer::new(kind::SECRET)
                .text(id.as_str())
                .bytes(&[*kind])
                .time(*at)
                .last(uuid.as_str()),
            Self::Tally(request_type, minute) => Writer::new(kind::TALLY).text(request_type).number(*minute),
            Self::Keyed(key, chunk) => Writer::new(kind::KEYED)
                .bytes(key.0.as_bytes())
                .bytes(&chunk.to_be_bytes()),
            Self::KeyedAge(at, key) => Writer::new(kind::KEYED_AGE).time(*at).bytes(key.0.as_bytes()),
        }
    }

    /// Reads the parts of a key of this kind; `None` if it is of another part.
    pub(super) fn read(kind: u8, parts: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            kind::JOB => Self::Job(!parts.u64()?),
            kind::JOB_NUMBER => Self::JobNumber(JobId::new(parts.last()?)),
            kind::JOB_PARAMETERS => Self::JobParameters(parts.u64()?, parts.u32()?),
            kind::JOB_TARGETS => Self::JobTargets(parts.u64()?, parts.u32()?),
            kind::JOB_REFUSAL => Self::JobRefusal(parts.u64()?, parts.u64()?),
            kind::JOB_RUNNING => Self::JobRunning(parts.u64()?),
            kind::JOB_ENDED => Self::JobEnded(parts.time()?, parts.u64()?),
            kind::SECRET => {
                let id = EnrollmentId::new(parts.text()?);
                let [kind] = parts.array()?;
                Self::Secret(id, kind, parts.time()?, CommandUuid::new(parts.last()?))
            }
            kind::TALLY => Self::Tally(parts.text()?, parts.u64()?),
            kind::KEYED => Self::Keyed(SecretHash(parts.digest()?), parts.u32()?),
            kind::KEYED_AGE => Self::KeyedAge(parts.time()?, SecretHash(parts.digest()?)),
            _ => return None,
        })
    }

    /// Whether keys of this kind are of this part.
    pub(super) fn has(kind: u8) -> bool {
        (kind::JOB..=kind::KEYED_AGE).contains(&kind)
    }
}

/// The prefixes of this part.
impl Prefix {
    /// All jobs, the latest first.
    pub(in crate::storage::sled) fn jobs() -> Self {
        Self(vec![kind::JOB])
    }

    /// The targets of a job.
    pub(in crate::storage::sled) fn job_targets(number: u64) -> Self {
        Self(Writer::new(kind::JOB_TARGETS).number(number).0)
    }

    /// The refused targets of a job.
    pub(in crate::storage::sled) fn job_refusals(number: u64) -> Self {
        Self(Writer::new(kind::JOB_REFUSAL).number(number).0)
    }

    /// Jobs that are running, the earliest first.
    pub(in crate::storage::sled) fn running_jobs() -> Self {
        Self(vec![kind::JOB_RUNNING])
    }

    /// Jobs that have ended or are not whole, the earliest first.
    pub(in crate::storage::sled) fn ended_jobs() -> Self {
        Self(vec![kind::JOB_ENDED])
    }

    /// The secrets of one kind of an enrollment, the oldest first.
    pub(in crate::storage::sled) fn secrets(id: &EnrollmentId, kind: u8) -> Self {
        Self(Writer::new(kind::SECRET).text(id.as_str()).bytes(&[kind]).0)
    }

    /// The tallies of a request type, by minute.
    pub(in crate::storage::sled) fn request_tallies(request_type: &str) -> Self {
        Self(Writer::new(kind::TALLY).text(request_type).0)
    }

    /// Idempotency keys, the oldest first.
    pub(in crate::storage::sled) fn keyed_ages() -> Self {
        Self(vec![kind::KEYED_AGE])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// So many kinds of keys.
    pub(in crate::storage::sled::keys) const KINDS: u8 = 11;

    /// One of each kind.
    pub(in crate::storage::sled::keys) fn any_of(
        kind: u8,
        number: u64,
        (a, b): (String, String),
        hash: SecretHash,
    ) -> ActionKey {
        let at = Timestamp::from_millis(number as i64);
        let chunk = number as u32;
        match kind {
            0 => ActionKey::Job(number),
            1 => ActionKey::JobNumber(JobId::new(a)),
            2 => ActionKey::JobParameters(number, chunk),
            3 => ActionKey::JobTargets(number, chunk),
            4 => ActionKey::JobRefusal(number, !number),
            5 => ActionKey::JobRunning(number),
            6 => ActionKey::JobEnded(at, number),
            7 => ActionKey::Secret(EnrollmentId::new(a), number as u8, at, CommandUuid::new(b)),
            8 => ActionKey::Tally(a, number),
            9 => ActionKey::Keyed(hash, chunk),
            _ => ActionKey::KeyedAge(at, hash),
        }
    }
}

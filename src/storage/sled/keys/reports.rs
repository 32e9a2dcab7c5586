//! The keys of reports: attempts with their lists, and everything that is counted.

use super::{Prefix, Reader, Writer};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{Day, EnrollmentMethod, ReportClass, ReportPlatform},
};

/// A key of this part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::sled) enum ReportKey {
    /// An enrollment attempt.
    Attempt(u64),
    /// Index: the attempts of a device, by one of its names.
    AttemptOf(String),
    /// Index: an attempt that goes on.
    Active(u64),
    /// Index: attempts that go on, by when their devices were last heard of.
    Idle(Timestamp, u64),
    /// Index: failed attempts, the latest first.
    Failed(Timestamp, u64),
    /// Index: attempts that were not completed, the latest first.
    Incomplete(Timestamp, u64),
    /// Index: attempts that have ended, the earliest first.
    Ended(Timestamp, u64),
    /// How many devices of a class stand where.
    Totals(ReportClass),
    /// What happened in a class on a day.
    Tally(Day, ReportClass),
    /// How often a server token's devices failed on a day for a reason.
    Reason(Day, u64, String),
    /// A device of a server token that waits to be enrolled, by its serial number.
    Awaiting(u64, String),
    /// How many of them a server token has.
    AwaitingCount(u64),
    /// Index: device channels by the time at which their identity expires.
    Expiry(Timestamp, EnrollmentId),
    /// How many identities of a server token's devices expire on a day.
    ExpiryCount(Day, u64),
    /// A chunk of what a device was given when it enrolled.
    Policies(EnrollmentId, u32),
}

mod kind {
    pub(super) const ATTEMPT: u8 = 0xA0;
    pub(super) const ATTEMPT_OF: u8 = 0xA1;
    pub(super) const ACTIVE: u8 = 0xA2;
    pub(super) const IDLE: u8 = 0xA3;
    pub(super) const FAILED: u8 = 0xA4;
    pub(super) const INCOMPLETE: u8 = 0xA5;
    pub(super) const ENDED: u8 = 0xA6;
    pub(super) const TOTALS: u8 = 0xA7;
    pub(super) const TALLY: u8 = 0xA8;
    pub(super) const REASON: u8 = 0xA9;
    pub(super) const AWAITING: u8 = 0xAA;
    pub(super) const AWAITING_COUNT: u8 = 0xAB;
    pub(super) const EXPIRY: u8 = 0xAC;
    pub(super) const EXPIRY_COUNT: u8 = 0xAD;
    pub(super) const POLICIES: u8 = 0xAE;
}

impl ReportKey {
    /// The key's bytes.
    pub(super) fn write(&self) -> Writer {
        match self {
            Self::Attempt(number) => Writer::new(kind::ATTEMPT).number(*number),
            Self::AttemptOf(name) => Writer::new(kind::ATTEMPT_OF).last(name),
            Self::Active(number) => Writer::new(kind::ACTIVE).number(*number),
            Self::Idle(at, number) => Writer::new(kind::IDLE).time(*at).number(*number),
            Self::Failed(at, number) => latest_first(kind::FAILED, *at, *number),
            Self::Incomplete(at, number) => latest_first(kind::INCOMPLETE, *at, *number),
            Self::Ended(at, number) => Writer::new(kind::ENDED).time(*at).number(*number),
            Self::Totals(class) => of_class(Writer::new(kind::TOTALS), class),
            Self::Tally(day, class) => of_class(on_day(kind::TALLY, *day), class),
            Self::Reason(day, token, code) => on_day(kind::REASON, *day).number(*token).last(code),
            Self::Awaiting(token, serial) => Writer::new(kind::AWAITING).number(*token).last(serial),
            Self::AwaitingCount(token) => Writer::new(kind::AWAITING_COUNT).number(*token),
            Self::Expiry(at, id) => Writer::new(kind::EXPIRY).time(*at).last(id.as_str()),
            Self::ExpiryCount(day, token) => on_day(kind::EXPIRY_COUNT, *day).number(*token),
            Self::Policies(id, chunk) => Writer::new(kind::POLICIES)
                .text(id.as_str())
                .bytes(&chunk.to_be_bytes()),
        }
    }

    /// Reads the parts of a key of this kind.
    pub(super) fn read(kind: u8, parts: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            kind::ATTEMPT => Self::Attempt(parts.u64()?),
            kind::ATTEMPT_OF => Self::AttemptOf(parts.last()?),
            kind::ACTIVE => Self::Active(parts.u64()?),
            kind::IDLE => Self::Idle(parts.time()?, parts.u64()?),
            kind::FAILED => Self::Failed(turned(parts.time()?), !parts.u64()?),
            kind::INCOMPLETE => Self::Incomplete(turned(parts.time()?), !parts.u64()?),
            kind::ENDED => Self::Ended(parts.time()?, parts.u64()?),
            kind::TOTALS => Self::Totals(class(parts)?),
            kind::TALLY => Self::Tally(Day(parts.u32()?), class(parts)?),
            kind::REASON => Self::Reason(Day(parts.u32()?), parts.u64()?, parts.last()?),
            kind::AWAITING => Self::Awaiting(parts.u64()?, parts.last()?),
            kind::AWAITING_COUNT => Self::AwaitingCount(parts.u64()?),
            kind::EXPIRY => Self::Expiry(parts.time()?, EnrollmentId::new(parts.last()?)),
            kind::EXPIRY_COUNT => Self::ExpiryCount(Day(parts.u32()?), parts.u64()?),
            kind::POLICIES => Self::Policies(EnrollmentId::new(parts.text()?), parts.u32()?),
            _ => return None,
        })
    }
}

/// The prefixes of this part.
impl Prefix {
    /// Attempts that go on, the first begun first.
    pub(in crate::storage::sled) fn active_attempts() -> Self {
        Self(vec![kind::ACTIVE])
    }

    /// The same, the one first that was not heard of for longest.
    pub(in crate::storage::sled) fn idle_attempts() -> Self {
        Self(vec![kind::IDLE])
    }

    /// Failed attempts, the latest first.
    pub(in crate::storage::sled) fn failed_attempts() -> Self {
        Self(vec![kind::FAILED])
    }

    /// Attempts that were not completed, the latest first.
    pub(in crate::storage::sled) fn incomplete_attempts() -> Self {
        Self(vec![kind::INCOMPLETE])
    }

    /// Attempts that have ended, the earliest first.
    pub(in crate::storage::sled) fn ended_attempts() -> Self {
        Self(vec![kind::ENDED])
    }

    /// How many devices stand where.
    pub(in crate::storage::sled) fn totals() -> Self {
        Self(vec![kind::TOTALS])
    }

    /// What happened on days, the earliest first.
    pub(in crate::storage::sled) fn tallies() -> Self {
        Self(vec![kind::TALLY])
    }

    /// What happened on one day.
    pub(in crate::storage::sled) fn tallies_of(day: Day) -> Self {
        Self(on_day(kind::TALLY, day).0)
    }

    /// Why attempts failed, the earliest day first.
    pub(in crate::storage::sled) fn reasons() -> Self {
        Self(vec![kind::REASON])
    }

    /// Why attempts failed on one day.
    pub(in crate::storage::sled) fn reasons_of(day: Day) -> Self {
        Self(on_day(kind::REASON, day).0)
    }

    /// How many devices wait to be enrolled, by token.
    pub(in crate::storage::sled) fn awaiting_counts() -> Self {
        Self(vec![kind::AWAITING_COUNT])
    }

    /// Device channels, those first whose identity expires first.
    pub(in crate::storage::sled) fn identity_expiries() -> Self {
        Self(vec![kind::EXPIRY])
    }

    /// How many identities expire when.
    pub(in crate::storage::sled) fn expiry_counts() -> Self {
        Self(vec![kind::EXPIRY_COUNT])
    }
}

fn latest_first(kind: u8, at: Timestamp, number: u64) -> Writer {
    Writer::new(kind).time(turned(at)).number(!number)
}

/// The time whose place in the order is as far from the end as this one's from the beginning.
fn turned(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(!at.millis())
}

fn on_day(kind: u8, day: Day) -> Writer {
    Writer::new(kind).bytes(&day.0.to_be_bytes())
}

fn of_class(writer: Writer, class: &ReportClass) -> Writer {
    let platform = match class.platform {
        ReportPlatform::Ios => 1,
        ReportPlatform::Macos => 2,
        ReportPlatform::Tvos => 3,
        ReportPlatform::Visionos => 4,
        ReportPlatform::Watchos => 5,
        ReportPlatform::Unknown => 255,
    };
    let method = match class.method {
        EnrollmentMethod::Ade => 1,
        EnrollmentMethod::Manual => 2,
        EnrollmentMethod::UserEnrollment => 3,
    };
    writer.number(class.token).bytes(&[platform, method])
}

fn class(parts: &mut Reader<'_>) -> Option<ReportClass> {
    let token = parts.u64()?;
    let [platform, method] = parts.array()?;
    Some(ReportClass {
        token,
        platform: match platform {
            1 => ReportPlatform::Ios,
            2 => ReportPlatform::Macos,
            3 => ReportPlatform::Tvos,
            4 => ReportPlatform::Visionos,
            5 => ReportPlatform::Watchos,
            255 => ReportPlatform::Unknown,
            _ => return None,
        },
        method: match method {
            1 => EnrollmentMethod::Ade,
            2 => EnrollmentMethod::Manual,
            3 => EnrollmentMethod::UserEnrollment,
            _ => return None,
        },
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// How many kinds of keys there are.
    pub(in super::super) const KINDS: u8 = 15;

    /// A key of one of the kinds, with these parts.
    pub(in super::super) fn any_of(kind: u8, number: u64, a: String, b: String) -> ReportKey {
        let at = Timestamp::from_millis(number as i64);
        let day = Day(number as u32);
        let class = ReportClass {
            token: !number,
            platform: ReportPlatform::ALL[number as usize % ReportPlatform::ALL.len()],
            method: EnrollmentMethod::ALL[number as usize % EnrollmentMethod::ALL.len()],
        };
        match kind {
            0 => ReportKey::Attempt(number),
            1 => ReportKey::AttemptOf(a),
            2 => ReportKey::Active(number),
            3 => ReportKey::Idle(at, !number),
            4 => ReportKey::Failed(at, number),
            5 => ReportKey::Incomplete(at, number),
            6 => ReportKey::Ended(at, number),
            7 => ReportKey::Totals(class),
            8 => ReportKey::Tally(day, class),
            9 => ReportKey::Reason(day, number, b),
            10 => ReportKey::Awaiting(number, a),
            11 => ReportKey::AwaitingCount(number),
            12 => ReportKey::Expiry(at, EnrollmentId::new(b)),
            13 => ReportKey::ExpiryCount(day, number),
            _ => ReportKey::Policies(EnrollmentId::new(a), number as u32),
        }
    }
}

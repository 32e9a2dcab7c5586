//! Reports: how many devices stand where, and how enrollments go. Nothing here costs what grows with the devices: the
//! store counts as it writes.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    AttemptChange, AttemptRecord, CommandState, EnrollmentRecord, EnrollmentRow, EnrollmentSection,
    HoldRecord, Listing, Page, StoreResult,
};
use crate::{
    error::Code,
    protocol::{
        catalogue::Platform,
        ids::{EnrollmentId, EnrollmentKind},
        time::Timestamp,
    },
};

/// One of Apple's operating systems, in reports. In this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ReportPlatform {
    /// iPhone, iPad and iPod touch.
    Ios,
    /// Mac.
    Macos,
    /// Apple TV.
    Tvos,
    /// Apple Vision Pro.
    Visionos,
    /// Apple Watch.
    Watchos,
    /// Not told, or not known.
    Unknown,
}

impl ReportPlatform {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ios,
        Self::Macos,
        Self::Tvos,
        Self::Visionos,
        Self::Watchos,
        Self::Unknown,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Macos => "macos",
            Self::Tvos => "tvos",
            Self::Unknown => "unknown",
            Self::Visionos => "visionos",
            Self::Watchos => "watchos",
        }
    }

    /// The platform of that name, however it is spelled.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|platform| platform.as_str() == name)
    }
}

impl From<Option<Platform>> for ReportPlatform {
    fn from(platform: Option<Platform>) -> Self {
        match platform {
            None => Self::Unknown,
            Some(Platform::Ios) => Self::Ios,
            Some(Platform::Macos) => Self::Macos,
            Some(Platform::Tvos) => Self::Tvos,
            Some(Platform::Visionos) => Self::Visionos,
            Some(Platform::Watchos) => Self::Watchos,
        }
    }
}

/// The way a device enrolls. In this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentMethod {
    /// Automated Device Enrollment.
    Ade,
    /// By an enrollment profile that somebody installs.
    Manual,
    /// User Enrollment.
    UserEnrollment,
}

impl EnrollmentMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ade, Self::Manual, Self::UserEnrollment];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ade => "ade",
            Self::Manual => "manual",
            Self::UserEnrollment => "user_enrollment",
        }
    }

    /// The way that an enrollment came.
    pub fn of(record: &EnrollmentRecord) -> Self {
        match (&record.ade, record.kind) {
            (Some(_), _) => Self::Ade,
            (None, EnrollmentKind::UserEnrollment | EnrollmentKind::UserEnrollmentDevice) => {
                Self::UserEnrollment
            }
            (None, EnrollmentKind::Device | EnrollmentKind::SharedIpad | EnrollmentKind::User) => {
                Self::Manual
            }
        }
    }
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportClass {
    /// The number of the device's server token; 0 if it has none.
    pub token: u64,
    /// The platform.
    pub platform: ReportPlatform,
    /// The way it came.
    pub method: EnrollmentMethod,
}

impl ReportClass {
    /// Of an enrollment.
    pub fn of(record: &EnrollmentRecord) -> Self {
        let device = &record.device;
        let product = device.product_name.as_deref().or(device.model.as_deref());
        Self {
            token: record.ade.as_ref().map_or(0, |ade| ade.token),
            platform: product.and_then(Platform::from_product_name).into(),
            method: EnrollmentMethod::of(record),
        }
    }
}

/// How many devices stand where now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassTotals {
    /// Device channels that are enrolled, and not held in Setup Assistant.
    pub enrolled: u64,
    /// Attempts that go on.
    pub in_progress: u64,
    /// Devices whose latest attempt has failed.
    pub failed: u64,
}

/// What happened on one day (UTC). Ends count on the day of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayTally {
    /// Attempts that began.
    pub started: u64,
    /// Attempts that ended in an enrollment.
    pub enrolled: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were not completed, by [`EnrollmentSection::ALL`]: failed ones among them.
    pub incomplete: [u64; 4],
    /// How many of the enrollments took a time that is known.
    pub timed: u64,
    /// How long these took, in milliseconds.
    pub millis: u64,
}

impl DayTally {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            started: self.started.saturating_add(other.started),
            enrolled: self.enrolled.saturating_add(other.enrolled),
            failed: self.failed.saturating_add(other.failed),
            incomplete: std::array::from_fn(|at| self.incomplete[at].saturating_add(other.incomplete[at])),
            timed: self.timed.saturating_add(other.timed),
            millis: self.millis.saturating_add(other.millis),
        }
    }

    /// Those that were not completed.
    pub fn all_incomplete(&self) -> u64 {
        self.incomplete.iter().sum()
    }

    /// How many enrollments in a thousand attempts that ended; absent if none did.
    pub fn success_per_mille(&self) -> Option<u64> {
        let ended = self.enrolled.saturating_add(self.failed);
        // Rounded to the nearest.
        (self.enrolled.saturating_mul(1000).saturating_add(ended / 2)).checked_div(ended)
    }

    /// How long an enrollment took on average.
    pub fn average(&self) -> Option<Duration> {
        self.millis.checked_div(self.timed).map(Duration::from_millis)
    }
}

/// Days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    const MILLIS: i64 = 86_400_000;

    /// The day of a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.millis().div_euclid(Self::MILLIS)).unwrap_or(0))
    }

    /// So many days earlier.
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// So many days later.
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * Self::MILLIS)
    }
}

/// The days of a report, both included, and whose devices it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySpan {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
    /// Only the devices of these server tokens (0 stands for none); absent: all.
    pub tokens: Option<Vec<u64>>,
}

/// Which attempts a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptList {
    /// Those that go on, the first begun first.
    Active,
    /// Those that failed, the latest first.
    Failed,
    /// Those that were not completed, the latest first.
    Incomplete,
}

/// Which attempts a list shall hold. Every field that is present must match.
#[derive(Clone, Debug)]
pub struct AttemptFilter {
    /// Which list.
    pub list: AttemptList,
    /// Of the devices of these server tokens (0 stands for none).
    pub tokens: Option<Vec<u64>>,
    /// Whose user's name contains this, whatever its case.
    pub user: Option<String>,
    /// Of the device with this serial number.
    pub serial: Option<String>,
    /// That ended for this reason.
    pub code: Option<String>,
    /// Of this platform.
    pub platform: Option<ReportPlatform>,
    /// That came in this way.
    pub method: Option<EnrollmentMethod>,
    /// That were left in this section.
    pub section: Option<EnrollmentSection>,
    /// That ended (or, of the active ones, began) at this time or later.
    pub from: Option<Timestamp>,
    /// That ended (or began) before this time.
    pub before: Option<Timestamp>,
}

impl AttemptFilter {
    /// The whole list.
    pub fn all(list: AttemptList) -> Self {
        Self {
            list,
            tokens: None,
            user: None,
            serial: None,
            code: None,
            platform: None,
            method: None,
            section: None,
            from: None,
            before: None,
        }
    }

    /// Whether an attempt belongs into the list.
    pub fn matches(&self, record: &AttemptRecord) -> bool {
        let ended = record.outcome.as_ref();
        let at = ended.map_or(record.started_at, |outcome| outcome.last_at);
        let user = record.facts.user.as_deref().unwrap_or_default().to_lowercase();
        let serial = record.subject.serial.as_ref();
        tokens_match(&self.tokens, record.class().token)
            && self
                .user
                .as_ref()
                .is_none_or(|wanted| user.contains(&wanted.to_lowercase()))
            && self.serial.as_ref().is_none_or(|wanted| {
                serial.is_some_and(|serial| serial.as_str().eq_ignore_ascii_case(wanted))
            })
            && self
                .code
                .as_ref()
                .is_none_or(|wanted| ended.is_some_and(|outcome| outcome.code.as_ref() == Some(wanted)))
            && self.platform.is_none_or(|wanted| record.platform == wanted)
            && self.method.is_none_or(|wanted| record.method == wanted)
            && self.section.is_none_or(|wanted| record.stage.section() == wanted)
            && self.from.is_none_or(|from| at >= from)
            && self.before.is_none_or(|before| at < before)
    }
}

/// Whether a device of this token (0: of none) is among those asked for.
pub(super) fn tokens_match(tokens: &Option<Vec<u64>>, token: u64) -> bool {
    tokens.as_ref().is_none_or(|tokens| tokens.contains(&token))
}

/// A command that a device which enrolls has not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its `RequestType`.
    pub request_type: String,
    /// [`CommandState::Queued`] or [`CommandState::NotNow`].
    pub state: CommandState,
}

/// An attempt in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The record.
    pub record: AttemptRecord,
    /// Of an attempt that goes on: the device's latest contact that has been written down.
    pub last_seen: Option<Timestamp>,
    /// Of a device that is held: what it has not finished, in the order of delivery; the first 100.
    pub outstanding: Vec<Outstanding>,
    /// Of a device that is held: its hold.
    pub hold: Option<HoldRecord>,
}

/// What a device was given when it enrolled. Later edits do not change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPolicy {
    /// What it is: `ade_profile`, `setting`, `command`.
    pub kind: String,
    /// Its name: a profile's, a setting's, a command's `RequestType`.
    pub name: String,
    /// Which version of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Its place in the order in which it was applied, from 1.
    pub priority: u32,
    /// For whom it was: `device` or `user`.
    pub target: String,
    /// The value, where it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// All that a device was given when it enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPolicies {
    /// The enrollment that they belong to.
    pub enrolled_at: Option<Timestamp>,
    /// Who had logged in on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In the order in which they were applied.
    pub policies: Vec<AppliedPolicy>,
    /// When they were written down.
    pub at: Timestamp,
}

/// Which Macs a list shall hold. Every field that is present must match.
#[derive(Clone, Debug, Default)]
pub struct MacFilter {
    /// Of these server tokens (0 stands for none).
    pub tokens: Option<Vec<u64>>,
    /// Whether a bootstrap token is escrowed.
    pub escrowed: Option<bool>,
    /// Whether the enrollment is user approved, where that is known.
    pub user_approved: Option<bool>,
}

/// Attempts, and what there is to count.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// Carries out a change to a device's attempts that belongs to no check-in; says what stands then, if anything.
    async fn note_attempt(&self, change: AttemptChange) -> StoreResult<Option<AttemptRecord>>;

    /// One attempt, unless it was purged.
    async fn attempt(&self, number: u64) -> StoreResult<Option<AttemptRow>>;

    /// The attempt of a device channel that goes on, or else the one that ended last.
    async fn latest_attempt(&self, id: &EnrollmentId) -> StoreResult<Option<AttemptRow>>;

    /// Attempts that match, in the order of their list.
    async fn attempts(&self, filter: &AttemptFilter, page: &Page) -> StoreResult<Listing<AttemptRow>>;

    /// Gives up attempts of which nothing was heard since `idle_since`, at most `limit`; says which. Others that it has
    /// looked at count towards the limit: call it again while it returns `true`.
    async fn give_up_attempts(
        &self,
        idle_since: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> StoreResult<(Vec<AttemptRecord>, bool)>;

    /// Forgets attempts that ended before `before`, and what was counted on days before it; at most `limit` rows. Says
    /// how many.
    async fn purge_attempts(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;

    /// How many devices stand where, by class. The sum of `enrolled` over all classes is the number of device channels
    /// that are enrolled and not held.
    async fn report_totals(&self, tokens: Option<&[u64]>) -> StoreResult<BTreeMap<ReportClass, ClassTotals>>;

    /// What happened on each day, by class.
    async fn report_days(&self, span: &DaySpan) -> StoreResult<BTreeMap<(Day, ReportClass), DayTally>>;

    /// How often attempts failed for each reason.
    async fn failure_reasons(&self, span: &DaySpan) -> StoreResult<BTreeMap<String, u64>>;

    /// Devices of Apple's list that have a profile, are not enrolled, and are not enrolling.
    async fn awaiting_devices(&self, tokens: Option<&[u64]>) -> StoreResult<u64>;

    /// On which days identities of device channels expire that have not checked out, and how many.
    async fn identity_expiries(&self, tokens: Option<&[u64]>) -> StoreResult<BTreeMap<Day, u64>>;

    /// Device channels that have not checked out, those first whose identity expires first, with that time.
    async fn expiring_enrollments(
        &self,
        tokens: Option<&[u64]>,
        page: &Page,
    ) -> StoreResult<Listing<(Timestamp, EnrollmentRow)>>;

    /// Enrolled Macs that match, by enrollment id.
    async fn macs(&self, filter: &MacFilter, page: &Page) -> StoreResult<Listing<EnrollmentRow>>;

    /// What a device was given when it enrolled.
    async fn applied_policies(&self, id: &EnrollmentId) -> StoreResult<Option<AppliedPolicies>>;

    /// Removes device channels whose identity expired before `before`, with all that belongs to them; at most `limit`.
    /// Says which. One that has a newer identity pending, or was in contact since, stays.
    async fn purge_idle_enrollments(&self, before: Timestamp, limit: usize)
    -> StoreResult<Vec<EnrollmentId>>;
}

/// Every reason for which an attempt can end, besides success. Alphabetical.
pub const ATTEMPT_CODES: [Code; 4] = [
    Code::EnrollmentSuperseded,
    Code::EnrollmentTimedOut,
    Code::LoginAbandoned,
    Code::UserCancelled,
];

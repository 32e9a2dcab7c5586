//! Enrollment attempts: what becomes of a device from the moment it asks for its enrollment profile.
//!
//! How an attempt goes on is a pure function, [`advance`], which a backend calls inside its transaction: what it answers
//! depends only on what is stored, so that a message which comes again changes nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EnrollmentMethod, ReportClass, ReportPlatform};
use crate::{
    error::Code,
    protocol::{
        catalogue::Platform,
        ids::{EnrollmentId, Fingerprint, SerialNumber, Udid},
        time::Timestamp,
    },
};

/// Failures of one device for one reason within so much time are one row.
pub const MERGED_WITHIN: Duration = Duration::from_secs(3600);

/// How far an attempt has come. In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStage {
    /// Its user is asked to log in.
    Login,
    /// It was given its enrollment profile.
    ProfileDelivered,
    /// `Authenticate` was seen.
    Authenticated,
    /// `TokenUpdate` was seen, and the device is held in Setup Assistant.
    Configuring,
}

impl AttemptStage {
    /// The section of enrollment that this belongs to.
    pub fn section(self) -> EnrollmentSection {
        match self {
            Self::Login | Self::ProfileDelivered => EnrollmentSection::SetupChecklist,
            Self::Authenticated => EnrollmentSection::PlatformScreens,
            Self::Configuring => EnrollmentSection::Activation,
        }
    }
}

/// The sections of an enrollment, by which incomplete ones are counted. In this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentSection {
    /// Before the device has anything of ours: login, enrollment profile.
    SetupChecklist,
    /// The system's own screens: the profile is installed, the identity made.
    PlatformScreens,
    /// Terms and conditions.
    Terms,
    /// The device is managed, and not ready yet.
    Activation,
}

impl EnrollmentSection {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SetupChecklist,
        Self::PlatformScreens,
        Self::Terms,
        Self::Activation,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetupChecklist => "setup_checklist",
            Self::PlatformScreens => "platform_screens",
            Self::Terms => "terms",
            Self::Activation => "activation",
        }
    }

    /// The section of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.as_str() == name)
    }
}

/// Why an enrollment was not completed. Alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteCause {
    /// What was begun was left, or begun anew.
    Closed,
    /// Nothing was heard of the device for too long.
    Idle,
    /// Its user ended it.
    Stopped,
}

impl IncompleteCause {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// The device is managed, and not held any more.
    Enrolled,
    /// It was refused, ended by its user, or given up.
    Failed,
    /// It was left, or begun anew.
    Incomplete,
}

impl AttemptResult {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptOutcome {
    /// How it ended.
    pub result: AttemptResult,
    /// When.
    pub at: Timestamp,
    /// Why: a code of the error table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What exactly was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why it was not completed, if it counts as incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<IncompleteCause>,
    /// How often it happened: the same device, the same reason, within [`MERGED_WITHIN`].
    pub count: u64,
    /// When it happened last.
    pub last_at: Timestamp,
}

/// Which device. Whatever is known; nothing, where a device could not be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptSubject {
    /// Its device channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentId>,
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<SerialNumber>,
    /// Its UDID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udid: Option<Udid>,
}

impl AttemptSubject {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.enrollment.is_none() && self.serial.is_none() && self.udid.is_none()
    }

    /// Under which names its attempts are found.
    pub fn names(&self) -> Vec<String> {
        let enrollment = self.enrollment.as_ref().map(|id| format!("e:{id}"));
        let udid = self.udid.as_ref().map(|udid| format!("u:{udid}"));
        let serial = self.serial.as_ref().map(|serial| format!("s:{serial}"));
        let names = [enrollment, udid, serial].into_iter().flatten();
        names.map(|name| name.to_ascii_uppercase()).collect()
    }

    fn learn(&mut self, other: &Self) {
        learn(&mut self.enrollment, &other.enrollment);
        learn(&mut self.serial, &other.serial);
        learn(&mut self.udid, &other.udid);
    }
}

/// What is known of the device and of the way it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptFacts {
    /// Hardware identifier such as `iPhone17,2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The model in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// The name that its user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Such as `18.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Such as `22B83`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_version: Option<String>,
    /// Who logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The number of its server token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// Apple's identifier of the profile that it was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_uuid: Option<String>,
}

impl AttemptFacts {
    fn learn(&mut self, other: &Self) {
        learn(&mut self.product, &other.product);
        learn(&mut self.model_name, &other.model_name);
        learn(&mut self.device_name, &other.device_name);
        learn(&mut self.os_version, &other.os_version);
        learn(&mut self.build_version, &other.build_version);
        learn(&mut self.user, &other.user);
        learn(&mut self.token, &other.token);
        learn(&mut self.profile_uuid, &other.profile_uuid);
    }

    fn platform(&self) -> ReportPlatform {
        let product = self.product.as_deref();
        product.and_then(Platform::from_product_name).into()
    }
}

fn learn<T: Clone>(known: &mut Option<T>, told: &Option<T>) {
    if told.is_some() {
        known.clone_from(told);
    }
}

/// One attempt of one device to enroll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Names it; given by the store, in the order in which attempts begin.
    pub number: u64,
    /// Which device.
    pub subject: AttemptSubject,
    /// What is known of it.
    pub facts: AttemptFacts,
    /// Its platform.
    pub platform: ReportPlatform,
    /// The way it comes.
    pub method: EnrollmentMethod,
    /// The identity that sent its `Authenticate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Fingerprint>,
    /// How far it has come.
    pub stage: AttemptStage,
    /// When it began.
    pub started_at: Timestamp,
    /// When the device was last heard of, as far as it has been written down.
    pub last_activity: Timestamp,
    /// How it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// It has failed, and the device has not tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attention: bool,
}

impl AttemptRecord {
    /// Whether it goes on.
    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// What it is counted under.
    pub fn class(&self) -> ReportClass {
        ReportClass {
            token: self.facts.token.unwrap_or_default(),
            platform: self.platform,
            method: self.method,
        }
    }

    /// How long it took, if it ended in an enrollment whose beginning was seen.
    pub fn took(&self) -> Option<Duration> {
        let outcome = self.outcome.as_ref()?;
        let took = outcome.at.since(self.started_at);
        (outcome.result == AttemptResult::Enrolled && !took.is_zero()).then_some(took)
    }

    /// The same, given up because nothing was heard of the device.
    pub fn timed_out(&self, at: Timestamp) -> Self {
        let (result, code, cause) = match self.stage {
            AttemptStage::Login => (
                AttemptResult::Incomplete,
                Code::LoginAbandoned,
                IncompleteCause::Closed,
            ),
            _ => (
                AttemptResult::Failed,
                Code::EnrollmentTimedOut,
                IncompleteCause::Idle,
            ),
        };
        self.ended(result, Some(code), None, Some(cause), at)
    }

    fn ended(
        &self,
        result: AttemptResult,
        code: Option<Code>,
        detail: Option<String>,
        incomplete: Option<IncompleteCause>,
        at: Timestamp,
    ) -> Self {
        Self {
            outcome: Some(AttemptOutcome {
                result,
                at,
                code: code.map(|code| code.as_str().to_owned()),
                detail,
                incomplete,
                count: 1,
                last_at: at,
            }),
            attention: result == AttemptResult::Failed && !self.subject.is_unknown(),
            ..self.clone()
        }
    }

    fn learn(&mut self, change: &AttemptChange) {
        self.subject.learn(&change.subject);
        self.facts.learn(&change.facts);
        self.platform = self.facts.platform();
        self.last_activity = self.last_activity.max(change.at);
    }
}

/// What has happened to a device that enrolls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptStep {
    /// It asked for its profile. `proven`: it is certain that it was this device.
    Asked {
        /// [`AttemptStage::Login`] or [`AttemptStage::ProfileDelivered`].
        stage: AttemptStage,
        /// Only then a later stage is left for it.
        proven: bool,
    },
    /// It sent `Authenticate` with this identity.
    Authenticated(Fingerprint),
    /// It sent `CheckOut`.
    CheckedOut,
    /// It is managed, and not held.
    Enrolled,
    /// It was refused.
    Failed {
        /// Why.
        code: Code,
        /// What exactly was wrong.
        detail: Option<String>,
    },
    /// It is managed, and held in Setup Assistant.
    Held,
}

/// A change to a device's attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptChange {
    /// Which device.
    pub subject: AttemptSubject,
    /// What has been learned of it.
    pub facts: AttemptFacts,
    /// The way it comes, where that is known by now.
    pub method: Option<EnrollmentMethod>,
    /// What has happened.
    pub step: AttemptStep,
    /// When.
    pub at: Timestamp,
}

impl AttemptChange {
    /// The name under which failures of unknown devices are merged.
    pub fn names(&self) -> Vec<String> {
        match &self.step {
            AttemptStep::Failed { code, .. } if self.subject.is_unknown() => {
                vec![format!("X:{}", code.as_str())]
            }
            _ => self.subject.names(),
        }
    }
}

/// What becomes of a device's attempts: those that change, the one that the change is about last. `open` is the one that
/// goes on, `last` the one that ended last. A new one has the number 0.
pub fn advance(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
) -> Vec<AttemptRecord> {
    match &change.step {
        AttemptStep::Asked { stage, proven } => asked(open, last, change, *stage, *proven),
        AttemptStep::Authenticated(identity) => authenticated(open, last, change, *identity),
        AttemptStep::CheckedOut => {
            let under_way = open.filter(|open| open.stage >= AttemptStage::Authenticated);
            let stopped = under_way.map(|open| {
                let cause = Some(IncompleteCause::Stopped);
                open.ended(
                    AttemptResult::Failed,
                    Some(Code::UserCancelled),
                    None,
                    cause,
                    change.at,
                )
            });
            stopped.into_iter().collect()
        }
        AttemptStep::Enrolled => enrolled(open, last, change),
        AttemptStep::Failed { code, detail } => failed(open, last, change, (*code, detail.as_deref())),
        AttemptStep::Held => match (open, last) {
            (Some(open), _) => {
                let mut held = open.clone();
                held.learn(change);
                held.stage = AttemptStage::Configuring;
                vec![held]
            }
            (None, last) => {
                let given_up = last.and_then(given_up);
                let mut held = given_up.unwrap_or_else(|| begun(change, AttemptStage::Configuring));
                held.learn(change);
                held.stage = AttemptStage::Configuring;
                vec![held]
            }
        },
    }
}

fn asked(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    stage: AttemptStage,
    proven: bool,
) -> Vec<AttemptRecord> {
    match open {
        Some(open) if open.stage < AttemptStage::Authenticated => {
            let mut again = open.clone();
            again.learn(change);
            again.method = change.method.unwrap_or(again.method);
            again.stage = again.stage.max(stage);
            vec![again]
        }
        // Whoever knows a serial number could ask like this.
        Some(_) if !proven => Vec::new(),
        open => anew(open, last, begun(change, stage), change.at),
    }
}

fn authenticated(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    identity: Fingerprint,
) -> Vec<AttemptRecord> {
    match open {
        Some(open) if open.identity.is_none_or(|own| own == identity) => {
            let mut known = open.clone();
            known.learn(change);
            known.method = change.method.unwrap_or(known.method);
            known.identity = Some(identity);
            known.stage = known.stage.max(AttemptStage::Authenticated);
            vec![known]
        }
        open => {
            let mut new = begun(change, AttemptStage::Authenticated);
            new.identity = Some(identity);
            anew(open, last, new, change.at)
        }
    }
}

fn enrolled(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
) -> Vec<AttemptRecord> {
    let under_way = open.filter(|open| open.stage >= AttemptStage::Authenticated);
    let mut attempt = match (under_way, last) {
        (Some(open), _) => open.clone(),
        (None, last) => {
            let given_up = last.and_then(given_up);
            given_up.unwrap_or_else(|| begun(change, AttemptStage::Authenticated))
        }
    };
    attempt.learn(change);
    let attempt = attempt.ended(AttemptResult::Enrolled, None, None, None, change.at);
    let mut changed = heard_again(last.filter(|last| last.number != attempt.number));
    changed.push(attempt);
    changed
}

fn failed(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    (code, detail): (Code, Option<&str>),
) -> Vec<AttemptRecord> {
    let detail = detail.map(|detail| detail.chars().take(MAX_DETAIL).collect::<String>());
    // What has its identity already goes on by that: anyone could be refused in its name.
    if let Some(open) = open.filter(|open| open.stage < AttemptStage::Authenticated) {
        let mut ended = open.clone();
        ended.learn(change);
        let ended = ended.ended(AttemptResult::Failed, Some(code), detail, None, change.at);
        return vec![ended];
    }
    if let Some(again) = last.and_then(|last| repeated(last, code, &detail, change)) {
        return vec![again];
    }
    let new = begun(change, AttemptStage::Login);
    let mut new = new.ended(AttemptResult::Failed, Some(code), detail, None, change.at);
    new.attention &= open.is_none();
    let mut changed = heard_again(last);
    changed.push(new);
    changed
}

/// Longer details are cut, in characters.
const MAX_DETAIL: usize = 500;

/// The same failure once more, if it came soon after.
fn repeated(
    last: &AttemptRecord,
    code: Code,
    detail: &Option<String>,
    change: &AttemptChange,
) -> Option<AttemptRecord> {
    let outcome = last.outcome.as_ref()?;
    let same = outcome.result == AttemptResult::Failed && outcome.code.as_deref() == Some(code.as_str());
    let soon = change.at.since(outcome.at) < MERGED_WITHIN;
    (same && soon && last.identity.is_none()).then(|| {
        let mut again = last.clone();
        again.learn(change);
        again.outcome = Some(AttemptOutcome {
            count: outcome.count.saturating_add(1),
            last_at: outcome.last_at.max(change.at),
            detail: detail.clone().or_else(|| outcome.detail.clone()),
            ..outcome.clone()
        });
        again
    })
}

/// A new attempt, after the one that it takes the place of.
fn anew(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    new: AttemptRecord,
    at: Timestamp,
) -> Vec<AttemptRecord> {
    let mut changed = heard_again(last);
    changed.extend(open.map(|open| {
        let (code, cause) = (Code::EnrollmentSuperseded, IncompleteCause::Closed);
        open.ended(AttemptResult::Incomplete, Some(code), None, Some(cause), at)
    }));
    changed.push(new);
    changed
}

/// The device of a failed attempt has tried again: it needs nobody's attention for that one.
fn heard_again(last: Option<&AttemptRecord>) -> Vec<AttemptRecord> {
    let waiting = last.filter(|last| last.attention);
    let done = waiting.map(|last| AttemptRecord {
        attention: false,
        ..last.clone()
    });
    done.into_iter().collect()
}

/// An attempt that was given up too soon, to be taken up again.
fn given_up(last: &AttemptRecord) -> Option<AttemptRecord> {
    let outcome = last.outcome.as_ref()?;
    let idle = outcome.incomplete == Some(IncompleteCause::Idle) && last.identity.is_some();
    idle.then(|| AttemptRecord {
        outcome: None,
        attention: false,
        ..last.clone()
    })
}

fn begun(change: &AttemptChange, stage: AttemptStage) -> AttemptRecord {
    AttemptRecord {
        number: 0,
        subject: change.subject.clone(),
        facts: change.facts.clone(),
        platform: change.facts.platform(),
        method: change.method.unwrap_or(EnrollmentMethod::Manual),
        identity: None,
        stage,
        started_at: change.at,
        last_activity: change.at,
        outcome: None,
        attention: false,
    }
}

//! Enrollment attempts: what becomes of a device from the moment it asks for its enrollment profile.
//!
//! How an attempt goes on is a pure function, [`advance`](super::advance).

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
    /// How often it happened: the same device, the same reason, within [`MERGED_WITHIN`](super::MERGED_WITHIN).
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

    /// Its platform, by the hardware identifier.
    pub(super) fn platform(&self) -> ReportPlatform {
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

    /// The same, ended.
    pub(super) fn ended(
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

    /// Takes over what a change tells of the device.
    pub(super) fn learn(&mut self, change: &AttemptChange) {
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

//! Devices that are held in Setup Assistant, and how far each is.
//!
//! A hold changes through a pure function ([`HoldRule`]) that the backend calls inside its transaction, possibly more than
//! once; the commands that follow from a change are queued in the same step.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{EnrollmentRecord, HoldProfileRecord, HoldTerms, Listing, NewCommand, Page, StoreResult};
pub use crate::protocol::answers::ErrorItem;
use crate::protocol::{
    ids::{CommandUuid, EnrollmentId, Fingerprint},
    time::Timestamp,
};

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldStage {
    /// The device has said that it waits; what it is to get is not settled yet.
    Begun,
    /// It waits for what it is to get.
    Holding,
    /// The command that ends the hold is on its way.
    Releasing,
    /// The device has acknowledged that command.
    Released,
    /// It ended otherwise: the device has left, was erased, or went on by itself.
    Ended,
}

impl HoldStage {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Holding => "holding",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Ended => "ended",
        }
    }

    /// Whether the device is still held.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Begun | Self::Holding | Self::Releasing)
    }
}

/// What kind of thing is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldKind {
    /// An app.
    App,
    /// A configuration profile.
    Profile,
}

/// Who wants it installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOrigin {
    /// The first commands of the device's enrollment profile.
    AdeProfile,
    /// The hold profile.
    HoldProfile,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldState {
    /// Its command waits to be answered.
    Queued,
    /// The device has answered `NotNow`; it will be offered again.
    NotNow,
    /// An app that the device has taken on, and is installing.
    Installing,
    /// It is there.
    Installed,
    /// It could not be installed.
    Failed,
}

impl HeldState {
    /// Whether nothing more will happen by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Failed | Self::Installed)
    }
}

/// Something that a held device is to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldItem {
    /// The operator's name for it.
    pub name: String,
    /// What kind it is.
    pub kind: HeldKind,
    /// Who wants it.
    pub origin: HeldOrigin,
    /// Whether the device is held for it.
    pub tracked: bool,
    /// How often it was tried, from 1.
    pub attempt: u32,
    /// The command of the latest try.
    pub command: CommandUuid,
    /// How far it is.
    pub state: HeldState,
    /// Since when.
    pub at: Timestamp,
    /// The app's bundle identifier, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<String>,
    /// Apple's word for how far the app is, or why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_state: Option<String>,
    /// What the device said when it failed, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorItem>,
}

/// Why a hold is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// Everything that it waited for is there, or has failed and may.
    Completed,
    /// An operator wanted it.
    Operator,
    /// It has lasted too long.
    TimedOut,
}

/// The command that is to end a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRelease {
    /// `DeviceConfigured` or `UserConfigured`.
    pub command: CommandUuid,
    /// Why.
    pub reason: ReleaseReason,
    /// When it was queued.
    pub at: Timestamp,
}

/// The question how far apps are, which is asked again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPoll {
    /// The command that waits for its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandUuid>,
    /// When it is asked next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// How often it was asked.
    #[serde(default)]
    pub count: u32,
}

/// A device, or the user of a Shared iPad, in Setup Assistant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// Who is held.
    pub enrollment: EnrollmentId,
    /// When it began.
    pub begun_at: Timestamp,
    /// Where it stands.
    pub stage: HoldStage,
    /// The hold profile; absent: the server's own terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The terms, as they were when it was planned; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<HoldTerms>,
    /// When it will have lasted too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out_at: Option<Timestamp>,
    /// Whether that is still to be told.
    #[serde(default)]
    pub untold: bool,
    /// What the device is to get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<HeldItem>,
    /// The question how far apps are.
    #[serde(default)]
    pub poll: HoldPoll,
    /// The command that is to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<HoldRelease>,
    /// How many such commands there were.
    #[serde(default)]
    pub releases: u32,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When something is to be done for it; absent when there is nothing to do. The store keeps an index of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
}

impl HoldRecord {
    /// A hold that begins, and is to be planned.
    pub fn begun(enrollment: EnrollmentId, at: Timestamp) -> Self {
        Self {
            enrollment,
            begun_at: at,
            stage: HoldStage::Begun,
            profile: None,
            terms: None,
            deadline: None,
            timed_out_at: None,
            untold: false,
            items: Vec::new(),
            poll: HoldPoll::default(),
            release: None,
            releases: 0,
            ended_at: None,
            due: Some(at),
        }
    }

    /// Whether the hold has to wait for the answer to this command. Not for what it does not track, nor for its own
    /// questions.
    pub fn waits_for(&self, command: &CommandUuid) -> bool {
        let is_untracked = |item: &HeldItem| item.command == *command && !item.tracked;
        let is_release = self
            .release
            .as_ref()
            .is_some_and(|release| release.command == *command);
        !is_release && self.poll.command.as_ref() != Some(command) && !self.items.iter().any(is_untracked)
    }

    /// The commands that it expects answers to.
    pub fn expected(&self) -> impl Iterator<Item = &CommandUuid> {
        let waiting = |item: &&HeldItem| matches!(item.state, HeldState::NotNow | HeldState::Queued);
        let items = self.items.iter().filter(waiting).map(|item| &item.command);
        let release = self.release.iter().map(|release| &release.command);
        items.chain(&self.poll.command).chain(release)
    }
}

/// What a [`HoldRule`] may look at.
#[derive(Clone, Debug)]
pub struct HoldSituation {
    /// The enrollment that is held, or was.
    pub enrollment: EnrollmentRecord,
    /// Its hold, if there ever was one.
    pub hold: Option<HoldRecord>,
    /// Whether its queue holds something that the hold waits for ([`HoldRecord::waits_for`]) and that the device has not
    /// answered, if only with `NotNow`.
    pub unanswered: bool,
    /// Of the commands that an open hold expects answers to, those that will never be answered: taken back, expired, or not
    /// known. Empty with an answer, where it would cost a look at each of them.
    pub lost: Vec<CommandUuid>,
}

/// What a [`HoldRule`] decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldChange {
    /// Takes the place of the hold.
    pub hold: HoldRecord,
    /// Are queued in the same step. One whose UUID is taken was queued before.
    pub commands: Vec<NewCommand>,
}

type Decide = dyn Fn(&HoldSituation) -> Option<HoldChange> + Send + Sync;

/// A pure function from where a hold stands to what becomes of it; `None` leaves everything as it is. It may run more than
/// once.
#[derive(Clone)]
pub struct HoldRule(Arc<Decide>);

impl HoldRule {
    /// Wraps the function.
    pub fn new(rule: impl Fn(&HoldSituation) -> Option<HoldChange> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// What it decides.
    pub fn decide(&self, situation: &HoldSituation) -> Option<HoldChange> {
        (self.0)(situation)
    }
}

impl fmt::Debug for HoldRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HoldRule")
    }
}

/// From all hold profiles to all hold profiles, both by priority; `None` leaves everything as it is.
pub type HoldProfilesRule = Box<dyn Fn(&[HoldProfileRecord]) -> Option<Vec<HoldProfileRecord>> + Send + Sync>;

/// Holds in Setup Assistant, and hold profiles.
///
/// A hold begins in the step that stores an enrollment which waits for its configuration and did not before, or is a new
/// one; it is due at once. It ends at the latest in the step in which the enrollment waits no more, and stays to be looked
/// at until the enrollment is removed or held again.
#[async_trait]
pub trait HoldStore: Send + Sync {
    /// An enrollment's latest hold.
    async fn hold(&self, id: &EnrollmentId) -> StoreResult<Option<HoldRecord>>;

    /// Those that are held now, by enrollment id (bytes).
    async fn holds(&self, page: &Page) -> StoreResult<Listing<HoldRecord>>;

    /// Changes a hold as `rule` says, and queues what it says. Returns what it decided; nothing, if there is no such
    /// enrollment.
    async fn edit_hold(&self, id: &EnrollmentId, rule: HoldRule) -> StoreResult<Option<HoldChange>>;

    /// The holds whose `due` has come, the earliest first, at most `limit`; costs what it returns.
    async fn due_holds(&self, now: Timestamp, limit: usize) -> StoreResult<Vec<EnrollmentId>>;

    /// All hold profiles, by priority.
    async fn hold_profiles(&self) -> StoreResult<Vec<HoldProfileRecord>>;

    /// Changes the hold profiles: `priority` becomes the place that the rule gives each. `contents` are kept if a profile
    /// refers to them, as are those that were kept before. Returns what is stored then.
    async fn edit_hold_profiles(
        &self,
        contents: Vec<(Fingerprint, Vec<u8>)>,
        rule: HoldProfilesRule,
    ) -> StoreResult<Vec<HoldProfileRecord>>;

    /// A `.mobileconfig` that a hold profile refers to.
    async fn hold_content(&self, digest: &Fingerprint) -> StoreResult<Option<Vec<u8>>>;
}

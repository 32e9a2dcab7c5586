//! Setup Assistant: where a device is in it, and what it may not do before it is through.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::panes::panes_of;
use super::profile::AdeProfile;
use crate::Kind;
use crate::device::Device;
use crate::error::{At, Problem, Result, Step};

/// How Automated Device Enrollment set a device up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Setup {
    /// Where it is in Setup Assistant.
    pub phase: Phase,
    /// The ADE profile as the device got it at activation; an edit has no effect before the next one.
    pub profile: Map<String, Value>,
    /// The skippable panes that were shown, by their keys.
    pub panes: Vec<String>,
    /// Whether Setup Assistant went on by itself.
    pub auto_advanced: bool,
    /// Whether the user may remove the MDM profile.
    pub removable: bool,
    /// Until when the user may leave all the same, in seconds since 1970: a device that was added by hand.
    pub provisional_until: Option<i64>,
}

/// Where a device is in Setup Assistant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is enrolling.
    Enrolling,
    /// It waits for `DeviceConfigured`.
    Held,
    /// It is through.
    Done,
}

impl Device {
    /// Whether the device waits for `DeviceConfigured` in Setup Assistant.
    pub fn is_held(&self) -> bool {
        self.phase() == Some(Phase::Held)
    }

    /// Whether the device has not come to its home screen yet.
    pub fn is_in_setup_assistant(&self) -> bool {
        matches!(self.phase(), Some(Phase::Enrolling | Phase::Held))
    }

    fn phase(&self) -> Option<Phase> {
        self.state.setup.as_ref().map(|setup| setup.phase)
    }

    /// Whether the next TokenUpdate says that the device waits.
    pub(in crate::device) fn is_to_be_held(&self) -> bool {
        let setup = self
            .state
            .setup
            .as_ref()
            .filter(|setup| setup.phase == Phase::Enrolling);
        let profile = setup.and_then(|setup| AdeProfile::read(&setup.profile, &self.hardware).ok());
        profile.is_some_and(|profile| profile.awaits)
    }

    /// Refuses what can't be done before Setup Assistant is through.
    pub(in crate::device) fn past_setup_assistant(&self) -> Result<(), Problem> {
        match self.phase() {
            Some(Phase::Enrolling) => Err(Problem::State("the device is in Setup Assistant".into())),
            Some(Phase::Held) => Err(Problem::State(
                "the device is in Setup Assistant and waits for DeviceConfigured".into(),
            )),
            Some(Phase::Done) | None => Ok(()),
        }
    }

    /// Goes on in Setup Assistant after enrolling: shows the panes that are not skipped, and comes to the home screen.
    /// A device that waits for `DeviceConfigured` refuses; it goes on by itself when that has come.
    pub async fn leave_setup_assistant(&mut self) -> Result<()> {
        if self.state.awaiting_configuration {
            self.past_setup_assistant().at(Step::SetUp)?;
        }
        let Some(mut setup) = self.state.setup.take() else {
            return Ok(());
        };
        let profile = AdeProfile::read(&setup.profile, &self.hardware);
        if let Ok(profile) = profile {
            let shared = profile.multi_user && self.hardware.kind == Kind::IPad;
            setup.auto_advanced = profile.auto_advance;
            setup.panes = match shared || profile.auto_advance {
                // All panes of a Shared iPad would come after activation, and none of them does.
                true => Vec::new(),
                false => panes_of(&self.hardware)
                    .filter(|key| !profile.skips.iter().any(|skip| skip == key))
                    .map(String::from)
                    .collect(),
            };
        }
        setup.phase = Phase::Done;
        self.state.setup = Some(setup);
        self.bring_up_users().await.map(drop)
    }
}

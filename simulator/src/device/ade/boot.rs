//! The boot of a device out of its box: activation, enrollment profile, Setup Assistant.

use std::time::{SystemTime, UNIX_EPOCH};

use super::leave::FOREIGN;
use super::profile::AdeProfile;
use super::refusal::{Refusal, UpdateRequired};
use super::setup::{Phase, Setup};
use super::version;
use crate::Kind;
use crate::abm::{Activation, Lookup, Managed};
use crate::clock;
use crate::device::{Device, Enrolled};
use crate::error::{At, Problem, Result, Step};
use crate::pki::device_ca::{DeviceCa, Signing};
use crate::profile::EnrollmentProfile;

/// More updates in one boot are a server that is never content.
const MAX_UPDATES: usize = 3;
/// How long the user of a device that was added by hand may leave.
const PROVISIONAL: i64 = 30 * 86_400;

/// How a device boots.
#[derive(Clone, Debug, Default)]
pub struct BootOptions {
    /// How MachineInfo is signed; as this kind of device does it unless set.
    pub signing: Option<Signing>,
    /// What its user enters where a server asks.
    pub login: Option<Login>,
    /// Whether it updates its system when the server requires that, and tries again.
    pub updates: bool,
    /// When it is; the machine's clock unless set.
    pub now: Option<SystemTime>,
}

/// A user's name and password.
#[derive(Clone, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct Login {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// How a boot went.
#[derive(Clone, Debug)]
pub struct Booted {
    /// What came of it.
    pub outcome: Outcome,
    /// What the user was told, in order.
    pub messages: Vec<String>,
    /// The versions that the device was updated to.
    pub updates: Vec<String>,
    /// The keys of the skippable panes that were shown.
    pub panes: Vec<String>,
}

/// What came of a boot.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nobody manages it: its user sets it up.
    Consumer,
    /// It is enrolled, and its user may use it.
    Enrolled(Enrolled),
    /// It is enrolled, and waits for `DeviceConfigured` in Setup Assistant.
    Held(Enrolled),
    /// It must be updated first.
    UpdateRequired(UpdateRequired),
    /// It must be set up for Platform SSO first, which simulated devices can't do; the details.
    PssoRequired(serde_json::Value),
    /// The server gave it no profile.
    Refused(Refusal),
}

impl Booted {
    /// Whether it is enrolled, held or not.
    pub fn is_enrolled(&self) -> bool {
        matches!(self.outcome, Outcome::Enrolled(_) | Outcome::Held(_))
    }

    /// Whether it waits for `DeviceConfigured`.
    pub fn is_held(&self) -> bool {
        matches!(self.outcome, Outcome::Held(_))
    }
}

impl Device {
    /// Boots for the first time: asks for its activation record and does what that says. A device that is set up already
    /// must be wiped first.
    pub async fn boot(
        &mut self,
        lookup: &Lookup,
        factory: &DeviceCa,
        options: &BootOptions,
    ) -> Result<Booted> {
        if self.is_enrolled() {
            let problem = Problem::State("the device is set up: wipe it first".into());
            return Err(problem).at(Step::SetUp);
        }
        self.state.setup = None;
        let activation = lookup.activate(&self.hardware.serial_number).await?;
        let Activation::Managed(managed) = activation else {
            return Ok(Booted::of(Outcome::Consumer));
        };
        self.enroll_automatically(&managed, factory, options, true).await
    }

    /// Enrols a Mac that is set up already, as `profiles renew -type enrollment` does. Refused when another server
    /// manages it.
    pub async fn renew_ade(
        &mut self,
        lookup: &Lookup,
        factory: &DeviceCa,
        options: &BootOptions,
    ) -> Result<Booted> {
        self.past_setup_assistant().at(Step::SetUp)?;
        if self.hardware.kind != Kind::Mac || version::parse(&self.hardware.os_version) < (10, 13, 0) {
            let problem = Problem::State("only Macs since macOS 10.13 renew their enrollment".into());
            return Err(problem).at(Step::SetUp);
        }
        let activation = lookup.activate(&self.hardware.serial_number).await?;
        let Activation::Managed(managed) = activation else {
            return Ok(Booted::of(Outcome::Consumer));
        };
        self.enroll_automatically(&managed, factory, options, false).await
    }

    async fn enroll_automatically(
        &mut self,
        managed: &Managed,
        factory: &DeviceCa,
        options: &BootOptions,
        first: bool,
    ) -> Result<Booted> {
        let mut booted = Booted::of(Outcome::Consumer);
        let profile = loop {
            let ade = AdeProfile::read(&managed.profile, &self.hardware).at(Step::Activation)?;
            self.check_shared(&ade).at(Step::Activation)?;
            let fetched = self.fetch_for_ade(&ade, factory, options).await;
            let refusal = match fetched.at(Step::FetchProfile)? {
                Ok(profile) => break profile,
                Err(refusal) => refusal,
            };
            booted.messages.extend(refusal.message.clone());
            // Only a device in Setup Assistant updates itself for a server.
            let update = refusal.update().filter(|_| first && self.can_update());
            booted.outcome = match update {
                Some(update) if options.updates && booted.updates.len() < MAX_UPDATES => {
                    self.update_to(&update);
                    booted.updates.push(update.os_version);
                    continue;
                }
                Some(update) => Outcome::UpdateRequired(update),
                None if refusal.is_psso() && self.can_psso() => Outcome::PssoRequired(refusal.details),
                None => Outcome::Refused(refusal),
            };
            return Ok(booted);
        };
        self.check_manager(&profile)?;
        self.begin_setup(managed, options, first).at(Step::Activation)?;
        let enrolled = self.enroll_with(&profile).await;
        let enrolled = match enrolled {
            Ok(enrolled) => enrolled,
            // Where it waits to go on, it is in Setup Assistant still.
            Err(error) if self.enrollment().is_some() && matches!(error.problem, Problem::Interrupted) => {
                return Err(error);
            }
            Err(error) => {
                self.state.setup = None;
                return Err(error);
            }
        };
        if self.state.awaiting_configuration {
            self.set_phase(Phase::Held);
            booted.outcome = Outcome::Held(enrolled);
            return Ok(booted);
        }
        if first {
            self.leave_setup_assistant().await?;
        }
        let setup = self.state.setup.iter();
        booted.panes = setup.flat_map(|setup| setup.panes.clone()).collect();
        booted.outcome = Outcome::Enrolled(enrolled);
        Ok(booted)
    }

    /// What the activation record settles before the profile is installed.
    fn begin_setup(&mut self, managed: &Managed, options: &BootOptions, first: bool) -> Result<(), Problem> {
        let ade = AdeProfile::read(&managed.profile, &self.hardware)?;
        let now = options.now.unwrap_or_else(clock::now);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        self.state.supervised = ade.supervised;
        self.options.shared_ipad |= ade.multi_user;
        self.state.setup = Some(Setup {
            phase: if first { Phase::Enrolling } else { Phase::Done },
            profile: managed.profile.clone(),
            panes: Vec::new(),
            auto_advanced: false,
            removable: ade.removable,
            provisional_until: managed.added_by_hand.as_ref().map(|_| now + PROVISIONAL),
        });
        Ok(())
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(setup) = &mut self.state.setup {
            setup.phase = phase;
        }
    }

    /// Shared iPad is for iPads since iPadOS 13.4.
    fn check_shared(&self, ade: &AdeProfile) -> Result<(), Problem> {
        let old = version::parse(&self.hardware.os_version) < (13, 4, 0);
        if ade.multi_user && (self.hardware.kind != Kind::IPad || old) {
            return Err(Problem::State(
                "this device can't be a Shared iPad: give it another profile and erase it".into(),
            ));
        }
        Ok(())
    }

    /// A Mac that is managed takes a profile of the same server only.
    fn check_manager(&self, profile: &[u8]) -> Result<()> {
        let Some(present) = self.enrollment() else {
            return Ok(());
        };
        let new = EnrollmentProfile::parse(profile).at(Step::InstallProfile)?;
        let same = present.profile.identifier == new.profile.identifier
            && present.mdm.server_url == new.mdm.server_url
            && present.mdm.topic == new.mdm.topic;
        if same {
            return Ok(());
        }
        Err(Problem::State(FOREIGN.into())).at(Step::InstallProfile)
    }

    /// Updates the system, which restarts the device.
    fn update_to(&mut self, update: &UpdateRequired) {
        self.hardware.os_version = update.os_version.clone();
        let build = update.build_version.clone();
        self.hardware.build_version = build.unwrap_or_else(|| version::build(&update.os_version));
        self.state.restarts += 1;
        self.client.disconnect();
    }
}

impl Booted {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            messages: Vec::new(),
            updates: Vec::new(),
            panes: Vec::new(),
        }
    }
}

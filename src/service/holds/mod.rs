//! The hold in Setup Assistant: a device that said `AwaitingConfiguration` waits for `DeviceConfigured`, the user of a
//! Shared iPad for `UserConfigured` (Apple, "Device Configured", "User Configured").
//!
//! A hold begins in the step that stores the `TokenUpdate` which says so. It is *planned* once: the hold profile that is
//! for the device is chosen ([`choice`]), and what it is assigned is queued (`plan.rs`). From then on it changes with each
//! answer of the device, in the step that stores the answer, and when its time has come (`machine`): everything there that
//! it waits for, or too long, or an operator's word, and the command that ends it is queued in the same step.

pub mod choice;
mod commands;
mod machine;
mod plan;
pub mod profiles;
mod progress;
#[cfg(test)]
mod tests;
mod timeouts;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use self::{
    choice::HoldFacts,
    machine::{Moment, Policy},
    plan::{Assigned, Plan},
};
use crate::{
    config::{Hold, HoldTimeout},
    error::{Code, Error, Result},
    protocol::{
        ade::AdePlatform,
        answers::CommandAnswer,
        catalogue::Platform,
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    service::{
        ade::{profiles as ade_profiles, settings_commands},
        admission,
        events::Events,
        push::Pushes,
        reports::{self, Attempts, following},
    },
    storage::{
        CommandState, EnrollmentRecord, EnrollmentState, HoldBlocking, HoldChange, HoldInstall, HoldPhase,
        HoldProfileRecord, HoldRecord, HoldRule, HoldStage, HoldTerms, Listing, OnTimeout, Page,
        ReportStatus, Storage,
    },
};
pub use progress::progress;

/// The command that ends a device's hold.
pub const DEVICE_CONFIGURED: &str = "DeviceConfigured";

/// The command that ends the hold of a Shared iPad's user.
pub const USER_CONFIGURED: &str = "UserConfigured";

/// So many holds at a time when all, or all that are due, are looked at.
const BATCH: usize = 500;

/// Holds in Setup Assistant.
#[derive(Clone, Debug)]
pub struct Holds {
    store: Arc<dyn Storage>,
    pushes: Arc<Pushes>,
    events: Arc<Events>,
    attempts: Arc<Attempts>,
    settings: Hold,
    automatic: bool,
}

/// What an answer means to a hold, to be stored with it.
#[derive(Debug)]
pub struct HoldAnswer {
    /// Goes into the report.
    pub rule: HoldRule,
    queued: Arc<Mutex<Vec<String>>>,
}

impl Holds {
    /// Puts the parts together. If not `automatic`, only an operator ends a hold.
    pub fn new(
        store: Arc<dyn Storage>,
        pushes: Arc<Pushes>,
        (events, attempts): (Arc<Events>, Arc<Attempts>),
        settings: Hold,
        automatic: bool,
    ) -> Self {
        Self {
            store,
            pushes,
            events,
            attempts,
            settings,
            automatic,
        }
    }

    /// Whether the device, or the user, is held.
    pub fn concerns(&self, record: &EnrollmentRecord) -> bool {
        record.awaiting_configuration && record.state == EnrollmentState::Enrolled
    }

    /// Has the hold go on as far as it can: plans it if it is new, and looks whether its time has come. Whether anything
    /// was queued.
    pub async fn attend(&self, id: &EnrollmentId, now: Timestamp) -> Result<bool> {
        let Some(row) = self.store.enrollment(id).await? else {
            return Ok(false);
        };
        if !self.concerns(&row.record) {
            return Ok(false);
        }
        let hold = self.store.hold(id).await?;
        if hold
            .as_ref()
            .is_some_and(|hold| hold.stage == HoldStage::Released)
        {
            // The server ended between the device's word and this.
            let rule = Box::new(move |situation: &_| admission::configured(situation, now));
            let rule = following(rule, reports::Moment::Configured);
            self.store.check_in(id, None, rule).await?;
            return Ok(false);
        }
        let hold = hold.filter(|hold| hold.stage.is_open());
        let moment = self.moment(now);
        let rule = match hold {
            Some(hold) if hold.stage != HoldStage::Begun => {
                HoldRule::new(move |situation| machine::looked_at(situation, moment))
            }
            _ => match self.plan(&row.record).await? {
                Some(plan) => HoldRule::new(move |situation| machine::planned(situation, &plan, moment)),
                None => HoldRule::new(move |situation| machine::left_alone(situation, now)),
            },
        };
        let Some(change) = self.store.edit_hold(id, rule).await? else {
            return Ok(false);
        };
        self.has_changed(&change, now).await;
        Ok(!change.commands.is_empty())
    }

    /// What a device's answer means to its hold. Only for one that is held, or may be.
    pub fn answer(
        &self,
        uuid: &CommandUuid,
        status: ReportStatus,
        body: &[u8],
        now: Timestamp,
    ) -> HoldAnswer {
        let answer = CommandAnswer::read(body);
        let queued: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, uuid, moment) = (Arc::clone(&queued), uuid.clone(), self.moment(now));
        let rule = HoldRule::new(move |situation| {
            let change = machine::answered(situation, (&uuid, status), &answer, moment);
            let types = change.as_ref().map(request_types).unwrap_or_default();
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = types;
            change
        });
        HoldAnswer { rule, queued }
    }

    /// That answer has been stored: the device is woken for what followed from it.
    pub fn answered(&self, answer: &HoldAnswer, id: &EnrollmentId, now: Timestamp) {
        let queued = answer.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if !queued.is_empty() {
            queued.iter().for_each(|request_type| count_queued(request_type));
            self.wake(vec![id.clone()], now);
        }
    }

    /// Queues the command that ends the hold at once, before all other commands, and returns it.
    pub async fn release(&self, id: &EnrollmentId, now: Timestamp) -> Result<CommandUuid> {
        self.held(id).await?;
        let moment = self.moment(now);
        let rule = HoldRule::new(move |situation| machine::released(situation, moment));
        if let Some(change) = self.store.edit_hold(id, rule).await? {
            self.has_changed(&change, now).await;
        }
        let release = self.store.hold(id).await?.and_then(|hold| hold.release);
        release
            .map(|release| release.command)
            .ok_or_else(|| Error::with(Code::NotHeld, id))
    }

    /// Queues what has failed once more, and nothing else; returns the hold then. Refused where the hold profile does not
    /// allow it.
    pub async fn retry(&self, id: &EnrollmentId, now: Timestamp) -> Result<HoldRecord> {
        let record = self.held(id).await?;
        let hold = self.hold(id).await?;
        if hold.terms.as_ref().is_some_and(|terms| !terms.allow_retry) {
            return Err(Error::with(
                Code::HoldRetryDenied,
                hold.profile.unwrap_or_default(),
            ));
        }
        let assigned = match self.plan(&record).await? {
            Some(plan) => plan.assigned,
            None => Vec::new(),
        };
        let moment = self.moment(now);
        let rule = HoldRule::new(move |situation| machine::retried(situation, &assigned, moment));
        let change = self.store.edit_hold(id, rule).await?;
        let change = change.ok_or_else(|| Error::with(Code::HoldNothingFailed, id))?;
        self.has_changed(&change, now).await;
        Ok(change.hold)
    }

    /// An enrollment's latest hold.
    pub async fn hold(&self, id: &EnrollmentId) -> Result<HoldRecord> {
        let hold = self.store.hold(id).await?;
        hold.ok_or_else(|| Error::with(Code::HoldUnknown, id))
    }

    /// Those that are held now, by enrollment id.
    pub async fn list(&self, page: &Page) -> Result<Listing<HoldRecord>> {
        Ok(self.store.holds(page).await?)
    }

    /// Looks at all holds once: for what was to be queued when the server ended, or what other settings allow now. Says
    /// for how many something was queued.
    pub async fn resume(&self, now: Timestamp) -> Result<usize> {
        let mut page = Page::first(BATCH);
        let mut moved = 0;
        loop {
            let listing = self.store.holds(&page).await?;
            for hold in &listing.rows {
                moved += usize::from(self.attend(&hold.enrollment, now).await?);
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(moved),
            }
        }
    }

    /// Does what is due: plans what has begun, asks how far apps are, ends what has lasted too long.
    pub async fn tend(&self, now: Timestamp) -> Result<()> {
        for id in self.store.due_holds(now, BATCH).await? {
            self.attend(&id, now).await?;
            self.tell(&id, now).await?;
        }
        Ok(())
    }

    fn moment(&self, now: Timestamp) -> Moment {
        Moment {
            policy: Policy {
                automatic: self.automatic,
                wake: self.pushes.configured(),
            },
            now,
        }
    }

    async fn held(&self, id: &EnrollmentId) -> Result<EnrollmentRecord> {
        let row = self.store.enrollment(id).await?;
        let record = row
            .ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))?
            .record;
        match self.concerns(&record) {
            true => Ok(record),
            false => Err(Error::with(Code::NotHeld, id)),
        }
    }

    async fn has_changed(&self, change: &HoldChange, now: Timestamp) {
        if change.commands.is_empty() {
            return;
        }
        let types = request_types(change);
        types.iter().for_each(|request_type| count_queued(request_type));
        let id = &change.hold.enrollment;
        tracing::info!(enrollment = %id, stage = change.hold.stage.as_str(), commands = types.join(","), "held in Setup Assistant");
        self.wake(vec![id.clone()], now);
    }

    /// Beside what is going on: nobody waits for the answers of APNs.
    fn wake(&self, ids: Vec<EnrollmentId>, now: Timestamp) {
        let pushes = Arc::clone(&self.pushes);
        tokio::spawn(async move { pushes.queued(&ids, now, now).await });
    }

    /// What there is to do for a device; `None` if it is the operator's own business, for it came another way.
    async fn plan(&self, record: &EnrollmentRecord) -> Result<Option<Plan>> {
        let is_user = record.id.is_user_channel();
        let device = match is_user {
            true => self.store.enrollment(&record.id.device()).await?,
            false => self.store.enrollment(&record.id).await?,
        };
        let Some(device) = device.map(|row| row.record).filter(|device| device.ade.is_some()) else {
            return Ok(None);
        };
        let facts = self.facts(record, &device).await?;
        let profiles = self.store.hold_profiles().await?;
        let profile = choice::applicable(&profiles, &facts);
        let phase = profile.map_or_else(HoldPhase::nothing, |profile| match is_user {
            true => profile.user.clone(),
            false => profile.device.clone(),
        });
        let mut assigned = self.items(&phase, facts.platform).await?;
        if !is_user {
            assigned.extend(self.initial(&device).await?);
        }
        Ok(Some(Plan {
            profile: profile.map(|profile| profile.name.clone()),
            terms: match profile {
                Some(HoldProfileRecord { terms, .. }) => terms.clone(),
                None => own_terms(&self.settings),
            },
            blocking: match profile {
                Some(_) => phase.blocking,
                // Without a profile an answer to everything is enough.
                None => HoldBlocking::Selected(Vec::new()),
            },
            assigned,
        }))
    }

    async fn facts(&self, record: &EnrollmentRecord, device: &EnrollmentRecord) -> Result<HoldFacts> {
        let token = match &device.ade {
            Some(ade) => self.store.ade_token_by_number(ade.token).await?,
            None => None,
        };
        let product = device
            .device
            .product_name
            .as_deref()
            .or(device.device.model.as_deref());
        let user = record.user.as_ref().and_then(|user| user.short_name.clone());
        Ok(HoldFacts {
            token: token.map(|token| token.name),
            ade_profile: device.ade_settings.as_ref().map(|queued| queued.profile.clone()),
            platform: product
                .and_then(Platform::from_product_name)
                .and_then(AdePlatform::of),
            serial: device.device.serial.clone(),
            user: user.or_else(|| device.ade.as_ref().and_then(|ade| ade.user.clone())),
        })
    }

    async fn items(&self, phase: &HoldPhase, platform: Option<AdePlatform>) -> Result<Vec<Assigned>> {
        let mut contents = HashMap::new();
        for item in &phase.items {
            if let HoldInstall::Profile { content, .. } = &item.install
                && let Some(bytes) = self.store.hold_content(content).await?
            {
                contents.insert(*content, bytes);
            }
        }
        Ok(plan::of_phase(phase, platform, &contents))
    }

    /// What the first commands of the device's enrollment profile install.
    async fn initial(&self, device: &EnrollmentRecord) -> Result<Vec<Assigned>> {
        let Some(queued) = &device.ade_settings else {
            return Ok(Vec::new());
        };
        let Some(profile) = self.store.ade_profile(queued.token, &queued.profile).await? else {
            return Ok(Vec::new());
        };
        let settings = ade_profiles::settings(&profile)?;
        let mut assigned = Vec::new();
        for (place, (uuid, command)) in settings_commands::initial_commands(device, &settings).enumerate() {
            // One that the profile has got since was not queued for this device.
            if let Some(state) = self.state(&device.id, &uuid).await? {
                assigned.extend(plan::of_command(place, command, Some((uuid, state))));
            }
        }
        Ok(assigned)
    }

    async fn state(&self, id: &EnrollmentId, uuid: &CommandUuid) -> Result<Option<CommandState>> {
        let statuses = self.store.command_statuses(uuid, &Page::first(1)).await?;
        let own = statuses.rows.iter().find(|status| status.enrollment == *id);
        Ok(own.map(|status| status.state))
    }
}

/// The terms where no hold profile has any.
fn own_terms(settings: &Hold) -> HoldTerms {
    HoldTerms {
        timeout_minutes: u32::try_from(settings.timeout.as_secs() / 60).unwrap_or(u32::MAX),
        on_timeout: match settings.on_timeout {
            HoldTimeout::Keep => OnTimeout::Keep,
            HoldTimeout::Release => OnTimeout::Release,
        },
        release_on_failure: false,
        show_error: false,
        allow_retry: true,
        allow_reset: false,
        message: None,
    }
}

fn request_types(change: &HoldChange) -> Vec<String> {
    let commands = change.commands.iter();
    commands.map(|command| command.request_type.clone()).collect()
}

fn count_queued(request_type: &str) {
    super::commands::count(request_type, "queued", 1);
}

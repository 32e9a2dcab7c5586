//! Queues what is due, and remembers it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{applied::applied, due};
use crate::{
    error::{Code, Result},
    protocol::{ade::Settings, time::Timestamp},
    service::{ade::profiles, push::Pushes},
    storage::{
        AdeDeviceRecord, AdeProfileRecord, AdeSettingsQueued, Change, EnqueueOutcome, EnrollmentRecord,
        EnrollmentState, NewCommand, Ruling, Situation, Storage,
    },
};

/// For so long a profile's settings are taken from memory at contacts: each contact would read and decode them
/// otherwise.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// More profiles are not kept in memory.
const MAX_KEPT: usize = 4_096;

/// A profile and its settings, as they were read.
struct Kept {
    profile: AdeProfileRecord,
    settings: Settings,
    read_at: Timestamp,
    edition: u64,
}

/// Queues what enrollment profiles ask for.
pub struct EnrollmentSettings {
    store: Arc<dyn Storage>,
    pushes: Arc<Pushes>,
    kept: RwLock<HashMap<(u64, String), Arc<Kept>>>,
    edition: Arc<AtomicU64>,
}

impl fmt::Debug for EnrollmentSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrollmentSettings")
    }
}

impl EnrollmentSettings {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, pushes: Arc<Pushes>) -> Self {
        Self {
            store,
            pushes,
            kept: RwLock::default(),
            edition: Arc::default(),
        }
    }

    /// To be raised whenever a profile changes: what is kept in memory of them holds no more.
    pub fn edition(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.edition)
    }

    /// A device channel has sent a `TokenUpdate`. The first one after it has enrolled has everything queued; a later
    /// one what an earlier one could not, or a new name. The device is woken for it.
    pub async fn token_updated(&self, enrollment: &EnrollmentRecord, now: Timestamp) -> Result<()> {
        let queued = match (takes_commands(enrollment), &enrollment.ade_settings) {
            (false, _) => Ok(false),
            (true, Some(_)) => self.rename(enrollment, now).await,
            (true, None) => self.enrolled(enrollment, now).await,
        };
        if bearable(enrollment, queued)? {
            self.pushes
                .queued(std::slice::from_ref(&enrollment.id), now, now)
                .await;
        }
        Ok(())
    }

    /// A device is in contact, and about to fetch its next command: it gets a new name if its profile has one for it.
    /// Costs next to nothing for any other.
    pub async fn contact(&self, enrollment: &EnrollmentRecord, now: Timestamp) -> Result<()> {
        bearable(enrollment, self.rename(enrollment, now).await).map(drop)
    }

    async fn enrolled(&self, enrollment: &EnrollmentRecord, now: Timestamp) -> Result<bool> {
        let Some((device, profile)) = self.enrolled_with(enrollment).await? else {
            return Ok(false);
        };
        let settings = profiles::settings(&profile)?;
        self.queue(enrollment, Some(&device), &profile, &settings, now)
            .await
    }

    async fn rename(&self, enrollment: &EnrollmentRecord, now: Timestamp) -> Result<bool> {
        let Some(queued) = &enrollment.ade_settings else {
            return Ok(false);
        };
        if !takes_commands(enrollment) {
            return Ok(false);
        }
        let Some(kept) = self.profile(queued, now).await? else {
            return Ok(false);
        };
        if kept.settings.naming.template.is_none() {
            return Ok(false);
        }
        // The serial number and the model are the enrollment's own: Apple's record is not looked at each time.
        let due = due(enrollment, None, &kept.profile, &kept.settings, Some(queued));
        if due.commands.is_empty() {
            return Ok(false);
        }
        let device = self.device(enrollment, queued.token).await?;
        self.queue(enrollment, device.as_ref(), &kept.profile, &kept.settings, now)
            .await
    }

    /// The device's record at Apple, and the profile that it has there.
    async fn enrolled_with(
        &self,
        enrollment: &EnrollmentRecord,
    ) -> Result<Option<(AdeDeviceRecord, AdeProfileRecord)>> {
        let Some(serial) = &enrollment.device.serial else {
            return Ok(None);
        };
        let devices = self.store.ade_device(serial).await?;
        for device in devices.into_iter().filter(|device| device.removed_at.is_none()) {
            let assigned = device
                .assignment
                .as_ref()
                .map(|assignment| assignment.profile_uuid.clone());
            let Some(uuid) = device.facts.profile_uuid.clone().or(assigned) else {
                continue;
            };
            let profiles = self.store.ade_profiles(device.token).await?;
            if let Some(profile) = profiles
                .into_iter()
                .find(|profile| profiles::is_called(profile, &uuid))
            {
                return Ok(Some((device, profile)));
            }
        }
        Ok(None)
    }

    async fn device(&self, enrollment: &EnrollmentRecord, token: u64) -> Result<Option<AdeDeviceRecord>> {
        let Some(serial) = &enrollment.device.serial else {
            return Ok(None);
        };
        let devices = self.store.ade_device(serial).await?;
        Ok(devices.into_iter().find(|device| device.token == token))
    }

    /// The profile that a device enrolled with, as it is now or was a moment ago.
    async fn profile(&self, queued: &AdeSettingsQueued, now: Timestamp) -> Result<Option<Arc<Kept>>> {
        let key = (queued.token, queued.profile.clone());
        let edition = self.edition.load(Ordering::Acquire);
        let kept = self.kept.read().ok().and_then(|kept| kept.get(&key).cloned());
        let is_fresh = |kept: &Arc<Kept>| {
            kept.edition == edition && kept.read_at <= now && now.since(kept.read_at) < FRESH_FOR
        };
        if let Some(kept) = kept.filter(is_fresh) {
            return Ok(Some(kept));
        }
        let Some(profile) = self.store.ade_profile(queued.token, &queued.profile).await? else {
            return Ok(None);
        };
        let fresh = Arc::new(Kept {
            settings: profiles::settings(&profile)?,
            profile,
            read_at: now,
            edition,
        });
        if let Ok(mut kept) = self.kept.write() {
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(key, Arc::clone(&fresh));
        }
        Ok(Some(fresh))
    }

    async fn queue(
        &self,
        enrollment: &EnrollmentRecord,
        device: Option<&AdeDeviceRecord>,
        profile: &AdeProfileRecord,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<bool> {
        let due = due(
            enrollment,
            device,
            profile,
            settings,
            enrollment.ade_settings.as_ref(),
        );
        let number = due.commands.len();
        let policies = enrollment
            .ade_settings
            .is_none()
            .then(|| Arc::new(applied(enrollment, profile, settings, &due, now)));
        for command in due.commands {
            let command = NewCommand {
                uuid: command.uuid,
                request_type: command.request_type,
                payload: command.payload,
                targets: vec![enrollment.id.clone()],
                priority: 0,
                not_before: None,
                expires_at: None,
                wake: self.pushes.configured(),
                at: now,
                audit: None,
            };
            // A duplicate was queued just before a crash, or by another contact.
            if let EnqueueOutcome::Done(outcomes) = self.store.enqueue(command).await? {
                tracing::debug!(enrollment = %enrollment.id, ?outcomes, "queued as the profile says");
            }
        }
        let remembered = AdeSettingsQueued {
            token: profile.token,
            profile: profile.name.clone(),
            name: due.name,
            at: enrollment.ade_settings.as_ref().map_or(now, |queued| queued.at),
        };
        let since = enrollment.enrolled_at;
        let rule = move |situation: &Situation| match &situation.enrollment {
            // Of an enrollment that has begun anew meanwhile nothing was queued yet.
            Some(stored)
                if stored.enrolled_at == since && stored.ade_settings.as_ref() != Some(&remembered) =>
            {
                let mut record = stored.clone();
                record.ade_settings = Some(remembered.clone());
                Ruling::Write(Box::new(Change {
                    policies: policies.clone(),
                    ..Change::of(record)
                }))
            }
            _ => Ruling::Keep,
        };
        self.store.check_in(&enrollment.id, None, Box::new(rule)).await?;
        if number > 0 {
            tracing::info!(enrollment = %enrollment.id, profile = profile.name, number, "commands of its profile queued");
        }
        Ok(number > 0)
    }
}

/// Whether anything was queued. Only the store's trouble is the device's: it comes again then. A profile that can't be
/// read any more must not stand in its way.
fn bearable(enrollment: &EnrollmentRecord, queued: Result<bool>) -> Result<bool> {
    match queued {
        Err(error) if error.code() != Code::StoreUnavailable => {
            let cause = std::error::Error::source(&error);
            tracing::error!(enrollment = %enrollment.id, ?cause, "its profile's commands are not queued: {error}");
            Ok(false)
        }
        queued => queued,
    }
}

fn takes_commands(enrollment: &EnrollmentRecord) -> bool {
    enrollment.state == EnrollmentState::Enrolled && !enrollment.id.is_user_channel()
}

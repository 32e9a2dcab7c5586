//! One round: what is due, sorted by profile, asked of Apple in as few calls as it takes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Assigner,
    outcome::{self, COOL_DOWN},
    wanted::Wanted,
};
use crate::{
    apple::dep::{DepAccess, DepAssigned, DepDevice, DepFailure, DeviceAssignment},
    error::{Code, Result},
    protocol::{ids::SerialNumber, time::Timestamp},
    service::{
        ade::{
            profiles::DefineFailure,
            sync::{facts, limit_of},
            tokens::check_usable,
        },
        backoff,
    },
    storage::{
        AdeAssignment, AdeAssignmentState, AdeDeviceChange, AdeDeviceRecord, AdeTokenRecord, RowRuling,
    },
};

/// The most serial numbers in one call (Y12).
const MAX_SERIALS: usize = 1000;

/// The waits after calls that failed.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// Apple, and with what it is asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    apple: &'a dyn DeviceAssignment,
    access: &'a DepAccess,
}

impl Assigner {
    /// Does what is due now, up to one call's worth; `false` if there was nothing, or nothing can be done.
    pub(super) async fn round(&self, token: &AdeTokenRecord) -> Result<bool> {
        let now = (self.clock)();
        if check_usable(token, now).is_err() || self.not_before(token).is_some_and(|at| now < at) {
            return Ok(false);
        }
        let limit = MAX_SERIALS.min(limit_of(token, "/profile/devices") as usize);
        let due = self.store.due_ade_devices(token.number, now, limit).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let Ok(apple) = self.tokens.apple() else {
            return Ok(false);
        };
        let access = self.tokens.access(token, now)?;
        let apple = Asked {
            apple: apple.as_ref(),
            access: &access,
        };
        let wants = self.wants(token).await?;
        let mut groups: BTreeMap<Wanted, Vec<AdeDeviceRecord>> = BTreeMap::new();
        let mut content = Vec::new();
        for device in due {
            match wants.missing(&device.facts, device.chosen_profile.as_deref()) {
                Some(wanted) if device.removed_at.is_none() => groups.entry(wanted).or_default().push(device),
                _ => content.push(device.serial),
            }
        }
        if !content.is_empty() {
            self.settle(token, content, now).await?;
        }
        for (wanted, devices) in groups {
            let uuid = match &wanted {
                Wanted::Identified(uuid) => uuid.clone(),
                Wanted::Named(name) => {
                    match self.profiles.profile_uuid(token, &access, name, None, now).await {
                        Ok(uuid) => uuid,
                        Err(why) => {
                            let serials = devices.into_iter().map(|device| device.serial).collect();
                            if !self.undefined(token, name, why, serials, now).await? {
                                return Ok(false);
                            }
                            continue;
                        }
                    }
                }
            };
            match (self.give(token, apple, &uuid, devices).await?, &wanted) {
                (Ok(()), _) => {}
                (Err(DepFailure::ProfileNotFound), Wanted::Named(name)) => {
                    // The devices are tried again under its new identifier.
                    let gone = Some(uuid.as_str());
                    let defined = self.profiles.profile_uuid(token, &access, name, gone, now).await;
                    if let Err(why) = defined
                        && !self.undefined(token, name, why, Vec::new(), now).await?
                    {
                        return Ok(false);
                    }
                }
                (Err(DepFailure::ProfileNotFound), Wanted::Identified(_)) => {}
                (Err(failure), _) => {
                    self.pause(token, &failure, now).await;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Nothing is to be done for these.
    async fn settle(&self, token: &AdeTokenRecord, serials: Vec<SerialNumber>, now: Timestamp) -> Result<()> {
        let change = AdeDeviceChange {
            sync: None,
            serials,
            rule: Box::new(move |_, stored| match stored {
                Some(stored) if stored.due.is_some_and(|due| due <= now) => RowRuling::Put(AdeDeviceRecord {
                    due: None,
                    ..stored.clone()
                }),
                _ => RowRuling::Keep,
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        Ok(())
    }

    /// The profile is not to be had. `false`: nothing else is now, either.
    async fn undefined(
        &self,
        token: &AdeTokenRecord,
        name: &str,
        why: DefineFailure,
        serials: Vec<SerialNumber>,
        now: Timestamp,
    ) -> Result<bool> {
        match why {
            DefineFailure::Own(error) if error.code() == Code::AdeProfileUnknown => {
                tracing::warn!(
                    token = token.name,
                    profile = name,
                    "there is no such profile: its devices get none"
                );
                self.settle(token, serials, now).await?;
            }
            DefineFailure::Own(error) => return Err(error),
            DefineFailure::Apple(failure @ (DepFailure::Refused(..) | DepFailure::Malformed(_))) => {
                tracing::warn!(token = token.name, profile = name, %failure, "Apple does not take this profile");
                self.postpone(token, serials, now, COOL_DOWN).await?;
            }
            DefineFailure::Apple(failure) => {
                self.pause(token, &failure, now).await;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn postpone(
        &self,
        token: &AdeTokenRecord,
        serials: Vec<SerialNumber>,
        now: Timestamp,
        by: Duration,
    ) -> Result<()> {
        let change = AdeDeviceChange {
            sync: None,
            serials,
            rule: Box::new(move |_, stored| match stored {
                Some(stored) if stored.due.is_some_and(|due| due <= now) => RowRuling::Put(AdeDeviceRecord {
                    due: Some(now.plus(by)),
                    ..stored.clone()
                }),
                _ => RowRuling::Keep,
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        Ok(())
    }

    /// Asks Apple to give these devices a profile.
    async fn give(
        &self,
        token: &AdeTokenRecord,
        asked: Asked<'_>,
        uuid: &str,
        devices: Vec<AdeDeviceRecord>,
    ) -> Result<std::result::Result<(), DepFailure>> {
        let (uncertain, certain): (Vec<_>, Vec<_>) = devices
            .into_iter()
            .partition(|device| outcome::may_have(device, uuid));
        let serials = |devices: Vec<AdeDeviceRecord>| devices.into_iter().map(|device| device.serial);
        let uncertain: Vec<SerialNumber> = serials(uncertain).collect();
        let mut serials: Vec<SerialNumber> = serials(certain).collect();
        if !uncertain.is_empty() {
            let names: Vec<String> = uncertain.iter().map(|serial| serial.to_string()).collect();
            let seen = match asked.apple.devices(asked.access, &names).await {
                Ok(seen) => seen,
                Err(failure) => return Ok(Err(failure)),
            };
            serials.extend(self.look(token, uuid, uncertain, seen).await?);
        }
        let marked = self.mark(token, uuid, serials).await?;
        if marked.is_empty() {
            return Ok(Ok(()));
        }
        let names: Vec<String> = marked.iter().map(|serial| serial.to_string()).collect();
        match asked.apple.assign(asked.access, uuid, &names).await {
            Ok(assigned) => {
                self.state().entry(token.number).or_default().failures = 0;
                self.store_answer(token, uuid, marked, assigned).await?;
                Ok(Ok(()))
            }
            Err(failure @ (DepFailure::ProfileNotFound | DepFailure::Refused(..))) => {
                tracing::warn!(token = token.name, profile = uuid, %failure, "Apple does not assign this profile");
                self.store_answer(token, uuid, marked, DepAssigned::default())
                    .await?;
                match failure {
                    DepFailure::ProfileNotFound => Ok(Err(failure)),
                    _ => Ok(Ok(())),
                }
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// What Apple says of devices for which it may have been asked already; those that lack the profile come back.
    async fn look(
        &self,
        token: &AdeTokenRecord,
        uuid: &str,
        serials: Vec<SerialNumber>,
        seen: BTreeMap<String, DepDevice>,
    ) -> Result<Vec<SerialNumber>> {
        let now = (self.clock)();
        let lacking = Arc::new(Mutex::new(HashSet::new()));
        let (noted, uuid) = (Arc::clone(&lacking), uuid.to_owned());
        let change = AdeDeviceChange {
            sync: None,
            serials,
            rule: Box::new(move |serial, stored| {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.remove(serial);
                let Some(stored) = stored else {
                    return RowRuling::Keep;
                };
                let present = seen.get(serial.as_str()).map(facts::facts).unwrap_or_default();
                if facts::present_profile(&present) != Some(uuid.as_str()) {
                    noted.insert(serial.clone());
                    return RowRuling::Keep;
                }
                let mut next = stored.clone();
                next.facts.profile_uuid = present.profile_uuid;
                next.facts.profile_status = present.profile_status;
                next.facts.profile_assign_time = present.profile_assign_time;
                next.assignment = Some(AdeAssignment {
                    profile_uuid: uuid.clone(),
                    state: AdeAssignmentState::Assigned,
                    at: now,
                    attempts: stored
                        .assignment
                        .as_ref()
                        .map_or(1, |assignment| assignment.attempts),
                });
                next.due = None;
                RowRuling::Put(next)
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        let lacking = std::mem::take(&mut *lacking.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(lacking.into_iter().collect())
    }

    /// Takes these devices for this call; those that somebody else has taken since are left out.
    async fn mark(
        &self,
        token: &AdeTokenRecord,
        uuid: &str,
        serials: Vec<SerialNumber>,
    ) -> Result<Vec<SerialNumber>> {
        let now = (self.clock)();
        let taken = Arc::new(Mutex::new(HashSet::new()));
        let (noted, uuid) = (Arc::clone(&taken), uuid.to_owned());
        let change = AdeDeviceChange {
            sync: None,
            serials: serials.clone(),
            rule: Box::new(move |serial, stored| {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.remove(serial);
                match stored {
                    Some(stored)
                        if stored.due.is_some_and(|due| due <= now) && stored.removed_at.is_none() =>
                    {
                        noted.insert(serial.clone());
                        RowRuling::Put(outcome::asking(stored, &uuid, now))
                    }
                    _ => RowRuling::Keep,
                }
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        let taken = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(serials
            .into_iter()
            .filter(|serial| taken.contains(serial))
            .collect())
    }

    async fn store_answer(
        &self,
        token: &AdeTokenRecord,
        uuid: &str,
        serials: Vec<SerialNumber>,
        answer: DepAssigned,
    ) -> Result<()> {
        let now = (self.clock)();
        for serial in &serials {
            let status = answer.devices.get(serial.as_str());
            let status = status.map_or("FAILED", String::as_str).to_owned();
            metrics::counter!("russet_ade_assignments_total", "status" => status).increment(1);
        }
        let retry_after = answer.retry_after_seconds.map(Duration::from_secs);
        let uuid = uuid.to_owned();
        let change = AdeDeviceChange {
            sync: None,
            serials,
            rule: Box::new(move |serial, stored| match stored {
                Some(stored) if stored.removed_at.is_none() => {
                    let status = answer.devices.get(serial.as_str()).map(String::as_str);
                    RowRuling::Put(outcome::answered(stored, &uuid, status, retry_after, now))
                }
                _ => RowRuling::Keep,
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        Ok(())
    }

    /// A call failed: nothing more is asked with this token for a while.
    async fn pause(&self, token: &AdeTokenRecord, failure: &DepFailure, now: Timestamp) {
        tracing::warn!(token = token.name, %failure, "devices wait for their profiles");
        if let Err(error) = self.tokens.note_failure(token.number, failure, now).await {
            tracing::error!(token = token.name, %error, "how the token stands could not be stored");
        }
        let said = match failure {
            DepFailure::TooManyRequests(said) | DepFailure::Unavailable(_, said) => *said,
            _ => None,
        };
        let mut states = self.state();
        let state = states.entry(token.number).or_default();
        state.failures = state.failures.saturating_add(1);
        state.edition = token.edition;
        let (first, longest) = BACKOFF;
        let wait = backoff::after(state.failures, first, longest, token.number);
        state.not_before = Some(now.plus(wait.max(said.unwrap_or_default())));
    }
}

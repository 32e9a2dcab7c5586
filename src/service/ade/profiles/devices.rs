//! The devices that a profile concerns.

use super::{Profiles, is_called};
use crate::{
    error::Result,
    protocol::{ade::AdePlatform, ids::SerialNumber, time::Timestamp},
    storage::{
        AdeAssignmentState, AdeDeviceChange, AdeDeviceFilter, AdeDeviceRecord, AdeProfileRecord, Page,
        RowRuling, Storage,
    },
};

/// So many devices are looked at, or changed, in one step.
const STEP: usize = 1_000;

/// How many devices use a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Those that have it or shall have it.
    pub devices: u64,
    /// Of these, those that have fetched it: what it says now, they learn when they are reset.
    pub fetched: u64,
}

/// Whether the device has this profile, or shall have it.
fn uses(device: &AdeDeviceRecord, profile: &AdeProfileRecord, is_default_of: Option<AdePlatform>) -> bool {
    let has = device.facts.profile_uuid.as_deref();
    let assigned = device
        .assignment
        .as_ref()
        .map(|assignment| assignment.profile_uuid.as_str());
    if has
        .into_iter()
        .chain(assigned)
        .any(|uuid| is_called(profile, uuid))
    {
        return true;
    }
    match &device.chosen_profile {
        Some(chosen) => *chosen == profile.name,
        None => is_default_of.is_some_and(|platform| is_of(device, platform)) && has_none(device),
    }
}

/// Whether Apple has no profile for the device.
fn has_none(device: &AdeDeviceRecord) -> bool {
    device.facts.profile_uuid.as_deref().is_none_or(str::is_empty)
}

fn is_of(device: &AdeDeviceRecord, platform: AdePlatform) -> bool {
    let facts = &device.facts;
    AdePlatform::of_device(facts.device_family.as_deref(), facts.os.as_deref()) == Some(platform)
}

fn has_fetched(device: &AdeDeviceRecord) -> bool {
    device
        .facts
        .profile_status
        .as_deref()
        .is_some_and(|status| status.eq_ignore_ascii_case("pushed"))
}

/// A way through the devices that Apple has for a token, a step at a time.
struct Steps {
    filter: AdeDeviceFilter,
    /// Absent at the end.
    page: Option<Page>,
}

impl Steps {
    fn of(token: u64) -> Self {
        Self {
            filter: AdeDeviceFilter {
                token: Some(token),
                removed: Some(false),
                ..AdeDeviceFilter::default()
            },
            page: Some(Page::first(STEP)),
        }
    }

    async fn next(&mut self, store: &dyn Storage) -> Result<Option<Vec<AdeDeviceRecord>>> {
        let Some(page) = self.page.take() else {
            return Ok(None);
        };
        let listing = store.ade_devices(&self.filter, &page).await?;
        self.page = listing.next_cursor.map(|cursor| Page {
            cursor: Some(cursor),
            ..page
        });
        Ok(Some(listing.rows))
    }
}

impl Profiles {
    /// Counts the devices that use a profile. Looks at every device of the token: for what an operator does now and
    /// then.
    pub(super) async fn count_uses(
        &self,
        profile: &AdeProfileRecord,
        is_default_of: Option<AdePlatform>,
    ) -> Result<Uses> {
        let mut counted = Uses::default();
        let mut steps = Steps::of(profile.token);
        while let Some(devices) = steps.next(&*self.store).await? {
            for device in devices
                .iter()
                .filter(|device| uses(device, profile, is_default_of))
            {
                counted.devices += 1;
                counted.fetched += u64::from(has_fetched(device));
            }
        }
        Ok(counted)
    }

    /// Has the assigner look at the devices that use a profile. Where it is gone for good, they no longer choose it.
    pub(super) async fn make_due(
        &self,
        profile: &AdeProfileRecord,
        is_default_of: Option<AdePlatform>,
        gone: bool,
        now: Timestamp,
    ) -> Result<()> {
        let mut steps = Steps::of(profile.token);
        while let Some(devices) = steps.next(&*self.store).await? {
            let concerned = devices
                .into_iter()
                .filter(|device| uses(device, profile, is_default_of));
            let serials = concerned.map(|device| device.serial).collect();
            let name = gone.then(|| profile.name.clone());
            self.make_these_due(profile.token, serials, name, now).await?;
        }
        Ok(())
    }

    /// Has the assigner look at the devices of a platform that have no profile.
    pub(super) async fn make_bare_ones_due(
        &self,
        token: u64,
        platform: AdePlatform,
        now: Timestamp,
    ) -> Result<()> {
        let mut steps = Steps::of(token);
        while let Some(devices) = steps.next(&*self.store).await? {
            let bare = devices
                .into_iter()
                .filter(|device| is_of(device, platform) && has_none(device));
            let serials = bare.map(|device| device.serial).collect();
            self.make_these_due(token, serials, None, now).await?;
        }
        Ok(())
    }

    async fn make_these_due(
        &self,
        token: u64,
        serials: Vec<SerialNumber>,
        gone: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        if serials.is_empty() {
            return Ok(());
        }
        let rule = move |_: &SerialNumber, stored: Option<&AdeDeviceRecord>| match stored {
            None => RowRuling::Keep,
            Some(stored) => {
                let mut device = stored.clone();
                if gone.is_some() && device.chosen_profile == gone {
                    device.chosen_profile = None;
                }
                // Apple has said when it may be asked again.
                let throttled = device.assignment.as_ref();
                let throttled =
                    throttled.is_some_and(|assignment| assignment.state == AdeAssignmentState::Throttled);
                if !(throttled && device.due.is_some()) {
                    device.due = Some(device.due.map_or(now, |due| due.min(now)));
                }
                if device == *stored {
                    return RowRuling::Keep;
                }
                device.updated_at = now;
                RowRuling::Put(device)
            }
        };
        let change = AdeDeviceChange {
            sync: None,
            serials,
            rule: Box::new(rule),
        };
        self.store.change_ade_devices(token, change).await?;
        Ok(())
    }
}

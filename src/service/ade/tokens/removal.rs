//! Deleting a token: only when nothing depends on it any more (T13).

use std::collections::BTreeSet;

use super::{AdeTokens, settings::revision};
use crate::{
    error::{Code, Error, Result},
    service::revision::Expected,
    storage::{AdeDeviceFilter, AdeTokenRecord, Page},
};

impl AdeTokens {
    /// Deletes a token that has no devices on its default profile, no devices at all, and no profiles. Devices that
    /// Apple has released do not count.
    pub async fn remove(&self, name: &str, expected: &Expected) -> Result<()> {
        let _alone = self.shared.alone.lock().await;
        let record = self.record(name).await?;
        expected.check(&revision(&record))?;
        self.check_removable(&record).await?;
        self.store.remove_ade_token(record.number).await?;
        Ok(())
    }

    async fn check_removable(&self, record: &AdeTokenRecord) -> Result<()> {
        let profiles = self.store.ade_profiles(record.number).await?;
        let defaults: BTreeSet<&String> = record.defaults.values().collect();
        let uuids = profiles
            .iter()
            .filter(|profile| defaults.contains(&profile.name))
            .flat_map(|profile| profile.uuid.iter().chain(&profile.former_uuids))
            .chain(&record.assigner_profile_uuid);
        let on_default = AdeDeviceFilter {
            token: Some(record.number),
            profile_uuids: Some(uuids.cloned().collect()),
            removed: Some(false),
            ..AdeDeviceFilter::default()
        };
        let first = self.store.ade_devices(&on_default, &Page::first(1)).await?.rows;
        if let Some(device) = first.first() {
            let text = format!("{} is one of them", device.serial);
            return Err(Error::with(Code::AdeTokenDefaultInUse, text));
        }
        let devices = self.store.ade_figures(record.number).await?.devices;
        if devices > 0 {
            return Err(Error::with(Code::AdeTokenHasDevices, counted(devices, "device")));
        }
        if let Some(profile) = profiles.first() {
            let count = counted(profiles.len() as u64, "profile");
            let text = format!("{count}; {:?} is one of them", profile.name);
            return Err(Error::with(Code::AdeTokenHasProfiles, text));
        }
        Ok(())
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

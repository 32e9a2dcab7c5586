//! The profile that devices get which have none, for each platform.

use super::{ProfileView, Profiles, settings};
use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    storage::AdeTokenRecord,
};

impl Profiles {
    /// Makes a profile the default of its platform, and has the devices without one looked at.
    pub async fn set_default(&self, token: &str, name: &str, now: Timestamp) -> Result<ProfileView> {
        let token = self.token(token).await?;
        let record = self.stored(token.number, name).await?;
        let platform = settings(&record)?.platform;
        let wanted = name.to_owned();
        let rule = move |stored: &AdeTokenRecord| {
            let mut token = stored.clone();
            let former = token.defaults.insert(platform, wanted.clone());
            (former.as_ref() != Some(&wanted)).then(|| {
                token.updated_at = now;
                token
            })
        };
        let token = self.store.edit_ade_token(token.number, Box::new(rule)).await?;
        let token = token.ok_or_else(|| Error::with(Code::AdeTokenUnknown, "it was just deleted"))?;
        self.make_bare_ones_due(token.number, platform, now).await?;
        self.view(&token, record)
    }

    /// Makes a profile the default no more. Devices that have it keep it.
    pub async fn unset_default(&self, token: &str, name: &str, now: Timestamp) -> Result<ProfileView> {
        let token = self.token(token).await?;
        let record = self.stored(token.number, name).await?;
        let token = self.forget_default(&token, name, now).await?;
        self.view(&token, record)
    }

    pub(super) async fn forget_default(
        &self,
        token: &AdeTokenRecord,
        name: &str,
        now: Timestamp,
    ) -> Result<AdeTokenRecord> {
        let unwanted = name.to_owned();
        let rule = move |stored: &AdeTokenRecord| {
            let mut token = stored.clone();
            token.defaults.retain(|_, default| *default != unwanted);
            (token.defaults != stored.defaults).then(|| {
                token.updated_at = now;
                token
            })
        };
        let token = self.store.edit_ade_token(token.number, Box::new(rule)).await?;
        token.ok_or_else(|| Error::with(Code::AdeTokenUnknown, "it was just deleted"))
    }
}

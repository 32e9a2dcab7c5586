//! Deleting a profile.

use super::{Profiles, edit::revision};
use crate::{
    error::{Code, Error, Result},
    protocol::{ade::AdePlatform, time::Timestamp},
    service::revision::Expected,
    storage::{AdeProfileRecord, RowRuling},
};

impl Profiles {
    /// Deletes a profile. Refused while it is a default or devices use it, unless `force`d: those get the default then.
    pub async fn remove(
        &self,
        token: &str,
        name: &str,
        force: bool,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<()> {
        let token = self.token(token).await?;
        let record = self.stored(token.number, name).await?;
        expected.check(&revision(&record))?;
        let default_of: Vec<AdePlatform> = token
            .defaults
            .iter()
            .filter(|(_, default)| *default == name)
            .map(|(platform, _)| *platform)
            .collect();
        let uses = self.count_uses(&record, default_of.first().copied()).await?;
        if !force {
            let platforms: Vec<_> = default_of.iter().map(|platform| platform.as_str()).collect();
            let mut reasons = Vec::new();
            if !platforms.is_empty() {
                reasons.push(format!("it is the default for {}", platforms.join(", ")));
            }
            if uses.devices > 0 {
                reasons.push(format!("{} devices use it", uses.devices));
            }
            if !reasons.is_empty() {
                return Err(Error::with(Code::AdeProfileInUse, reasons.join("; ")));
            }
        }
        // First what refers to it: nothing may point at a profile that is not there.
        self.forget_default(&token, name, now).await?;
        let rule = |stored: Option<&AdeProfileRecord>, _: usize| match stored {
            Some(_) => RowRuling::Remove,
            None => RowRuling::Keep,
        };
        self.store
            .edit_ade_profile(token.number, name, Box::new(rule))
            .await?;
        self.has_changed();
        self.make_due(&record, default_of.first().copied(), true, now)
            .await
    }
}

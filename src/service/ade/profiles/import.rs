//! Taking over a profile that Apple has already.

use super::{ProfileView, Profiles, define::no_service, invalid};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ade::{self, AdePlatform, Finding, Settings},
        time::Timestamp,
    },
    service::ade::tokens::trouble,
    storage::AdeProfileRecord,
};

/// A profile that was taken over.
#[derive(Clone, Debug)]
pub struct ImportedProfile {
    /// As it is now.
    pub view: ProfileView,
    /// What could not be carried over.
    pub lost: Vec<Finding>,
}

/// Apple's identifiers have 32 characters; no longer one is asked for.
const MAX_UUID: usize = 64;

impl Profiles {
    /// Takes a profile over that Apple has for this token. It keeps its identifier, and what Apple has, until it is
    /// edited here. `name`: another one than Apple's.
    pub async fn import(
        &self,
        token: &str,
        uuid: &str,
        name: Option<&str>,
        platform: AdePlatform,
        now: Timestamp,
    ) -> Result<ImportedProfile> {
        let uuid_is_sound =
            !uuid.is_empty() && uuid.len() <= MAX_UUID && uuid.chars().all(|c| c.is_ascii_graphic());
        if !uuid_is_sound {
            return Err(Error::invalid("uuid", "is no identifier of Apple's"));
        }
        if let Some(wrong) = name.and_then(ade::check_name) {
            return Err(invalid(&[wrong]));
        }
        let (token, access) = self.access(token, now).await?;
        let (apple, _) = self.apple.as_ref().ok_or_else(no_service)?;
        if let Some(known) = self.by_uuid(token.number, uuid).await? {
            return Err(Error::with(
                Code::AdeProfileExists,
                format!("{:?} has that identifier", known.name),
            ));
        }
        let profile = apple.profile(&access, uuid).await;
        let profile = profile.map_err(|failure| trouble::error_of(&failure))?;
        let Some(profile) = profile.as_object() else {
            return Err(Error::with(
                Code::AppleUnavailable,
                "the profile is not a JSON object",
            ));
        };
        let mut imported = ade::import(profile, platform.as_str());
        let name = name.unwrap_or(&imported.name).to_owned();
        let checked = Settings::parse(&imported.settings);
        let settings = match (ade::check_name(&name), checked) {
            (None, Ok(settings)) => settings,
            (wrong, checked) => {
                let findings = wrong.into_iter().chain(checked.err().unwrap_or_default());
                return Err(invalid(&findings.collect::<Vec<_>>()));
            }
        };
        if imported.url != self.doors.addresses(&token).url {
            let text = format!(
                "leads to {}, not to this server; an edit here makes it lead here",
                imported.url
            );
            imported.lost.push(Finding::new(&["url"], text));
        }
        let record = AdeProfileRecord {
            token: token.number,
            name,
            description: format!("Imported from Apple as {uuid}"),
            settings: settings.to_value(),
            revision: 1,
            uuid: Some(uuid.to_owned()),
            former_uuids: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        self.add(&token, record.clone()).await?;
        Ok(ImportedProfile {
            view: self.view_of(&token, record, settings),
            lost: imported.lost,
        })
    }
}

//! Changing a profile, and what follows from it for its devices.

use serde_json::Value;

use super::{ProfileView, Profiles, Uses, invalid, settings};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ade::{self, Affinity, AuthMethod, Finding, PairingMode, Settings},
        time::Timestamp,
    },
    service::revision::{Expected, Revision},
    storage::{AdeProfileRecord, AdeTokenRecord, RowRuling},
};

/// So often a change is tried while others change the same profile.
const ATTEMPTS: usize = 8;
/// So many former identifiers are remembered.
const MAX_FORMER: usize = 200;

/// What is to be different about a profile; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The operator's note.
    pub description: Option<String>,
    /// The settings.
    pub settings: Option<SettingsChange>,
    /// What the profile has to be like before.
    pub expected: Expected,
}

/// What becomes of the settings.
#[derive(Clone, Debug)]
pub enum SettingsChange {
    /// These are laid over them (RFC 7396).
    Merge(Value),
    /// These take their place.
    Replace(Value),
}

/// A profile that was changed, or might be.
#[derive(Clone, Debug)]
pub struct Edited {
    /// As it is then.
    pub view: ProfileView,
    /// Whether anything is different.
    pub changed: bool,
    /// Whether Apple needs a new profile for it.
    pub defined_anew: bool,
    /// The devices that use it.
    pub uses: Uses,
    /// Whether those that have fetched it have to be reset before they heed the change.
    pub needs_reset: bool,
    /// What follows from the change.
    pub consequences: Vec<Finding>,
}

impl Profiles {
    /// Changes a profile; with `only_validate` says what would come of it.
    pub async fn edit(
        &self,
        token: &str,
        name: &str,
        change: &Change,
        only_validate: bool,
        now: Timestamp,
    ) -> Result<Edited> {
        let token = self.token(token).await?;
        for _ in 0..ATTEMPTS {
            let before = self.stored(token.number, name).await?;
            change.expected.check(&revision(&before))?;
            let (after, old, new) = self.changed(&token, &before, change, now)?;
            let changed = after != before;
            let defined_anew = before.uuid.is_some() && after.uuid.is_none();
            if changed && !only_validate && !self.replace(&before, &after).await? {
                continue;
            }
            self.has_changed();
            let view = self.view_of(&token, after, new.clone());
            let is_default_of = view.is_default.then_some(new.platform);
            let uses = self.count_uses(&before, is_default_of).await?;
            if defined_anew && !only_validate {
                self.make_due(&view.record, is_default_of, false, now).await?;
            }
            let needs_reset = only_with_a_reset(&old, &new);
            return Ok(Edited {
                consequences: consequences(&old, &new, needs_reset, uses),
                view,
                changed,
                defined_anew,
                uses,
                needs_reset: needs_reset && uses.fetched > 0,
            });
        }
        Err(Error::with(
            Code::AdeProfileExists,
            "it is being changed by others; try again",
        ))
    }

    /// The record after the change, and the settings before and after it.
    fn changed(
        &self,
        token: &AdeTokenRecord,
        before: &AdeProfileRecord,
        change: &Change,
        now: Timestamp,
    ) -> Result<(AdeProfileRecord, Settings, Settings)> {
        let old = settings(before)?;
        let new = match &change.settings {
            None => Ok(old.clone()),
            Some(SettingsChange::Replace(value)) => Settings::parse(value),
            Some(SettingsChange::Merge(value)) => {
                let mut merged = before.settings.clone();
                // Follows from the affinity, and must not stand in the way of another one.
                if old.affinity == Affinity::With && old.auth.method == Some(AuthMethod::Modern) {
                    ade::merge(&mut merged, &serde_json::json!({ "auth": null }));
                }
                ade::merge(&mut merged, value);
                Settings::parse(&merged)
            }
        };
        let description = change.description.as_deref().unwrap_or(&before.description);
        let mut findings: Vec<Finding> = ade::check_description(description).into_iter().collect();
        let new = match new {
            Ok(new) => {
                findings.extend(forbidden(&old, &new));
                new
            }
            Err(more) => {
                findings.extend(more);
                Settings::default()
            }
        };
        if !findings.is_empty() {
            return Err(invalid(&findings));
        }
        let mut after = before.clone();
        description.clone_into(&mut after.description);
        after.settings = new.to_value();
        if after != *before {
            after.revision = before.revision.saturating_add(1);
            after.updated_at = now;
        }
        let addresses = self.doors.addresses(token);
        let at_apple = |settings| ade::render(&before.name, settings, &addresses);
        if at_apple(&old) != at_apple(&new)
            && let Some(uuid) = after.uuid.take()
        {
            remember(&mut after.former_uuids, uuid);
        }
        Ok((after, old, new))
    }

    /// Stores `after` if `before` is what is stored.
    async fn replace(&self, before: &AdeProfileRecord, after: &AdeProfileRecord) -> Result<bool> {
        let (expected, wanted) = (before.clone(), after.clone());
        let rule = move |stored: Option<&AdeProfileRecord>, _: usize| match stored {
            Some(stored) if *stored == expected => RowRuling::Put(wanted.clone()),
            _ => RowRuling::Keep,
        };
        let stored = self
            .store
            .edit_ade_profile(before.token, &before.name, Box::new(rule))
            .await?;
        Ok(stored.flatten().as_ref() == Some(after))
    }
}

/// Adds an identifier that Apple's copy had.
pub(super) fn remember(former: &mut Vec<String>, uuid: String) {
    former.insert(0, uuid);
    former.truncate(MAX_FORMER);
}

/// What an operator has set.
pub(super) fn revision(record: &AdeProfileRecord) -> Revision {
    Revision::of(&(
        &record.description,
        &record.settings,
        record.revision,
        record.created_at,
    ))
}

/// What no edit may do.
fn forbidden(old: &Settings, new: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if old.platform != new.platform {
        let text = "can't be changed; make another profile for that platform";
        findings.push(Finding::new(&["platform"], text));
    }
    let certificates = |settings: &Settings| {
        let by_certificate = |mode| mode == PairingMode::ConfiguratorByCertificate;
        let pairing = settings
            .pairing
            .clone()
            .filter(|pairing| by_certificate(pairing.mode));
        pairing.map(|pairing| pairing.certificates)
    };
    if let (Some(old), Some(new)) = (certificates(old), certificates(new))
        && old != new
    {
        let text = "are read-only once uploaded; change pairing.mode first, or make another profile";
        findings.push(Finding::new(&["pairing.certificates"], text));
    }
    findings
}

/// Whether devices that have fetched the profile heed the change after a reset only. Names alone are taken over at the
/// next contact.
fn only_with_a_reset(old: &Settings, new: &Settings) -> bool {
    let unnamed = |settings: &Settings| Settings {
        naming: Default::default(),
        targets: Default::default(),
        ..settings.clone()
    };
    unnamed(old) != unnamed(new)
}

fn consequences(old: &Settings, new: &Settings, needs_reset: bool, uses: Uses) -> Vec<Finding> {
    let mut findings = Vec::new();
    if needs_reset && uses.fetched > 0 {
        let text = format!(
            "takes effect on the {} devices that have this profile already once they are reset to factory settings and \
             activated again",
            uses.fetched
        );
        findings.push(Finding::new(&["settings"], text));
    }
    let guests_only = |settings: &Settings| {
        let shared = settings.shared_ipad.as_ref();
        shared.is_some_and(|shared| shared.temporary_session_only)
    };
    if guests_only(old) && !guests_only(new) {
        let text = "going back from temporary sessions needs a full reset of the iPad and this new profile";
        findings.push(Finding::new(&["shared_ipad.temporary_session_only"], text));
    }
    if old.naming != new.naming {
        let text = "takes effect when a device is next in contact; no reset is needed";
        findings.push(Finding::new(&["naming.template"], text));
    }
    findings
}

//! Managed apps: taken on at once, there after a while, or never.

use std::time::UNIX_EPOCH;

use super::apply::Answer;
use super::{Device, Installing};
use crate::clock;
use crate::error::Problem;
use crate::plists::{Dictionary, Keys, Value, dictionary};

/// The app behind a manifest of which nothing else is known.
const ENTERPRISE: &str = "com.example.enterprise";

impl Device {
    pub(super) fn install_application(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        let store_id = command
            .integer("iTunesStoreID")?
            .map(|id| format!("com.example.app{id}"));
        let manifest = command.string("ManifestURL")?.map(|url| self.behind(&url));
        let given: Vec<_> = [store_id, command.string("Identifier")?, manifest]
            .into_iter()
            .flatten()
            .collect();
        let [identifier] = given.as_slice() else {
            return Err(Problem::protocol(
                "exactly one of iTunesStoreID, Identifier, ManifestURL must be given",
            ));
        };
        self.take_on(identifier);
        let keys = dictionary([
            ("Identifier", identifier.as_str().into()),
            ("State", "Installing".into()),
        ]);
        Ok(Answer {
            keys,
            ..Answer::acknowledged()
        })
    }

    /// A Mac tells nothing of what it has taken on.
    pub(super) fn install_enterprise_application(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        let url = command.required_string("ManifestURL")?;
        let identifier = self.behind(&url);
        self.take_on(&identifier);
        Ok(Answer::acknowledged())
    }

    fn behind(&self, url: &str) -> String {
        let known = self.behaviour.manifests.get(url).cloned();
        known.unwrap_or_else(|| ENTERPRISE.into())
    }

    fn take_on(&mut self, identifier: &str) {
        let delay = self.behaviour.app_delay.unwrap_or_default();
        let installing = Installing {
            lists: self.behaviour.app_lists,
            until: now() + delay.as_millis() as i64,
        };
        let is_at_once = installing.lists == 0 && delay.is_zero();
        self.state.failed_apps.remove(identifier);
        self.state.installing_apps.insert(identifier.into(), installing);
        if is_at_once && !self.behaviour.app_failures.contains_key(identifier) {
            self.state.installing_apps.remove(identifier);
            self.state.managed_apps.insert(identifier.into());
        }
    }

    /// Time has passed: what is done is there, or has failed.
    pub(super) fn go_on_with_apps(&mut self) {
        self.state.failed_apps.clear();
        let now = now();
        let mut done = Vec::new();
        for (identifier, installing) in &mut self.state.installing_apps {
            if installing.lists == 0 && installing.until <= now {
                done.push(identifier.clone());
            }
            installing.lists = installing.lists.saturating_sub(1);
        }
        for identifier in done {
            self.state.installing_apps.remove(&identifier);
            match self.behaviour.app_failures.get(&identifier) {
                Some(word) => drop(self.state.failed_apps.insert(identifier, word.clone())),
                None => drop(self.state.managed_apps.insert(identifier)),
            }
        }
    }

    /// The managed apps with Apple's word for each.
    pub(super) fn app_states(&self) -> Vec<(String, String)> {
        let state = &self.state;
        let managed = state.managed_apps.iter().map(|id| (id.clone(), "Managed".into()));
        let installing = state.installing_apps.keys();
        let installing = installing.map(|id| (id.clone(), "Installing".into()));
        let failed = state.failed_apps.iter();
        let failed = failed.map(|(id, word)| (id.clone(), word.clone()));
        managed.chain(installing).chain(failed).collect()
    }

    /// `ManagedApplicationList`
    pub(super) fn managed_applications(&self, command: &Dictionary) -> Result<Dictionary, Problem> {
        let wanted = command.strings("Identifiers")?;
        let entry = |state: &str| {
            dictionary([
                ("ExternalVersionIdentifier", 0.into()),
                ("HasConfiguration", false.into()),
                ("HasFeedback", false.into()),
                ("IsValidated", true.into()),
                ("ManagementFlags", 1.into()),
                ("Status", state.into()),
            ])
        };
        let states = self.app_states().into_iter();
        let states = states.filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
        Ok(states
            .map(|(id, state)| (id, Value::from(entry(&state))))
            .collect())
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

//! Hold profiles: what a device that is held in Setup Assistant has installed, what it waits for, and for how long.

use serde::{Deserialize, Serialize};

use super::AdePlatform;
use crate::protocol::{
    ids::{Fingerprint, SerialNumber},
    time::Timestamp,
};

/// Whom a hold profile is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "values", rename_all = "snake_case")]
pub enum HoldAudience {
    /// Every device that no other profile is for.
    #[default]
    AllDevices,
    /// Devices that enrolled with one of these profiles of Automated Device Enrollment, by name.
    AdeProfiles(Vec<String>),
    /// Devices of one of these server tokens, by name.
    AdeTokens(Vec<String>),
    /// Devices of these platforms.
    Platforms(Vec<AdePlatform>),
    /// Devices with these serial numbers.
    Serials(Vec<SerialNumber>),
    /// Devices whose user logged in under one of these names when they enrolled; on a Shared iPad, who signs in.
    Users(Vec<String>),
}

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HoldInstall {
    /// An app.
    App {
        /// Where its manifest is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest_url: Option<String>,
        /// Its number in the App Store.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store_id: Option<u64>,
        /// Its bundle identifier, under which the device tells how far it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bundle_id: Option<String>,
        /// Whether the device has a licence for it (Apps and Books), so that nobody has to sign in.
        #[serde(default)]
        licensed: bool,
    },
    /// A configuration profile.
    Profile {
        /// Its `PayloadIdentifier`.
        identifier: String,
        /// SHA-256 of the `.mobileconfig`, which is kept under that name.
        content: Fingerprint,
        /// How long that is.
        bytes: u64,
    },
}

/// One thing that is installed while a device is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldItem {
    /// Unique in its phase.
    pub name: String,
    /// The platforms that get it; none stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<AdePlatform>,
    /// What it is.
    pub install: HoldInstall,
}

impl HoldItem {
    /// What a list of things to wait for may call it.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        match &self.install {
            HoldInstall::App {
                manifest_url,
                store_id,
                bundle_id,
                ..
            } => {
                names.extend(manifest_url.clone());
                names.extend(store_id.map(|id| id.to_string()));
                names.extend(bundle_id.clone());
            }
            HoldInstall::Profile { identifier, .. } => names.push(identifier.clone()),
        }
        names
    }

    /// Whether such a list means it by this.
    pub fn is_called(&self, name: &str) -> bool {
        self.names().iter().any(|own| own == name)
    }
}

/// Which of the things that a device is assigned it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "blocking", content = "names", rename_all = "snake_case")]
pub enum HoldBlocking {
    /// All of them.
    All,
    /// Those that are named here, if they are assigned: by an item's name, a profile's identifier, an app's App Store
    /// number, bundle identifier or manifest's address.
    Selected(Vec<String>),
}

/// A phase of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPhase {
    /// What is installed.
    #[serde(default)]
    pub items: Vec<HoldItem>,
    /// What is waited for.
    #[serde(flatten)]
    pub blocking: HoldBlocking,
}

impl HoldPhase {
    /// Nothing is installed, nothing is waited for.
    pub fn nothing() -> Self {
        Self {
            items: Vec::new(),
            blocking: HoldBlocking::Selected(Vec::new()),
        }
    }
}

/// What happens when a hold has lasted too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The device stays held, until it has everything or an operator releases it.
    Keep,
    /// It is released.
    #[default]
    Release,
}

/// The terms of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTerms {
    /// How long it may last.
    pub timeout_minutes: u32,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Whether the device may be used though something could not be installed.
    #[serde(default)]
    pub release_on_failure: bool,
    /// Whether the user is to learn what could not be installed.
    #[serde(default)]
    pub show_error: bool,
    /// Whether what could not be installed may be tried again.
    #[serde(default)]
    pub allow_retry: bool,
    /// Whether the device may be erased when something could not be installed.
    #[serde(default)]
    pub allow_reset: bool,
    /// What the user is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A hold profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldProfileRecord {
    /// Unique.
    pub name: String,
    /// The operator's note.
    #[serde(default)]
    pub description: String,
    /// Its place among all, from 1, the highest. Given by the store.
    pub priority: u32,
    /// Whether it counts.
    pub active: bool,
    /// Whom it is for.
    pub audience: HoldAudience,
    /// Its terms.
    pub terms: HoldTerms,
    /// Until `DeviceConfigured`.
    pub device: HoldPhase,
    /// Until `UserConfigured`.
    pub user: HoldPhase,
    /// Counts the edits, from 1.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl HoldProfileRecord {
    /// The contents that it refers to.
    pub fn contents(&self) -> impl Iterator<Item = Fingerprint> {
        let items = self.device.items.iter().chain(&self.user.items);
        items.filter_map(|item| match &item.install {
            HoldInstall::App { .. } => None,
            HoldInstall::Profile { content, .. } => Some(*content),
        })
    }
}

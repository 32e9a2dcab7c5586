//! Enrollment profiles of a token: making, showing, changing and deleting them, and what Apple has of them.
//!
//! Apple's copies never change. An edit that shows at Apple is defined anew there, and the devices are assigned the new
//! one; what they have fetched already stays as it was until they are reset.

mod default;
mod define;
mod devices;
mod edit;
mod import;
mod remove;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::sync::Mutex;

pub use define::DefineFailure;
pub use devices::Uses;
pub use edit::{Change, Edited, SettingsChange};
pub use import::ImportedProfile;

use crate::{
    apple::dep::{DepAccess, DeviceAssignment},
    error::{Code, Error, FieldProblem, Result},
    protocol::{
        ade::{self, Addresses, Finding, Settings},
        time::Timestamp,
    },
    service::revision::Revision,
    storage::{AdeProfileRecord, AdeTokenRecord, RowRuling, Storage},
};

/// So many profiles a token has at most.
pub const MAX_PROFILES: usize = 1_000;

/// In place of a token's name: the default token, or the only one.
pub const UNNAMED: &str = "-";

/// Opens a token's credentials.
pub trait Credentials: Send + Sync + fmt::Debug {
    /// With what, and where, Apple is asked; `None` while the token has no credentials.
    fn access(&self, token: &AdeTokenRecord, now: Timestamp) -> Result<Option<DepAccess>>;
}

/// Knows where devices of a token find this server.
pub trait Doors: Send + Sync + fmt::Debug {
    /// The addresses that go into a token's profiles.
    fn addresses(&self, token: &AdeTokenRecord) -> Addresses;
}

/// Apple's service, and the credentials for it.
pub type AppleAndCredentials = (Arc<dyn DeviceAssignment>, Arc<dyn Credentials>);

/// Enrollment profiles.
#[derive(Debug)]
pub struct Profiles {
    store: Arc<dyn Storage>,
    apple: Option<AppleAndCredentials>,
    doors: Arc<dyn Doors>,
    /// Raised with each change.
    edition: Arc<AtomicU64>,
    user_channels: bool,
    /// Held while Apple is asked to define a profile.
    defining: Mutex<()>,
}

/// A profile that is to be made.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// Unique in its token.
    pub name: String,
    /// The operator's note.
    pub description: String,
    /// As the operator gave them, laid over a preset if there is one.
    pub settings: Value,
}

/// A profile, with all there is to be said about it.
#[derive(Clone, Debug)]
pub struct ProfileView {
    /// What is stored.
    pub record: AdeProfileRecord,
    /// Its settings.
    pub settings: Settings,
    /// What Apple gets.
    pub apple: Value,
    /// What may not be meant.
    pub warnings: Vec<Finding>,
    /// What another setting cancels.
    pub not_applied: Vec<Finding>,
    /// Whether it is the default of its platform.
    pub is_default: bool,
}

impl ProfileView {
    /// What an operator has set.
    pub fn revision(&self) -> Revision {
        edit::revision(&self.record)
    }
}

impl Profiles {
    /// Puts the parts together. Without Apple's service profiles are kept, and defined there once it is at hand.
    /// `edition` is raised with each change of a profile.
    /// `user_channels`: whether enrollment profiles ask for them, which a Shared iPad needs.
    pub fn new(
        store: Arc<dyn Storage>,
        apple: Option<AppleAndCredentials>,
        doors: Arc<dyn Doors>,
        edition: Arc<AtomicU64>,
        user_channels: bool,
    ) -> Self {
        Self {
            store,
            apple,
            doors,
            edition,
            user_channels,
            defining: Mutex::new(()),
        }
    }

    /// What a profile would be, without making it.
    pub fn validate(&self, token: &AdeTokenRecord, new: &NewProfile, now: Timestamp) -> Result<ProfileView> {
        let named = [
            ade::check_name(&new.name),
            ade::check_description(&new.description),
        ];
        let mut findings: Vec<Finding> = named.into_iter().flatten().collect();
        let settings = match Settings::parse(&new.settings) {
            Ok(settings) => settings,
            Err(more) => {
                findings.extend(more);
                Settings::default()
            }
        };
        if !findings.is_empty() {
            return Err(invalid(&findings));
        }
        let record = AdeProfileRecord {
            token: token.number,
            name: new.name.clone(),
            description: new.description.clone(),
            settings: settings.to_value(),
            revision: 1,
            uuid: None,
            former_uuids: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        Ok(self.view_of(token, record, settings))
    }

    /// Makes a profile.
    pub async fn create(&self, token: &str, new: NewProfile, now: Timestamp) -> Result<ProfileView> {
        let token = self.token(token).await?;
        let view = self.validate(&token, &new, now)?;
        self.add(&token, view.record.clone()).await?;
        Ok(view)
    }

    async fn add(&self, token: &AdeTokenRecord, record: AdeProfileRecord) -> Result<()> {
        let name = record.name.clone();
        let taken = Arc::new(AtomicBool::new(false));
        let is_taken = Arc::clone(&taken);
        let rule = move |stored: Option<&AdeProfileRecord>, number: usize| {
            is_taken.store(stored.is_some(), Ordering::Release);
            match stored {
                None if number < MAX_PROFILES => RowRuling::Put(record.clone()),
                _ => RowRuling::Keep,
            }
        };
        let stored = self
            .store
            .edit_ade_profile(token.number, &name, Box::new(rule))
            .await?;
        match stored {
            _ if taken.load(Ordering::Acquire) => Err(Error::with(Code::AdeProfileExists, name)),
            None => Err(Error::with(Code::AdeTokenUnknown, &token.name)),
            Some(None) => Err(Error::with(
                Code::AdeProfileLimit,
                format!("there are {MAX_PROFILES} already"),
            )),
            Some(Some(_)) => Ok(()),
        }
    }

    /// A token's profiles, by name.
    pub async fn list(&self, token: &str) -> Result<Vec<ProfileView>> {
        let token = self.token(token).await?;
        let records = self.store.ade_profiles(token.number).await?;
        records
            .into_iter()
            .map(|record| self.view(&token, record))
            .collect()
    }

    /// One profile.
    pub async fn show(&self, token: &str, name: &str) -> Result<ProfileView> {
        let token = self.token(token).await?;
        let record = self.stored(token.number, name).await?;
        self.view(&token, record)
    }

    /// The profile that Apple knows by this identifier now, or has known by it.
    pub async fn by_uuid(&self, token: u64, uuid: &str) -> Result<Option<AdeProfileRecord>> {
        let profiles = self.store.ade_profiles(token).await?;
        Ok(profiles.into_iter().find(|profile| is_called(profile, uuid)))
    }

    /// All identifiers that Apple has given a profile: for lists of devices by `enrollmentProfileName`.
    pub async fn uuids(&self, token: u64, name: &str) -> Result<Vec<String>> {
        let record = self.stored(token, name).await?;
        Ok(record.uuid.into_iter().chain(record.former_uuids).collect())
    }

    /// A token by its name. `-` is the one that is meant where none is named: the default, or the only one.
    pub async fn token(&self, name: &str) -> Result<AdeTokenRecord> {
        if let Some(token) = self.store.ade_token(name).await? {
            return Ok(token);
        }
        if name != UNNAMED {
            return Err(Error::with(Code::AdeTokenUnknown, format!("{name:?}")));
        }
        let mut tokens = self.store.ade_tokens().await?;
        match tokens.iter().position(|token| token.is_default) {
            Some(index) => Ok(tokens.swap_remove(index)),
            None if tokens.len() == 1 => Ok(tokens.swap_remove(0)),
            None => {
                let text = format!("there are {} and none is the default: name one", tokens.len());
                Err(Error::with(Code::AdeTokenUnknown, text))
            }
        }
    }

    fn has_changed(&self) {
        self.edition.fetch_add(1, Ordering::AcqRel);
    }

    async fn stored(&self, token: u64, name: &str) -> Result<AdeProfileRecord> {
        let record = self.store.ade_profile(token, name).await?;
        record.ok_or_else(|| Error::with(Code::AdeProfileUnknown, format!("{name:?}")))
    }

    fn view(&self, token: &AdeTokenRecord, record: AdeProfileRecord) -> Result<ProfileView> {
        let settings = settings(&record)?;
        Ok(self.view_of(token, record, settings))
    }

    fn view_of(&self, token: &AdeTokenRecord, record: AdeProfileRecord, settings: Settings) -> ProfileView {
        let mut warnings = ade::warnings(&settings);
        if settings.shared_ipad.is_some() && !self.user_channels {
            let text = "a Shared iPad needs com.apple.mdm.per-user-connections in enroll.server_capabilities";
            warnings.push(Finding::new(&["shared_ipad"], text));
        }
        ProfileView {
            apple: ade::render(&record.name, &settings, &self.doors.addresses(token)),
            warnings,
            not_applied: ade::not_applied(&settings),
            is_default: token.defaults.get(&settings.platform) == Some(&record.name),
            record,
            settings,
        }
    }
}

/// The settings of a stored profile.
pub fn settings(record: &AdeProfileRecord) -> Result<Settings> {
    Settings::stored(&record.settings).map_err(Error::internal)
}

/// Whether Apple knows the profile by this identifier, or has known it.
pub(super) fn is_called(profile: &AdeProfileRecord, uuid: &str) -> bool {
    let mut uuids = profile.uuid.iter().chain(&profile.former_uuids);
    uuids.any(|own| own.eq_ignore_ascii_case(uuid))
}

fn invalid(findings: &[Finding]) -> Error {
    let field = |finding: &Finding| FieldProblem {
        fields: finding.fields.clone(),
        problem: finding.text.clone(),
    };
    Error::of_fields(Code::AdeProfileInvalid, findings.iter().map(field).collect())
}

//! A double of Apple's service that keeps profiles, and a place to try profiles with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use russet::{
    apple::dep::{
        DepAccess, DepAssigned, DepCredentials, DepDefined, DepDevice, DepFailure, DepForward, DepForwarded,
        DepPage, DepStatuses, DeviceAssignment,
    },
    error::Result,
    protocol::{ade::Addresses, time::Timestamp},
    service::ade::profiles::{Credentials, Doors, NewProfile, Profiles},
    storage::{
        AdeTokenRecord, Storage,
        sled::{SledOptions, SledStorage},
    },
};
use serde_json::Value;
use tempfile::TempDir;

use super::add_token;

/// Keeps profiles, and gives each an identifier.
#[derive(Debug, Default)]
pub(super) struct Apple {
    /// In the order in which they were defined.
    pub(super) profiles: Mutex<Vec<Value>>,
    /// What the next definition is answered with.
    pub(super) fault: Mutex<Option<DepFailure>>,
}

impl Apple {
    pub(super) fn defined(&self) -> Vec<Value> {
        self.profiles.lock().unwrap().clone()
    }
}

fn uuid(number: usize) -> String {
    format!("{number:032X}")
}

type Answer<T> = std::result::Result<T, DepFailure>;

#[async_trait]
impl DeviceAssignment for Apple {
    async fn define_profile(&self, _: &DepAccess, profile: &Value) -> Answer<DepDefined> {
        // So that others get their turn here.
        tokio::task::yield_now().await;
        if let Some(failure) = self.fault.lock().unwrap().take() {
            return Err(failure);
        }
        let mut profiles = self.profiles.lock().unwrap();
        profiles.push(profile.clone());
        Ok(DepDefined {
            profile_uuid: uuid(profiles.len()),
            devices: DepStatuses::new(),
        })
    }

    async fn profile(&self, _: &DepAccess, asked: &str) -> Answer<Value> {
        let profiles = self.profiles.lock().unwrap();
        let known = profiles
            .iter()
            .enumerate()
            .find(|(index, _)| uuid(index + 1) == asked);
        known
            .map(|(_, profile)| profile.clone())
            .ok_or(DepFailure::ProfileNotFound)
    }

    async fn account(&self, _: &DepAccess) -> Answer<DepDevice> {
        Err(DepFailure::NotFound)
    }

    async fn fetch(&self, _: &DepAccess, _: Option<&str>, _: u32) -> Answer<DepPage> {
        Err(DepFailure::NotFound)
    }

    async fn sync(&self, _: &DepAccess, _: &str, _: u32) -> Answer<DepPage> {
        Err(DepFailure::NotFound)
    }

    async fn devices(&self, _: &DepAccess, _: &[String]) -> Answer<BTreeMap<String, DepDevice>> {
        Err(DepFailure::NotFound)
    }

    async fn disown(&self, _: &DepAccess, _: &[String]) -> Answer<DepStatuses> {
        Err(DepFailure::NotFound)
    }

    async fn assign(&self, _: &DepAccess, _: &str, _: &[String]) -> Answer<DepAssigned> {
        Err(DepFailure::NotFound)
    }

    async fn unassign(&self, _: &DepAccess, _: &[String]) -> Answer<DepStatuses> {
        Err(DepFailure::NotFound)
    }

    async fn activation_lock(&self, _: &DepAccess, _: &Value) -> Answer<String> {
        Err(DepFailure::NotFound)
    }

    async fn replacement(&self, _: &DepAccess, _: &str) -> Answer<DepDevice> {
        Err(DepFailure::NotFound)
    }

    async fn beta_tokens(&self, _: &DepAccess) -> Answer<Value> {
        Err(DepFailure::NotFound)
    }

    async fn set_service_discovery(&self, _: &DepAccess, _: &str) -> Answer<()> {
        Err(DepFailure::NotFound)
    }

    async fn service_discovery(&self, _: &DepAccess) -> Answer<Value> {
        Err(DepFailure::NotFound)
    }

    async fn remove_service_discovery(&self, _: &DepAccess) -> Answer<()> {
        Err(DepFailure::NotFound)
    }

    async fn forward(&self, _: &DepAccess, _: DepForward) -> Answer<DepForwarded> {
        Err(DepFailure::NotFound)
    }
}

/// Credentials for any token, and one door.
#[derive(Debug)]
struct Anyone;

impl Credentials for Anyone {
    fn access(&self, token: &AdeTokenRecord, _: Timestamp) -> Result<Option<DepAccess>> {
        Ok(Some(access(&token.name)))
    }
}

impl Doors for Anyone {
    fn addresses(&self, _: &AdeTokenRecord) -> Addresses {
        addresses()
    }
}

pub(super) fn addresses() -> Addresses {
    Addresses {
        url: "https://mdm.example.com/ade/enroll".into(),
        configuration_web_url: "https://mdm.example.com/ade/web".into(),
        anchors: Vec::new(),
    }
}

pub(super) fn access(name: &str) -> DepAccess {
    DepAccess {
        name: name.into(),
        credentials: DepCredentials {
            consumer_key: "CK".into(),
            consumer_secret: "CS".into(),
            access_token: "AT".into(),
            access_secret: "AS".into(),
        },
        base_url: None,
    }
}

/// Profiles of the token `hq`, with that double.
pub(super) struct Place {
    pub(super) profiles: Arc<Profiles>,
    pub(super) apple: Arc<Apple>,
    pub(super) store: Arc<dyn Storage>,
    pub(super) token: u64,
    _folder: TempDir,
}

impl Place {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SledOptions {
            cache_bytes: 16 << 20,
        };
        let store: Arc<dyn Storage> = Arc::new(SledStorage::open(folder.path(), options).unwrap());
        let token = add_token(&*store, "hq").await;
        let apple = Arc::new(Apple::default());
        let service: Arc<dyn DeviceAssignment> = Arc::clone(&apple) as _;
        let profiles = Profiles::new(
            Arc::clone(&store),
            Some((service, Arc::new(Anyone))),
            Arc::new(Anyone),
            Arc::default(),
            true,
        );
        Self {
            profiles: Arc::new(profiles),
            apple,
            store,
            token,
            _folder: folder,
        }
    }

    pub(super) async fn token(&self) -> AdeTokenRecord {
        self.store.ade_token("hq").await.unwrap().unwrap()
    }

    pub(super) async fn create(&self, name: &str, settings: Value) {
        self.profiles
            .create("hq", new(name, settings), super::AT)
            .await
            .unwrap();
    }

    /// Apple's identifier of the profile.
    pub(super) async fn uuid(&self, name: &str) -> String {
        let token = self.token().await;
        let uuid = self
            .profiles
            .profile_uuid(&token, &access("hq"), name, None, super::AT)
            .await;
        uuid.unwrap()
    }
}

pub(super) fn new(name: &str, settings: Value) -> NewProfile {
    NewProfile {
        name: name.into(),
        description: String::new(),
        settings,
    }
}

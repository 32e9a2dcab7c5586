//! What operators do with devices of Automated Device Enrollment: look at them, give them a profile, forget them, give
//! them up, and ask Apple about them.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::{
    assign::Assigner,
    profiles::UNNAMED,
    sync::{facts, merge},
    tokens::{AdeTokens, trouble},
};
use crate::{
    apple::dep::{DepAccess, DepDevice, DepFailure, DeviceAssignment},
    error::{Code, Error, Result},
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::{
        AdeAssignmentState, AdeChanged, AdeDeviceChange, AdeDeviceFilter, AdeDeviceRecord, AdeTokenRecord,
        Listing, Page, RowRuling, Storage,
    },
};

/// The most serial numbers in one request (E19).
pub const MAX_SERIALS: usize = 1000;

/// In bytes; Apple's have 10 to 12.
const MAX_SERIAL: usize = 64;

/// In characters; more do not fit on a screen.
const MAX_LOST_MESSAGE: usize = 1_000;

/// A device to be locked with Activation Lock, as Apple is asked for it.
#[derive(Clone, Debug, Serialize)]
pub struct ActivationLock {
    /// Its serial number.
    #[serde(rename = "device")]
    pub serial: SerialNumber,
    /// The hash of a bypass code, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escrow_key: Option<String>,
    /// Shown on the locked device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_message: Option<String>,
}

/// What became of a device that was to get a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// How it stands; absent if the token does not have the device.
    pub state: Option<AdeAssignmentState>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

/// Devices, for operators.
#[derive(Debug)]
pub struct AdeDevices {
    store: Arc<dyn Storage>,
    tokens: AdeTokens,
    assigner: Arc<Assigner>,
}

impl AdeDevices {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, tokens: AdeTokens, assigner: Arc<Assigner>) -> Self {
        Self {
            store,
            tokens,
            assigner,
        }
    }

    /// The token of that name, or the one that is meant without a name.
    pub async fn token(&self, name: Option<&str>) -> Result<AdeTokenRecord> {
        match name.filter(|name| *name != UNNAMED) {
            Some(name) => self.tokens.record(name).await,
            None => self.tokens.meant().await?.ok_or_else(|| {
                Error::with(
                    Code::AdeTokenUnknown,
                    "none is the default, and there is not exactly one: name one",
                )
            }),
        }
    }

    /// Devices that match.
    pub async fn list(&self, filter: &AdeDeviceFilter, page: &Page) -> Result<Listing<AdeDeviceRecord>> {
        Ok(self.store.ade_devices(filter, page).await?)
    }

    /// A device, of every token that has it; one at least.
    pub async fn show(&self, serial: &SerialNumber) -> Result<Vec<AdeDeviceRecord>> {
        let devices = self.store.ade_device(serial).await?;
        match devices.is_empty() {
            true => Err(Error::with(Code::AdeDeviceUnknown, serial)),
            false => Ok(devices),
        }
    }

    /// Forgets a device here; Apple is not told. If Apple still has it, the next full sync brings it back (Y6, Y7).
    pub async fn forget(&self, serial: &SerialNumber) -> Result<usize> {
        let devices = self.show(serial).await?;
        for device in &devices {
            let change = AdeDeviceChange {
                sync: None,
                serials: vec![serial.clone()],
                rule: Box::new(|_, _| RowRuling::Remove),
            };
            self.store.change_ade_devices(device.token, change).await?;
        }
        Ok(devices.len())
    }

    /// Gives devices of a token a profile of their own choice, or the default again, and says what came of it at once.
    pub async fn assign(
        &self,
        token: &AdeTokenRecord,
        profile: Option<&str>,
        serials: &[SerialNumber],
        now: Timestamp,
    ) -> Result<BTreeMap<SerialNumber, Assigned>> {
        bounded(serials)?;
        if let Some(name) = profile
            && self.store.ade_profile(token.number, name).await?.is_none()
        {
            return Err(Error::with(Code::AdeProfileUnknown, name));
        }
        let wants = self.assigner.wants(token).await?;
        let chosen = profile.map(str::to_owned);
        let change = AdeDeviceChange {
            sync: None,
            serials: serials.to_vec(),
            rule: Box::new(move |_, stored| match stored {
                Some(stored) if stored.removed_at.is_none() => {
                    let mut device = stored.clone();
                    device.chosen_profile.clone_from(&chosen);
                    if chosen.is_none()
                        && let Some(facts) = wants.without_choice(&device.facts)
                    {
                        device.facts = facts;
                    }
                    device.updated_at = now;
                    let throttled = device
                        .assignment
                        .as_ref()
                        .is_some_and(|assignment| assignment.state == AdeAssignmentState::Throttled);
                    // Whoever is asked anew gets new chances, but not before the time that Apple gave.
                    if !throttled {
                        device.assignment = None;
                        device.due = None;
                    }
                    device.due = wants.due(&device, now);
                    RowRuling::Put(device)
                }
                _ => RowRuling::Keep,
            }),
        };
        self.store.change_ade_devices(token.number, change).await?;
        self.assigner.assign_all(token).await;
        let mut outcomes = BTreeMap::new();
        for serial in serials {
            outcomes.insert(serial.clone(), self.outcome(token, serial).await?);
        }
        Ok(outcomes)
    }

    async fn outcome(&self, token: &AdeTokenRecord, serial: &SerialNumber) -> Result<Assigned> {
        let devices = self.store.ade_device(serial).await?;
        let device = devices
            .into_iter()
            .find(|device| device.token == token.number && device.removed_at.is_none());
        let state = device.as_ref().map(|device| match &device.assignment {
            Some(assignment) => assignment.state,
            None if device.due.is_none() && facts::present_profile(&device.facts).is_some() => {
                AdeAssignmentState::Assigned
            }
            None => AdeAssignmentState::Pending,
        });
        Ok(Assigned {
            state,
            retry_at: device.and_then(|device| device.due),
        })
    }

    /// Gives devices up for good: they leave the organisation, and only Apple or a reseller can bring them back.
    pub async fn disown(
        &self,
        token: &AdeTokenRecord,
        serials: &[SerialNumber],
        now: Timestamp,
    ) -> Result<BTreeMap<String, String>> {
        bounded(serials)?;
        let names: Vec<String> = serials.iter().map(|serial| serial.to_string()).collect();
        let (apple, access) = self.apple(token, now)?;
        let statuses = self
            .noted(token, apple.disown(&access, &names).await, now)
            .await?;
        let gone: Vec<SerialNumber> = statuses
            .iter()
            .filter(|(_, status)| *status == "SUCCESS")
            .map(|(serial, _)| SerialNumber::new(serial))
            .collect();
        tracing::warn!(token = token.name, devices = ?gone, "devices were disowned");
        let change = AdeDeviceChange {
            sync: None,
            serials: gone,
            rule: Box::new(move |_, stored| match stored {
                Some(stored) => RowRuling::Put(merge::removed(stored, now)),
                None => RowRuling::Keep,
            }),
        };
        if self.store.change_ade_devices(token.number, change).await? == AdeChanged::NoToken {
            tracing::warn!(
                token = token.name,
                "the token was deleted while its devices were disowned"
            );
        }
        Ok(statuses)
    }

    /// What Apple says of devices now.
    pub async fn ask(
        &self,
        token: &AdeTokenRecord,
        serials: &[String],
        now: Timestamp,
    ) -> Result<BTreeMap<String, DepDevice>> {
        let (apple, access) = self.apple(token, now)?;
        self.noted(token, apple.devices(&access, serials).await, now)
            .await
    }

    /// Tokens for beta releases.
    pub async fn beta_tokens(&self, token: &AdeTokenRecord, now: Timestamp) -> Result<Value> {
        let (apple, access) = self.apple(token, now)?;
        self.noted(token, apple.beta_tokens(&access).await, now).await
    }

    /// Locks a device that is not enrolled; Apple's word for what came of it.
    pub async fn activation_lock(
        &self,
        token: &AdeTokenRecord,
        lock: &ActivationLock,
        now: Timestamp,
    ) -> Result<String> {
        let message = lock.lost_message.as_deref().unwrap_or_default();
        if message.chars().count() > MAX_LOST_MESSAGE {
            let problem = format!("is longer than {MAX_LOST_MESSAGE} characters");
            return Err(Error::invalid("lost_message", problem));
        }
        let request = serde_json::to_value(lock).map_err(Error::internal)?;
        let (apple, access) = self.apple(token, now)?;
        self.noted(token, apple.activation_lock(&access, &request).await, now)
            .await
    }

    /// Which device a device replaces.
    pub async fn replacement(
        &self,
        token: &AdeTokenRecord,
        serial: &SerialNumber,
        now: Timestamp,
    ) -> Result<Value> {
        let (apple, access) = self.apple(token, now)?;
        let answer = apple.replacement(&access, serial.as_str()).await;
        Ok(Value::Object(self.noted(token, answer, now).await?))
    }

    /// Where Apple sends devices of people who sign in with a managed Apple Account.
    pub async fn service_discovery(&self, token: &AdeTokenRecord, now: Timestamp) -> Result<Value> {
        let (apple, access) = self.apple(token, now)?;
        self.noted(token, apple.service_discovery(&access).await, now)
            .await
    }

    /// Sets that, or takes it away.
    pub async fn set_service_discovery(
        &self,
        token: &AdeTokenRecord,
        url: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let (apple, access) = self.apple(token, now)?;
        let answer = match url {
            Some(url) => apple.set_service_discovery(&access, url).await,
            None => apple.remove_service_discovery(&access).await,
        };
        self.noted(token, answer, now).await
    }

    fn apple(
        &self,
        token: &AdeTokenRecord,
        now: Timestamp,
    ) -> Result<(&Arc<dyn DeviceAssignment>, DepAccess)> {
        Ok((self.tokens.apple()?, self.tokens.access(token, now)?))
    }

    async fn noted<T>(
        &self,
        token: &AdeTokenRecord,
        answer: std::result::Result<T, DepFailure>,
        now: Timestamp,
    ) -> Result<T> {
        self.tokens.note(token.number, answer.as_ref().err(), now).await?;
        answer.map_err(|failure| trouble::error_of(&failure))
    }
}

fn bounded(serials: &[SerialNumber]) -> Result<()> {
    match serials.len() {
        0 => Err(Error::invalid("serials", "one at least is needed")),
        many if many > MAX_SERIALS => Err(Error::invalid(
            "serials",
            format!("{many} are more than the {MAX_SERIALS} that one request takes"),
        )),
        _ if !serials.iter().all(is_sound) => Err(Error::invalid(
            "serials",
            "holds one that is empty, too long, or has a control character",
        )),
        _ => Ok(()),
    }
}

fn is_sound(serial: &SerialNumber) -> bool {
    let serial = serial.as_str();
    (1..=MAX_SERIAL).contains(&serial.len()) && !serial.contains(char::is_control)
}

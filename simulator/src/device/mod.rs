//! A simulated device: what it is, what it remembers, and how it talks to its server.

mod ade;
mod apply;
mod apps;
mod checkin;
mod commands;
mod connect;
mod declarations;
mod enroll;
mod information;
mod interrupt;
mod inventory;
mod options;
mod state;
#[cfg(test)]
mod tests;
mod transport;
mod wake;

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

pub use ade::{
    AdeProfile, BootOptions, Booted, Login, Outcome, Pane, Phase, Refusal, Setup, UpdateRequired, panes,
    panes_of,
};
pub use connect::{Handled, Status};
pub use declarations::Synchronised;
pub use enroll::{Enrolled, StepReport};
pub use interrupt::{Interruption, Stage, Then};
pub use options::{Behaviour, Credentials, Options, Present};
pub use state::{
    Channel, ChannelState, Declaration, Erasure, InstalledProfile, Installing, Lock, LostMode, Push, Saved,
    State, User,
};
pub use transport::Endpoint;

use crate::error::{At, Error, Problem, Result, Step};
use crate::hardware::{Hardware, Kind};
use crate::http::Client;
use crate::pki::csr::rsa_key;
use crate::pki::identity::Identity;
use crate::plists::{Dictionary, Value};
use crate::profile::{EnrollmentProfile, MdmPayload};
use crate::{encode, random};

/// `UserID` of every user of a Shared iPad.
const SHARED_IPAD_USER_ID: &str = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF";

/// A simulated device.
#[derive(Debug)]
pub struct Device {
    /// What it is.
    pub hardware: Hardware,
    /// What it remembers.
    pub state: State,
    /// How it works.
    pub options: Options,
    /// How it misbehaves.
    pub behaviour: Behaviour,
    /// Its connections.
    pub client: Client,
    identity: Option<Identity>,
    enrollment: Option<EnrollmentProfile>,
    keys: Vec<PKey<Private>>,
    handled: Vec<Handled>,
    synchronised: Option<Result<Synchronised>>,
}

impl Device {
    /// A new device of this kind; a Mac comes with one local user.
    pub fn new(kind: Kind, client: Client) -> Result<Self> {
        Ok(Self::with_hardware(
            Hardware::random(kind).at(Step::SetUp)?,
            client,
        ))
    }

    /// A device with chosen hardware.
    pub fn with_hardware(hardware: Hardware, client: Client) -> Self {
        let mut device = Self {
            hardware,
            state: State::default(),
            options: Options::default(),
            behaviour: Behaviour::default(),
            client,
            identity: None,
            enrollment: None,
            keys: Vec::new(),
            handled: Vec::new(),
            synchronised: None,
        };
        device.reset();
        device
    }

    /// Uses this key for the next identity instead of making one; keys are used in the order given.
    pub fn use_key(&mut self, key: PKey<Private>) {
        self.keys.push(key);
    }

    /// Adds a user and answers the channel; on a Shared iPad `short_name` is the Managed Apple Account.
    pub fn add_user(&mut self, short_name: &str, long_name: &str) -> Channel {
        let shared = self.hardware.kind != Kind::Mac;
        self.state.users.push(User {
            short_name: short_name.into(),
            long_name: long_name.into(),
            user_id: if shared {
                SHARED_IPAD_USER_ID.into()
            } else {
                random::uuid()
            },
            push: None,
            declined: false,
            auth_token: None,
            awaiting_configuration: shared && self.options.await_user_configuration,
        });
        Channel::User(short_name.into())
    }

    /// The identity certificate with its key, once enrolled.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Puts another identity into the keychain, for requests that pretend.
    pub fn set_identity(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    /// The enrollment profile, once installed.
    pub fn enrollment(&self) -> Option<&EnrollmentProfile> {
        self.enrollment.as_ref()
    }

    /// Whether the device is managed: it has a profile, an identity, and has sent its token.
    pub fn is_enrolled(&self) -> bool {
        self.enrollment.is_some() && self.identity.is_some() && self.state.push.is_some()
    }

    /// The identifier that a server knows the channel by: UDID or EnrollmentID, with `:` and the user's id or, on a
    /// Shared iPad, short name.
    pub fn enrollment_id(&self, channel: &Channel) -> String {
        let device = self.state.enrollment_id.as_ref().unwrap_or(&self.hardware.udid);
        match channel {
            Channel::Device => device.clone(),
            Channel::User(short_name) => {
                let user = self.state.users.iter().find(|u| u.short_name == *short_name);
                match (&self.state.enrollment_user_id, user) {
                    (Some(id), _) => format!("{device}:{id}"),
                    (None, Some(user)) if user.user_id != SHARED_IPAD_USER_ID => {
                        format!("{device}:{}", user.user_id)
                    }
                    _ => format!("{device}:{short_name}"),
                }
            }
        }
    }

    /// The identification keys of a channel's messages.
    pub fn ids(&self, channel: &Channel) -> Dictionary {
        let mut ids = Dictionary::new();
        let mut set = |key: &str, value: &str| drop(ids.insert(key.into(), value.into()));
        match &self.state.enrollment_id {
            Some(id) => set("EnrollmentID", id),
            None => set("UDID", &self.hardware.udid),
        }
        if let Channel::User(short_name) = channel {
            match &self.state.enrollment_user_id {
                Some(id) => set("EnrollmentUserID", id),
                None => {
                    let user = self.state.users.iter().find(|u| u.short_name == *short_name);
                    set("UserID", user.map_or(SHARED_IPAD_USER_ID, |u| &u.user_id));
                    set("UserShortName", short_name);
                    set("UserLongName", user.map_or(short_name, |u| &u.long_name));
                }
            }
            if self.hardware.kind == Kind::Mac {
                ids.insert("NotOnConsole".into(), Value::Boolean(false));
            }
        }
        ids
    }

    /// What happened in the last conversation, also when it ended in an error.
    pub fn handled(&self) -> &[Handled] {
        &self.handled
    }

    /// How the last synchronisation of declarations went.
    pub fn synchronised(&self) -> Option<&Result<Synchronised>> {
        self.synchronised.as_ref()
    }

    /// The state of a channel.
    pub fn channel(&self, channel: &Channel) -> ChannelState {
        self.state
            .channels
            .get(&channel.key())
            .cloned()
            .unwrap_or_default()
    }

    /// The device as it can be kept in a file; options and connections are not part of it.
    pub fn save(&self) -> Result<Saved> {
        let pem = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (key, certificate) = match &self.identity {
            None => (None, None),
            Some(identity) => (
                Some(pem(identity.key.private_key_to_pem_pkcs8().at(Step::SetUp)?)),
                Some(pem(identity.certificate.to_pem().at(Step::SetUp)?)),
            ),
        };
        Ok(Saved {
            hardware: self.hardware.clone(),
            state: self.state.clone(),
            key,
            certificate,
            enrollment_profile: self.enrollment.as_ref().map(|e| encode::base64(&e.raw)),
        })
    }

    /// A device as it was saved.
    pub fn restore(saved: Saved, client: Client) -> Result<Self> {
        let mut device = Self::with_hardware(saved.hardware, client);
        device.state = saved.state;
        if let (Some(key), Some(certificate)) = (saved.key, saved.certificate) {
            let key = PKey::private_key_from_pem(key.as_bytes()).at(Step::SetUp)?;
            let certificate = X509::from_pem(certificate.as_bytes()).at(Step::SetUp)?;
            device.identity = Some(Identity { key, certificate });
        }
        if let Some(profile) = saved.enrollment_profile {
            let raw = openssl::base64::decode_block(&profile).at(Step::SetUp)?;
            device.adopt(EnrollmentProfile::parse(&raw).at(Step::SetUp)?);
        }
        Ok(device)
    }

    /// Makes the profile the device's own and trusts its certificates, as a device does for an MDM profile.
    fn adopt(&mut self, profile: EnrollmentProfile) {
        for certificate in &profile.certificates {
            self.client.trust(certificate.clone());
        }
        self.enrollment = Some(profile);
    }

    /// Back to the state of a device out of the box; only counters and the Return to Service profile stay.
    fn reset(&mut self) {
        let old = std::mem::take(&mut self.state);
        self.state.erasures = old.erasures;
        self.state.restarts = old.restarts;
        self.state.shut_downs = old.shut_downs;
        self.state.erased = old.erased;
        self.state.wrong_magics = old.wrong_magics;
        self.state.return_to_service = old.return_to_service;
        self.state.unenrolled = old.unenrolled;
        self.state.device_name = format!("{} {}", self.hardware.model_name, self.hardware.serial_number);
        self.state.supervised = old.supervised;
        self.unenroll();
        if self.hardware.kind == Kind::Mac {
            self.add_user("ada", "Ada Lovelace");
        }
    }

    /// Forgets the management relation: profile, identity, what came over it.
    fn unenroll(&mut self) {
        self.enrollment = None;
        self.identity = None;
        self.client.disconnect();
        self.state.push = None;
        self.state.enrollment_id = None;
        self.state.enrollment_user_id = None;
        self.state.awaiting_configuration = false;
        self.state.profiles.clear();
        self.state.managed_apps.clear();
        self.state.installing_apps.clear();
        self.state.failed_apps.clear();
        self.state.channels.clear();
        for user in &mut self.state.users {
            user.push = None;
            user.declined = false;
        }
    }

    fn mdm(&self, step: Step) -> Result<&MdmPayload> {
        let problem = || Problem::State("the device is not enrolled".into());
        Ok(&self
            .enrollment
            .as_ref()
            .ok_or_else(|| Error {
                step,
                problem: problem(),
            })?
            .mdm)
    }

    /// The key for a new identity: the next one supplied, or a fresh one.
    async fn next_key(&mut self, bits: u32) -> Result<PKey<Private>, Problem> {
        if self.keys.is_empty() {
            tokio::task::spawn_blocking(move || rsa_key(bits))
                .await
                .map_err(Problem::transport)?
        } else {
            Ok(self.keys.remove(0))
        }
    }

    fn user_mut(&mut self, short_name: &str, step: Step) -> Result<&mut User> {
        let problem = Problem::State(format!("there is no user `{short_name}`"));
        self.state
            .users
            .iter_mut()
            .find(|u| u.short_name == short_name)
            .ok_or(Error { step, problem })
    }
}

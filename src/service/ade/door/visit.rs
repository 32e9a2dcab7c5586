//! Who is at the door: the message is believed, the device is ours, and nothing speaks against it.

use super::{Door, Knock};
use crate::{
    error::{Code, Error},
    pki::machine_info,
    protocol::{
        ade::{AdePlatform, Authentication, Settings, authentication, is_supervised, shared_ipad_objection},
        catalogue::Platform,
        ids::{EnrollmentId, Fingerprint, SerialNumber, Udid},
        machine_info::MachineInfo,
        time::Timestamp,
    },
    service::{
        holds::choice::{self, HoldFacts},
        reports::AtTheDoor,
    },
    storage::{
        AdeDeviceRecord, AdeEnrollment, AdeProfileRecord, AdeTokenRecord, AttemptFacts, AttemptSubject,
        EnrollmentFilter, EnrollmentMethod, EnrollmentState, HeldState, MadeFor, Page, StoreResult,
    },
};

/// A device of ours that may enroll, once its user has logged in where that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The number of its server token.
    pub token: u64,
    /// As it said itself.
    pub serial: SerialNumber,
    /// As it said itself.
    pub udid: Udid,
    /// Hardware identifier such as `iPhone17,2`.
    pub product: String,
    /// How its user says who they are.
    pub authentication: Authentication,
    /// What the hold profile that will be the device's has its user be told.
    pub message: Option<String>,
    pub(super) profile_uuid: Option<String>,
    pub(super) supervised: bool,
    pub(super) digest: Fingerprint,
    seen: AtTheDoor,
}

impl Visitor {
    /// The device, with who logged in on it.
    pub(super) fn device(&self, user: Option<String>) -> AtTheDoor {
        let mut device = self.seen.clone();
        device.facts.user = user;
        device.facts.profile_uuid.clone_from(&self.profile_uuid);
        device
    }

    /// The refusal of this device.
    pub(super) fn turned(&self, error: Error) -> Turned {
        Turned {
            serial: Some(self.serial.clone()),
            device: Some(Box::new(self.device(None))),
            error,
        }
    }

    /// For whom its enrollment profile is made.
    pub(super) fn made_for(&self, user: Option<String>, now: Timestamp) -> MadeFor {
        MadeFor::Device {
            udid: Some(self.udid.clone()),
            serial: Some(self.serial.clone()),
            ade: Some(Box::new(AdeEnrollment {
                token: self.token,
                profile_uuid: self.profile_uuid.clone(),
                user,
                supervised: self.supervised,
                machine_info: self.digest,
                at: now,
            })),
        }
    }
}

/// A refusal, and the device that it is about, if that much is known.
pub(super) struct Turned {
    pub(super) serial: Option<SerialNumber>,
    pub(super) device: Option<Box<AtTheDoor>>,
    pub(super) error: Error,
}

impl From<Error> for Turned {
    fn from(error: Error) -> Self {
        Self {
            serial: None,
            device: None,
            error,
        }
    }
}

impl From<crate::storage::StoreError> for Turned {
    fn from(error: crate::storage::StoreError) -> Self {
        Error::from(error).into()
    }
}

impl Door {
    /// Who knocks, and what the device says of itself.
    ///
    /// Whatever is wrong with a serial number, unknown, another token's or released, is the same refusal after the same
    /// work: the answer tells nothing about other organisations' devices, nor about ours.
    pub(super) async fn visitor(
        &self,
        knock: &Knock<'_>,
        now: Timestamp,
    ) -> std::result::Result<(Visitor, MachineInfo), Turned> {
        let token = match self.segments.token(knock.segment) {
            Some(number) => self.store.ade_token_by_number(number).await?,
            None => None,
        };
        let token = token.ok_or_else(|| Error::new(Code::NotFound))?;
        let signed = machine_info::verify(knock.message, &self.trust.load())
            .map_err(|error| Error::new(Code::MachineInfoRefused).caused_by(error))?;
        let info = MachineInfo::decode(&signed.content)
            .map_err(|error| Error::with(Code::MachineInfoRefused, &error))?;
        let (Some(serial), Some(udid)) = (info.serial.clone(), info.udid.clone()) else {
            return Err(Error::with(Code::MachineInfoRefused, "it has no SERIAL or no UDID").into());
        };
        let seen = AtTheDoor {
            subject: AttemptSubject {
                enrollment: None,
                serial: Some(serial.clone()),
                udid: Some(udid.clone()),
            },
            facts: AttemptFacts {
                product: Some(info.product.clone()),
                os_version: info.version().map(|version| version.to_string()),
                build_version: Some(info.build.clone()),
                token: Some(token.number),
                ..AttemptFacts::default()
            },
            method: Some(EnrollmentMethod::Ade),
        };
        let turned = |error| Turned {
            serial: Some(serial.clone()),
            device: Some(Box::new(seen.clone())),
            error,
        };
        let devices = self.store.ade_device(&serial).await?;
        let device = devices
            .into_iter()
            .find(|device| device.token == token.number && device.removed_at.is_none())
            .ok_or_else(|| turned(Error::new(Code::Unassigned)))?;
        if token.expires_at.is_some_and(|expires| expires <= now) {
            return Err(turned(Error::new(Code::TokenExpired)));
        }
        let profile = self.profile_of(&token, &device, &info).await?;
        let settings = profile.as_ref().map(settings).unwrap_or_default();
        let os = info.version();
        if let Some(objection) = shared_ipad_objection(&settings, Some(&info.product), os) {
            return Err(turned(Error::with(Code::SharedIpadUnsupported, objection)));
        }
        if self.is_replay(&serial, &signed.digest, &info, now).await? {
            return Err(turned(Error::new(Code::MachineInfoReplayed)));
        }
        let message = self.words_for(&token, profile.as_ref(), &info).await?;
        let failed = self.failed_before(&udid).await?;
        let message = message
            .into_iter()
            .chain(failed)
            .reduce(|one, other| format!("{one}\n{other}"));
        let visitor = Visitor {
            token: token.number,
            message,
            udid,
            product: info.product.clone(),
            authentication: authentication(&settings, os),
            profile_uuid: device.facts.profile_uuid,
            supervised: is_supervised(&settings, os),
            digest: signed.digest,
            serial: serial.clone(),
            seen,
        };
        Ok((visitor, info))
    }

    /// What the user is told who waits for the device. Who it is, is not known yet.
    async fn words_for(
        &self,
        token: &AdeTokenRecord,
        profile: Option<&AdeProfileRecord>,
        info: &MachineInfo,
    ) -> StoreResult<Option<String>> {
        let profiles = self.store.hold_profiles().await?;
        let facts = HoldFacts {
            token: Some(token.name.clone()),
            ade_profile: profile.map(|profile| profile.name.clone()),
            platform: info.platform().and_then(AdePlatform::of),
            serial: info.serial.clone(),
            user: None,
        };
        Ok(choice::applicable(&profiles, &facts).and_then(|profile| profile.terms.message.clone()))
    }

    /// What could not be installed when the device was held the last time, if its user is to learn that. Apple shows
    /// nothing of ours while it is held.
    async fn failed_before(&self, udid: &Udid) -> StoreResult<Option<String>> {
        let hold = self.store.hold(&EnrollmentId::new(udid.as_str())).await?;
        let Some(hold) = hold.filter(|hold| hold.terms.as_ref().is_some_and(|terms| terms.show_error)) else {
            return Ok(None);
        };
        let failed = hold.items.iter().filter(|item| item.state == HeldState::Failed);
        let names: Vec<&str> = failed.map(|item| item.name.as_str()).collect();
        let list = names.join(", ");
        Ok((!names.is_empty()).then(|| format!("The last time, this could not be installed: {list}.")))
    }

    /// The profile that Apple has for the device; or else the one that it was to get, for whoever knocks without has
    /// learned of this door from one of ours.
    async fn profile_of(
        &self,
        token: &AdeTokenRecord,
        device: &AdeDeviceRecord,
        info: &MachineInfo,
    ) -> StoreResult<Option<AdeProfileRecord>> {
        if let Some(uuid) = &device.facts.profile_uuid {
            let profiles = self.store.ade_profiles(token.number).await?;
            let found = profiles
                .into_iter()
                .find(|profile| profile.uuid.as_ref() == Some(uuid) || profile.former_uuids.contains(uuid));
            if found.is_some() {
                return Ok(found);
            }
        }
        let platform = info.platform().and_then(AdePlatform::of);
        let default = platform.and_then(|platform| token.defaults.get(&platform));
        match device.chosen_profile.as_ref().or(default) {
            Some(name) => self.store.ade_profile(token.number, name).await,
            None => Ok(None),
        }
    }

    /// Whether this very message began the enrollment that the device has now, and not just now.
    ///
    /// An iPhone, iPad, Apple TV or Vision enrolls when it has been activated, and gets a new key by that, so that it
    /// never sends the same message for two enrollments. A Mac enrolls anew whenever `profiles renew` is called; its old
    /// enrollment stays what it is until the new one is complete.
    async fn is_replay(
        &self,
        serial: &SerialNumber,
        digest: &Fingerprint,
        info: &MachineInfo,
        now: Timestamp,
    ) -> StoreResult<bool> {
        if info.platform() == Some(Platform::Macos) {
            return Ok(false);
        }
        let filter = EnrollmentFilter {
            serials: Some(vec![serial.clone()]),
            ..EnrollmentFilter::default()
        };
        let listing = self.store.enrollments(&filter, &Page::first(10)).await?;
        Ok(listing.rows.iter().any(|row| {
            let record = &row.record;
            let same = record
                .ade
                .as_ref()
                .is_some_and(|ade| ade.machine_info == *digest && now.since(ade.at) > self.settings.session);
            same && record.state == EnrollmentState::Enrolled && !record.allow_reenroll
        }))
    }
}

/// What a profile says. One that can't be read any more asks for what is safest.
fn settings(profile: &AdeProfileRecord) -> Settings {
    Settings::parse(&profile.settings).unwrap_or_else(|_| {
        tracing::error!(profile = profile.name, "an enrollment profile can't be read");
        let mut settings = Settings::default();
        settings.auth.method = Some(crate::protocol::ade::AuthMethod::Modern);
        settings
    })
}

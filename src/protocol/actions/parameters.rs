//! The parameters of each verb, as operators give them, and their rules.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::ToSchema;

use super::{Action, ActionError, Pin, mobileconfig};

/// Texts that a device shows are no longer than this, in characters.
const MAX_TEXT: usize = 1_000;
/// A device's name is no longer than this, in characters.
const MAX_NAME: usize = 255;

/// Bytes, in base64 where they are text. `Debug` shows their number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let text: String = text.split_ascii_whitespace().collect();
        STANDARD
            .decode(text)
            .map(Self)
            .map_err(|_| D::Error::custom("bytes must be in base64"))
    }
}

/// `delete`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Also if it is enrolled.
    #[serde(default)]
    pub force: bool,
}

/// `install-app`: one of `manifest_url`, `store_id` and `bundle_id` says which app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallApp {
    /// `https://` address of the app's manifest.
    pub manifest_url: Option<String>,
    /// Its number in the App Store.
    pub store_id: Option<u64>,
    /// Its bundle identifier in the App Store.
    pub bundle_id: Option<String>,
    /// Whether a licence of Apps and Books pays for it (`PurchaseMethod` 1), as User Enrollment needs it.
    #[serde(default)]
    pub licensed: bool,
    /// Whether it goes when management goes. Default: yes.
    pub remove_with_management: Option<bool>,
    /// Whether its data stay out of backups.
    #[serde(default)]
    pub prevent_backup: bool,
    /// Whether an app that the user has installed becomes a managed one.
    #[serde(default)]
    pub take_over: bool,
}

/// `install-profile`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallProfile {
    /// The `.mobileconfig`, in base64.
    #[schema(value_type = String, format = Byte)]
    pub mobileconfig: Bytes,
}

/// `lock`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Shown on the locked screen.
    pub message: Option<String>,
    /// Shown on the locked screen.
    pub phone_number: Option<String>,
    /// Macs only, which get a PIN of their own otherwise. It is kept.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6}$")]
    pub pin: Option<Pin>,
}

/// `lost-mode-on`: a message or a phone number, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LostMode {
    /// Shown on the locked screen.
    pub message: Option<String>,
    /// Shown on the locked screen.
    pub phone_number: Option<String>,
    /// Shown in place of “Slide to Unlock”.
    pub footnote: Option<String>,
}

/// `remove-profile`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveProfile {
    /// The profile's `PayloadIdentifier`.
    pub identifier: String,
}

/// `rename`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new name.
    pub name: String,
}

/// `restart`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Macs only: whether the user is asked first.
    #[serde(default)]
    pub notify_user: bool,
    /// Macs only: whether the kernel cache is built anew.
    #[serde(default)]
    pub rebuild_kernel_cache: bool,
}

/// `retire`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// `PayloadIdentifier` of the enrollment profile, where it is not this server's: devices that came from another one.
    pub profile_identifier: Option<String>,
}

/// `wipe`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wipe {
    /// Macs only, which get a PIN of their own otherwise. It is kept.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6}$")]
    pub pin: Option<Pin>,
    /// Whether the device enrolls again by itself (iOS 17, tvOS 18).
    pub return_to_service: Option<ReturnToService>,
    /// iPhone and iPad only: whether Setup Assistant leaves out setting up from a device nearby.
    #[serde(default)]
    pub disallow_proximity_setup: bool,
    /// iPhone and iPad only: whether eSIM plans stay.
    #[serde(default)]
    pub preserve_data_plan: bool,
    /// Macs only: what is done where “Erase All Content and Settings” fails.
    pub obliteration_behavior: Option<ObliterationBehavior>,
}

/// What a device that returns to service is given on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnToService {
    /// A Wi-Fi profile (`.mobileconfig`, in base64); the one of `checkin.return_to_service_wifi` otherwise.
    #[schema(value_type = Option<String>, format = Byte)]
    pub wifi_profile: Option<Bytes>,
    /// Whether it is given an enrollment profile, made when it fetches the command. Default: unless it came by Automated
    /// Device Enrollment, where it finds its way by itself.
    pub enrollment_profile: Option<bool>,
}

/// `ObliterationBehavior` (macOS 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObliterationBehavior {
    /// Overwrite without trying anything else.
    Always,
    /// Answer with an error, then overwrite.
    Default,
    /// Never overwrite.
    DoNotObliterate,
    /// Acknowledge, then overwrite.
    ObliterateWithWarning,
}

impl ObliterationBehavior {
    /// Apple's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::Default => "Default",
            Self::DoNotObliterate => "DoNotObliterate",
            Self::ObliterateWithWarning => "ObliterateWithWarning",
        }
    }
}

fn wrong<T>(field: &'static str, problem: &'static str) -> Result<T, ActionError> {
    Err(ActionError::Field { field, problem })
}

fn check_text(field: &'static str, text: Option<&String>) -> Result<(), ActionError> {
    let Some(text) = text else { return Ok(()) };
    if text.trim().is_empty() {
        return wrong(field, "is empty");
    }
    if text.chars().count() > MAX_TEXT {
        return wrong(field, "is longer than 1000 characters");
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return wrong(field, "holds a control character");
    }
    Ok(())
}

fn check_name(field: &'static str, name: &str) -> Result<(), ActionError> {
    if name.trim().is_empty() {
        return wrong(field, "is empty");
    }
    if name.chars().count() > MAX_NAME {
        return wrong(field, "is longer than 255 characters");
    }
    if name.chars().any(char::is_control) {
        return wrong(field, "holds a control character");
    }
    Ok(())
}

impl Action {
    /// The rules that concern no device.
    pub(super) fn check(&self) -> Result<(), ActionError> {
        match self {
            Self::InstallApp(app) => app.check(),
            Self::InstallProfile(asked) => mobileconfig::check_size("mobileconfig", &asked.mobileconfig.0),
            Self::Lock(lock) => {
                check_text("message", lock.message.as_ref())?;
                check_text("phone_number", lock.phone_number.as_ref())
            }
            Self::LostModeOn(lost) => {
                if lost.message.is_none() && lost.phone_number.is_none() {
                    return wrong("message", "or phone_number has to be given");
                }
                check_text("message", lost.message.as_ref())?;
                check_text("phone_number", lost.phone_number.as_ref())?;
                check_text("footnote", lost.footnote.as_ref())
            }
            Self::RemoveProfile(asked) => check_name("identifier", &asked.identifier),
            Self::Rename(asked) => check_name("name", &asked.name),
            Self::Retire(asked) => match &asked.profile_identifier {
                Some(identifier) => check_name("profile_identifier", identifier),
                None => Ok(()),
            },
            Self::Wipe(wipe) => {
                let service = wipe.return_to_service.as_ref();
                match service.and_then(|service| service.wifi_profile.as_ref()) {
                    Some(profile) => mobileconfig::check_size("return_to_service.wifi_profile", &profile.0),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl InstallApp {
    fn check(&self) -> Result<(), ActionError> {
        let given = [
            self.manifest_url.is_some(),
            self.store_id.is_some(),
            self.bundle_id.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return wrong(
                "manifest_url",
                "or store_id or bundle_id has to be given, and only one of them",
            );
        }
        if let Some(url) = &self.manifest_url {
            // Whoever can change the manifest on its way chooses what is installed.
            let host = url.strip_prefix("https://").unwrap_or_default();
            if host.is_empty()
                || host.starts_with('/')
                || url.chars().any(|c| c.is_whitespace() || c.is_control())
            {
                return wrong("manifest_url", "is not an https:// address");
            }
            if url.len() > 2048 {
                return wrong("manifest_url", "is longer than 2048 bytes");
            }
            if self.licensed {
                return wrong("licensed", "goes with store_id or bundle_id only");
            }
        }
        if self.store_id == Some(0) || self.store_id.is_some_and(|id| i64::try_from(id).is_err()) {
            return wrong("store_id", "is not a number of the App Store");
        }
        match &self.bundle_id {
            Some(id) => check_name("bundle_id", id),
            None => Ok(()),
        }
    }
}

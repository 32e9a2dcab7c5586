//! What a device remembers, in a form that can be written to a file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ade::Setup;
use crate::encode::as_base64;
use crate::hardware::Hardware;

/// One management channel of a device.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Channel {
    /// The device channel.
    #[default]
    Device,
    /// The channel of the user with this short name: macOS, Shared iPad.
    User(String),
}

/// A user of a Mac or of a Shared iPad.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct User {
    /// `UserShortName`: short name, or the Managed Apple Account on a Shared iPad.
    pub short_name: String,
    /// `UserLongName`
    pub long_name: String,
    /// `UserID`: the user's GUID; on a Shared iPad the constant `FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF`.
    pub user_id: String,
    /// Push token and magic of the user channel, once it is up.
    pub push: Option<Push>,
    /// Whether the server declined the user with HTTP 410.
    pub declined: bool,
    /// AuthToken from `UserAuthenticate`.
    pub auth_token: Option<String>,
    /// Whether the user of a Shared iPad waits for `UserConfigured`.
    #[serde(default)]
    pub awaiting_configuration: bool,
}

/// How a channel is reached by push.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Push {
    /// The APNs device token.
    #[serde(with = "as_base64")]
    pub token: Vec<u8>,
    /// `PushMagic`
    pub magic: String,
}

/// A profile that was installed by `InstallProfile`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InstalledProfile {
    /// `PayloadIdentifier`
    pub identifier: String,
    /// The channel it was installed on.
    pub channel: Channel,
    /// The profile as it came.
    #[serde(with = "as_base64")]
    pub raw: Vec<u8>,
}

/// A managed app that is on its way.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Installing {
    /// In how many lists it is still to show as `Installing`.
    pub lists: u32,
    /// Until when it takes at least, in milliseconds since 1970.
    pub until: i64,
}

/// A declaration as it was downloaded.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Declaration {
    /// `activation`, `asset`, `configuration` or `management`.
    pub kind: String,
    /// `Identifier`
    pub identifier: String,
    /// `ServerToken`
    pub server_token: String,
    /// `Type`
    pub declaration_type: String,
    /// `Payload`
    pub payload: serde_json::Value,
}

/// What belongs to one channel.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ChannelState {
    /// Whether a `DeclarativeManagement` command has enabled it.
    pub declarative_management: bool,
    /// `DeclarationsToken` of the last synchronised manifest.
    pub declarations_token: Option<String>,
    /// Declarations by kind and identifier.
    pub declarations: Vec<Declaration>,
    /// A result that no 2xx has confirmed yet.
    pub unsent: Option<String>,
}

/// A lock by `DeviceLock`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lock {
    /// `Message`
    pub message: Option<String>,
    /// `PhoneNumber`
    pub phone_number: Option<String>,
    /// `PIN`, on Macs.
    pub pin: Option<String>,
}

/// Managed Lost Mode, as `EnableLostMode` has set it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LostMode {
    /// `Message`
    pub message: Option<String>,
    /// `PhoneNumber`
    pub phone_number: Option<String>,
    /// `Footnote`
    pub footnote: Option<String>,
    /// How often it has made itself heard.
    pub sounds: u32,
}

/// An erasure, as `EraseDevice` asked for it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Erasure {
    /// `PIN`, on Macs.
    pub pin: Option<String>,
    /// `PreserveDataPlan`
    pub preserve_data_plan: bool,
    /// `DisallowProximitySetup`
    pub disallow_proximity_setup: bool,
    /// `ObliterationBehavior`, on Macs.
    pub obliteration_behavior: Option<String>,
    /// `ReturnToService.Enabled`
    pub returns_to_service: bool,
    /// `ReturnToService.WiFiProfileData`, in base64.
    pub wifi_profile: Option<String>,
}

/// The changing part of a device.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct State {
    /// `DeviceName`
    pub device_name: String,
    /// `EnrollmentID` of a User Enrollment; takes the place of the UDID.
    pub enrollment_id: Option<String>,
    /// `EnrollmentUserID`, for the user channel of a User Enrollment.
    pub enrollment_user_id: Option<String>,
    /// Push token and magic of the device channel, once enrolled.
    pub push: Option<Push>,
    /// `UnlockToken`, not on Macs.
    #[serde(with = "as_base64")]
    pub unlock_token: Vec<u8>,
    /// The bootstrap token escrowed last.
    pub bootstrap_token: Option<String>,
    /// Whether the device waits for `DeviceConfigured`.
    pub awaiting_configuration: bool,
    /// Whether the device is supervised.
    pub supervised: bool,
    /// Whether a passcode is set.
    pub passcode_present: bool,
    /// The lock in force.
    pub locked: Option<Lock>,
    /// Managed Lost Mode, if the device is in it.
    #[serde(default)]
    pub lost_mode: Option<LostMode>,
    /// How the device was erased last by command; outlives the erasure.
    #[serde(default)]
    pub erased: Option<Erasure>,
    /// How often users were logged out by command.
    #[serde(default)]
    pub log_outs: u32,
    /// How often the device was shut down by command.
    #[serde(default)]
    pub shut_downs: u32,
    /// How often the device was erased.
    pub erasures: u32,
    /// How often the device was restarted by command.
    pub restarts: u32,
    /// How many pushes came with another PushMagic than the channel's.
    #[serde(default)]
    pub wrong_magics: u32,
    /// The profile that an erasure with Return to Service left behind.
    pub return_to_service: Option<String>,
    /// Why the device is no longer enrolled, if a server's answer ended it.
    pub unenrolled: Option<String>,
    /// Installed profiles, without the enrollment profile.
    pub profiles: Vec<InstalledProfile>,
    /// Bundle identifiers of managed apps that are there.
    pub managed_apps: BTreeSet<String>,
    /// Managed apps that are on their way, by bundle identifier.
    #[serde(default)]
    pub installing_apps: BTreeMap<String, Installing>,
    /// Managed apps that came to nothing, with Apple's word for it; each is told of once.
    #[serde(default)]
    pub failed_apps: BTreeMap<String, String>,
    /// Values set by `Settings`, by item.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Users of the device.
    pub users: Vec<User>,
    /// How Automated Device Enrollment set the device up, once it has.
    #[serde(default)]
    pub setup: Option<Setup>,
    /// `PayloadIdentifier` of an MDM profile of somebody else's, which keeps ours out.
    #[serde(default)]
    pub foreign_mdm: Option<String>,
    /// State of each channel that has any.
    pub channels: BTreeMap<String, ChannelState>,
}

impl Channel {
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Device => "device".into(),
            Self::User(short_name) => format!("user:{short_name}"),
        }
    }
}

/// A device as it is kept in a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Saved {
    /// What the device is.
    pub hardware: Hardware,
    /// What it remembers.
    pub state: State,
    /// Private key of the identity, PEM.
    pub key: Option<String>,
    /// Certificate of the identity, PEM.
    pub certificate: Option<String>,
    /// The enrollment profile in base64.
    pub enrollment_profile: Option<String>,
}

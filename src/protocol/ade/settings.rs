//! The settings of an enrollment profile, by concern.
//!
//! Absent settings have their ordinary value. [`Settings::parse`] fills those in whose ordinary value depends on
//! others, so that what is stored says what it means.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::platform::AdePlatform;

/// Whether a device belongs to somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AdeAffinity)]
pub enum Affinity {
    /// To its user, who says who they are while it enrolls.
    With,
    /// To nobody: a kiosk, a point of sale, a Shared iPad.
    #[default]
    Without,
    /// To whoever signs in to its apps: shared device mode.
    Shared,
}

/// How a user says who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AdeAuthMethod)]
pub enum AuthMethod {
    /// In an app, after enrollment.
    CompanionApp,
    /// In Setup Assistant, with HTTP authentication.
    Legacy,
    /// In Setup Assistant's web view.
    Modern,
}

/// `auth`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeAuth)]
pub struct Auth {
    /// Only with affinity `with`, where `modern` is the ordinary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<AuthMethod>,
}

/// With which computers a device may pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AdePairingMode)]
pub enum PairingMode {
    /// With all.
    #[default]
    AllowAll,
    /// With none: the port is for charging.
    DenyAll,
    /// With those that hold the key of one of the certificates.
    ConfiguratorByCertificate,
}

/// `pairing`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdePairing)]
pub struct Pairing {
    /// With which computers.
    pub mode: PairingMode,
    /// Base64 of the DER; PEM is taken too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
}

/// `naming`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeNaming)]
pub struct Naming {
    /// The device's name, where `{{SERIAL}}` and `{{DEVICETYPE}}` stand for what they say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// `esim`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeEsim)]
pub struct Esim {
    /// The carrier's activation server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
}

/// `shared_ipad`: present if the iPad is to be a Shared iPad.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeSharedIpad)]
pub struct SharedIpad {
    /// For how many users there is room: 1 to 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_cached_users: Option<i64>,
    /// Seconds after the screen is locked before the password is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_grace_seconds: Option<i64>,
    /// Seconds of inactivity after which a user is logged out; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_session_timeout: Option<i64>,
    /// Whether there are guests only.
    #[serde(skip_serializing_if = "is_false")]
    pub temporary_session_only: bool,
    /// Seconds of inactivity after which a guest is logged out; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary_session_timeout: Option<i64>,
}

/// `panes`: what Setup Assistant does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdePanes)]
pub struct Panes {
    /// All that the platform has, but those of `show`.
    #[serde(skip_serializing_if = "is_false")]
    pub hide_all: bool,
    /// By Apple's key or by its label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hide: Vec<String>,
    /// Not hidden by `hide_all`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub show: Vec<String>,
    /// Keys that the catalogue does not have, passed on as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<String>,
}

/// `support`: who helps the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeSupport)]
pub struct Support {
    /// Shown under "About Configuration".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Shown under "Need Help".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// `apple`: further keys of Apple's profile, by Apple's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeAppleSettings)]
pub struct Apple {
    /// Whether the user can't refuse; `true` unless said otherwise. Always so since iOS 13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_mandatory: Option<bool>,
    /// Whether Setup Assistant goes on by itself (Apple TV and Mac on Ethernet).
    #[serde(skip_serializing_if = "is_false")]
    pub auto_advance_setup: bool,
    /// Whether the device returns to service by itself.
    #[serde(skip_serializing_if = "is_false")]
    pub is_return_to_service: bool,
    /// Whether a restored backup's profile is not used.
    #[serde(skip_serializing_if = "is_false")]
    pub do_not_use_profile_from_backup: bool,
    /// ISO 639-1 or 639-2, for `auto_advance_setup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2, for `auto_advance_setup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A text that devices give back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_magic: Option<String>,
    /// A page of one's own for web authentication, instead of this server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_web_url: Option<String>,
    /// CAs that vouch for this server and for the pages of web authentication, besides the server's own anchors;
    /// base64 of the DER, or PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anchor_certs: Vec<String>,
}

/// `targets`: which versions of the system the devices have. Only for warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeTargets)]
pub struct Targets {
    /// None is older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_os: Option<String>,
    /// None is newer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_os: Option<String>,
}

/// The settings of an enrollment profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AdeSettings)]
pub struct Settings {
    /// For which devices.
    pub platform: AdePlatform,
    /// Whether they belong to somebody.
    pub affinity: Affinity,
    /// How their users say who they are.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Auth,
    /// iPhones, iPads and Apple TVs may be said not to be; since iOS 13 they are all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervised: Option<bool>,
    /// Whether the user can't remove management.
    pub locked: bool,
    /// Whether it is to be a Shared iPad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_ipad: Option<SharedIpad>,
    /// With which computers they may pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairing: Option<Pairing>,
    /// Whether Setup Assistant waits for `DeviceConfigured`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub await_configuration: Option<bool>,
    /// What they are called.
    #[serde(skip_serializing_if = "is_default")]
    pub naming: Naming,
    /// Their cellular plan.
    #[serde(skip_serializing_if = "is_default")]
    pub esim: Esim,
    /// Who helps the user.
    #[serde(skip_serializing_if = "is_default")]
    pub support: Support,
    /// What Setup Assistant does not show.
    #[serde(skip_serializing_if = "is_default")]
    pub panes: Panes,
    /// Further keys of Apple's profile.
    #[serde(skip_serializing_if = "is_default")]
    pub apple: Apple,
    /// Commands that are queued once, when a device enrolls: each a property list, either of a whole command or of
    /// what stands under its `Command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initial_commands: Vec<String>,
    /// Which versions of the system the devices have.
    #[serde(skip_serializing_if = "is_default")]
    pub targets: Targets,
}

impl Settings {
    /// Fills in what has not been said and follows from what has.
    pub(super) fn settle(&mut self) {
        if self.affinity == Affinity::With && self.auth.method.is_none() {
            self.auth.method = Some(AuthMethod::Modern);
        }
        if self.supervised.is_none() && self.may_be_unsupervised() {
            self.supervised = Some(true);
        }
        if self.await_configuration.is_none() {
            self.await_configuration = Some(self.shared_ipad.is_none());
        }
    }

    /// Whether the platform leaves a choice.
    pub(super) fn may_be_unsupervised(&self) -> bool {
        matches!(self.platform, AdePlatform::Ios | AdePlatform::Tvos)
    }

    /// Whether Setup Assistant waits for `DeviceConfigured`.
    pub fn awaits_configuration(&self) -> bool {
        self.await_configuration.unwrap_or(self.shared_ipad.is_none())
    }
}

// serde gives the field by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

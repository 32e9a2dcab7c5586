//! The commands that an action comes to.

use plist::{Dictionary, Value};

use super::{Action, InstallApp, Lock, LostMode, Pin, Restart, Wipe};
use crate::protocol::{catalogue::Platform, command::Draft};

/// Stands for an enrollment profile in a command that waits: its one-time challenge is made when the device fetches the
/// command, which may be days later.
pub const ENROLLMENT_PROFILE: &[u8] = b"russet: an enrollment profile";

/// What `Refresh` asks `DeviceInformation` for: Apple requires a list.
const QUERIES: [&str; 20] = [
    "AvailableDeviceCapacity",
    "AwaitingConfiguration",
    "BatteryLevel",
    "BluetoothMAC",
    "BuildVersion",
    "DeviceCapacity",
    "DeviceName",
    "HostName",
    "IsActivationLockEnabled",
    "IsMDMLostModeEnabled",
    "IsMultiUser",
    "IsSupervised",
    "LocalHostName",
    "Model",
    "ModelName",
    "OSVersion",
    "ProductName",
    "SerialNumber",
    "UDID",
    "WiFiMAC",
];

/// What the device and the server add to an action.
#[derive(Debug, Default)]
pub struct Circumstances<'a> {
    /// The device's platform, if it is known.
    pub platform: Option<Platform>,
    /// For `Lock` and `Wipe` of a Mac.
    pub pin: Option<&'a Pin>,
    /// For `ClearPasscode`.
    pub unlock_token: Option<&'a [u8]>,
    /// For `InstallProfile`: the profile, where it is not sent as it was given.
    pub profile: Option<&'a [u8]>,
    /// For `Retire`: the identifier of this server's enrollment profile.
    pub enrollment_profile: &'a str,
    /// For a device that returns to service: the server's own Wi-Fi profile.
    pub wifi_profile: Option<&'a [u8]>,
    /// Whether the device finds its way to this server by Automated Device Enrollment.
    pub automated: bool,
}

impl Action {
    /// Whether all devices get the same command, whatever they are.
    pub fn is_uniform(&self) -> bool {
        matches!(self, Self::InstallProfile(_))
    }

    /// The commands that it comes to, in their order. None: `Delete`, and `Release`, which has a state of its own.
    pub fn drafts(&self, circumstances: &Circumstances<'_>) -> Vec<Draft> {
        let plain = |request_type| vec![Draft::new(request_type, [])];
        match self {
            Self::BypassCode => plain("ActivationLockBypassCode"),
            Self::ClearPasscode => {
                let token = circumstances.unlock_token.unwrap_or_default().to_vec();
                vec![Draft::new("ClearPasscode", [("UnlockToken", Value::Data(token))])]
            }
            Self::Delete(_) => Vec::new(),
            Self::InstallApp(app) => vec![install_app(app, circumstances.platform)],
            Self::InstallProfile(asked) => {
                let profile = circumstances.profile.unwrap_or(&asked.mobileconfig.0).to_vec();
                vec![Draft::new("InstallProfile", [("Payload", Value::Data(profile))])]
            }
            Self::ListProfiles => plain("ProfileList"),
            Self::Locate => plain("DeviceLocation"),
            Self::Lock(asked) => vec![lock(asked, circumstances.pin)],
            Self::LogOut => plain("LogOutUser"),
            Self::LostModeOff => plain("DisableLostMode"),
            Self::LostModeOn(asked) => vec![lost_mode(asked)],
            Self::PlaySound => plain("PlayLostModeSound"),
            Self::Refresh => refresh(),
            Self::Release => Vec::new(),
            Self::RemoveProfile(asked) => vec![remove_profile(&asked.identifier)],
            Self::Rename(asked) => vec![rename(&asked.name)],
            Self::Restart(asked) => vec![restart(asked)],
            Self::Retire(asked) => {
                let own = circumstances.enrollment_profile;
                vec![remove_profile(asked.profile_identifier.as_deref().unwrap_or(own))]
            }
            Self::ShutDown => plain("ShutDownDevice"),
            Self::Wipe(asked) => vec![wipe(asked, circumstances)],
        }
    }
}

/// The keys that have a value.
fn present(
    keys: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> impl Iterator<Item = (&'static str, Value)> {
    keys.into_iter().filter_map(|(key, value)| Some((key, value?)))
}

fn text(text: &Option<String>) -> Option<Value> {
    text.as_ref().map(|text| text.as_str().into())
}

/// `true`, or nothing.
fn flag(set: bool) -> Option<Value> {
    set.then(|| true.into())
}

fn install_app(app: &InstallApp, platform: Option<Platform>) -> Draft {
    let is_mac = platform == Some(Platform::Macos);
    // 1 has the app go with management, 4 keeps its data out of backups.
    let remove = app.remove_with_management.unwrap_or(true);
    let flags = i64::from(remove) + if app.prevent_backup { 4 } else { 0 };
    let take_over = app.take_over.then(|| "Managed".into());
    if let (Some(url), true) = (&app.manifest_url, is_mac) {
        // Of the two flags this command has the first only.
        return Draft::new(
            "InstallEnterpriseApplication",
            present([
                ("ManifestURL", Some(url.as_str().into())),
                ("InstallAsManaged", flag(app.remove_with_management == Some(true))),
                (
                    "ManagementFlags",
                    (app.remove_with_management == Some(true)).then(|| 1.into()),
                ),
                ("ChangeManagementState", take_over),
            ]),
        );
    }
    let purchase = app.manifest_url.is_none().then(|| {
        let method = Value::from(i64::from(app.licensed));
        Dictionary::from_iter([("PurchaseMethod".to_owned(), method)]).into()
    });
    Draft::new(
        "InstallApplication",
        present([
            ("ManifestURL", text(&app.manifest_url)),
            ("iTunesStoreID", app.store_id.map(Value::from)),
            ("Identifier", text(&app.bundle_id)),
            ("Options", purchase),
            ("ManagementFlags", (flags != 0).then(|| flags.into())),
            ("ChangeManagementState", take_over),
        ]),
    )
}

fn lock(asked: &Lock, pin: Option<&Pin>) -> Draft {
    let pin = pin.map(|pin| pin.reveal().into());
    Draft::new(
        "DeviceLock",
        present([
            ("Message", text(&asked.message)),
            ("PhoneNumber", text(&asked.phone_number)),
            ("PIN", pin),
        ]),
    )
}

fn lost_mode(asked: &LostMode) -> Draft {
    Draft::new(
        "EnableLostMode",
        present([
            ("Message", text(&asked.message)),
            ("PhoneNumber", text(&asked.phone_number)),
            ("Footnote", text(&asked.footnote)),
        ]),
    )
}

fn refresh() -> Vec<Draft> {
    let queries: Vec<Value> = QUERIES.iter().map(|query| Value::from(*query)).collect();
    let mut drafts = vec![Draft::new(
        "DeviceInformation",
        [("Queries", Value::Array(queries))],
    )];
    let others = [
        "SecurityInfo",
        "ProfileList",
        "InstalledApplicationList",
        "CertificateList",
    ];
    drafts.extend(others.map(|request_type| Draft::new(request_type, [])));
    drafts
}

fn remove_profile(identifier: &str) -> Draft {
    Draft::new("RemoveProfile", [("Identifier", identifier.into())])
}

fn rename(name: &str) -> Draft {
    let item = Dictionary::from_iter([
        ("Item".to_owned(), Value::from("DeviceName")),
        ("DeviceName".to_owned(), name.into()),
    ]);
    Draft::new("Settings", [("Settings", Value::Array(vec![item.into()]))])
}

fn restart(asked: &Restart) -> Draft {
    Draft::new(
        "RestartDevice",
        present([
            ("NotifyUser", flag(asked.notify_user)),
            ("RebuildKernelCache", flag(asked.rebuild_kernel_cache)),
        ]),
    )
}

fn wipe(asked: &Wipe, circumstances: &Circumstances<'_>) -> Draft {
    let service = asked.return_to_service.as_ref().map(|service| {
        let own = circumstances.wifi_profile.map(<[u8]>::to_vec);
        let wifi = service
            .wifi_profile
            .as_ref()
            .map(|profile| profile.0.clone())
            .or(own);
        let enrolls = service.enrollment_profile.unwrap_or(!circumstances.automated);
        let keys = present([
            ("Enabled", Some(true.into())),
            ("WiFiProfileData", wifi.map(Value::Data)),
            (
                "MDMProfileData",
                enrolls.then(|| Value::Data(ENROLLMENT_PROFILE.to_vec())),
            ),
        ]);
        Dictionary::from_iter(keys.map(|(key, value)| (key.to_owned(), value))).into()
    });
    let behavior = asked
        .obliteration_behavior
        .map(|behavior| behavior.as_str().into());
    Draft::new(
        "EraseDevice",
        present([
            ("PIN", circumstances.pin.map(|pin| pin.reveal().into())),
            ("PreserveDataPlan", flag(asked.preserve_data_plan)),
            ("DisallowProximitySetup", flag(asked.disallow_proximity_setup)),
            ("ObliterationBehavior", behavior),
            ("ReturnToService", service),
        ]),
    )
}

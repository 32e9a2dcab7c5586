//! Which commands a device knows, on which channel, and with which access right (Apple's command table).

use super::{Channel, Device};
use crate::Kind;
use crate::messages::{MCMDM_ERROR_DOMAIN, error_item};
use crate::plists::Dictionary;

const IOS: u8 = 1;
const MAC: u8 = 2;
const TV: u8 = 4;
const VISION: u8 = 8;
const ALL: u8 = IOS | MAC | TV | VISION;

/// What an iPhone or iPad does only while it is supervised.
const SUPERVISED: &[&str] = &[
    "ActivationLockBypassCode",
    "ClearActivationLockBypassCode",
    "DeviceLocation",
    "DisableLostMode",
    "EnableLostMode",
    "PlayLostModeSound",
    "RestartDevice",
    "ShutDownDevice",
];

/// Request type, kinds of devices, access right (0 for none), whether a Mac's user channel takes it.
const COMMANDS: &[(&str, u8, i64, bool)] = &[
    ("AccountConfiguration", MAC, 0, false),
    ("ActivationLockBypassCode", IOS | MAC | VISION, 0, false),
    ("AvailableOSUpdates", IOS | MAC | TV, 0, false),
    ("CertificateList", ALL, 1, true),
    ("ClearActivationLockBypassCode", IOS | MAC | VISION, 0, false),
    ("ClearPasscode", IOS | VISION, 4, false),
    ("ClearRestrictionsPassword", IOS, 0, false),
    ("DeclarativeManagement", ALL, 0, true),
    ("DeleteUser", IOS | MAC, 0, false),
    ("DeviceConfigured", ALL, 0, false),
    ("DeviceInformation", ALL, 0, true),
    ("DeviceLocation", IOS, 0, false),
    ("DeviceLock", IOS | MAC | VISION, 4, false),
    ("DisableLostMode", IOS, 0, false),
    ("DisableRemoteDesktop", MAC, 0, false),
    ("EnableLostMode", IOS, 0, false),
    ("EnableRemoteDesktop", MAC, 0, false),
    ("EraseDevice", ALL, 8, false),
    ("InstallApplication", ALL, 4096, true),
    ("InstallEnterpriseApplication", MAC, 4096, false),
    ("InstallMedia", IOS | MAC, 4096, true),
    ("InstallProfile", ALL, 2, true),
    ("InstallProvisioningProfile", ALL, 128, false),
    ("InstalledApplicationList", ALL, 256, true),
    ("LogOutUser", IOS, 0, false),
    ("ManagedApplicationAttributes", IOS | TV | VISION, 4096, false),
    ("ManagedApplicationConfiguration", ALL, 4096, false),
    ("ManagedApplicationFeedback", ALL, 4096, true),
    ("ManagedApplicationList", ALL, 4096, true),
    ("ManagedMediaList", IOS, 4096, false),
    ("OSUpdateStatus", IOS | MAC | TV, 0, false),
    ("PlayLostModeSound", IOS, 0, false),
    ("ProfileList", ALL, 1, true),
    ("ProvisioningProfileList", ALL, 64, false),
    ("RefreshCellularPlans", IOS, 0, false),
    ("RemoveApplication", ALL, 4096, false),
    ("RemoveMedia", IOS, 4096, false),
    ("RemoveProfile", ALL, 2, true),
    ("RemoveProvisioningProfile", ALL, 128, false),
    ("RequestMirroring", IOS | MAC, 0, false),
    ("RestartDevice", IOS | MAC | TV, 4, false),
    ("Restrictions", IOS | TV | VISION, 512, false),
    ("RotateFileVaultKey", MAC, 4, false),
    ("ScheduleOSUpdate", IOS | MAC | TV, 0, false),
    ("ScheduleOSUpdateScan", MAC, 0, false),
    ("SecurityInfo", ALL, 1024, true),
    ("SetAutoAdminPassword", MAC, 0, false),
    ("SetFirmwarePassword", MAC, 4, false),
    ("SetRecoveryLock", MAC, 4, false),
    ("Settings", ALL, 2048, true),
    ("ShutDownDevice", IOS | MAC, 4, false),
    ("StopMirroring", IOS | MAC, 0, false),
    ("UnlockUserAccount", MAC, 0, false),
    ("UserConfigured", IOS, 0, true),
    ("UserList", IOS | MAC, 0, false),
    ("ValidateApplications", IOS | TV, 0, false),
    ("VerifyFirmwarePassword", MAC, 4, false),
    ("VerifyRecoveryLock", MAC, 4, false),
];

impl Device {
    /// Why this device can't obey a request type on this channel; `None` if it can.
    pub(super) fn objection(&self, channel: &Channel, request_type: &str) -> Option<Dictionary> {
        let kind = match self.hardware.kind {
            Kind::AppleTV => TV,
            Kind::IPad | Kind::IPhone => IOS,
            Kind::Mac => MAC,
            Kind::VisionPro => VISION,
        };
        let refuse = |code, text: String| Some(error_item(MCMDM_ERROR_DOMAIN, code, &text));
        let known = COMMANDS
            .iter()
            .find(|(name, kinds, ..)| *name == request_type && kinds & kind != 0);
        let Some((_, _, right, on_user_channel)) = known else {
            return refuse(12021, format!("“{request_type}” is not a valid request type."));
        };
        if *channel != Channel::Device && !on_user_channel {
            return refuse(
                12021,
                format!("“{request_type}” is not supported on the user channel."),
            );
        }
        if kind == IOS && !self.state.supervised && SUPERVISED.contains(&request_type) {
            return refuse(
                12009,
                format!("“{request_type}” needs a device that is supervised."),
            );
        }
        let rights = self
            .enrollment()
            .and_then(|e| e.mdm.access_rights)
            .unwrap_or(8191);
        if rights & right != *right {
            return refuse(
                12010,
                format!("The access rights do not permit “{request_type}”."),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    #[test]
    fn unknown_commands_and_wrong_channels_are_refused() {
        let mac = Device::new(Kind::Mac, Client::plain()).unwrap();
        let code = |channel: &Channel, name: &str| {
            mac.objection(channel, name)
                .and_then(|e| e.get("ErrorCode")?.as_signed_integer())
        };
        let user = Channel::User("ada".into());
        assert_eq!(code(&Channel::Device, "MakeCoffee"), Some(12021));
        assert_eq!(code(&Channel::Device, "ClearPasscode"), Some(12021));
        assert_eq!(code(&Channel::Device, "DeviceLock"), None);
        assert_eq!(code(&user, "DeviceLock"), Some(12021));
        assert_eq!(code(&user, "ProfileList"), None);
    }
}

//! The table of commands: one row for each request type, in alphabetical order.
//!
//! Source: Apple's schema, `mdm/commands/*.yaml` of <https://github.com/apple/device-management> at release 18.1, which
//! an integration test compares with this table where a copy is at hand; and for the two commands of version 27.0,
//! Apple's reference at <https://developer.apple.com/documentation/devicemanagement/commands-and-queries>.

use super::{CommandSpec, OsVersion, SharedIpad, Support};

// Apple's access rights: bits of the enrollment profile's `AccessRights`.
const NONE: u16 = 0;
const PROFILES: u16 = 1;
const INSTALL: u16 = 2;
const LOCK: u16 = 4;
const ERASE: u16 = 8;
const NETWORK: u16 = 32;
const PROVISIONS: u16 = 64;
const PROVISION: u16 = 128;
const APPS: u16 = 256;
const RESTRICT: u16 = 512;
const SECURITY: u16 = 1024;
const SETTINGS: u16 = 2048;
const MANAGE: u16 = 4096;

/// What the letters after a version mean:
///
/// * `D`, `U`: runs on the device channel, on the user channel (only macOS and Shared iPad have the latter);
/// * `S`: needs supervision; `A`: needs Automated Device Enrollment; `X`: forbidden in User Enrollment;
/// * `F`: free of the access right that the row names; `!`: on a Shared iPad only.
#[rustfmt::skip]
pub(super) static COMMANDS: &[CommandSpec] = &[
    // request type                        right       iOS         macOS           tvOS      visionOS   watchOS  Shared iPad
    row("AccountConfiguration",            NONE,       ["-",        "10.11 DAX",    "-",      "-",       "-"],    "-"),
    row("ActivationLockBypassCode",        NONE,       ["7.1 SX",   "10.15 DSX",    "-",      "2.0 SX",  "-"],    "-"),
    row("ActiveNSExtensions",              APPS,       ["-",        "10.13 UX",     "-",      "-",       "-"],    "-"),
    row("ApplyRedemptionCode",             MANAGE,     ["5.0 X",    "-",            "-",      "-",       "-"],    "-"),
    row("AvailableOSUpdates",              MANAGE,     ["9.0 SX",   "10.11 DXF",    "12.0 S", "-",       "-"],    "D"),
    row("CancelEnhancedLogCollection",     NONE,       ["27.0 SX",  "27.0 USX",     "27.0 S", "-",       "-"],    "D"),
    row("CertificateList",                 PROFILES,   ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "D"),
    row("ClearActivationLockBypassCode",   NONE,       ["7.1 SX",   "10.15 DSX",    "-",      "2.0 SX",  "-"],    "-"),
    row("ClearPasscode",                   LOCK,       ["4.0 X",    "-",            "-",      "1.1 X",   "10.0"], "-"),
    row("ClearRestrictionsPassword",       NONE,       ["8.0 SX",   "-",            "-",      "-",       "-"],    "-"),
    row("ContentCachingInformation",       NETWORK,    ["-",        "10.15.4 DX",   "-",      "-",       "-"],    "-"),
    row("DeclarativeManagement",           NONE,       ["15.0",     "13.0 DU",      "16.0",   "1.1",     "10.0"], "DU"),
    row("DeleteUser",                      NONE,       ["9.3 X",    "10.13 DSX",    "-",      "-",       "-"],    "D!"),
    row("DeviceConfigured",                NONE,       ["9.0 SAX",  "10.11 DAX",    "10.2 S", "2.0 SAX", "-"],    "D"),
    row("DeviceInformation",               NONE,       ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "DU"),
    row("DeviceLocation",                  NONE,       ["9.3 SX",   "-",            "-",      "-",       "-"],    "D"),
    row("DeviceLock",                      LOCK,       ["4.0",      "10.7 DX",      "-",      "2.0",     "10.0"], "D"),
    row("DisableLostMode",                 NONE,       ["9.3 SX",   "-",            "-",      "-",       "-"],    "D"),
    row("DisableRemoteDesktop",            NONE,       ["-",        "10.14.4 DSX",  "-",      "-",       "-"],    "-"),
    row("EnableLostMode",                  NONE,       ["9.3 SX",   "-",            "-",      "-",       "-"],    "D"),
    row("EnableRemoteDesktop",             NONE,       ["-",        "10.14.4 DSX",  "-",      "-",       "-"],    "-"),
    row("EraseDevice",                     ERASE,      ["4.0 X",    "10.7 DX",      "10.2",   "1.1 X",   "10.0"], "D"),
    row("InstallApplication",              MANAGE,     ["5.0",      "10.9 DU",      "10.2",   "1.1",     "10.0"], "D"),
    row("InstallEnterpriseApplication",    MANAGE,     ["-",        "10.13.6 D",    "-",      "-",       "-"],    "-"),
    row("InstallMedia",                    MANAGE,     ["8.0",      "10.9 UX",      "-",      "-",       "-"],    "D"),
    row("InstallProfile",                  INSTALL,    ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "DU"),
    row("InstallProvisioningProfile",      PROVISION,  ["4.0",      "11.0 DF",      "10.2",   "1.1",     "10.0"], "D"),
    row("InstalledApplicationList",        APPS,       ["5.0",      "10.7 DUX",     "10.2",   "1.1",     "10.0"], "D"),
    row("InviteToProgram",                 MANAGE,     ["7.0 X",    "10.9 UXF",     "-",      "-",       "-"],    "U"),
    row("LOMDeviceRequest",                LOCK,       ["-",        "11.0 DX",      "-",      "-",       "-"],    "-"),
    row("LOMSetupRequest",                 LOCK,       ["-",        "11.0 DX",      "-",      "-",       "-"],    "-"),
    row("LogOutUser",                      NONE,       ["9.3 X",    "-",            "-",      "-",       "-"],    "D!"),
    row("ManagedApplicationAttributes",    MANAGE,     ["7.0",      "-",            "10.2",   "1.1",     "10.0"], "D"),
    row("ManagedApplicationConfiguration", MANAGE,     ["7.0",      "10.15 D",      "10.2",   "1.1",     "10.0"], "D"),
    row("ManagedApplicationFeedback",      MANAGE,     ["7.0",      "11.0 UX",      "10.2",   "1.1",     "-"],    "D"),
    row("ManagedApplicationList",          MANAGE,     ["5.0",      "11.0 DU",      "10.2",   "1.1",     "10.0"], "D"),
    row("ManagedMediaList",                MANAGE,     ["8.0",      "-",            "-",      "-",       "-"],    "D"),
    row("NSExtensionMappings",             APPS,       ["-",        "10.13 UX",     "-",      "-",       "-"],    "-"),
    row("OSUpdateStatus",                  MANAGE,     ["9.0 SX",   "10.11.5 DSXF", "12.0 S", "-",       "-"],    "D"),
    row("PlayLostModeSound",               NONE,       ["10.3 SX",  "-",            "-",      "-",       "-"],    "D"),
    row("ProfileList",                     PROFILES,   ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "DU"),
    row("ProvisioningProfileList",         PROVISIONS, ["4.0",      "11.0 DF",      "10.2",   "1.1",     "10.0"], "D"),
    row("RefreshCellularPlans",            NONE,       ["13.0 X",   "-",            "-",      "-",       "-"],    "D"),
    row("RemoveApplication",               MANAGE,     ["5.0",      "11.0 DX",      "10.2",   "1.1",     "10.0"], "D"),
    row("RemoveMedia",                     MANAGE,     ["8.0",      "-",            "-",      "-",       "-"],    "D"),
    row("RemoveProfile",                   INSTALL,    ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "DU"),
    row("RemoveProvisioningProfile",       PROVISION,  ["4.0",      "11.0 DF",      "10.2",   "1.1",     "10.0"], "D"),
    row("RequestMirroring",                NONE,       ["7.0",      "10.10 D",      "-",      "-",       "-"],    "D"),
    row("RequestUnlockToken",              NONE,       ["5.0 SX",   "-",            "-",      "-",       "-"],    "-"),
    row("RestartDevice",                   LOCK,       ["10.3 SX",  "10.13 DX",     "10.2 S", "-",       "-"],    "D"),
    row("Restrictions",                    RESTRICT,   ["4.0 X",    "-",            "9.0",    "1.1 X",   "10.0"], "DU"),
    row("RotateFileVaultKey",              LOCK,       ["-",        "10.9 DX",      "-",      "-",       "-"],    "-"),
    row("ScheduleOSUpdate",                MANAGE,     ["9.0 SX",   "10.11 DSXF",   "12.0 S", "-",       "-"],    "D"),
    row("ScheduleOSUpdateScan",            NONE,       ["-",        "10.11 DSX",    "-",      "-",       "-"],    "-"),
    row("SecurityInfo",                    SECURITY,   ["4.0",      "10.7 DU",      "9.0",    "1.1",     "10.0"], "D"),
    row("SetAutoAdminPassword",            NONE,       ["-",        "10.11 DAX",    "-",      "-",       "-"],    "-"),
    row("SetFirmwarePassword",             LOCK,       ["-",        "10.13 DX",     "-",      "-",       "-"],    "-"),
    row("SetRecoveryLock",                 LOCK,       ["-",        "11.5 DX",      "-",      "-",       "-"],    "-"),
    row("Settings",                        SETTINGS,   ["5.0",      "10.9 DU",      "9.0",    "1.1",     "10.0"], "DU"),
    row("ShutDownDevice",                  LOCK,       ["10.3 SX",  "10.13 DX",     "-",      "-",       "-"],    "D"),
    row("StopMirroring",                   NONE,       ["7.0 SX",   "10.10 DX",     "-",      "-",       "-"],    "D"),
    row("TriggerEnhancedLogCollection",    NONE,       ["27.0 SX",  "27.0 USX",     "27.0 S", "-",       "-"],    "D"),
    row("UnlockUserAccount",               LOCK,       ["-",        "10.13 DX",     "-",      "-",       "-"],    "-"),
    row("UserConfigured",                  NONE,       ["17.0 SAX", "-",            "-",      "-",       "-"],    "U"),
    row("UserList",                        NONE,       ["9.3 X",    "10.13 DSX",    "-",      "-",       "-"],    "D!"),
    row("ValidateApplications",            MANAGE,     ["9.2",      "-",            "10.2",   "1.1",     "-"],    "D"),
    row("VerifyFirmwarePassword",          NONE,       ["-",        "10.13 DX",     "-",      "-",       "-"],    "-"),
    row("VerifyRecoveryLock",              LOCK,       ["-",        "11.5 DX",      "-",      "-",       "-"],    "-"),
];

/// `cells` stand in the order of [`Platform::ALL`](super::Platform::ALL).
const fn row(request_type: &'static str, right: u16, cells: [&str; 5], shared_ipad: &str) -> CommandSpec {
    let [ios, macos, tvos, visionos, watchos] = cells;
    CommandSpec {
        request_type,
        support: [
            support(ios, right),
            support(macos, right),
            support(tvos, right),
            support(visionos, right),
            support(watchos, right),
        ],
        shared_ipad: SharedIpad {
            device_channel: has(shared_ipad, b'D'),
            user_channel: has(shared_ipad, b'U'),
            required: has(shared_ipad, b'!'),
        },
    }
}

/// Reads a cell such as `10.15 DSX`; `-` is a platform that does not know the command.
const fn support(cell: &str, right: u16) -> Option<Support> {
    let Some(since) = OsVersion::parse(cell) else {
        return None;
    };
    Some(Support {
        since,
        access_right: if has(cell, b'F') { NONE } else { right },
        supervised: has(cell, b'S'),
        automated_enrollment: has(cell, b'A'),
        user_enrollment: !has(cell, b'X'),
        device_channel: has(cell, b'D') || !has(cell, b'U'),
        user_channel: has(cell, b'U'),
    })
}

const fn has(cell: &str, letter: u8) -> bool {
    let mut at = 0;
    while at < cell.len() {
        if cell.as_bytes()[at] == letter {
            return true;
        }
        at += 1;
    }
    false
}

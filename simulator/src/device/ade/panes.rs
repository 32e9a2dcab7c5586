//! The panes of Setup Assistant, and which of them a device shows (Apple: *SkipKeys*).

use super::version::parse;
use crate::{Hardware, Kind};

/// A pane that a profile can skip.
#[derive(Clone, Copy, Debug)]
pub struct Pane {
    /// Its key in `skip_setup_items`.
    pub key: &'static str,
    ios: Span,
    macos: Span,
    tvos: Span,
    visionos: Span,
}

/// The versions of a system that have a pane: from the first, and before the second if there is one.
type Span = Option<(&'static str, Option<&'static str>)>;

const NEVER: Span = None;

const fn since(first: &'static str) -> Span {
    Some((first, None))
}

const fn between(first: &'static str, gone: &'static str) -> Span {
    Some((first, Some(gone)))
}

const fn pane(key: &'static str, ios: Span, macos: Span, tvos: Span, visionos: Span) -> Pane {
    Pane {
        key,
        ios,
        macos,
        tvos,
        visionos,
    }
}

static PANES: &[Pane] = &[
    pane("Accessibility", NEVER, since("11.0"), NEVER, NEVER),
    pane("AccessibilityAppearance", since("17.0"), NEVER, NEVER, NEVER),
    pane("ActionButton", since("17.0"), NEVER, NEVER, NEVER),
    pane("Android", since("9.0"), NEVER, NEVER, NEVER),
    pane("Appearance", since("13.0"), since("10.14"), NEVER, NEVER),
    pane(
        "AppleID",
        since("7.0"),
        since("10.9"),
        since("10.2"),
        since("26.0"),
    ),
    pane("AppStore", since("14.3"), since("11.1"), NEVER, NEVER),
    pane("Biometric", since("8.1"), since("10.12.4"), NEVER, since("26.0")),
    pane("CameraButton", since("18.0"), NEVER, NEVER, NEVER),
    pane("DeviceToDeviceMigration", since("12.4"), NEVER, NEVER, NEVER),
    pane(
        "Diagnostics",
        since("7.0"),
        since("10.9"),
        since("10.2"),
        since("26.0"),
    ),
    pane(
        "DisplayTone",
        between("9.3.2", "15.0"),
        between("10.13.6", "12.0"),
        NEVER,
        NEVER,
    ),
    pane("EnableLockdownMode", since("17.1"), since("14.0"), NEVER, NEVER),
    pane("FileVault", NEVER, since("10.10"), NEVER, NEVER),
    pane(
        "HomeButtonSensitivity",
        between("10.0", "15.0"),
        NEVER,
        NEVER,
        NEVER,
    ),
    pane("iCloudDiagnostics", NEVER, since("10.12.4"), NEVER, NEVER),
    pane("iCloudStorage", NEVER, since("10.13.4"), NEVER, NEVER),
    pane("iMessageAndFaceTime", since("12.0"), NEVER, NEVER, NEVER),
    pane("Intelligence", since("18.0"), since("15.0"), NEVER, since("26.0")),
    pane("Keyboard", since("13.0"), NEVER, NEVER, NEVER),
    pane("LiquidGlass", since("27.0"), since("27.0"), NEVER, NEVER),
    pane(
        "Location",
        since("7.0"),
        since("10.11"),
        since("10.2"),
        since("26.0"),
    ),
    pane(
        "MessagingActivationUsingPhoneNumber",
        since("10.0"),
        NEVER,
        NEVER,
        NEVER,
    ),
    pane("Multitasking", since("26.0"), NEVER, NEVER, NEVER),
    pane("OnBoarding", between("11.0", "14.0"), NEVER, NEVER, NEVER),
    pane("OSShowcase", since("26.0"), since("26.1"), NEVER, NEVER),
    pane("Passcode", since("7.0"), since("10.9"), NEVER, since("26.0")),
    pane("Payment", since("8.1"), since("10.12.4"), NEVER, since("26.0")),
    pane(
        "Privacy",
        since("11.3"),
        since("10.13.4"),
        since("11.3"),
        since("26.0"),
    ),
    pane("Restore", since("7.0"), since("10.9"), NEVER, NEVER),
    pane("RestoreCompleted", since("14.0"), NEVER, NEVER, NEVER),
    pane("Safety", since("16.0"), NEVER, NEVER, NEVER),
    pane("SafetyAndHandling", since("18.4"), NEVER, NEVER, NEVER),
    pane("ScreenSaver", NEVER, NEVER, since("10.2"), NEVER),
    pane("ScreenTime", since("12.0"), since("10.15"), NEVER, since("26.0")),
    pane("SIMSetup", since("12.0"), NEVER, NEVER, NEVER),
    pane("Siri", since("7.0"), since("10.12"), since("10.2"), since("26.0")),
    pane(
        "SoftwareUpdate",
        since("12.0"),
        since("15.4"),
        NEVER,
        since("26.0"),
    ),
    pane("SpokenLanguage", since("13.0"), NEVER, NEVER, NEVER),
    pane("TapToSetup", NEVER, NEVER, since("10.2"), NEVER),
    pane("TermsOfAddress", since("16.0"), since("13.0"), NEVER, NEVER),
    pane("Tips", NEVER, NEVER, NEVER, since("26.0")),
    pane("TOS", since("7.0"), since("10.9"), since("10.2"), since("26.0")),
    pane("TVHomeScreenSync", NEVER, NEVER, since("11.0"), NEVER),
    pane("TVProviderSignIn", NEVER, NEVER, since("11.0"), NEVER),
    pane("TVRoom", NEVER, NEVER, since("11.4"), NEVER),
    pane("UnlockWithWatch", NEVER, since("15.0"), NEVER, NEVER),
    pane("UpdateCompleted", since("14.0"), since("26.1"), NEVER, NEVER),
    pane("Wallpaper", NEVER, between("14.1", "26.0"), NEVER, NEVER),
    pane("WatchMigration", since("11.0"), NEVER, NEVER, NEVER),
    pane(
        "WebContentFiltering",
        between("18.2", "26.1"),
        NEVER,
        NEVER,
        NEVER,
    ),
    pane("Welcome", since("13.0"), since("15.0"), NEVER, since("26.0")),
    pane("Zoom", between("8.3", "17.0"), NEVER, NEVER, since("26.0")),
];

/// All panes.
pub fn panes() -> &'static [Pane] {
    PANES
}

/// The keys of the panes that this device would show in a first run if nothing were skipped.
pub fn panes_of(hardware: &Hardware) -> impl Iterator<Item = &'static str> {
    let version = parse(&hardware.os_version);
    let kind = hardware.kind;
    PANES.iter().filter_map(move |pane| {
        let (first, gone) = match kind {
            Kind::IPad | Kind::IPhone => pane.ios,
            Kind::Mac => pane.macos,
            Kind::AppleTV => pane.tvos,
            Kind::VisionPro => pane.visionos,
        }?;
        let there = version >= parse(first) && gone.is_none_or(|gone| version < parse(gone));
        // The one is for additional users, the other is not offered to managed devices since iOS 13.
        let elsewhere =
            pane.key == "Accessibility" || (pane.key == "DeviceToDeviceMigration" && version >= (13, 0, 0));
        (there && !elsewhere).then_some(pane.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_panes_follow_platform_and_version() {
        let shows = |kind, version: &str, key: &str| {
            let mut hardware = Hardware::random(kind).unwrap();
            hardware.os_version = version.into();
            panes_of(&hardware).any(|pane| pane == key)
        };
        assert!(shows(Kind::Mac, "15.1", "FileVault") && !shows(Kind::IPhone, "18.1", "FileVault"));
        assert!(shows(Kind::IPhone, "18.0", "CameraButton") && !shows(Kind::IPhone, "17.7", "CameraButton"));
        assert!(shows(Kind::IPad, "13.7", "OnBoarding") && !shows(Kind::IPad, "14.0", "OnBoarding"));
        assert!(shows(Kind::AppleTV, "18.1", "TVRoom") && !shows(Kind::VisionPro, "2.1", "Siri"));
        assert!(shows(Kind::IPhone, "12.4", "DeviceToDeviceMigration"));
        assert!(!shows(Kind::IPhone, "13.0", "DeviceToDeviceMigration"));
    }
}

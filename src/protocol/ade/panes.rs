//! The panes of Setup Assistant that a profile can hide: Apple's `skip_setup_items`.
//!
//! Sources: Apple's "SkipKeys", `other/skipkeys.yaml` of <https://github.com/apple/device-management> at release 18.1,
//! which a test compares with this table where a copy is at hand; for what is newer,
//! <https://developer.apple.com/documentation/devicemanagement/skipkeys>. The labels are those of Microsoft Intune.

use super::{finding::Finding, platform::AdePlatform, settings};
use crate::protocol::catalogue::OsVersion;

/// A pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pane {
    /// Apple's key.
    pub key: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Other names that settings may use.
    pub labels: &'static [&'static str],
    spans: [&'static str; AdePlatform::ALL.len()],
}

/// In which versions of a system a pane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub since: OsVersion,
    /// The first that has it no more.
    pub until: Option<OsVersion>,
    /// `false`: it may show all the same, before the device has its profile.
    pub always: bool,
}

impl Pane {
    /// In which versions of the platform's system it is; `None` if in none.
    pub fn on(&self, platform: AdePlatform) -> Option<Span> {
        let text = self.spans[platform as usize];
        let always = !text.ends_with('*');
        let (since, until) = match text.trim_end_matches('*').split_once('<') {
            Some((since, until)) => (since, OsVersion::parse(until)),
            None => (text, None),
        };
        let since = OsVersion::parse(since)?;
        Some(Span { since, until, always })
    }

    fn is_called(&self, name: &str) -> bool {
        let mut names = self.labels.iter().chain([&self.key, &self.title]);
        names.any(|own| own.eq_ignore_ascii_case(name.trim()))
    }
}

/// Every pane, by key.
pub fn panes() -> &'static [Pane] {
    PANES
}

/// The pane with this key, title or label, whatever its case.
pub fn pane(name: &str) -> Option<&'static Pane> {
    PANES.iter().find(|pane| pane.is_called(name))
}

/// A key of old, which is hidden only where it is named.
pub(super) const RETIRED: &str = "Registration";

/// Puts Apple's keys for labels, and each key once.
pub(super) fn normalize(panes: &mut settings::Panes, findings: &mut Vec<Finding>) {
    for (field, list) in [("panes.hide", &mut panes.hide), ("panes.show", &mut panes.show)] {
        let mut keys: Vec<String> = Vec::with_capacity(list.len());
        for name in list.iter() {
            match pane(name) {
                Some(pane) if keys.iter().any(|key| key == pane.key) => {}
                Some(pane) => keys.push(pane.key.to_owned()),
                None => {
                    let text = format!(
                        "has no pane called {name:?}; `russet ade profile panes` lists them, and panes.extra takes \
                         keys that are newer than this server"
                    );
                    findings.push(Finding::new(&[field], text));
                }
            }
        }
        *list = keys;
    }
}

const fn row(
    key: &'static str,
    title: &'static str,
    spans: [&'static str; AdePlatform::ALL.len()],
    labels: &'static [&'static str],
) -> Pane {
    Pane {
        key,
        title,
        labels,
        spans,
    }
}

/// By platform, the first version, then `<` and the first that has the pane no more; `*`: it may show all the same.
#[rustfmt::skip]
static PANES: &[Pane] = &[
    // key, what it is, [iOS, macOS, tvOS, visionOS], labels
    row("Accessibility", "Accessibility", ["-", "11.0*", "-", "-"], &[]),
    row("AccessibilityAppearance", "Accessibility appearance", ["17.0", "-", "-", "-"], &[]),
    row("ActionButton", "Action button", ["17.0", "-", "-", "-"], &[]),
    row("Android", "Move from Android, within Restore", ["9.0", "-", "-", "-"], &["Android Migration"]),
    row("Appearance", "Choose Your Look", ["13.0", "10.14", "-", "-"], &[]),
    row("AppleID", "Apple Account", ["7.0", "10.9", "10.2", "26.0"], &["Apple ID"]),
    row("AppStore", "App Store", ["14.3", "11.1", "-", "-"], &[]),
    row("Biometric", "Face ID / Touch ID / Optic ID", ["8.1", "10.12.4", "-", "26.0"], &["Touch ID and Face ID", "Face ID", "Touch ID"]),
    row("CameraButton", "Camera button", ["18.0", "-", "-", "-"], &[]),
    row("DeviceToDeviceMigration", "Device-to-device migration", ["12.4", "-", "-", "-"], &["Device to Device Migration"]),
    row("Diagnostics", "Analytics", ["7.0", "10.9", "10.2", "26.0"], &["Diagnostics Data"]),
    row("DisplayTone", "True Tone", ["9.3.2<15.0", "10.13.6<12.0", "-", "-"], &["Display Tone"]),
    row("EnableLockdownMode", "Lockdown Mode", ["17.1", "14.0", "-", "-"], &[]),
    row("FileVault", "FileVault", ["-", "10.10", "-", "-"], &[]),
    row("HomeButtonSensitivity", "Home button", ["10.0<15.0", "-", "-", "-"], &[]),
    row("iCloudDiagnostics", "iCloud analytics", ["-", "10.12.4", "-", "-"], &["iCloud diagnostics"]),
    row("iCloudStorage", "iCloud Documents & Desktop", ["-", "10.13.4", "-", "-"], &["iCloud Storage"]),
    row("iMessageAndFaceTime", "iMessage and FaceTime", ["12.0", "-", "-", "-"], &["iMessage & FaceTime"]),
    row("Intelligence", "Apple Intelligence", ["18.0", "15.0", "-", "26.0"], &[]),
    row("Keyboard", "Keyboard", ["13.0*", "-", "-", "-"], &[]),
    row("LiquidGlass", "Liquid Glass", ["27.0", "27.0", "-", "-"], &[]),
    row("Location", "Location Services", ["7.0", "10.11", "10.2", "26.0"], &[]),
    row("MessagingActivationUsingPhoneNumber", "iMessage activation", ["10.0", "-", "-", "-"], &[]),
    row("Multitasking", "Multitasking", ["26.0", "-", "-", "-"], &[]),
    row("OnBoarding", "On-boarding education", ["11.0<14.0", "-", "-", "-"], &["Onboarding"]),
    row("OSShowcase", "OS showcase", ["26.0", "26.1", "-", "-"], &[]),
    row("Passcode", "Passcode", ["7.0", "10.9", "-", "26.0"], &[]),
    row("Payment", "Apple Pay", ["8.1", "10.12.4", "-", "26.0"], &[]),
    row("Privacy", "Privacy", ["11.3", "10.13.4", "11.3", "26.0"], &[]),
    row("Registration", "Registration (Apple no longer lists this key)", ["-", "10.9<10.15", "-", "-"], &[]),
    row("Restore", "Restore from backup", ["7.0", "10.9", "-", "-"], &[]),
    row("RestoreCompleted", "Restore completed", ["14.0", "-", "-", "-"], &[]),
    row("Safety", "Safety", ["16.0", "-", "-", "-"], &[]),
    row("SafetyAndHandling", "Safety and handling", ["18.4*", "-", "-", "-"], &[]),
    row("ScreenSaver", "Aerial screen savers", ["-", "-", "10.2", "-"], &[]),
    row("ScreenTime", "Screen Time", ["12.0", "10.15", "-", "26.0"], &[]),
    row("SIMSetup", "Cellular plan", ["12.0", "-", "-", "-"], &["SIM Setup"]),
    row("Siri", "Siri", ["7.0", "10.12", "10.2", "26.0"], &[]),
    row("SoftwareUpdate", "Mandatory software update", ["12.0", "15.4", "-", "26.0"], &["Software Update"]),
    row("SpokenLanguage", "Dictation", ["13.0*", "-", "-", "-"], &[]),
    row("TapToSetup", "Tap To Set Up", ["-", "-", "10.2*", "-"], &[]),
    row("TermsOfAddress", "Terms of address", ["16.0*", "13.0*", "-", "-"], &[]),
    row("Tips", "Tips", ["-", "-", "-", "26.0"], &[]),
    row("TOS", "Terms and conditions", ["7.0", "10.9", "10.2", "26.0"], &[]),
    row("TVHomeScreenSync", "TV home screen sync", ["-", "-", "11.0", "-"], &[]),
    row("TVProviderSignIn", "TV provider sign-in", ["-", "-", "11.0", "-"], &[]),
    row("TVRoom", "Which room", ["-", "-", "11.4", "-"], &[]),
    row("UnlockWithWatch", "Unlock with Apple Watch", ["-", "15.0", "-", "-"], &["Auto unlock with Apple Watch"]),
    row("UpdateCompleted", "Update completed", ["14.0", "26.1", "-", "-"], &["Software Update Completed"]),
    row("Wallpaper", "Wallpaper", ["-", "14.1<26.0", "-", "-"], &[]),
    row("WatchMigration", "Watch migration", ["11.0", "-", "-", "-"], &[]),
    row("WebContentFiltering", "Web content filtering", ["18.2<26.1", "-", "-", "-"], &[]),
    row("Welcome", "Get Started", ["13.0", "15.0", "-", "26.0"], &[]),
    row("Zoom", "Zoom", ["8.3<17.0", "-", "-", "26.0"], &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pane_is_on_some_platform_and_no_two_share_a_name() {
        for pane in PANES {
            assert!(
                AdePlatform::ALL
                    .iter()
                    .any(|platform| pane.on(*platform).is_some()),
                "{}",
                pane.key
            );
            for name in pane.labels.iter().chain([&pane.key, &pane.title]) {
                let called = PANES.iter().filter(|pane| pane.is_called(name)).count();
                assert_eq!(called, 1, "{name}");
            }
        }
        assert!(PANES.is_sorted_by_key(|pane| pane.key.to_lowercase()));
    }

    #[test]
    fn w1_intunes_labels_stand_for_apples_keys() {
        for (label, key) in [
            ("Location Services", "Location"),
            ("apple id", "AppleID"),
            ("Terms and conditions", "TOS"),
            ("Touch ID and Face ID", "Biometric"),
            ("Apple Pay", "Payment"),
            ("Diagnostics Data", "Diagnostics"),
            ("Display Tone", "DisplayTone"),
            ("Android Migration", "Android"),
            ("iMessage & FaceTime", "iMessageAndFaceTime"),
            ("Onboarding", "OnBoarding"),
            ("Software Update Completed", "UpdateCompleted"),
            ("Get Started", "Welcome"),
            ("Home Button", "HomeButtonSensitivity"),
            ("Auto unlock with Apple Watch", "UnlockWithWatch"),
            ("filevault", "FileVault"),
        ] {
            assert_eq!(pane(label).map(|pane| pane.key), Some(key), "{label}");
        }
        assert_eq!(pane("Passcodes"), None);
    }

    #[test]
    fn versions_are_read_with_their_marks() {
        let span = pane("DisplayTone")
            .and_then(|pane| pane.on(AdePlatform::Ios))
            .unwrap();
        assert_eq!(Some(span.since), OsVersion::parse("9.3.2"));
        assert_eq!(span.until, OsVersion::parse("15.0"));
        assert!(span.always);
        let span = pane("Accessibility")
            .and_then(|pane| pane.on(AdePlatform::Macos))
            .unwrap();
        assert!(!span.always && span.until.is_none());
        assert_eq!(pane("FileVault").and_then(|pane| pane.on(AdePlatform::Ios)), None);
    }
}

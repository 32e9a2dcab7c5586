//! What works but may not be meant, and what is cancelled by another setting.

use super::{
    finding::Finding,
    initial::initial_command,
    panes::{Span, pane},
    platform::AdePlatform,
    render::skipped_panes,
    settings::{AuthMethod, Settings},
};
use crate::protocol::catalogue::OsVersion;

const V13: OsVersion = version(13, 0);
const V14_5: OsVersion = version(14, 5);

const fn version(major: u8, minor: u8) -> OsVersion {
    OsVersion {
        major,
        minor,
        patch: 0,
    }
}

/// What works but may not be meant.
pub fn warnings(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    absent_panes(settings, &mut findings);
    if settings.shared_ipad.is_none() {
        shown_panes(settings, &mut findings);
    }
    keys_of_other_platforms(settings, &mut findings);
    let mut warn = |fields: &[&str], text: &str| findings.push(Finding::new(fields, text));
    if settings.platform == AdePlatform::Macos && skips(settings, "Accessibility") {
        let text = "hiding the pane Accessibility takes VoiceOver away from whoever sets the Mac up";
        warn(&["panes"], text);
    }
    if settings.supervised == Some(false) && reaches(settings, V13) {
        warn(
            &["supervised"],
            "since iOS 13 every device that enrolls so is supervised, whatever is set here",
        );
    }
    let legacy = settings.auth.method == Some(AuthMethod::Legacy);
    if legacy && settings.awaits_configuration() {
        warn(
            &["await_configuration", "auth.method"],
            "holding a device for its final configuration is meant for modern authentication, or for none",
        );
    }
    if settings.shared_ipad.is_some() {
        for text in &settings.initial_commands {
            if initial_command(text).is_ok_and(|command| command.sets_passcode_policy()) {
                warn(
                    &["initial_commands", "shared_ipad"],
                    "a passcode policy is not applicable to a Shared iPad: its passcodes have eight letters and \
                     digits, and only shared_ipad.lock_grace_seconds can be set",
                );
            }
        }
    }
    findings
}

/// The settings that another one cancels: they are kept, and left out of what is sent.
pub fn not_applied(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(shared) = &settings.shared_ipad else {
        return findings;
    };
    if shared.temporary_session_only {
        for (field, given) in [
            ("shared_ipad.maximum_cached_users", shared.maximum_cached_users),
            ("shared_ipad.lock_grace_seconds", shared.lock_grace_seconds),
            ("shared_ipad.user_session_timeout", shared.user_session_timeout),
        ] {
            if given.is_some() {
                let text = "not applied: with temporary_session_only there are guests only";
                findings.push(Finding::new(&[field], text));
            }
        }
    }
    for (field, keys) in [
        ("panes.hide", &settings.panes.hide),
        ("panes.show", &settings.panes.show),
    ] {
        if !keys.is_empty() {
            let text = "not applied: a Shared iPad shows no pane after its activation";
            findings.push(Finding::new(&[field], text));
        }
    }
    findings
}

fn skips(settings: &Settings, key: &str) -> bool {
    skipped_panes(settings).iter().any(|skipped| skipped == key)
}

fn limits(settings: &Settings) -> (Option<OsVersion>, Option<OsVersion>) {
    let read = |text: &Option<String>| text.as_deref().and_then(OsVersion::parse);
    (
        read(&settings.targets.minimum_os),
        read(&settings.targets.maximum_os),
    )
}

/// Whether a device may have this version or a later one.
fn reaches(settings: &Settings, version: OsVersion) -> bool {
    limits(settings).1.is_none_or(|maximum| maximum >= version)
}

/// Hidden panes that no device has.
fn absent_panes(settings: &Settings, findings: &mut Vec<Finding>) {
    let (minimum, maximum) = limits(settings);
    let system = settings.platform.system();
    for key in &settings.panes.hide {
        let text = match pane(key).and_then(|pane| pane.on(settings.platform)) {
            None => format!("{system} has no pane {key}"),
            Some(Span { since, .. }) if maximum.is_some_and(|maximum| maximum < since) => {
                format!("the pane {key} comes with {system} {since}, above targets.maximum_os")
            }
            Some(Span {
                until: Some(until), ..
            }) if minimum.is_some_and(|minimum| minimum >= until) => {
                format!("the pane {key} is gone since {system} {until}, at or below targets.minimum_os")
            }
            Some(_) => continue,
        };
        findings.push(Finding::new(&["panes.hide"], text));
    }
    for key in &settings.panes.extra {
        let text = match pane(key) {
            Some(_) => format!("{key} is in the catalogue: panes.hide takes it"),
            None => format!("{key} is not in this server's catalogue; it is passed on as it is"),
        };
        findings.push(Finding::new(&["panes.extra"], text));
    }
}

/// Shown panes that do not work.
fn shown_panes(settings: &Settings, findings: &mut Vec<Finding>) {
    if settings.platform != AdePlatform::Ios {
        return;
    }
    for key in ["Passcode", "Biometric"] {
        if reaches(settings, V14_5) && !skips(settings, key) {
            let text = format!(
                "the pane {key} is shown, but does not work since iOS 14.5: hide it, and ask for a passcode with a \
                 passcode policy"
            );
            findings.push(Finding::new(&["panes"], text));
        }
    }
    if reaches(settings, V13) && !skips(settings, "DeviceToDeviceMigration") {
        let text = "the pane DeviceToDeviceMigration is shown, but is not available with Automated Device Enrollment \
                    since iOS 13";
        findings.push(Finding::new(&["panes"], text));
    }
}

/// Apple's keys that do nothing on this platform.
fn keys_of_other_platforms(settings: &Settings, findings: &mut Vec<Finding>) {
    use AdePlatform::{Ios, Macos, Tvos, Visionos};

    let apple = &settings.apple;
    let given = [
        (
            "apple.auto_advance_setup",
            apple.auto_advance_setup,
            [Macos, Tvos],
        ),
        ("apple.language", apple.language.is_some(), [Macos, Tvos]),
        ("apple.region", apple.region.is_some(), [Macos, Tvos]),
        (
            "apple.is_return_to_service",
            apple.is_return_to_service,
            [Ios, Visionos],
        ),
        (
            "apple.do_not_use_profile_from_backup",
            apple.do_not_use_profile_from_backup,
            [Ios, Visionos],
        ),
    ];
    for (field, given, [first, second]) in given {
        if given && settings.platform != first && settings.platform != second {
            let text = format!("only {} and {} heed it", first.as_str(), second.as_str());
            findings.push(Finding::new(&[field], text));
        }
    }
    if apple.is_return_to_service && settings.await_configuration == Some(false) {
        let text = "a device that returns to service always waits for DeviceConfigured";
        findings.push(Finding::new(
            &["await_configuration", "apple.is_return_to_service"],
            text,
        ));
    }
}

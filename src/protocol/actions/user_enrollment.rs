//! What of a profile a User Enrollment takes (requirements U3 and U6): Apple, "User Enrollment and MDM", and the list of
//! restrictions that devices of people obey.

use plist::{Dictionary, Value};

use super::mobileconfig::Mobileconfig;

/// The passcode payload.
const PASSCODE: &str = "com.apple.mobiledevice.passwordpolicy";
/// The restrictions payload.
const RESTRICTIONS: &str = "com.apple.applicationaccess";

/// The restrictions that a User Enrollment obeys.
const OBEYED: [&str; 18] = [
    "allowAssistant",
    "allowAssistantWhileLocked",
    "allowDiagnosticSubmission",
    "allowEnterpriseBookBackup",
    "allowEnterpriseBookMetadataSync",
    "allowLockScreenControlCenter",
    "allowLockScreenNotificationsView",
    "allowLockScreenTodayView",
    "allowManagedAppsCloudSync",
    "allowManagedToWriteUnmanagedContacts",
    "allowOpenFromManagedToUnmanaged",
    "allowOpenFromUnmanagedToManaged",
    "allowScreenShot",
    "allowUnmanagedToReadManagedContacts",
    "forceAirDropUnmanaged",
    "forceEncryptedBackup",
    "forceWatchWristDetection",
    "safariForceFraudWarning",
];

/// The keys of a payload that are no settings.
fn is_setting(key: &str) -> bool {
    !key.starts_with("Payload")
}

/// The restrictions in a profile that a User Enrollment does not obey, by name.
pub fn disobeyed(profile: &Mobileconfig) -> Vec<String> {
    let mut names: Vec<String> = of_type(profile, RESTRICTIONS)
        .flat_map(Dictionary::keys)
        .filter(|key| is_setting(key) && !OBEYED.contains(&key.as_str()))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a profile asks for a passcode.
pub fn asks_for_passcode(profile: &Mobileconfig) -> bool {
    of_type(profile, PASSCODE).next().is_some()
}

/// Whether what it asks for is already all that a User Enrollment takes.
pub fn passcode_fits(profile: &Mobileconfig) -> bool {
    let wanted = settings_of_passcode();
    of_type(profile, PASSCODE).all(|payload| {
        let settings = payload.keys().filter(|key| is_setting(key)).count();
        settings == wanted.len() && wanted.iter().all(|(key, value)| payload.get(key) == Some(value))
    })
}

/// Replaces whatever a profile asks of a passcode by what a User Enrollment takes: six digits, and none that are simple.
pub fn reduce_passcode(profile: &mut Mobileconfig) {
    for payload in profile.payloads_mut() {
        if payload.get("PayloadType").and_then(Value::as_string) != Some(PASSCODE) {
            continue;
        }
        let settings: Vec<String> = payload.keys().filter(|key| is_setting(key)).cloned().collect();
        for key in settings {
            payload.remove(&key);
        }
        for (key, value) in settings_of_passcode() {
            payload.insert(key.into(), value);
        }
    }
}

fn settings_of_passcode() -> [(&'static str, Value); 3] {
    [
        ("allowSimple", false.into()),
        ("forcePIN", true.into()),
        ("minLength", 6.into()),
    ]
}

fn of_type<'a>(profile: &'a Mobileconfig, kind: &'a str) -> impl Iterator<Item = &'a Dictionary> {
    profile
        .payloads()
        .filter(move |payload| payload.get("PayloadType").and_then(Value::as_string) == Some(kind))
}

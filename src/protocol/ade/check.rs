//! The rules that settings obey, and Apple's limits.
//!
//! Apple: "Define a profile", whose errors name the limits; what goes with what is how Setup Assistant and Shared iPad
//! work, as Microsoft's and Apple's guides for administrators describe it.

use super::{
    finding::Finding,
    initial, naming,
    platform::AdePlatform,
    settings::{Affinity, AuthMethod, PairingMode, Settings, SharedIpad, Support},
};
use crate::protocol::catalogue::OsVersion;

/// Longest name of a profile, and longest department, in characters.
const MAX_NAME: usize = 125;
const MAX_PHONE: usize = 50;
const MAX_EMAIL: usize = 250;
const MAX_MAGIC: usize = 256;
/// Longest URL.
const MAX_URL: usize = 2_000;
/// Longest description of a profile, in characters.
const MAX_DESCRIPTION: usize = 1_000;
/// So many commands may wait for a device that enrolls.
pub const MAX_INITIAL_COMMANDS: usize = 50;
/// So much text they may be together: they are kept within the profile's record.
const MAX_INITIAL_BYTES: usize = 48 * 1024;
/// So many certificates of one kind.
const MAX_CERTIFICATES: usize = 20;
/// The seconds between the lock of a Shared iPad's screen and the password.
const LOCK_GRACES: [i64; 6] = [0, 60, 300, 900, 3_600, 14_400];
const MAX_CACHED_USERS: i64 = 24;
const MIN_TIMEOUT: i64 = 30;
/// A year: longer ones are slips of the pen.
const MAX_TIMEOUT: i64 = 366 * 24 * 3_600;

/// What is wrong with a profile's name.
pub fn check_name(name: &str) -> Option<Finding> {
    let length = name.chars().count();
    let text = if name.is_empty() {
        "is missing".to_owned()
    } else if length > MAX_NAME {
        format!("has {length} characters; Apple takes {MAX_NAME}")
    } else if name.trim() != name || name.chars().any(char::is_control) {
        "begins or ends with a space, or holds a control character".to_owned()
    } else if matches!(name, "." | "..") {
        "is a step of a path".to_owned()
    } else {
        return None;
    };
    Some(Finding::new(&["name"], text))
}

/// What is wrong with a profile's description.
pub fn check_description(description: &str) -> Option<Finding> {
    let length = description.chars().count();
    let text = if length > MAX_DESCRIPTION {
        format!("has {length} characters; {MAX_DESCRIPTION} are allowed")
    } else if description.chars().any(|c| c.is_control() && c != '\n') {
        "holds a control character".to_owned()
    } else {
        return None;
    };
    Some(Finding::new(&["description"], text))
}

/// Everything that is wrong with settings which could be read.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut broken = |fields: &[&str], text: String| findings.push(Finding::new(fields, text));
    platform(settings, &mut broken);
    affinity(settings, &mut broken);
    shared_ipad(settings, &mut broken);
    pairing(settings, &mut broken);
    texts(settings, &mut broken);
    panes(settings, &mut broken);
    initial_commands(settings, &mut broken);
    targets(settings, &mut broken);
    findings
}

/// Takes the fields and what is wrong with them.
type Broken<'a> = dyn FnMut(&[&str], String) + 'a;

/// What a platform does not have.
fn platform(settings: &Settings, broken: &mut Broken<'_>) {
    let ios = settings.platform == AdePlatform::Ios;
    let name = settings.platform.as_str();
    let mut only = |field: &str, given: bool, where_it_is: &str| {
        if given {
            broken(
                &[field, "platform"],
                format!("is for {where_it_is}; this profile is for {name}"),
            );
        }
    };
    only("shared_ipad", settings.shared_ipad.is_some() && !ios, "ios");
    only("pairing", settings.pairing.is_some() && !ios, "ios");
    only(
        "esim.server_url",
        settings.esim.server_url.is_some() && !ios,
        "ios",
    );
    let named = settings.naming.template.is_some() && settings.platform == AdePlatform::Macos;
    only("naming.template", named, "ios, tvos and visionos");
    let supervised = settings.supervised.is_some() && !settings.may_be_unsupervised();
    only(
        "supervised",
        supervised,
        "ios and tvos, the others are always supervised",
    );
}

fn affinity(settings: &Settings, broken: &mut Broken<'_>) {
    if settings.affinity != Affinity::With && settings.auth.method.is_some() {
        broken(
            &["auth.method", "affinity"],
            "a method of authentication needs affinity with".into(),
        );
    }
    let web_page = settings.apple.configuration_web_url.is_some();
    let without_web = matches!(
        settings.auth.method,
        Some(AuthMethod::CompanionApp | AuthMethod::Legacy)
    );
    if web_page && without_web {
        let text = "a page of web authentication needs the method modern";
        broken(&["apple.configuration_web_url", "auth.method"], text.into());
    }
    if settings.locked && settings.supervised == Some(false) {
        broken(
            &["locked", "supervised"],
            "only a supervised device can be locked to its management".into(),
        );
    }
}

fn shared_ipad(settings: &Settings, broken: &mut Broken<'_>) {
    let Some(shared) = &settings.shared_ipad else {
        return;
    };
    if settings.affinity != Affinity::Without {
        broken(
            &["shared_ipad", "affinity"],
            "a Shared iPad needs affinity without".into(),
        );
    }
    if settings.supervised == Some(false) {
        broken(
            &["shared_ipad", "supervised"],
            "a Shared iPad has to be supervised".into(),
        );
    }
    if settings.await_configuration == Some(true) && settings.affinity == Affinity::Without {
        broken(
            &["await_configuration", "shared_ipad", "affinity"],
            "a Shared iPad without affinity can't be held for its final configuration".into(),
        );
    }
    let SharedIpad {
        maximum_cached_users,
        lock_grace_seconds,
        user_session_timeout,
        temporary_session_only,
        temporary_session_timeout,
    } = shared;
    if maximum_cached_users.is_some_and(|users| !(1..=MAX_CACHED_USERS).contains(&users)) {
        broken(
            &["shared_ipad.maximum_cached_users"],
            format!("must be 1 to {MAX_CACHED_USERS}"),
        );
    }
    if lock_grace_seconds.is_some_and(|seconds| !LOCK_GRACES.contains(&seconds)) {
        let text = "must be one of 0, 60, 300, 900, 3600 and 14400";
        broken(&["shared_ipad.lock_grace_seconds"], text.into());
    }
    for (field, timeout) in [
        ("shared_ipad.user_session_timeout", user_session_timeout),
        ("shared_ipad.temporary_session_timeout", temporary_session_timeout),
    ] {
        if timeout.is_some_and(|seconds| seconds != 0 && !(MIN_TIMEOUT..=MAX_TIMEOUT).contains(&seconds)) {
            let text = format!("must be at least {MIN_TIMEOUT} seconds, or 0 for never");
            broken(&[field], text);
        }
    }
    if temporary_session_timeout.is_some() && !temporary_session_only {
        broken(
            &[
                "shared_ipad.temporary_session_timeout",
                "shared_ipad.temporary_session_only",
            ],
            "the timeout of temporary sessions needs temporary_session_only".into(),
        );
    }
}

fn pairing(settings: &Settings, broken: &mut Broken<'_>) {
    let Some(pairing) = &settings.pairing else { return };
    let by_certificate = pairing.mode == PairingMode::ConfiguratorByCertificate;
    let fields = ["pairing.certificates", "pairing.mode"];
    match (by_certificate, pairing.certificates.len()) {
        (true, 0) => broken(&fields, "configurator_by_certificate needs a certificate".into()),
        (false, 1..) => broken(
            &fields,
            "certificates need the mode configurator_by_certificate".into(),
        ),
        (_, number) if number > MAX_CERTIFICATES => {
            broken(
                &fields,
                format!("there are {number} certificates; {MAX_CERTIFICATES} are allowed"),
            );
        }
        _ => {}
    }
}

fn texts(settings: &Settings, broken: &mut Broken<'_>) {
    let Support {
        department,
        phone,
        email,
    } = &settings.support;
    let apple = &settings.apple;
    for (field, text, limit) in [
        ("support.department", department, MAX_NAME),
        ("support.phone", phone, MAX_PHONE),
        ("support.email", email, MAX_EMAIL),
        ("apple.org_magic", &apple.org_magic, MAX_MAGIC),
    ] {
        let Some(text) = text else { continue };
        let length = text.chars().count();
        if length == 0 {
            broken(&[field], "is empty; leave it out".into());
        } else if length > limit {
            broken(&[field], format!("has {length} characters; Apple takes {limit}"));
        } else if text.chars().any(char::is_control) {
            broken(&[field], "holds a control character".into());
        }
    }
    for (field, url) in [
        ("esim.server_url", &settings.esim.server_url),
        ("apple.configuration_web_url", &apple.configuration_web_url),
    ] {
        if let Some(problem) = url.as_deref().and_then(url_problem) {
            broken(&[field], problem);
        }
    }
    if let Some(problem) = settings.naming.template.as_deref().and_then(naming::problem) {
        broken(&["naming.template"], problem);
    }
    let is_language =
        |text: &String| matches!(text.len(), 2 | 3) && text.bytes().all(|b| b.is_ascii_lowercase());
    if apple.language.as_ref().is_some_and(|text| !is_language(text)) {
        broken(
            &["apple.language"],
            "is not a code of ISO 639-1 or 639-2, such as en".into(),
        );
    }
    let is_region = |text: &String| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    if apple.region.as_ref().is_some_and(|text| !is_region(text)) {
        broken(
            &["apple.region"],
            "is not a code of ISO 3166-1 alpha-2, such as US".into(),
        );
    }
    if apple.anchor_certs.len() > MAX_CERTIFICATES {
        broken(
            &["apple.anchor_certs"],
            format!("{MAX_CERTIFICATES} certificates are allowed"),
        );
    }
}

/// What is wrong with an address that devices shall go to.
fn url_problem(url: &str) -> Option<String> {
    if url.len() > MAX_URL {
        return Some(format!("is longer than {MAX_URL} characters"));
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("holds a space or a control character".into());
    }
    let rest = url.strip_prefix("https://");
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        None => Some("must begin with https://".into()),
        Some(host) if host.is_empty() || host.contains('@') => Some("names no host".into()),
        Some(_) => None,
    }
}

fn panes(settings: &Settings, broken: &mut Broken<'_>) {
    let panes = &settings.panes;
    if !panes.show.is_empty() && !panes.hide_all {
        broken(
            &["panes.show", "panes.hide_all"],
            "everything is shown unless hide_all is true".into(),
        );
    }
    let both: Vec<_> = panes
        .show
        .iter()
        .filter(|key| panes.hide.contains(key))
        .cloned()
        .collect();
    if !both.is_empty() {
        broken(
            &["panes.hide", "panes.show"],
            format!("{} can't be hidden and shown", both.join(", ")),
        );
    }
    let is_key =
        |key: &String| (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric());
    if panes.extra.len() > 50 || !panes.extra.iter().all(is_key) {
        broken(
            &["panes.extra"],
            "takes at most 50 keys, each of letters and digits".into(),
        );
    }
}

fn initial_commands(settings: &Settings, broken: &mut Broken<'_>) {
    let commands = &settings.initial_commands;
    if commands.len() > MAX_INITIAL_COMMANDS {
        let text = format!(
            "there are {} commands; {MAX_INITIAL_COMMANDS} are allowed",
            commands.len()
        );
        broken(&["initial_commands"], text);
    }
    let bytes: usize = commands.iter().map(String::len).sum();
    if bytes > MAX_INITIAL_BYTES {
        let text = format!("they have {bytes} bytes; {MAX_INITIAL_BYTES} are allowed");
        broken(&["initial_commands"], text);
    }
    for (index, text) in commands.iter().enumerate() {
        if let Err(problem) = initial::initial_command(text) {
            broken(&["initial_commands"], format!("command {}: {problem}", index + 1));
        }
    }
}

fn targets(settings: &Settings, broken: &mut Broken<'_>) {
    let read = |text: &Option<String>| text.as_deref().map(OsVersion::parse);
    let (minimum, maximum) = (
        read(&settings.targets.minimum_os),
        read(&settings.targets.maximum_os),
    );
    for (field, version) in [("targets.minimum_os", minimum), ("targets.maximum_os", maximum)] {
        if version == Some(None) {
            broken(&[field], "is not a version such as 17.4".into());
        }
    }
    if let (Some(Some(minimum)), Some(Some(maximum))) = (minimum, maximum)
        && minimum > maximum
    {
        broken(
            &["targets.minimum_os", "targets.maximum_os"],
            "the lowest version is above the highest".into(),
        );
    }
}

//! From a profile at Apple, which somebody else has defined, to settings.

use serde_json::{Map, Value, json};

use super::finding::Finding;

/// What a profile at Apple says, as far as settings can say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// Where its devices go to enroll.
    pub url: String,
    /// Settings, not yet checked.
    pub settings: Value,
    /// What could not be carried over.
    pub lost: Vec<Finding>,
}

/// Keys that are read by their name, or that say nothing about the profile.
const READ: [&str; 8] = [
    "allow_pairing",
    "devices",
    "is_mdm_removable",
    "is_multi_user",
    "profile_name",
    "profile_uuid",
    "supervising_host_certs",
    "url",
];
/// Apple's key and where it goes.
const PLACES: [(&str, &str, &str); 15] = [
    ("anchor_certs", "apple", "anchor_certs"),
    ("auto_advance_setup", "apple", "auto_advance_setup"),
    ("await_device_configured", "", "await_configuration"),
    ("configuration_web_url", "apple", "configuration_web_url"),
    ("department", "support", "department"),
    (
        "do_not_use_profile_from_backup",
        "apple",
        "do_not_use_profile_from_backup",
    ),
    ("is_mandatory", "apple", "is_mandatory"),
    ("is_return_to_service", "apple", "is_return_to_service"),
    ("is_supervised", "", "supervised"),
    ("language", "apple", "language"),
    ("org_magic", "apple", "org_magic"),
    ("region", "apple", "region"),
    ("skip_setup_items", "panes", "hide"),
    ("support_email_address", "support", "email"),
    ("support_phone_number", "support", "phone"),
];

/// Reads a profile of Apple's. `platform` is the operator's: Apple's profile does not tell.
pub fn import(profile: &Map<String, Value>, platform: &str) -> Imported {
    let text = |key: &str| {
        profile
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let is = |key: &str| profile.get(key).and_then(Value::as_bool);
    let mut settings = Map::from_iter([
        ("platform".to_owned(), json!(platform)),
        ("affinity".to_owned(), json!("without")),
        ("locked".to_owned(), json!(is("is_mdm_removable") == Some(false))),
        // Profiles are older than this setting: the absent one means "no".
        ("await_configuration".to_owned(), json!(false)),
    ]);
    let mut lost = Vec::new();
    for (key, value) in profile.iter().filter(|(_, value)| !is_nothing(value)) {
        match PLACES.iter().find(|(name, ..)| name == key) {
            Some((_, "", field)) => {
                settings.insert((*field).to_owned(), value.clone());
            }
            Some((_, section, field)) => {
                let section = settings.entry(*section).or_insert_with(|| json!({}));
                section[*field] = value.clone();
            }
            None if READ.contains(&key.as_str()) => {}
            None => lost.push(Finding::new(&[key], "is not known to this server")),
        }
    }
    if settings
        .get("apple")
        .is_some_and(|apple| apple["configuration_web_url"].is_string())
    {
        settings.insert("affinity".into(), json!("with"));
        settings.insert("auth".into(), json!({ "method": "modern" }));
    }
    known_panes(&mut settings);
    if matches!(platform, "macos" | "visionos") {
        settings.remove("supervised");
    }
    if platform == "ios" {
        if is("is_multi_user") == Some(true) {
            settings.insert("shared_ipad".into(), json!({}));
            settings.insert("await_configuration".into(), json!(false));
        }
        let hosts = profile
            .get("supervising_host_certs")
            .filter(|hosts| !is_nothing(hosts));
        let pairing = match (is("allow_pairing"), hosts) {
            (Some(false), Some(hosts)) => {
                json!({ "mode": "configurator_by_certificate", "certificates": hosts })
            }
            (Some(false), None) => json!({ "mode": "deny_all" }),
            _ => json!({ "mode": "allow_all" }),
        };
        settings.insert("pairing".into(), pairing);
    }
    Imported {
        name: text("profile_name"),
        url: text("url"),
        settings: Value::Object(settings),
        lost,
    }
}

/// Panes that the catalogue does not have are kept as they are.
fn known_panes(settings: &mut Map<String, Value>) {
    let Some(panes) = settings.get_mut("panes") else {
        return;
    };
    let hide = panes["hide"].as_array().cloned().unwrap_or_default();
    let is_known = |key: &Value| key.as_str().is_some_and(|key| super::pane(key).is_some());
    let (known, extra): (Vec<Value>, Vec<Value>) = hide.into_iter().partition(is_known);
    *panes = json!({ "hide": known, "extra": extra });
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

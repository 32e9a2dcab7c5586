//! The profile as Apple's Device Assignment Services take it.
//!
//! Apple: "Profile" and "Define a profile" of the Device Assignment reference.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    panes::{self, panes},
    platform::AdePlatform,
    settings::{AuthMethod, PairingMode, Settings},
};

/// Where devices find this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Where they ask for their enrollment profile.
    pub url: String,
    /// Where their users say who they are, in a web view.
    pub configuration_web_url: String,
    /// CAs that vouch for both (DER), if they are not publicly trusted.
    pub anchors: Vec<Vec<u8>>,
}

/// The keys of the panes that are not shown.
///
/// A Shared iPad shows none after its activation, whatever the settings say.
pub fn skipped_panes(settings: &Settings) -> Vec<String> {
    let platform = settings.platform;
    let hidden = &settings.panes;
    let all = panes().iter().filter(|pane| pane.on(platform).is_some());
    let mut keys: Vec<String> = all
        .map(|pane| pane.key)
        .filter(|key| {
            let among = |list: &[String]| list.iter().any(|listed| listed == key);
            let everything = settings.shared_ipad.is_some() || hidden.hide_all && !among(&hidden.show);
            among(&hidden.hide) || everything && *key != panes::RETIRED
        })
        .map(str::to_owned)
        .collect();
    // What the platform does not have is said all the same: it was asked for, and warned about.
    for key in hidden.hide.iter().chain(&hidden.extra) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The profile in Apple's JSON. Descriptions and names of devices are no part of it.
pub fn render(name: &str, settings: &Settings, addresses: &Addresses) -> Value {
    let apple = &settings.apple;
    let mut profile = Map::new();
    let mut put = |key: &str, value: Value| {
        profile.insert(key.to_owned(), value);
    };
    put("profile_name", name.into());
    put("url", addresses.url.clone().into());
    if let Some(url) = web_url(settings, addresses) {
        put("configuration_web_url", url.into());
    }
    let anchors = anchors(settings, addresses);
    if !anchors.is_empty() {
        put("anchor_certs", anchors.into());
    }

    // Without it Apple takes no locked profile, and where it can't be chosen it is always so.
    put("is_supervised", settings.supervised.unwrap_or(true).into());
    put("is_mandatory", apple.is_mandatory.unwrap_or(true).into());
    put("is_mdm_removable", (!settings.locked).into());
    put("is_multi_user", settings.shared_ipad.is_some().into());
    put("await_device_configured", settings.awaits_configuration().into());
    put("auto_advance_setup", apple.auto_advance_setup.into());
    // Younger than the others: said only where it is wanted.
    for (key, wanted) in [
        (
            "do_not_use_profile_from_backup",
            apple.do_not_use_profile_from_backup,
        ),
        ("is_return_to_service", apple.is_return_to_service),
    ] {
        if wanted {
            put(key, true.into());
        }
    }

    if settings.platform == AdePlatform::Ios {
        let pairing = settings.pairing.as_ref();
        let mode = pairing.map(|pairing| pairing.mode).unwrap_or_default();
        put("allow_pairing", (mode == PairingMode::AllowAll).into());
        if let Some(pairing) = pairing.filter(|pairing| !pairing.certificates.is_empty()) {
            put("supervising_host_certs", pairing.certificates.clone().into());
        }
    }

    put("skip_setup_items", skipped_panes(settings).into());
    for (key, text) in [
        ("department", &settings.support.department),
        ("language", &apple.language),
        ("org_magic", &apple.org_magic),
        ("region", &apple.region),
        ("support_email_address", &settings.support.email),
        ("support_phone_number", &settings.support.phone),
    ] {
        if let Some(text) = text {
            put(key, text.clone().into());
        }
    }
    Value::Object(profile)
}

fn web_url<'a>(settings: &'a Settings, addresses: &'a Addresses) -> Option<&'a str> {
    let own = settings.apple.configuration_web_url.as_deref();
    let modern = settings.auth.method == Some(AuthMethod::Modern);
    own.or(modern.then_some(addresses.configuration_web_url.as_str()))
}

fn anchors(settings: &Settings, addresses: &Addresses) -> Vec<String> {
    let mut anchors: Vec<String> = addresses.anchors.iter().map(|der| STANDARD.encode(der)).collect();
    for anchor in &settings.apple.anchor_certs {
        if !anchors.contains(anchor) {
            anchors.push(anchor.clone());
        }
    }
    anchors
}

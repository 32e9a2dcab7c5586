//! Settings to begin with.

use serde_json::{Value, json};

/// Settings to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The settings, which others are laid over.
    pub settings: Value,
}

/// All presets, by name.
pub fn presets() -> Vec<Preset> {
    let preset = |name, purpose, settings| Preset {
        name,
        purpose,
        settings,
    };
    vec![
        preset(
            "apple-tv",
            "an Apple TV that sets itself up",
            json!({
                "platform": "tvos",
                "locked": true,
                "await_configuration": true,
                "apple": { "auto_advance_setup": true, "language": "en", "region": "US" },
                "panes": { "hide_all": true },
            }),
        ),
        preset(
            "ios-hide-all",
            "iPhones and iPads for anyone, straight to the home screen",
            json!({ "platform": "ios", "panes": { "hide_all": true } }),
        ),
        preset(
            "kiosk",
            "an iPhone or iPad that does one thing, belongs to nobody and pairs with nothing",
            json!({
                "platform": "ios",
                "affinity": "without",
                "locked": true,
                "await_configuration": true,
                "pairing": { "mode": "deny_all" },
                "naming": { "template": "Kiosk-{{SERIAL}}" },
                "panes": { "hide_all": true },
            }),
        ),
        preset(
            "lab",
            "devices to try things with: removable, and free to pair",
            json!({
                "platform": "ios",
                "affinity": "without",
                "await_configuration": false,
                "naming": { "template": "Lab-{{DEVICETYPE}}-{{SERIAL}}" },
                "panes": { "hide_all": true },
            }),
        ),
        preset(
            "macos-standard",
            "a Mac whose user signs in, with the panes that matter to them",
            json!({
                "platform": "macos",
                "affinity": "with",
                "auth": { "method": "modern" },
                "locked": true,
                "await_configuration": true,
                "panes": { "hide_all": true, "show": ["Accessibility", "Biometric", "FileVault", "Location"] },
            }),
        ),
        preset(
            "one-to-one",
            "an iPhone or iPad of one user, who signs in",
            json!({
                "platform": "ios",
                "affinity": "with",
                "auth": { "method": "modern" },
                "locked": true,
                "await_configuration": true,
                "panes": { "hide_all": true, "show": ["AppleID", "Location", "SIMSetup"] },
            }),
        ),
        preset(
            "shared-ipad",
            "an iPad that many users sign in to",
            json!({
                "platform": "ios",
                "affinity": "without",
                "locked": true,
                "shared_ipad": { "maximum_cached_users": 10, "lock_grace_seconds": 300 },
                "naming": { "template": "Shared-{{SERIAL}}" },
            }),
        ),
        preset(
            "vision",
            "an Apple Vision Pro",
            json!({ "platform": "visionos", "await_configuration": true, "panes": { "hide_all": true } }),
        ),
    ]
}

/// The preset of that name.
pub fn preset(name: &str) -> Option<Preset> {
    presets().into_iter().find(|preset| preset.name == name)
}

/// Lays a change over settings (RFC 7396): `null` takes a setting away, an object changes what it names, anything else
/// takes the place of what was there.
pub fn merge(settings: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        settings.clone_from(change);
        return;
    };
    if !settings.is_object() {
        *settings = json!({});
    }
    let Value::Object(object) = settings else { return };
    for (key, value) in change {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ade::Settings;

    #[test]
    fn a_change_is_laid_over_settings() {
        let mut settings = json!({ "a": 1, "b": { "c": 2, "d": 3 }, "e": [1] });
        merge(
            &mut settings,
            &json!({ "a": null, "b": { "c": null, "f": 4 }, "e": [2], "g": { "h": null } }),
        );
        assert_eq!(settings, json!({ "b": { "d": 3, "f": 4 }, "e": [2], "g": {} }));
    }

    #[test]
    fn every_preset_is_valid_and_the_list_is_in_order() {
        let presets = presets();
        assert!(presets.is_sorted_by_key(|preset| preset.name));
        for preset in presets {
            assert_eq!(Settings::parse(&preset.settings).err(), None, "{}", preset.name);
        }
    }
}

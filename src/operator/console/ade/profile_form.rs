//! An enrollment profile's settings as a form sends them, and as JSON: the one list of fields behind both directions.

use serde_json::{Value, json};

use crate::operator::console::{form::Form, shown::put};

/// How a setting is written in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A box: on or absent.
    Flag,
    /// Yes, no, or as is usual.
    Choice,
    /// Words, separated by commas or blanks.
    Words,
    /// Boxes of one name.
    Boxes,
    /// PEM texts, one after the other.
    Certificates,
    /// Property lists, one after the other.
    Plists,
}

const FIELDS: &[(&str, Shape)] = &[
    ("platform", Shape::Text),
    ("affinity", Shape::Text),
    ("auth.method", Shape::Text),
    ("supervised", Shape::Choice),
    ("locked", Shape::Flag),
    ("await_configuration", Shape::Choice),
    ("pairing.mode", Shape::Text),
    ("pairing.certificates", Shape::Certificates),
    ("naming.template", Shape::Text),
    ("esim.server_url", Shape::Text),
    ("support.department", Shape::Text),
    ("support.phone", Shape::Text),
    ("support.email", Shape::Text),
    ("panes.hide_all", Shape::Flag),
    ("panes.hide", Shape::Boxes),
    ("panes.show", Shape::Boxes),
    ("panes.extra", Shape::Words),
    ("apple.is_mandatory", Shape::Choice),
    ("apple.auto_advance_setup", Shape::Flag),
    ("apple.is_return_to_service", Shape::Flag),
    ("apple.do_not_use_profile_from_backup", Shape::Flag),
    ("apple.language", Shape::Text),
    ("apple.region", Shape::Text),
    ("apple.org_magic", Shape::Text),
    ("apple.configuration_web_url", Shape::Text),
    ("apple.anchor_certs", Shape::Certificates),
    ("targets.minimum_os", Shape::Text),
    ("targets.maximum_os", Shape::Text),
    ("initial_commands", Shape::Plists),
];

/// Only where the iPad is to be a Shared iPad.
const SHARED_IPAD: &[(&str, Shape)] = &[
    ("shared_ipad.maximum_cached_users", Shape::Number),
    ("shared_ipad.lock_grace_seconds", Shape::Number),
    ("shared_ipad.user_session_timeout", Shape::Number),
    ("shared_ipad.temporary_session_only", Shape::Flag),
    ("shared_ipad.temporary_session_timeout", Shape::Number),
];

/// The settings that a form says. What it leaves open is left out; what can't be read stays as it is, and is told by
/// whoever reads the settings.
pub(super) fn settings(form: &Form) -> Value {
    let mut settings = json!({});
    let shared = form.checked("shared_ipad");
    if shared {
        settings["shared_ipad"] = json!({});
    }
    let fields = FIELDS.iter().chain(SHARED_IPAD.iter().filter(|_| shared));
    for (path, shape) in fields {
        if let Some(value) = value(form, path, *shape) {
            put(&mut settings, path, value);
        }
    }
    settings
}

fn value(form: &Form, path: &str, shape: Shape) -> Option<Value> {
    let text = form.text(path);
    let list = |items: Vec<String>| (!items.is_empty()).then(|| items.into());
    match shape {
        Shape::Flag => form.checked(path).then_some(Value::Bool(true)),
        Shape::Boxes => list(form.all(path).map(str::to_owned).collect()),
        Shape::Words => list(form.words(path)),
        Shape::Certificates => list(split(text, "-----END CERTIFICATE-----")),
        Shape::Plists => list(split(text, "</plist>")),
        _ if text.is_empty() => None,
        Shape::Text => Some(text.into()),
        Shape::Number => Some(text.parse::<i64>().map_or(text.into(), Value::from)),
        Shape::Choice => match text {
            "yes" => Some(true.into()),
            "no" => Some(false.into()),
            other => Some(other.into()),
        },
    }
}

/// The pieces of a text that end in `end`; what does not is a piece of its own, such as base64 without its frame.
fn split(text: &str, end: &str) -> Vec<String> {
    let pieces = text.split_inclusive(end).map(str::trim);
    pieces
        .filter(|piece| !piece.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operator::console::shown::Shown,
        protocol::ade::{Settings, presets},
    };

    #[test]
    fn e5_every_setting_that_there_is_has_a_field() {
        let all = json!({
            "platform": "ios", "affinity": "with", "auth": { "method": "modern" }, "supervised": true, "locked": true,
            "await_configuration": true,
            "shared_ipad": { "maximum_cached_users": 3, "lock_grace_seconds": 60, "user_session_timeout": 60,
                "temporary_session_only": true, "temporary_session_timeout": 60 },
            "pairing": { "mode": "configurator_by_certificate", "certificates": ["x"] },
            "naming": { "template": "x" }, "esim": { "server_url": "x" },
            "support": { "department": "x", "phone": "x", "email": "x" },
            "panes": { "hide_all": true, "hide": ["x"], "show": ["x"], "extra": ["x"] },
            "apple": { "is_mandatory": true, "auto_advance_setup": true, "is_return_to_service": true,
                "do_not_use_profile_from_backup": true, "language": "x", "region": "x", "org_magic": "x",
                "configuration_web_url": "x", "anchor_certs": ["x"] },
            "initial_commands": ["x"], "targets": { "minimum_os": "x", "maximum_os": "x" },
        });
        // Complete: whatever a stored setting may hold is in it.
        let whole: Settings = Settings::stored(&all).unwrap();
        assert_eq!(whole.to_value(), all);
        let mut paths = Vec::new();
        for (name, value) in all.as_object().unwrap() {
            match value.as_object() {
                Some(section) => paths.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => paths.push(name.clone()),
            }
        }
        for path in paths {
            let mut fields = FIELDS.iter().chain(SHARED_IPAD);
            assert!(fields.any(|(own, _)| *own == path), "{path} has no field");
        }
    }

    #[test]
    fn what_is_shown_comes_back_the_same() {
        for preset in presets() {
            let shown = Shown(&preset.settings);
            let mut pairs = Vec::new();
            for (path, shape) in FIELDS {
                match shape {
                    Shape::Flag if shown.on(path) => pairs.push(((*path).to_owned(), "on".to_owned())),
                    Shape::Flag => {}
                    Shape::Boxes => {
                        let items = shown.at(path).as_array().cloned().unwrap_or_default();
                        let items = items.iter().filter_map(|item| item.as_str().map(str::to_owned));
                        pairs.extend(items.map(|item| ((*path).to_owned(), item)));
                    }
                    _ => pairs.push(((*path).to_owned(), shown.text(path))),
                }
            }
            if shown.section("shared_ipad") {
                pairs.push(("shared_ipad".to_owned(), "on".to_owned()));
                for (path, shape) in SHARED_IPAD {
                    match shape {
                        Shape::Flag if shown.on(path) => pairs.push(((*path).to_owned(), "on".to_owned())),
                        Shape::Flag => {}
                        _ => pairs.push(((*path).to_owned(), shown.text(path))),
                    }
                }
            }
            let read = Settings::parse(&settings(&Form::of(pairs)));
            let meant = Settings::parse(&preset.settings);
            assert_eq!(read, meant, "{}", preset.name);
        }
    }
}

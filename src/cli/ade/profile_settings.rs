//! From files and flags to settings.

use std::path::Path;

use figment::{
    Figment,
    providers::{Format as _, Toml},
};
use serde_json::{Value, json};

use super::profile_args::SettingsArgs;
use crate::{
    cli::{files, output::CliError},
    protocol::ade,
};

impl SettingsArgs {
    /// What the flags say, laid over `base`.
    pub(super) fn over(&self, mut base: Value) -> Result<Value, CliError> {
        if let Some(path) = &self.file {
            ade::merge(&mut base, &file(path)?);
        }
        for pair in &self.set {
            set(&mut base, pair)?;
        }
        for (given, key, value) in [
            (self.locked, "locked", true),
            (self.awaits, "await_configuration", true),
            (self.no_await, "await_configuration", false),
        ] {
            if given {
                ade::merge(&mut base, &json!({ key: value }));
            }
        }
        if !self.pairing_certificates.is_empty() {
            let certificates = texts(&self.pairing_certificates)?;
            let pairing = json!({ "mode": "configurator_by_certificate", "certificates": certificates });
            ade::merge(&mut base, &json!({ "pairing": pairing }));
        }
        if !self.initial_commands.is_empty() {
            let commands = texts(&self.initial_commands)?;
            ade::merge(&mut base, &json!({ "initial_commands": commands }));
        }
        if self.hide_all || !self.hide.is_empty() || !self.show.is_empty() {
            self.panes(&mut base);
        }
        Ok(base)
    }

    /// Hides and shows panes, whatever was said of them before.
    fn panes(&self, base: &mut Value) {
        let list = |base: &Value, name: &str| -> Vec<String> {
            let list = base["panes"][name]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(key).collect()
        };
        let (mut hide, mut show) = (list(base, "hide"), list(base, "show"));
        let hide_all = self.hide_all || base["panes"]["hide_all"] == true;
        for pane in self.hide.iter().map(|pane| key(pane)) {
            show.retain(|shown| *shown != pane);
            if !hide_all && !hide.contains(&pane) {
                hide.push(pane);
            }
        }
        for pane in self.show.iter().map(|pane| key(pane)) {
            hide.retain(|hidden| *hidden != pane);
            if hide_all && !show.contains(&pane) {
                show.push(pane);
            }
        }
        ade::merge(
            base,
            &json!({ "panes": { "hide_all": hide_all, "hide": hide, "show": show } }),
        );
    }
}

/// Apple's key, if there is one for it.
fn key(pane: &str) -> String {
    ade::pane(pane).map_or(pane, |pane| pane.key).to_owned()
}

fn file(path: &Path) -> Result<Value, CliError> {
    let text = files::text(path)?;
    let wrong = |error: &dyn std::fmt::Display| CliError::usage(format!("{}: {error}", path.display()));
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| wrong(&error));
    }
    let figment = Figment::from(Toml::string(&text));
    figment.extract().map_err(|error| wrong(&error))
}

fn texts(paths: &[std::path::PathBuf]) -> Result<Vec<String>, CliError> {
    paths.iter().map(|path| files::text(path)).collect()
}

/// `a.b=value`, where the value is JSON if it can be read as such, and otherwise a text.
fn set(base: &mut Value, pair: &str) -> Result<(), CliError> {
    let Some((path, value)) = pair.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        return Err(CliError::usage(format!("--set {pair}: give KEY=VALUE")));
    };
    let value = match value.strip_prefix('@') {
        Some(file) => files::text(Path::new(file))?.into(),
        None => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
    };
    let change = path.rsplit('.').fold(value, |inner, name| json!({ name: inner }));
    if change_removes(&change) {
        // Said as such: laid over nothing it would be lost.
        return keep_null(base, path);
    }
    ade::merge(base, &change);
    Ok(())
}

fn change_removes(change: &Value) -> bool {
    match change {
        Value::Null => true,
        Value::Object(object) => object.values().all(change_removes),
        _ => false,
    }
}

fn keep_null(base: &mut Value, path: &str) -> Result<(), CliError> {
    let mut place = base;
    for name in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = Value::Null;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SettingsArgs {
        SettingsArgs {
            file: None,
            set: Vec::new(),
            description: None,
            hide_all: false,
            hide: Vec::new(),
            show: Vec::new(),
            awaits: false,
            no_await: false,
            locked: false,
            pairing_certificates: Vec::new(),
            initial_commands: Vec::new(),
        }
    }

    #[test]
    fn settings_are_set_by_their_path() {
        let set = [
            "support.department=IT",
            "locked=true",
            "esim.server_url=null",
            "support.phone=\"12\"",
        ];
        let args = SettingsArgs {
            set: set.map(str::to_owned).to_vec(),
            ..args()
        };
        let settings = args.over(json!({ "support": { "email": "a@b" } })).unwrap();
        assert_eq!(
            settings,
            json!({
                "support": { "email": "a@b", "department": "IT", "phone": "12" },
                "locked": true,
                "esim": { "server_url": null },
            })
        );
        assert!(
            SettingsArgs {
                set: vec!["x".into()],
                ..self::args()
            }
            .over(json!({}))
            .is_err()
        );
    }

    #[test]
    fn panes_are_hidden_and_shown_by_key_or_label() {
        let args = SettingsArgs {
            hide: vec!["Apple ID".into()],
            show: vec!["siri".into()],
            ..args()
        };
        let panes = |base: Value| args.over(json!({ "panes": base })).unwrap()["panes"].clone();
        assert_eq!(
            panes(json!({ "hide": ["Siri", "Zoom"] })),
            json!({ "hide_all": false, "hide": ["Zoom", "AppleID"], "show": [] })
        );
        assert_eq!(
            panes(json!({ "hide_all": true, "show": ["AppleID"] })),
            json!({ "hide_all": true, "hide": [], "show": ["Siri"] })
        );
    }
}

//! From JSON to settings, with everything at once that can't be read.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{certificates, check, finding::Finding, panes, settings::Settings};
use crate::protocol::json;

/// The settings that are objects of their own. An empty or `null` one is as good as absent.
const SECTIONS: [&str; 9] = [
    "apple",
    "auth",
    "esim",
    "naming",
    "pairing",
    "panes",
    "shared_ipad",
    "support",
    "targets",
];

impl Settings {
    /// Reads and checks settings. What comes back is complete: certificates in base64, panes by Apple's keys, and every
    /// setting said that follows from others. Otherwise all that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut settings = read(value, &mut findings);
        certificates::normalize(&mut settings, &mut findings);
        panes::normalize(&mut settings.panes, &mut findings);
        settings.settle();
        // A setting that could not be read has its ordinary value now, about which there is nothing to say.
        let unread: Vec<String> = findings
            .iter()
            .flat_map(|finding| finding.fields.clone())
            .collect();
        let broken = check::check(&settings);
        findings.extend(
            broken
                .into_iter()
                .filter(|broken| !unread.iter().any(|field| broken.names(field))),
        );
        if findings.is_empty() {
            Ok(settings)
        } else {
            Err(findings)
        }
    }

    /// Reads settings that were checked before they were stored.
    pub fn stored(value: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value.clone())
    }

    /// What is stored.
    pub fn to_value(&self) -> Value {
        // Nothing in it can't be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn read(value: &Value, findings: &mut Vec<Finding>) -> Settings {
    let Some(object) = value.as_object() else {
        findings.push(Finding::new(&["settings"], "must be an object"));
        return Settings::default();
    };
    if object.get("platform").is_none_or(Value::is_null) {
        let text = "is missing: ios, macos, tvos or visionos";
        findings.push(Finding::new(&["platform"], text));
    }
    let mut whole = Map::new();
    for (key, value) in object {
        match value {
            Value::Null => {}
            // The shortest way to say it.
            Value::Bool(false) if key == "shared_ipad" => {}
            Value::Bool(true) if key == "shared_ipad" => {
                whole.insert(key.clone(), Value::Object(Map::new()));
            }
            Value::Object(section) if SECTIONS.contains(&key.as_str()) => {
                let good = section
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .filter(|(name, value)| {
                        let one = Map::from_iter([((*name).clone(), (*value).clone())]);
                        let probe = Map::from_iter([(key.clone(), Value::Object(one))]);
                        readable::<Settings>(probe, &format!("{key}.{name}"), findings)
                    })
                    .map(|(name, value)| (name.clone(), value.clone()));
                whole.insert(key.clone(), Value::Object(good.collect()));
            }
            value => {
                let probe = Map::from_iter([(key.clone(), value.clone())]);
                if readable::<Settings>(probe, key, findings) {
                    whole.insert(key.clone(), value.clone());
                }
            }
        }
    }
    // Each part could be read by itself.
    json::read(whole).unwrap_or_default()
}

fn readable<T: DeserializeOwned>(probe: Map<String, Value>, path: &str, findings: &mut Vec<Finding>) -> bool {
    match json::read::<T>(probe) {
        Ok(_) => true,
        Err(misread) => {
            let field = misread.field.unwrap_or_else(|| path.to_owned());
            findings.push(Finding::new(&[field.as_str()], misread.problem));
            false
        }
    }
}

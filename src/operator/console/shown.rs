//! Settings as JSON, by the paths under which forms name them: `section.key`.

use serde_json::{Map, Value};

/// Puts a value into its place.
pub(super) fn put(settings: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        None => settings[path] = value,
        Some((section, key)) => {
            if !settings[section].is_object() {
                settings[section] = Value::Object(Map::new());
            }
            settings[section][key] = value;
        }
    }
}

/// Settings, as fields show them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a>(pub(super) &'a Value);

impl Shown<'_> {
    /// What lies there.
    pub(super) fn at(&self, path: &str) -> &Value {
        match path.split_once('.') {
            None => &self.0[path],
            Some((section, key)) => &self.0[section][key],
        }
    }

    /// A text, a number, or several texts one after the other.
    pub(super) fn text(&self, path: &str) -> String {
        match self.at(path) {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(true) => "yes".into(),
            Value::Bool(false) => "no".into(),
            Value::Array(items) => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                items.join("\n")
            }
            Value::Null | Value::Object(_) => String::new(),
        }
    }

    /// Whether a box is checked.
    pub(super) fn on(&self, path: &str) -> bool {
        *self.at(path) == Value::Bool(true)
    }

    /// Whether a list has an item.
    pub(super) fn has(&self, path: &str, item: &str) -> bool {
        let items = self.at(path).as_array();
        items.is_some_and(|items| items.iter().any(|own| own == item))
    }

    /// Whether there is a section of that name.
    pub(super) fn section(&self, name: &str) -> bool {
        self.0[name].is_object()
    }
}

//! The two halves of the OpenAPI document. What is as NanoMDM and NanoDEP have it answers with their statuses, 500 for
//! an id that is not there among them; whoever holds a client to the rules of the rest is served the rest alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::NANO;

/// A half of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As NanoMDM and NanoDEP have it.
    Nano,
    /// Ours.
    Native,
}

impl Part {
    /// This half of a whole document, with no more components and tags than it refers to.
    pub(super) fn of(self, mut document: Value) -> Value {
        let mut used = BTreeSet::new();
        if let Some(paths) = document["paths"].as_object_mut() {
            paths.retain(|_, item| {
                let Some(item) = item.as_object_mut() else {
                    return false;
                };
                item.retain(|_, operation| self.has(operation));
                used.extend(item.values().filter_map(tag).map(str::to_owned));
                !item.is_empty()
            });
        }
        if let Some(tags) = document["tags"].as_array_mut() {
            tags.retain(|tag| tag["name"].as_str().is_some_and(|name| used.contains(name)));
        }
        let kept = reached(&document);
        for kind in ["responses", "schemas"] {
            if let Some(components) = document["components"][kind].as_object_mut() {
                components.retain(|name, _| kept.contains(&format!("#/components/{kind}/{name}")));
            }
        }
        document
    }

    fn has(self, operation: &Value) -> bool {
        tag(operation).is_some_and(|tag| NANO.contains(&tag) == (self == Self::Nano))
    }
}

fn tag(operation: &Value) -> Option<&str> {
    operation["tags"][0].as_str()
}

/// The components that the paths refer to, and those that these refer to.
fn reached(document: &Value) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut values = vec![&document["paths"]];
    while let Some(value) = values.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str)
            && reached.insert(reference.to_owned())
        {
            values.extend(
                reference
                    .strip_prefix('#')
                    .and_then(|name| document.pointer(name)),
            );
        }
        match value {
            Value::Array(items) => values.extend(items),
            Value::Object(fields) => values.extend(Map::values(fields)),
            _ => {}
        }
    }
    reached
}

//! What may be wrong with a JSON body, as its schema has it: for each field, values that it excludes.

use serde_json::{Value, json};

use super::Estate;

/// A body that is to be refused.
#[derive(Debug)]
pub(super) struct Mutation {
    /// The way to the field that is wrong.
    pub(super) field: String,
    /// The field is a text, which may be somebody's name.
    pub(super) is_text: bool,
    pub(super) body: Value,
}

impl Mutation {
    /// Whether the field is null.
    pub(super) fn is_null(&self) -> bool {
        self.body
            .pointer(&format!("/{}", self.field.replace('.', "/")))
            .is_some_and(Value::is_null)
    }
}

/// All that may be wrong with the fields of `body`, one at a time.
pub(super) fn of(estate: &Estate, schema: &Value, body: &Value) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    mutate(estate, schema, body, "", &mut |field, is_text, body| {
        mutations.push(Mutation { field, is_text, body });
    });
    mutations
}

fn mutate(
    estate: &Estate,
    schema: &Value,
    body: &Value,
    path: &str,
    found: &mut dyn FnMut(String, bool, Value),
) {
    let schema = estate.resolved(schema);
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let at = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    if schema["additionalProperties"] == false {
        let mut more = body.clone();
        more["colour"] = json!("red");
        found(at("colour"), false, more);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(name);
        found(at(name), false, less);
    }
    for (name, property) in properties {
        // What is for answers only is passed over.
        if property["readOnly"] == true {
            continue;
        }
        for value in excluded(estate, property) {
            let mut wrong = body.clone();
            let is_text = is_text(estate, property, &value);
            wrong[name] = value;
            found(at(name), is_text, wrong);
        }
        // What is within, where the example has it.
        let inner = alternatives(estate, property);
        for schema in inner {
            if body[name].is_object() {
                mutate(
                    estate,
                    schema,
                    &body[name],
                    &at(name),
                    &mut |field, is_text, value| {
                        let mut whole = body.clone();
                        whole[name] = value;
                        found(field, is_text, whole);
                    },
                );
            }
            if body[name][0].is_object() {
                mutate(
                    estate,
                    &schema["items"],
                    &body[name][0],
                    &at(name),
                    &mut |field, is_text, value| {
                        let mut whole = body.clone();
                        whole[name][0] = value;
                        found(field, is_text, whole);
                    },
                );
            }
        }
    }
}

/// Whether this is a text, or a list of texts, and the schema wants that.
fn is_text(estate: &Estate, property: &Value, value: &Value) -> bool {
    alternatives(estate, property)
        .into_iter()
        .any(|schema| match value {
            Value::String(_) => is_of(schema, "string"),
            Value::Array(items) => {
                is_of(schema, "array") && items.iter().all(|item| is_text(estate, &schema["items"], item))
            }
            _ => false,
        })
}

/// Whether values of this type are among the schema's.
fn is_of(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.contains(&json!(kind)),
        one => one == kind,
    }
}

/// The schemas of which one must hold, without the one for null.
fn alternatives<'a>(estate: &'a Estate, property: &'a Value) -> Vec<&'a Value> {
    let one_of = property["oneOf"].as_array();
    let all = one_of.map_or_else(|| vec![property], |schemas| schemas.iter().collect());
    let all = all.into_iter().map(|schema| estate.resolved(schema));
    all.filter(|schema| schema["type"] != "null").collect()
}

/// Values that a schema excludes.
fn excluded(estate: &Estate, property: &Value) -> Vec<Value> {
    let nullable = property["oneOf"].as_array().map_or_else(
        || is_of(property, "null"),
        |schemas| schemas.iter().any(|schema| is_of(schema, "null")),
    );
    let alternatives = alternatives(estate, property);
    let [schema] = alternatives[..] else {
        panic!("{property} is one of several");
    };
    let kind = match &schema["type"] {
        Value::Array(types) => types.iter().find(|kind| **kind != "null").unwrap(),
        one => one,
    };
    let kind = kind.as_str().unwrap();
    let mut values: Vec<Value> = [
        ("boolean", json!(true)),
        ("integer", json!(1)),
        ("string", json!("1")),
        ("array", json!([])),
        ("object", json!({})),
        ("null", Value::Null),
    ]
    .into_iter()
    .filter(|(other, _)| *other != kind && !(*other == "null" && nullable))
    .map(|(_, value)| value)
    .collect();
    match kind {
        "integer" => {
            values.extend([json!(1.5), json!(1e300), json!(i64::MIN)]);
            for (bound, step) in [("minimum", -1), ("maximum", 1)] {
                values.extend(schema[bound].as_i64().map(|bound| json!(bound + step)));
            }
        }
        "string" => {
            values.extend(["\0", "a\0b"].map(Value::from));
            values.push("a".repeat(100_000).into());
            if !schema["enum"].is_null() || schema["pattern"].is_string() || !schema["format"].is_null() {
                values.push("\u{202e} ?".into());
            }
            if schema["minLength"].as_u64() > Some(0) {
                values.push("".into());
            }
            values.extend(
                schema["maxLength"]
                    .as_u64()
                    .map(|most| "a".repeat(most as usize + 1).into()),
            );
        }
        "array" => {
            for item in excluded(estate, &schema["items"]) {
                values.push(json!([item]));
            }
            if let Some(most) = schema["maxItems"].as_u64() {
                let items: Vec<String> = (0..=most).map(|number| format!("a{number}")).collect();
                values.push(json!(items));
            }
            if schema["minItems"].as_u64() > Some(0) {
                values.push(json!([]));
            }
        }
        _ => {}
    }
    // A password may be any text.
    if schema["format"] == "password" {
        values.retain(|value| value.as_str().is_none_or(|text| !text.contains('\0')));
    }
    values
}

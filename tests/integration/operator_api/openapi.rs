//! The OpenAPI document: served, checked in, and the same.

use std::{collections::HashSet, path::Path};

use axum::http::Method;
use serde_json::Value;

use super::{ask_as, operations};
use crate::{layering::rust_files, support::TestServer};

/// Where the document lies in the repository.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/operator/openapi.json");

fn generated() -> String {
    let mut text = serde_json::to_string_pretty(&russet::operator::document()).unwrap();
    text.push('\n');
    text
}

/// `RUSSET_UPDATE=1` writes it anew.
#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    let generated = generated();
    if std::env::var_os("RUSSET_UPDATE").is_some() {
        std::fs::write(CHECKED_IN, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(
        checked_in == generated,
        "the API has changed: run this test with RUSSET_UPDATE=1 and commit src/operator/openapi.json"
    );
}

#[tokio::test]
async fn the_document_is_served_to_everyone() {
    let server = TestServer::start().await;
    let answer = ask_as(&server, None, Method::GET, "/openapi.json", "").await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/json")
    );
    assert_eq!(answer.json, serde_json::from_str::<Value>(&generated()).unwrap());
    assert_eq!(answer.json["openapi"], "3.1.0");
}

/// What an independent validator checks first.
#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let mut values = vec![&document];
    let mut count = 0;
    while let Some(value) = values.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| document.pointer(pointer));
            assert!(target.is_some(), "{reference} leads nowhere");
            count += 1;
        }
        match value {
            Value::Object(fields) => values.extend(fields.values()),
            Value::Array(items) => values.extend(items),
            _ => {}
        }
    }
    assert!(count > 1000, "{count}");
}

/// Two types of one name would be one schema, that of whichever came last.
#[test]
fn no_two_types_share_a_schema() {
    let mut names = HashSet::new();
    let mut files = rust_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("ToSchema") {
            let derive = text[..at].rfind("#[derive(");
            if derive.is_none_or(|derive| text[derive..at].contains(")]")) {
                continue;
            }
            let words = text[at..].split([' ', '\n']);
            let name = words.skip_while(|word| !["struct", "enum"].contains(word)).nth(1);
            let name = name
                .unwrap()
                .trim_end_matches(|last: char| !last.is_alphanumeric());
            assert!(
                names.insert(name.to_owned()),
                "{name} of {} is taken",
                file.display()
            );
        }
    }
    assert!(names.len() > 200, "{}", names.len());
}

#[test]
fn every_operation_is_described() {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let tags = document["tags"].as_array().unwrap();
    let tags: HashSet<_> = tags.iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = HashSet::new();
    for operation in operations() {
        let description = &operation.description;
        let says = |key: &str| description[key].as_str().is_some_and(|text| text.len() > 5);
        assert!(says("summary"), "{operation}");
        assert!(says("description"), "{operation}");
        let name = description["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{operation}: {name} is taken");
        let own: Vec<_> = description["tags"].as_array().unwrap().iter().collect();
        assert_eq!(own.len(), 1, "{operation}");
        assert!(tags.contains(own[0].as_str().unwrap()), "{operation}");

        let answers = description["responses"].as_object().unwrap();
        let some = |class: char| answers.keys().any(|status| status.starts_with(class));
        assert!(some('2'), "{operation}");
        assert!(some('4') || operation.scopes.is_none(), "{operation}");
        for (status, answer) in answers {
            let shared = answer["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
            let answer = shared.map_or(answer, |name| document.pointer(name).unwrap());
            assert!(answer["description"].is_string(), "{operation} {status}");
            let content = answer["content"].as_object();
            let types: Vec<_> = content.into_iter().flat_map(|content| content.keys()).collect();
            // Reports are tables too.
            let table = types == ["application/json", "text/csv"];
            assert!(types.len() <= 1 || table, "{operation} {status}");
            if status.as_str() >= "400" && operation.is_native() {
                assert_eq!(types, ["application/problem+json"], "{operation} {status}");
            }
        }
        for (media_type, body) in description["requestBody"]["content"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let is_text = media_type != "application/octet-stream";
            assert_eq!(is_text, !body["example"].is_null(), "{operation} {media_type}");
        }
        let path = operation.path.matches('{').count();
        let parameters = description["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        assert_eq!(in_path.count(), path, "{operation}");
        for parameter in &parameters {
            assert!(parameter["description"].is_string(), "{operation}: {parameter}");
            // What is not there is not null, but absent.
            assert!(
                !parameter["schema"].to_string().contains("\"null\""),
                "{operation}: {parameter}"
            );
        }
    }
}

#[test]
fn every_property_of_a_body_is_described() {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut bare = Vec::new();
    for (name, schema) in schemas {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        for part in parts.chain([schema]) {
            for (field, property) in part["properties"].as_object().into_iter().flatten() {
                // One that may be null has it with its other form.
                let forms = property["oneOf"].as_array().into_iter().flatten();
                let mut forms = forms.chain([property]);
                if !forms.any(|form| form["description"].is_string() || form["$ref"].is_string()) {
                    bare.push(format!("{name}.{field}"));
                }
            }
        }
    }
    assert!(bare.is_empty(), "{bare:?}");
}

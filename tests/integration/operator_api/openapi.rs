//! The OpenAPI document: served, checked in, and the same.

use std::{collections::HashSet, path::Path};

use axum::http::Method;
use russet::operator::{Part, described};
use serde_json::Value;

use super::{ask_as, operations};
use crate::{layering::rust_files, support::TestServer};

/// The parts, where they lie in the repository, and where they are served.
const PARTS: [(Part, &str, &str); 2] = [
    (Part::Native, "openapi.json", "/openapi.json"),
    (Part::Nano, "openapi-nano.json", "/openapi-nano.json"),
];

/// `RUSSET_UPDATE=1` writes them anew.
#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    for (part, name, _) in PARTS {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/operator")).join(name);
        let generated = format!("{:#}\n", described(part));
        if std::env::var_os("RUSSET_UPDATE").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == generated,
            "the API has changed: run this test with RUSSET_UPDATE=1 and commit src/operator/{name}"
        );
    }
}

#[tokio::test]
async fn the_document_is_served_to_everyone() {
    let server = TestServer::start().await;
    for (part, _, path) in PARTS {
        let answer = ask_as(&server, None, Method::GET, path, "").await;
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (200, "application/json")
        );
        assert_eq!(answer.json, described(part));
        assert_eq!(answer.json["openapi"], "3.1.0");
    }
}

#[test]
fn each_operation_is_in_one_of_the_parts_and_only_nanos_has_a_failure_of_the_server() {
    let ids = |document: &Value| -> HashSet<String> {
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        operations
            .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
            .collect()
    };
    let [native, nano] = PARTS.map(|(part, _, _)| described(part));
    assert!(ids(&native).is_disjoint(&ids(&nano)));
    let whole = serde_json::to_value(russet::operator::document()).unwrap();
    assert_eq!(ids(&whole).len(), ids(&native).len() + ids(&nano).len());
    assert!(ids(&nano).contains("nanodep_import_token"));
    for status in ["\"500\"", "\"502\""] {
        assert!(!native.to_string().contains(status));
    }
}

/// What an independent validator checks first.
#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let documents = PARTS.map(|(part, _, _)| described(part));
    let count: usize = documents.iter().map(references).sum();
    assert!(count > 1000, "{count}");
}

fn references(document: &Value) -> usize {
    let mut values = vec![document];
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
    count
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

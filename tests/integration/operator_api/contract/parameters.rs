//! Parameters of paths, queries and headers: refused by name, and never the server's fault.

use russet_sim::Client;
use serde_json::{Value, json};

use super::{Body, Estate};
use crate::operator_api::operations;

/// Values that a parameter of a query must not have.
fn excluded(schema: &Value) -> Vec<String> {
    let kind = match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .find(|kind| **kind != "null")
            .cloned()
            .unwrap_or_default(),
        one => one.clone(),
    };
    let texts: &[&str] = match kind.as_str() {
        Some("boolean") => &["maybe", "2", "", "%00"],
        Some("integer") => &[
            "x",
            "1.5",
            "99999999999999999999999",
            "",
            "%00",
            "-9223372036854775809",
        ],
        Some("string") if !schema["enum"].is_null() => &["none_of_these", "", "%00"],
        Some("string") if schema["format"] == "date-time" => {
            &["yesterday", "", "%00", "2026-13-01T00:00:00Z"]
        }
        _ => &[],
    };
    let bounds = [("minimum", -1), ("maximum", 1)].into_iter();
    let beyond = bounds.filter_map(|(bound, step)| Some((schema[bound].as_i64()? + step).to_string()));
    texts
        .iter()
        .map(|text| (*text).to_owned())
        .chain(beyond)
        .collect()
}

#[tokio::test]
async fn each_parameter_that_breaks_its_schema_is_named() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let mut found = Vec::new();
    for operation in operations().iter().filter(|operation| operation.is_native()) {
        let target = estate.target(operation);
        for parameter in operation.description["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let schema = estate.resolved(&parameter["schema"]);
            for value in excluded(schema) {
                let target = format!("{target}?{name}={value}");
                let answer = estate
                    .send(&mut client, &operation.method, &target, Body::NONE)
                    .await;
                if answer.is_told_of(operation).is_err() || !answer.names(name) {
                    found.push(format!("{operation} {name}={value}: {answer:?}"));
                }
            }
            let twice = schema["type"] != "array";
            let target = format!("{target}?{name}=1&{name}=1");
            let answer = estate
                .send(&mut client, &operation.method, &target, Body::NONE)
                .await;
            if twice && !answer.names(name) {
                found.push(format!("{operation} {name} twice: {answer:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn whatever_stands_in_a_path_or_a_query_the_answer_is_one_that_the_document_tells_of() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let long = "a".repeat(6_000);
    let mut found = Vec::new();
    for operation in operations() {
        let parameters = operation.description["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        // NanoDEP's way to pass requests on: whatever Apple says.
        if operation.scopes.is_none() || operation.path.starts_with("/proxy/") {
            continue;
        }
        for value in ["%00", "%ff", "%2e%2e", "%0d%0aX:%20y", "%F0%9F%92%A5", &long] {
            let mut targets = Vec::new();
            for parameter in &parameters {
                let name = parameter["name"].as_str().unwrap();
                match parameter["in"].as_str() {
                    Some("path") => {
                        let path = operation.path.replace(&format!("{{{name}}}"), value);
                        let segments = path
                            .split('/')
                            .map(|part| if part.starts_with('{') { "X" } else { part });
                        targets.push(segments.collect::<Vec<_>>().join("/"));
                    }
                    Some("query") => targets.push(format!("{}?{name}={value}", operation.target)),
                    _ => {}
                }
            }
            for target in targets {
                let answer = estate
                    .send(&mut client, &operation.method, &target, Body::NONE)
                    .await;
                let fault = answer.status >= 500 && operation.is_native();
                if fault || !operation.answers(answer.status) {
                    let shown: String = target.chars().take(100).collect();
                    found.push(format!("{} {shown}: {answer:?}", operation.method));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn headers_that_can_not_be_read_are_refused_by_name() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let long = "k".repeat(256);
    let mut checked = 0;
    for operation in operations() {
        let target = estate.target(&operation);
        for parameter in operation.description["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let name = match (parameter["in"].as_str(), parameter["name"].as_str()) {
                (Some("header"), Some("If-Match")) => "if-match",
                (Some("header"), Some("Idempotency-Key")) => "idempotency-key",
                _ => continue,
            };
            let wrong = match name {
                "if-match" => ["abc", "\"a\" \"b\""],
                _ => [" ", long.as_str()],
            };
            for value in wrong {
                let headers = [("content-type", "application/json"), (name, value)];
                let body = Body {
                    headers: &headers,
                    bytes: b"{}",
                };
                let answer = estate.send(&mut client, &operation.method, &target, body).await;
                assert_eq!(answer.status, 400, "{operation} {name}: {value}: {answer:?}");
                if operation.is_native() {
                    let named = &answer.json["fields"][0]["fields"];
                    assert_eq!(*named, json!([parameter["name"]]), "{operation}");
                }
                assert!(
                    answer
                        .json
                        .to_string()
                        .contains(parameter["name"].as_str().unwrap())
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

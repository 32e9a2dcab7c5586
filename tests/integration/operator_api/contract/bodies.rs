//! Bodies: examples are taken, everything else is refused by name.

use russet_sim::Client;

use super::{
    Answer, Body, Estate,
    mutations::{self, Mutation},
};
use crate::operator_api::{Operation, operations};

/// All native operations that take JSON.
fn with_json() -> impl Iterator<Item = Operation> {
    let operations = operations().into_iter();
    operations.filter(|operation| operation.is_native() && operation.json_body().is_some())
}

/// What is not an object at all, or not JSON.
const NO_OBJECTS: [&[u8]; 12] = [
    b"[]",
    b"null",
    b"1",
    b"true",
    b"\"text\"",
    b"{",
    b"{}{}",
    b"{\"a\":\"\xff\"}",
    b"{\"a\":\"\\ud800\"}",
    b"{\"a\":1e999}",
    b"\0",
    b"\xef\xbb\xbf{}",
];

#[tokio::test]
async fn what_is_no_object_is_refused_by_every_operation_as_the_document_says() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let deep = format!("{{\"a\":{}", "[".repeat(10_000));
    let mut found = Vec::new();
    for operation in with_json().filter(|operation| !IN_A_SESSION.contains(&operation.id())) {
        let target = estate.target(&operation);
        let required = operation.description["requestBody"]["required"] == true;
        let empty = required.then_some(&b""[..]);
        for bytes in NO_OBJECTS.into_iter().chain([deep.as_bytes()]).chain(empty) {
            let answer = estate
                .send(&mut client, &operation.method, &target, Body::json(bytes))
                .await;
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]);
            if let Err(problem) = answer.is_told_of(&operation) {
                found.push(format!("{operation} {shown:?}: {problem}"));
            } else if ![400, 422].contains(&answer.status) {
                found.push(format!("{operation} {shown:?}: {}", answer.status));
            }
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "x",
        ] {
            let body = Body {
                headers: &[("content-type", content_type)],
                bytes: b"{}",
            };
            let answer = estate.send(&mut client, &operation.method, &target, body).await;
            if answer.status != 415 || answer.is_told_of(&operation).is_err() {
                found.push(format!("{operation} as {content_type}: {answer:?}"));
            }
        }
        let body = Body {
            headers: &[("content-type", "application/json"), ("content-encoding", "gzip")],
            bytes: b"\x1f\x8b\x08\0",
        };
        let answer = estate.send(&mut client, &operation.method, &target, body).await;
        if answer.status != 415 || answer.is_told_of(&operation).is_err() {
            found.push(format!("{operation} in gzip: {answer:?}"));
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn each_field_that_breaks_its_schema_is_named() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let mut found = Vec::new();
    let mut count = 0;
    for operation in with_json() {
        let target = estate.target(&operation);
        let example = estate
            .example(&operation)
            .unwrap_or_else(|| panic!("{operation} has no example"));
        let schema = &operation.json_body().unwrap()["schema"];
        if IN_A_SESSION.contains(&operation.id()) {
            continue;
        }
        for mutation in mutations::of(&estate, schema, &example) {
            // Settings of enrollment profiles that are null are as good as absent.
            if mutation.field.starts_with("settings") && mutation.is_null() {
                continue;
            }
            if mutation.is_text && TELL_OF_EACH.contains(&(operation.id(), &mutation.field)) {
                continue;
            }
            count += 1;
            let body = mutation.body.to_string();
            let answer = estate
                .send(
                    &mut client,
                    &operation.method,
                    &target,
                    Body::json(body.as_bytes()),
                )
                .await;
            if let Some(problem) = wrong_with(&answer, &operation, &mutation) {
                let shown: String = body.chars().take(200).collect();
                found.push(format!("{operation} {}: {problem} for {shown}", mutation.field));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} of {count}:\n{}",
        found.len(),
        found.join("\n")
    );
    assert!(count > 1500, "{count}");
}

/// What is wrong with the answer to a body with a wrong field.
fn wrong_with(answer: &Answer, operation: &Operation, mutation: &Mutation) -> Option<String> {
    if let Err(problem) = answer.is_told_of(operation) {
        return Some(problem);
    }
    match answer.status {
        400 | 422 if answer.names(&mutation.field) => None,
        400 | 422 => Some(format!(
            "{} without its name: {}",
            answer.status, answer.json["detail"]
        )),
        // There is nobody of that name, or somebody else has the edition that is meant.
        401 | 404 if mutation.is_text => None,
        409 if answer.json["code"] == "hold_profile_changed" => None,
        status => Some(format!("{status} {}", answer.json["code"])),
    }
}

/// Whose ids are looked for one by one; the answer tells of each that there is none.
const TELL_OF_EACH: [(&str, &str); 2] = [("replay_dead_letters", "event_ids"), ("retry_command", "ids")];

/// What asks for a session, before it looks at the body.
const IN_A_SESSION: [&str; 1] = ["change_own_password"];

/// What no text of the document can be: a file of Apple's, all hold profiles that there are.
const NEED_MORE: [&str; 2] = ["import_push_certificate", "reorder_hold_profiles"];

#[tokio::test]
async fn what_the_document_gives_as_an_example_is_taken() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    // The one that has the device forgotten comes last.
    let mut operations: Vec<Operation> = with_json().collect();
    operations.sort_by_key(|operation| operation.id() == "delete");
    for operation in operations {
        if NEED_MORE.contains(&operation.id()) {
            continue;
        }
        let target = estate.target(&operation);
        let body = estate.example(&operation).unwrap().to_string();
        let body = Body::json(body.as_bytes());
        let answer = estate.send(&mut client, &operation.method, &target, body).await;
        assert!(operation.answers(answer.status), "{operation}: {answer:?}");
        // What is there already, or a device that can't do that, is another matter.
        assert!(
            ![400, 415, 422].contains(&answer.status),
            "{operation}: {answer:?}"
        );
    }
}

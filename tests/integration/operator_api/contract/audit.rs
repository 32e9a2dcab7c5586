//! Every operation that changes something leaves one entry in the audit log, and one that only reads leaves none.

use axum::http::Method;
use russet_sim::Client;
use serde_json::{Value, json};

use super::{Answer, Body, Estate};
use crate::operator_api::{Operation, bearer, new_key, operations};

/// What reads though its method may change something, or shows a secret though it only reads.
const READ_BY_POST: [&str; 1] = ["nanomdm_query_enrollments"];
const REVEAL: [&str; 4] = [
    "nanodep_bypass_code",
    "nanodep_maid_jwt",
    "nanodep_show_credentials",
    "hold_profile_content",
];
/// NanoMDM's and NanoDEP's tools change things by GET, too.
const CHANGE_BY_GET: [&str; 3] = ["/v1/enqueue/{ids}", "/v1/push/{ids}", "/v1/tokenpki/{name}"];
/// Their entry is stored in one step with a command, and so there is none of a beginning.
const RIDE: [&str; 2] = ["/v1/commands/{uuid}/retry", "/v1/enqueue/{ids}"];

fn leaves_an_entry(operation: &Operation) -> bool {
    let by_get = CHANGE_BY_GET.contains(&operation.path.as_str()) || REVEAL.contains(&operation.id());
    match operation.method {
        Method::GET => by_get,
        _ => !READ_BY_POST.contains(&operation.id()),
    }
}

/// The entries of an operation after that number.
async fn entries(estate: &Estate, client: &mut Client, operation: &Operation, after: u64) -> Vec<Value> {
    let target = "/v1/audit?order=newest&limit=50";
    let answer = estate.send(client, &Method::GET, target, Body::NONE).await;
    let entries = answer.json["entries"].as_array().unwrap().iter().rev();
    let own = entries
        .filter(|entry| entry["number"].as_u64().unwrap() > after && entry["operation"] == operation.id());
    own.cloned().collect()
}

async fn head(estate: &Estate, client: &mut Client) -> u64 {
    let answer = estate
        .send(client, &Method::GET, "/v1/audit/head", Body::NONE)
        .await;
    answer.json["number"].as_u64().unwrap()
}

/// The operation with its example, and whatever else makes it succeed where that can be.
async fn perform(estate: &Estate, client: &mut Client, operation: &Operation, key: &str) -> Answer {
    let content = operation.description["requestBody"]["content"].as_object();
    let (media_type, content) = content.and_then(|content| content.iter().next()).unzip();
    let media_type = media_type.map_or("application/json", String::as_str);
    let body = match (estate.example(operation), content) {
        (Some(example), _) => example.to_string(),
        (None, Some(content)) => content["example"].as_str().unwrap_or_default().to_owned(),
        (None, None) => String::new(),
    };
    let headers = [("authorization", key), ("content-type", media_type)];
    let headers = if body.is_empty() {
        &headers[..1]
    } else {
        &headers[..]
    };
    let body = Body {
        headers,
        bytes: body.as_bytes(),
    };
    estate
        .send(client, &operation.method, &estate.target(operation), body)
        .await
}

/// What takes something away comes after what needs it.
fn in_order() -> Vec<Operation> {
    let mut operations = operations();
    operations.retain(|operation| {
        operation.scopes.is_some()
            && !operation.path.starts_with("/proxy/")
            && operation.path != "/v1/session"
    });
    operations.sort_by_key(|operation| (operation.id() == "delete", operation.method == Method::DELETE));
    operations
}

#[tokio::test]
async fn k_w8_each_change_leaves_one_entry_of_who_did_what_to_whom() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let key = bearer(&estate.server.key);
    let mut done = 0;
    for operation in in_order() {
        let before = head(&estate, &mut client).await;
        let answer = perform(&estate, &mut client, &operation, &key).await;
        let told = entries(&estate, &mut client, &operation, before).await;
        let what = format!("{operation}: {} {told:?}", answer.status);
        if !leaves_an_entry(&operation) {
            assert!(told.is_empty(), "{what}");
            continue;
        }
        let rides = RIDE.contains(&operation.path.as_str());
        let expected: &[&str] = match answer.status {
            200..=206 if rides => &["done"],
            200..=206 => &["begun"],
            400..=499 if rides => &["refused"],
            400..=499 => &["begun", "refused"],
            // NanoMDM's status for a command of a UUID that there is.
            500 if rides => &["refused"],
            _ if rides => &["failed"],
            _ => &["begun", "failed"],
        };
        let outcomes: Vec<&str> = told
            .iter()
            .map(|entry| entry["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(outcomes, expected, "{what}");
        for entry in &told {
            assert_eq!(entry["kind"], "key", "{what}");
            assert!(
                entry["operator"].is_string() && entry["request"].is_string(),
                "{what}"
            );
            // Whatever its path names.
            let named = operation.path.contains('{');
            assert!(!named || entry["targets"][0].is_string(), "{what}");
        }
        if let [begun, ended] = &told[..] {
            assert_eq!(ended["of"], begun["number"], "{what}");
        }
        done += usize::from(answer.status < 300);
    }
    assert!(done > 40, "{done}");
}

#[tokio::test]
async fn k_w8_whoever_may_not_changes_nothing_and_is_entered_as_refused() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let key = bearer(&new_key(&estate.server, "auditor", &["audit"], None).await);
    for operation in in_order() {
        let scopes = operation.scopes.as_ref().unwrap();
        if scopes.is_empty() || scopes.iter().any(|scope| scope == "audit") {
            continue;
        }
        let before = head(&estate, &mut client).await;
        let answer = perform(&estate, &mut client, &operation, &key).await;
        assert_eq!(answer.status, 403, "{operation}: {answer:?}");
        let told = entries(&estate, &mut client, &operation, before).await;
        let outcomes: Vec<&str> = told
            .iter()
            .map(|entry| entry["outcome"].as_str().unwrap())
            .collect();
        let expected: &[&str] = match leaves_an_entry(&operation) {
            false => &[],
            true if RIDE.contains(&operation.path.as_str()) => &["refused"],
            true => &["begun", "refused"],
        };
        assert_eq!(outcomes, expected, "{operation}");
        if let Some(refused) = told.last() {
            assert_eq!(
                (&refused["operator"], &refused["details"]["code"]),
                (&json!("auditor"), &json!("key_scope")),
                "{operation}"
            );
        }
    }
}

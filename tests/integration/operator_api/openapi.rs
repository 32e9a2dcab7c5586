//! The OpenAPI document: served, checked in, and the same.

use axum::http::Method;
use serde_json::Value;

use super::ask_as;
use crate::support::TestServer;

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

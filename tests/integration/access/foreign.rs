//! K-W1: every operation of the OpenAPI document, on what another tag has: as if it were not there, and untouched.

use axum::http::Method;
use serde_json::{Value, json};

use super::visibility::Estate;
use crate::actions::jobs::ended;

/// What the document's examples are about.
const UDID: &str = "6F1A2B3C-4D5E-4F60-8A7B-9C0D1E2F3A4B";
const SERIAL: &str = "C02XK1ABJG5H";

/// What another tag has, besides its device.
struct Foreign {
    command: String,
    job: String,
    attempt: String,
}

impl Foreign {
    async fn new(estate: &Estate) -> Self {
        let server = &estate.server;
        let [_, id, _] = &estate.ids;
        let profile = json!({ "name": "theirs", "settings": { "platform": "macos" } });
        server
            .ask(Method::POST, "/v1/ade/tokens/south/profiles", profile.to_string())
            .await;
        let command = server.enqueue(id, "SecurityInfo").await;
        let job = json!({ "action": "restart", "targets": { "ids": [id] } });
        let job = server.ask(Method::POST, "/v1/jobs", job.to_string()).await;
        let report = server
            .ask(Method::GET, &format!("/v1/enrollments/{id}/enrollment"), "")
            .await;
        let attempt = &report["attempt"]["id"];
        Self {
            command,
            job: job["id"].as_str().unwrap().to_owned(),
            attempt: attempt
                .as_str()
                .map_or_else(|| attempt.to_string(), str::to_owned),
        }
    }

    /// A path of the document, with what is foreign in place of its parameters.
    fn target(&self, estate: &Estate, path: &str) -> String {
        let mut before = "";
        let mut target = String::new();
        for segment in path.split('/').skip(1) {
            target.push('/');
            target.push_str(match (before, segment) {
                ("jobs", "{id}") => &self.job,
                ("failures", "{id}") => &self.attempt,
                ("commands", "{uuid}") => &self.command,
                (_, "{id}" | "{ids}") => &estate.ids[1],
                (_, "{serial}") => &estate.serials[1],
                ("tokens" | "tokenpki" | "config" | "assigner" | "maidjwt" | "proxy", "{name}") => "south",
                (_, "{profile}") => "theirs",
                ("reveal", "{secret}") => "pin",
                (_, segment) if segment.starts_with('{') => "X",
                (_, segment) => segment,
            });
            before = segment;
        }
        target
    }
}

/// All that can be told of the foreign device and its token, to somebody who sees everything.
async fn told(estate: &Estate, foreign: &Foreign) -> Vec<Value> {
    let [_, id, _] = &estate.ids;
    let [_, serial, _] = &estate.serials;
    let mut told = Vec::new();
    for path in [
        format!("/v1/enrollments/{id}"),
        format!("/v1/queue/{id}"),
        format!("/v1/commands/{}", foreign.command),
        format!("/v1/ade/devices/{serial}"),
        "/v1/ade/tokens/south".to_owned(),
        "/v1/ade/tokens/south/profiles".to_owned(),
        "/v1/users".to_owned(),
        "/v1/hooks".to_owned(),
        "/v1/hold-profiles".to_owned(),
        "/v1/ade/accounts".to_owned(),
    ] {
        told.push(estate.server.ask(Method::GET, &path, "").await);
    }
    told
}

/// Answers for any serial number, and tells nothing of the device to whoever does not see it.
const ANSWERS_FOR_ANYTHING: [&str; 1] = ["explain_ade_device"];

/// What is the operator's own, whoever it is.
const OWN: [&str; 5] = [
    "change_own_password",
    "list_roles",
    "session",
    "sign_in",
    "sign_out",
];

#[tokio::test]
async fn k_w1_no_operation_shows_or_changes_what_another_tag_has() {
    let estate = Estate::new().await;
    let foreign = Foreign::new(&estate).await;
    // The job of the other side has done what it does.
    ended(&estate.server, &foreign.job).await;
    let before = told(&estate, &foreign).await;
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            if operation["security"].is_null() || OWN.contains(&id) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let target = foreign.target(&estate, path);
            let content = operation["requestBody"]["content"].as_object();
            let content = content.and_then(|content| content.values().next());
            let example = content.map_or(Value::Null, |content| content["example"].clone());
            let named = example.to_string();
            let body = named
                .replace(UDID, &estate.ids[1])
                .replace(SERIAL, &estate.serials[1]);
            let names_foreign = path.contains('{') || body != named;
            let body: Value = serde_json::from_str(&body.replace("\"hq\"", "\"south\"")).unwrap();
            let answer = estate.ask(method.clone(), &target, body).await;
            let what = format!("{method} {target}: {answer:?}");
            if names_foreign && !ANSWERS_FOR_ANYTHING.contains(&id) {
                let is_hidden =
                    answer.status == 404 || (answer.status == 403 && answer.text.contains("confined"));
                // NanoMDM's tools get an empty list of what does not match.
                let is_empty = id == "nanomdm_query_enrollments" && answer.status == 200;
                assert!(is_hidden || is_empty, "{what}");
            }
            // What was asked for may be repeated in the refusal, and nothing else.
            let told = answer
                .text
                .replace(&estate.ids[1], "")
                .replace(&estate.serials[1], "");
            let echoes = answer.status >= 400 || ANSWERS_FOR_ANYTHING.contains(&id);
            assert!(echoes || told.len() == answer.text.len(), "{what}");
            assert!(
                !told.contains(&estate.serials[2]) && !told.contains(&estate.ids[2]),
                "{what}"
            );
            checked += usize::from(names_foreign);
        }
    }
    assert!(checked > 80, "{checked}");
    assert_eq!(told(&estate, &foreign).await, before);
}

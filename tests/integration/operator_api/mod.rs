//! The operator API: NanoMDM's endpoints as its tools know them, and the native resources next to them.

mod audit;
mod contract;
mod etag;
mod keys;
mod migration;
mod nanomdm;
mod native;
mod openapi;
mod query;
mod sweep;

use axum::http::Method;
use russet_sim::{Client, Request, encode::base64};
use serde_json::Value;

use crate::support::TestServer;

/// An answer as it came: status, headers that matter, JSON (null if it is none), text.
#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    www_authenticate: Option<String>,
    allow: Option<String>,
    request_id: Option<String>,
    json: Value,
    text: String,
}

/// An operation of the OpenAPI document.
struct Operation {
    method: Method,
    /// As the document has it: `/v1/hooks/{name}`.
    path: String,
    /// With `X` for each of its parameters.
    target: String,
    /// The scopes that it asks for, any of which will do; `None`: anyone may come.
    scopes: Option<Vec<String>>,
    description: Value,
}

impl Operation {
    /// Whether it is one of ours, and not as NanoMDM or NanoDEP have it.
    fn is_native(&self) -> bool {
        let tag = self.description["tags"][0].as_str().unwrap();
        !["nanodep", "nanomdm"].contains(&tag)
    }

    fn answers(&self, status: u16) -> bool {
        !self.description["responses"][status.to_string()].is_null()
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// All operations of the document.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, description) in item.as_object().unwrap() {
            let segments = path.split('/');
            let segments = segments.map(|segment| if segment.starts_with('{') { "X" } else { segment });
            let scopes = description["security"][0].as_object();
            let scopes = scopes.and_then(|requirement| requirement.values().next());
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                target: segments.collect::<Vec<_>>().join("/"),
                scopes: scopes.map(|scopes| serde_json::from_value(scopes.clone()).unwrap()),
                description: description.clone(),
            });
        }
    }
    assert!(operations.len() > 90, "{}", operations.len());
    operations
}

/// A request with this `Authorization`, if any.
async fn ask_as(
    server: &TestServer,
    authorization: Option<&str>,
    method: Method,
    path: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    let url = format!("http://{}{path}", server.operator_authority);
    let mut request = Request::new(method, &url).body(body.into());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization).unwrap();
    }
    let response = Client::plain().send(request, None).await.unwrap();
    let header = |name: &str| {
        let value = response.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    Answer {
        status: response.status,
        content_type: header("content-type").unwrap_or_default(),
        www_authenticate: header("www-authenticate"),
        allow: header("allow"),
        request_id: header("x-request-id"),
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

/// A request with the admin key, as NanoMDM's tools send it.
async fn ask(server: &TestServer, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let authorization = basic("nanomdm", &server.key);
    ask_as(server, Some(&authorization), method, path, body).await
}

fn basic(user: &str, key: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{key}").as_bytes()))
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// A key with these scopes, that expires at this time if any.
async fn new_key(server: &TestServer, name: &str, scopes: &[&str], expires_at: Option<&str>) -> String {
    let body = serde_json::json!({ "name": name, "scopes": scopes, "expires_at": expires_at });
    let answer = ask(server, Method::POST, "/v1/apikeys", body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json["key"].as_str().unwrap().to_owned()
}

/// The failure's name. Every failure has one, with a text and a next step: in a problem document (RFC 9457), or in
/// NanoMDM's form.
#[track_caller]
fn code(answer: &Answer) -> &str {
    assert!(answer.status >= 400, "{answer:?}");
    let json = &answer.json;
    let text = |value: &Value| value.as_str().is_some_and(|text| text.len() > 5);
    let (code, step) = (&json["code"], &json["step"]);
    let message = if answer.content_type == "application/problem+json" {
        assert_eq!(json["status"], answer.status, "{answer:?}");
        assert!(text(&json["type"]) && text(&json["title"]), "{answer:?}");
        &json["detail"]
    } else {
        assert_eq!(answer.content_type, "application/json", "{answer:?}");
        [&json["error"], &json["command_error"]]
            .into_iter()
            .find(|message| message.is_string())
            .unwrap_or(&Value::Null)
    };
    assert!(text(message) && text(step), "{answer:?}");
    code.as_str().unwrap_or_else(|| panic!("no code: {answer:?}"))
}

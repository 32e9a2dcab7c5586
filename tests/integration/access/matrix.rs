//! K-W1: every operation of the OpenAPI document, by everyone who might try.

use axum::http::Method;
use russet::service::access::{Role, Scope};
use russet_sim::{Kind, Request};
use serde_json::{Value, json};

use super::{add_user, send, sign_in};
use crate::support::TestServer;

/// An operation, with `X` for what its path names.
struct Operation {
    method: Method,
    path: String,
    /// The scopes of which one is asked for; `None`: anyone may come.
    scopes: Option<Vec<Scope>>,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, description) in item.as_object().unwrap() {
            let segments = path.split('/');
            let segments = segments.map(|segment| if segment.starts_with('{') { "X" } else { segment });
            let scope = |name: &Value| Scope::parse(name.as_str().unwrap()).unwrap();
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: segments.collect::<Vec<_>>().join("/"),
                scopes: security(description).map(|scopes| scopes.iter().map(scope).collect()),
            });
        }
    }
    assert!(operations.len() > 100, "{}", operations.len());
    operations
}

/// What an operation asks for, whichever way one says who one is: the same for all of them.
fn security(description: &Value) -> Option<Vec<Value>> {
    let ways = description["security"].as_array()?;
    assert_eq!(ways.len(), 3, "{description}");
    let mut asked: Vec<&Value> = ways
        .iter()
        .flat_map(|way| way.as_object().unwrap().values())
        .collect();
    asked.dedup();
    assert_eq!(asked.len(), 1, "{description}");
    Some(asked[0].as_array().unwrap().clone())
}

fn may(own: &[Scope], asked: &[Scope]) -> bool {
    asked.is_empty()
        || own
            .iter()
            .any(|own| asked.iter().any(|asked| own.includes(*asked)))
}

/// Asks for everything with these headers; `scopes` are what the asker has.
async fn try_all(server: &TestServer, headers: &[(&'static str, &str)], scopes: &[Scope], who: &str) {
    for operation in operations() {
        let Some(asked) = &operation.scopes else { continue };
        let what = format!("{} {} by {who}", operation.method, operation.path);
        // It would end the session that asks.
        if (&operation.method, operation.path.as_str()) == (&Method::DELETE, "/v1/session") {
            continue;
        }
        let answer = send(server, operation.method, &operation.path, headers, "").await;
        if may(scopes, asked) {
            assert!(![401, 403].contains(&answer.status), "{what}: {answer:?}");
        } else {
            assert_eq!((answer.status, answer.code()), (403, "key_scope"), "{what}");
        }
    }
}

#[tokio::test]
async fn k_w1_each_role_gets_what_the_document_says_and_nothing_else() {
    let server = TestServer::start().await;
    for role in Role::ALL {
        add_user(&server, role.as_str(), role.as_str()).await;
        let browser = sign_in(&server, role.as_str()).await;
        let headers = [
            ("cookie", browser.cookie.as_str()),
            ("x-csrf-token", &browser.csrf),
        ];
        try_all(&server, &headers, role.scopes(), role.as_str()).await;
    }
}

#[tokio::test]
async fn k_w1_a_key_of_another_tag_reads_nothing_and_changes_nothing() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    let body = json!({ "name": "confined", "scopes": ["admin"], "tags": ["elsewhere"] });
    let key = server.ask(Method::POST, "/v1/apikeys", body.to_string()).await;
    let key = format!("Bearer {}", key["key"].as_str().unwrap());
    for operation in operations() {
        if operation.scopes.is_none() {
            continue;
        }
        // The document's paths, with what is really there in place of its parameters.
        let path = operation
            .path
            .replace("/X", &format!("/{}", device.hardware.udid));
        let answer = send(
            &server,
            operation.method.clone(),
            &path,
            &[("authorization", &key)],
            "",
        )
        .await;
        let what = format!("{} {path}: {answer:?}", operation.method);
        assert_ne!(answer.status, 401, "{what}");
        assert!(!answer.text.contains(&device.hardware.serial_number), "{what}");
    }
    assert!(server.knows(&device.hardware.udid).await);
}

#[tokio::test]
async fn k_w1_a_devices_certificate_opens_nothing_of_the_operators() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    for operation in operations() {
        let at_operators = send(&server, operation.method.clone(), &operation.path, &[], "").await;
        if operation.scopes.is_some() {
            assert_eq!(
                at_operators.status, 401,
                "{} {}",
                operation.method, operation.path
            );
        }
        // At the devices' door, where the certificate counts, none of these routes is there.
        let url = format!("{}{}", server.url, operation.path);
        let request = Request::new(operation.method.clone(), &url);
        let answer = server.client().send(request, device.identity()).await.unwrap();
        let open_at_both = ["/healthz", "/readyz", "/version"].contains(&operation.path.as_str());
        assert!(
            [404, 405].contains(&answer.status) || open_at_both,
            "{} {}: {}",
            operation.method,
            operation.path,
            answer.status
        );
    }
}

#[tokio::test]
async fn k_w1_routes_that_nobody_has_described_are_not_there() {
    let server = TestServer::start().await;
    let key = format!("Bearer {}", server.key);
    for path in [
        "/mifs/aad/api/v2/authorized/users",
        "/mifs/rs/api/v2/ping",
        "/api/v1/fleet/config",
        "/debug/pprof/",
        "/actuator/env",
        "/.git/config",
        "/.env",
        "/v1/admin",
        "/v1/config",
        "/v1/store",
        "/v2/users",
        "/v1/users/../apikeys",
        "//v1/users",
        "/V1/users",
    ] {
        let answer = send(&server, Method::GET, path, &[], "").await;
        assert!([401, 404].contains(&answer.status), "{path}: {answer:?}");
        let with_key = send(&server, Method::GET, path, &[("authorization", &key)], "").await;
        assert_eq!(with_key.status, 404, "{path}: {with_key:?}");
    }
}

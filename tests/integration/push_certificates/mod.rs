//! The life of the push certificate, by its requirements P1 to P10. What Apple's portal does, `support::portal` does.

mod hot_swap;
mod import;
mod lifetime;
mod request;
mod topic;

use axum::http::Method;
use russet::operator::client::ClientError;
use serde_json::{Value, json};

use crate::support::TestServer;

const PATH: &str = "/v1/push-certificates";

/// The topic that a development server begins with.
async fn first_topic(server: &TestServer) -> String {
    let all = server.ask(Method::GET, PATH, Vec::new()).await;
    all["push_certificates"][0]["topic"].as_str().unwrap().to_owned()
}

/// A request for a new certificate or for a renewal.
async fn request(server: &TestServer, topic: Option<&str>) -> Value {
    let body = json!({ "topic": topic }).to_string();
    server.ask(Method::POST, &format!("{PATH}/csr"), body).await
}

/// Imports a certificate that must be taken.
async fn import(server: &TestServer, body: Value) -> Value {
    server.ask(Method::POST, PATH, body.to_string()).await
}

/// Imports a certificate that must be refused: status, name, text.
async fn refused(server: &TestServer, body: Value) -> (u16, String, String) {
    refusal(server.try_ask(Method::POST, PATH, body.to_string()).await)
}

fn refusal(answer: Result<russet::operator::client::Answer, ClientError>) -> (u16, String, String) {
    match answer {
        Err(ClientError::Refused {
            status,
            message,
            step,
            body,
        }) => {
            assert!(step.len() > 10, "{body}");
            let code = body["code"].as_str();
            (status, code.unwrap().to_owned(), message)
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

/// One certificate, as the native API shows it.
async fn shown(server: &TestServer, topic: &str) -> Value {
    server
        .ask(Method::GET, &format!("{PATH}/{topic}"), Vec::new())
        .await
}

//! Events to other programs: what a real receiver gets when simulated devices enroll and work.

mod declarations;
mod delivery;
mod formats;
mod guard;
mod hooks;
mod outage;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{TestServer, receiver::Receiver};

/// Makes a hook to `receiver`, with these further properties.
async fn hook(server: &TestServer, receiver: &Receiver, more: Value) -> Value {
    hook_to(server, &receiver.url("/hook"), more).await
}

/// Makes a hook named `test` (unless `more` names it otherwise).
async fn hook_to(server: &TestServer, url: &str, more: Value) -> Value {
    let mut body = json!({ "name": "test", "url": url });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    server.ask(Method::POST, "/v1/hooks", body.to_string()).await
}

/// The hook `test`, as the native API shows it.
async fn shown(server: &TestServer) -> Value {
    server.ask(Method::GET, "/v1/hooks/test", Vec::new()).await
}

/// The dead letters of the hook `test`.
async fn dead_letters(server: &TestServer) -> Vec<Value> {
    let answer = server
        .ask(Method::GET, "/v1/hooks/test/deadletters", Vec::new())
        .await;
    answer["dead_letters"].as_array().unwrap().clone()
}

/// Puts the dead letters of the hook `test` back into the queue; says how many.
async fn replay(server: &TestServer) -> Value {
    let answer = server
        .ask(Method::POST, "/v1/hooks/test/replay", Vec::new())
        .await;
    answer["replayed"].clone()
}

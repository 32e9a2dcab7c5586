//! People at the operator's door: users, sessions, what another site can't do, and who sees what.

mod csrf;
mod foreign;
mod matrix;
mod oidc;
mod pages;
mod secrets;
mod sessions;
mod throttle;
mod users;
pub(crate) mod visibility;

use axum::http::Method;
use russet_sim::{Client, Request};
use serde_json::{Value, json};

use crate::support::TestServer;

const PASSWORD: &str = "a long enough secret";

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: hyper::HeaderMap,
    json: Value,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_else(|| panic!("{self:?}"))
    }

    /// `name=value` of the cookie that it sets.
    #[track_caller]
    fn cookie(&self) -> String {
        let cookie = self.header("set-cookie").split(';').next().unwrap();
        assert!(cookie.contains('='), "{self:?}");
        cookie.to_owned()
    }
}

/// A request with these headers.
async fn send(
    server: &TestServer,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let url = format!("http://{}{path}", server.operator_authority);
    let mut request = Request::new(method, &url).body(body.into());
    for (name, value) in headers {
        request = request.header(name, value).unwrap();
    }
    let response = Client::plain().send_once(&request, None).await.unwrap();
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    Answer {
        status: response.status,
        headers: response.headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

/// A browser with a session.
#[derive(Clone, Debug)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Browser {
    fn of(answer: &Answer) -> Self {
        Self {
            cookie: answer.cookie(),
            csrf: answer.json["session"]["csrf_token"].as_str().unwrap().to_owned(),
        }
    }

    /// A request as a page of ours sends it.
    async fn ask(&self, server: &TestServer, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf)];
        send(server, method, path, &headers, body).await
    }

    async fn get(&self, server: &TestServer, path: &str) -> Answer {
        self.ask(server, Method::GET, path, Value::Null).await
    }
}

/// Makes a user with [`PASSWORD`].
async fn add_user(server: &TestServer, name: &str, role: &str) {
    let body = json!({ "name": name, "role": role, "password": PASSWORD });
    server.ask(Method::POST, "/v1/users", body.to_string()).await;
}

async fn try_sign_in(server: &TestServer, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    send(server, Method::POST, "/v1/session", &[], body.to_string()).await
}

async fn sign_in(server: &TestServer, name: &str) -> Browser {
    let answer = try_sign_in(server, name, PASSWORD).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Browser::of(&answer)
}

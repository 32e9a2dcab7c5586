//! What the OpenAPI document promises, held against the server: what it gives as an example is taken, and whatever is wrong
//! with a body or a parameter is a problem that the document tells of, and that names the field.

mod audit;
mod bodies;
mod methods;
mod mutations;
mod paging;
mod parameters;

use axum::http::Method;
use russet_sim::{Client, Kind, Request};
use serde_json::{Value, json};

use super::{Operation, bearer};
use crate::support::TestServer;

/// A server with one of everything that an operation's path may name.
struct Estate {
    server: TestServer,
    udid: String,
    command: String,
    topic: String,
    document: Value,
}

/// An answer, as far as it matters here.
#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    allow: String,
    length: usize,
    json: Value,
}

impl Estate {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let udid = server.enrolled(Kind::Mac).await.hardware.udid;
        let command = server.enqueue(&udid, "SecurityInfo").await;
        for (path, body) in [
            (
                "/v1/hooks",
                json!({ "name": "estate", "url": "http://127.0.0.1:9/" }),
            ),
            ("/v1/ade/tokens", json!({ "name": "estate" })),
            (
                "/v1/ade/tokens/estate/profiles",
                json!({ "name": "estate", "settings": { "platform": "macos" } }),
            ),
            (
                "/v1/ade/accounts",
                json!({ "name": "estate", "password": "not easy to guess" }),
            ),
            ("/v1/apikeys", json!({ "name": "estate", "scopes": ["read"] })),
            ("/v1/hold-profiles", json!({ "name": "estate" })),
            (
                "/v1/users",
                json!({ "name": "estate", "role": "viewer", "password": "not easy to guess" }),
            ),
        ] {
            server.ask(Method::POST, path, body.to_string()).await;
        }
        let default = json!({ "is_default": true }).to_string();
        server.ask(Method::PATCH, "/v1/ade/tokens/estate", default).await;
        let topics = server.ask(Method::GET, "/v1/push-certificates", "").await;
        let topic = topics["push_certificates"][0]["topic"]
            .as_str()
            .unwrap_or("X")
            .to_owned();
        let document = serde_json::to_value(russet::operator::document()).unwrap();
        Self {
            server,
            udid,
            command,
            topic,
            document,
        }
    }

    /// The operation's path, with what is there in place of its parameters.
    fn target(&self, operation: &Operation) -> String {
        let mut before = "";
        let mut target = String::new();
        for segment in operation.path.split('/').skip(1) {
            target.push('/');
            target.push_str(match (before, segment) {
                (_, "{name}" | "{profile}") => "estate",
                ("commands", "{uuid}") => &self.command,
                ("push-certificates", "{topic}") => &self.topic,
                ("enrollments" | "enqueue" | "push" | "queue", "{id}" | "{ids}") => &self.udid,
                (_, segment) if segment.starts_with('{') => "X",
                (_, segment) => segment,
            });
            before = segment;
        }
        target
    }

    /// The operation's example, of this device.
    fn example(&self, operation: &Operation) -> Option<Value> {
        let example = operation.json_body()?.get("example")?;
        let text = example.to_string().replace(EXAMPLE_UDID, &self.udid);
        Some(serde_json::from_str(&text).unwrap())
    }

    /// What a schema stands for.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
            None => schema,
        }
    }

    async fn send(&self, client: &mut Client, method: &Method, target: &str, body: Body<'_>) -> Answer {
        let url = format!("http://{}{target}", self.server.operator_authority);
        let request = Request::new(method.clone(), &url).body(body.bytes.to_vec());
        let key = bearer(&self.server.key);
        let own = [("authorization", key.as_str())];
        let is_own = body.headers.iter().any(|(name, _)| *name == "authorization");
        let mut request = request;
        for (name, value) in own.iter().filter(|_| !is_own).chain(body.headers) {
            request = request.header(name, value).unwrap();
        }
        let response = client.send(request, None).await.unwrap();
        let header = |name: &str| {
            let value = response.headers.get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        Answer {
            status: response.status,
            content_type: header("content-type"),
            allow: header("allow"),
            length: response.body.len(),
            json: serde_json::from_slice(&response.body).unwrap_or_default(),
        }
    }
}

/// The device of the document's examples.
const EXAMPLE_UDID: &str = "6F1A2B3C-4D5E-4F60-8A7B-9C0D1E2F3A4B";

/// What is sent.
#[derive(Clone, Copy)]
struct Body<'a> {
    headers: &'a [(&'static str, &'a str)],
    bytes: &'a [u8],
}

impl<'a> Body<'a> {
    const NONE: Body<'static> = Body {
        headers: &[],
        bytes: b"",
    };

    fn json(bytes: &'a [u8]) -> Self {
        Self {
            headers: &[("content-type", "application/json")],
            bytes,
        }
    }
}

impl Operation {
    /// What the document says of its JSON body.
    fn json_body(&self) -> Option<&Value> {
        self.description.pointer("/requestBody/content/application~1json")
    }

    fn id(&self) -> &str {
        self.description["operationId"].as_str().unwrap()
    }
}

impl Answer {
    /// Whether it is a refusal that the document tells of.
    fn is_told_of(&self, operation: &Operation) -> Result<(), String> {
        let is_problem = self.content_type == "application/problem+json" && self.json["code"].is_string();
        if !(400..500).contains(&self.status) {
            return Err(format!("{} in place of a refusal", self.status));
        }
        if !operation.answers(self.status) {
            return Err(format!("{} is not in the document", self.status));
        }
        match is_problem {
            true => Ok(()),
            false => Err(format!(
                "{} is no problem document: {}",
                self.status, self.content_type
            )),
        }
    }

    /// Whether it names this field, or what the field is part of.
    fn names(&self, field: &str) -> bool {
        let problems = self.json["fields"].as_array().into_iter().flatten();
        let mut names = problems.flat_map(|problem| problem["fields"].as_array().into_iter().flatten());
        let parts: Vec<&str> = field.split('.').collect();
        let is_named = names.any(|name| {
            let name = name.as_str().unwrap_or_default();
            name.split(['.', '[']).any(|part| parts.contains(&part))
        });
        // What is wrong with one field together with others stands under one of them.
        let last = parts.last().copied().unwrap_or_default();
        is_named
            || self.json["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(last))
    }
}

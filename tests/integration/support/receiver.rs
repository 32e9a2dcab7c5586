//! A program that gets webhooks and answers declarative management: it takes down what comes, and answers as it is told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::eventually;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// The status that it was answered with; 0 if it is left hanging.
    pub answered: u16,
}

impl Received {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// An event's topic.
    pub fn topic(&self) -> String {
        self.json()["topic"].as_str().unwrap_or_default().to_owned()
    }

    /// An event's id.
    pub fn event_id(&self) -> String {
        self.json()["event_id"].as_str().unwrap_or_default().to_owned()
    }

    /// The enrollment that an event is of, in NanoMDM's format.
    pub fn enrollment(&self) -> String {
        let json = self.json();
        let of = |kind: &str| json[kind]["ids"]["id"].as_str().map(str::to_owned);
        of("checkin_event")
            .or(of("acknowledge_event"))
            .unwrap_or_default()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// With this status.
    Status(u16),
    /// With 200 and this body, and this header if any.
    Body(Vec<u8>, Option<(&'static str, String)>),
    /// With a redirect to this URL.
    Redirect(String),
    /// Never.
    Hang,
}

type Rule = Box<dyn FnMut(&Received) -> Reaction + Send>;

struct Shared {
    received: Mutex<Vec<Received>>,
    rule: Mutex<Rule>,
}

/// The program. It ends with its owner.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::with(|_| Reaction::Status(200)).await
    }

    /// One that answers by a rule.
    pub async fn with(rule: impl FnMut(&Received) -> Reaction + Send + 'static) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), rule).await
    }

    /// The same at an address.
    pub async fn at(address: SocketAddr, rule: impl FnMut(&Received) -> Reaction + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            rule: Mutex::new(Box::new(rule)),
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            task,
        }
    }

    /// An address where nobody listens.
    pub async fn nowhere() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers by another rule from now on.
    pub fn react(&self, rule: impl FnMut(&Received) -> Reaction + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Everything that came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// What came and was answered with 2xx.
    pub fn taken(&self) -> Vec<Received> {
        let mut taken = self.received();
        taken.retain(|request| (200..300).contains(&request.answered));
        taken
    }

    /// Waits until so many were answered with 2xx, or more.
    pub async fn has_taken(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} events"), async || self.taken().len() >= count).await;
        self.taken()
    }

    /// The topics of what was taken, by enrollment.
    pub fn topics(&self) -> HashMap<String, Vec<String>> {
        let mut topics: HashMap<String, Vec<String>> = HashMap::new();
        for request in self.taken() {
            topics
                .entry(request.enrollment())
                .or_default()
                .push(request.topic());
        }
        topics
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut request = Received {
        method,
        path: uri.to_string(),
        headers,
        body: body.to_vec(),
        answered: 0,
    };
    let reaction = (shared.rule.lock().unwrap())(&request);
    request.answered = match &reaction {
        Reaction::Status(status) => *status,
        Reaction::Body(..) => 200,
        Reaction::Redirect(_) => 302,
        Reaction::Hang => 0,
    };
    shared.received.lock().unwrap().push(request);
    match reaction {
        Reaction::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reaction::Body(body, None) => body.into_response(),
        Reaction::Body(body, Some(header)) => ([header], body).into_response(),
        Reaction::Redirect(url) => (StatusCode::FOUND, [("location", url)]).into_response(),
        Reaction::Hang => std::future::pending().await,
    }
}

//! A service of a few lines: each test says what it answers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    apple::dep::{DepAccess, DepClient, DepCredentials, DepOptions, RetryPolicy},
    config,
    protocol::time::Timestamp,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }
}

/// Status, headers and body.
pub(super) type Said = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// What is answered without headers.
pub(super) fn say(status: u16, body: &str) -> Said {
    (status, Vec::new(), body.into())
}

pub(super) struct Double {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Double {
    /// `/session` is answered with `S1`, `S2`, …; everything else is up to `answer`.
    pub(super) async fn start(answer: impl Fn(&Seen) -> Said + Send + Sync + 'static) -> Self {
        let opened = Mutex::new(0);
        Self::raw(move |seen| {
            if seen.path != "/session" {
                return answer(seen);
            }
            let mut opened = opened.lock().unwrap();
            *opened += 1;
            say(200, &format!(r#"{{"auth_session_token":"S{opened}"}}"#))
        })
        .await
    }

    /// Everything is up to `answer`.
    pub(super) async fn raw(answer: impl Fn(&Seen) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let seen = Seen {
                            method: parts.method,
                            path: parts.uri.to_string(),
                            headers: parts.headers,
                            body: String::from_utf8(body.to_vec()).unwrap(),
                        };
                        log.lock().unwrap().push(seen.clone());
                        let (status, headers, body) = answer(&seen);
                        let mut response = Response::builder().status(status);
                        for (name, value) in headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, seen, task }
    }

    pub(super) fn client(&self) -> DepClient {
        let options = DepOptions {
            base_url: self.url.clone(),
            retry: RetryPolicy {
                first_wait: Duration::from_millis(1),
                ..RetryPolicy::default()
            },
            ..DepOptions::new(&config::Ade::default(), "".as_ref())
        };
        DepClient::new(options, Arc::new(|| Timestamp::from_seconds(1_800_000_000))).unwrap()
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Their paths.
    pub(super) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn access() -> DepAccess {
    DepAccess {
        name: "hq".into(),
        credentials: DepCredentials {
            consumer_key: "CK_consumer".into(),
            consumer_secret: "CS_secret".into(),
            access_token: "AT_access".into(),
            access_secret: "AS_secret".into(),
        },
        base_url: None,
    }
}

//! A bare HTTP/2 client that can send what no library would.

use std::sync::{Arc, OnceLock};

use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request};
use openssl::pkey::{PKey, Private};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{DEADLINE, TOKEN, TOPIC};
use crate::HttpVersion;
use crate::apns::{FakeApns, self_signed_push_certificate};
use crate::pki::csr::rsa_key;
use crate::pki::identity::Identity;
use crate::{clock, encode, tls};

/// A key for all tests, since RSA keys take long to make.
pub(super) fn key() -> PKey<Private> {
    static KEY: OnceLock<PKey<Private>> = OnceLock::new();
    KEY.get_or_init(|| rsa_key(2048).unwrap()).clone()
}

/// A request for a push, right unless changed.
#[derive(Clone)]
pub(super) struct Push {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Push {
    pub(super) fn to(token: &[u8], magic: &str) -> Self {
        let expiration = clock::milliseconds() / 1000 + 3600;
        Self {
            method: Method::POST,
            path: format!("/3/device/{}", encode::lower_hex(token)),
            headers: vec![
                ("apns-topic", TOPIC.into()),
                ("apns-push-type", "mdm".into()),
                ("apns-priority", "10".into()),
                ("apns-expiration", expiration.to_string()),
            ],
            body: format!(r#"{{"mdm":"{magic}"}}"#).into(),
        }
    }

    pub(super) fn right() -> Self {
        Self::to(TOKEN, "magic")
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self
    }

    pub(super) fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(super) fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    pub(super) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and reason; the reason is empty for 200.
    pub(super) fn verdict(&self) -> (u16, String) {
        let reason = if self.body.is_empty() {
            String::new()
        } else {
            self.json()["reason"].as_str().unwrap().into()
        };
        (self.status, reason)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

/// A connection.
pub(super) struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub(super) async fn connect(apns: &FakeApns) -> Self {
        let identity = self_signed_push_certificate(TOPIC, &key(), 365).unwrap();
        Self::try_connect(apns, Some(&identity)).await.unwrap()
    }

    pub(super) async fn try_connect(apns: &FakeApns, identity: Option<&Identity>) -> Result<Self, String> {
        let anchors = tls::certificates(apns.anchor()).unwrap();
        let config = tls::config(&anchors, identity, HttpVersion::Http2, true).unwrap();
        let connecting = async {
            let tcp = TcpStream::connect(apns.address()).await.map_err(text)?;
            tcp.set_nodelay(true).unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let connector = TlsConnector::from(Arc::clone(&config));
            let stream = connector.connect(name, tcp).await.map_err(text)?;
            let (requests, mut connection) = h2::client::handshake(stream).await.map_err(text)?;
            let mut pings = connection.ping_pong().unwrap();
            let connection = tokio::spawn(connection);
            // With TLS 1.3 a refusal of the certificate comes with the first bytes read. Settings come before a pong.
            match pings.ping(h2::Ping::opaque()).await {
                Ok(_) => Ok(Self { requests, connection }),
                Err(_) => Err(text(connection.await.unwrap().unwrap_err())),
            }
        };
        tokio::time::timeout(DEADLINE, connecting).await.unwrap()
    }

    pub(super) async fn send(&self, push: Push) -> Result<Reply, h2::Error> {
        tokio::time::timeout(DEADLINE, self.exchange(push)).await.unwrap()
    }

    async fn exchange(&self, push: Push) -> Result<Reply, h2::Error> {
        let mut request = Request::builder()
            .method(push.method)
            .uri(format!("https://127.0.0.1{}", push.path));
        for (name, value) in push.headers {
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut stream) = requests.send_request(request, push.body.is_empty())?;
        if !push.body.is_empty() {
            stream.send_data(push.body, true)?;
        }
        let (head, mut incoming) = response.await?.into_parts();
        let mut body = Vec::new();
        while let Some(chunk) = incoming.data().await {
            body.extend_from_slice(&chunk?);
        }
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.into(),
        })
    }

    /// Sends what should be accepted.
    pub(super) async fn accepted(&self, push: Push) {
        let reply = self.send(push).await.unwrap();
        assert_eq!(reply.verdict(), (200, String::new()));
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS of the server.
    pub(super) fn max_streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// How the connection ends of itself, while requests could still be made.
    pub(super) async fn ended(&mut self) -> Result<(), h2::Error> {
        let ended = tokio::time::timeout(DEADLINE, &mut self.connection).await;
        ended.unwrap().unwrap()
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

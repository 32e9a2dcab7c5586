//! Accepts connections and carries requests to the service: HTTP/1.1 and HTTP/2, over TLS or plain.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::hub::Hub;
use super::service::{self, Incoming, Plan, Reply};
use super::wire::{Reset, Wire};
use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::tls;

const MAX_BODY: usize = 8 << 20;
/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a failure to accept a connection.
const PAUSE: Duration = Duration::from_millis(50);
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");

/// A request counts as open as long as this lives.
struct Open(Arc<Hub>);

impl Open {
    fn of(hub: &Arc<Hub>) -> Self {
        hub.count(|stats| {
            stats.open += 1;
            stats.most_open = stats.most_open.max(stats.open);
        });
        Self(hub.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(|stats| stats.open -= 1);
    }
}

/// TLS as the service speaks it.
pub(super) fn config(identity: &Identity) -> Result<Arc<ServerConfig>, Problem> {
    let (chain, key) = tls::credentials_of(identity)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Problem::transport)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(Problem::transport)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until it is dropped.
pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener, config: Option<Arc<ServerConfig>>) {
    let acceptor = config.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(hub.clone(), acceptor.clone(), stream))),
                // Too many open files, most likely; it passes.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve(hub: Arc<Hub>, acceptor: Option<TlsAcceptor>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let reset = Reset::default();
    let wire = Wire::new(stream, reset.clone());
    match acceptor {
        None => converse(hub, wire, reset, false).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(wire)).await;
            if let Ok(Ok(stream)) = handshake {
                converse(hub, stream, reset, true).await;
            }
        }
    }
}

async fn converse(
    hub: Arc<Hub>,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    reset: Reset,
    secure: bool,
) {
    let ended = Arc::new(Notify::new());
    let over = ended.clone();
    let service = service_fn(move |request| {
        let (hub, reset, ended) = (hub.clone(), reset.clone(), ended.clone());
        async move {
            let _open = Open::of(&hub);
            let plan = receive(&hub, request, secure).await?;
            match plan {
                Plan::Answer(reply, after) => {
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                    Ok::<_, hyper::Error>(written(reply))
                }
                Plan::Hang => std::future::pending().await,
                Plan::Reset => {
                    reset.order();
                    ended.notify_one();
                    std::future::pending().await
                }
            }
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    tokio::select! {
        // A client that goes away is no concern of ours.
        _ = builder.serve_connection(TokioIo::new(io), service) => {}
        () = over.notified() => {}
    }
}

async fn receive(hub: &Hub, request: Request<Body>, secure: bool) -> Result<Plan, hyper::Error> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let reply = Reply {
            status: 413,
            ..Reply::default()
        };
        return Ok(Plan::Answer(reply, Duration::ZERO));
    };
    let mut headers = head.headers;
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // HTTP/2 has it in the request line.
        headers.entry("host").or_insert(host);
    }
    let incoming = Incoming {
        method: head.method.to_string(),
        path: head.uri.path().into(),
        query: head.uri.query().unwrap_or_default().into(),
        headers,
        body: body.to_bytes(),
        secure,
    };
    Ok(service::decide(hub, &incoming))
}

fn written(reply: Reply) -> Response<Full<Bytes>> {
    let compressed = (reply.gzip && !reply.body.is_empty())
        .then(|| gzip(&reply.body))
        .flatten();
    let is_compressed = compressed.is_some();
    let mut response = Response::new(Full::new(compressed.unwrap_or(reply.body).into()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, if reply.status == 200 { JSON } else { TEXT });
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(value) = reply
        .retry_after
        .and_then(|text| HeaderValue::from_str(&text).ok())
    {
        headers.insert(RETRY_AFTER, value);
    }
    if let Some(value) = reply.session.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert("x-adm-auth-session", value);
    }
    response
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

//! The real [`Outbound`]: HTTP/1.1 over TCP or TLS, connections kept for a while, every address judged by [`guard`] at
//! the moment it is connected to.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, Uri,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OnceCell,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Outbound, OutboundAnswer, OutboundFailure, OutboundMethod, OutboundRequest, guard, target};

/// For each address of a name, and for TLS on top.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request, and how many of them to one host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 8;

const USER_AGENT: &str = concat!("russet/", env!("CARGO_PKG_VERSION"));

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of `host`, which may be an address itself.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the system does it.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Sends requests. A request that may go to any address never shares a connection with one that may not.
#[derive(Debug)]
pub struct HttpClient {
    guarded: Client<Connector, Full<Bytes>>,
    unguarded: Client<Connector, Full<Bytes>>,
}

impl HttpClient {
    /// A client that trusts the CAs of the system, or these alone if there are any.
    pub fn new(anchors: Vec<CertificateDer<'static>>, resolver: Arc<dyn Resolve>) -> Self {
        let shared = Arc::new(Shared {
            anchors,
            resolver,
            tls: OnceCell::new(),
        });
        let client = |guarded| {
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .pool_timer(TokioTimer::new())
                .build(Connector {
                    guarded,
                    shared: Arc::clone(&shared),
                })
        };
        Self {
            guarded: client(true),
            unguarded: client(false),
        }
    }
}

#[async_trait]
impl Outbound for HttpClient {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundAnswer, OutboundFailure> {
        let client = if request.any_address {
            &self.unguarded
        } else {
            &self.guarded
        };
        let (patience, limit) = (request.timeout, request.answer_limit);
        let request = prepare(request)?;
        let exchange = async {
            let response = client.request(request).await.map_err(failure)?;
            answer(response, limit).await
        };
        timeout(patience, exchange)
            .await
            .unwrap_or(Err(OutboundFailure::TimedOut(patience)))
    }
}

fn prepare(request: OutboundRequest) -> Result<Request<Full<Bytes>>, OutboundFailure> {
    let bad = |error: &dyn fmt::Display| OutboundFailure::BadRequest(error.to_string());
    let method = match request.method {
        OutboundMethod::Get => Method::GET,
        OutboundMethod::Post => Method::POST,
        OutboundMethod::Put => Method::PUT,
    };
    let mut built = Request::builder()
        .method(method)
        .uri(request.target.uri().clone())
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(authorization) = request.target.authorization() {
        let mut value = HeaderValue::try_from(authorization).map_err(|error| bad(&error))?;
        value.set_sensitive(true);
        built = built.header(header::AUTHORIZATION, value);
    }
    for (name, value) in request.headers {
        // As bytes: an enrollment id may be any text.
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| bad(&error))?;
        built = built.header(name, value);
    }
    built
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|error| bad(&error))
}

async fn answer(response: Response<Incoming>, limit: usize) -> Result<OutboundAnswer, OutboundFailure> {
    let text = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let status = response.status().as_u16();
    let signature = text("x-hmac-signature");
    let retry_after = text("retry-after")
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Some(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => None,
        Err(error) => return Err(OutboundFailure::Interrupted(innermost(error.as_ref()))),
    };
    Ok(OutboundAnswer {
        status,
        body,
        signature,
        retry_after,
    })
}

/// What the connector said, if it was the connector.
fn failure(error: hyper_util::client::legacy::Error) -> OutboundFailure {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(failure) = error.downcast_ref::<OutboundFailure>() {
            return failure.clone();
        }
        source = error.source();
    }
    let text = innermost(&error);
    if error.is_connect() {
        OutboundFailure::Unreachable(text)
    } else {
        OutboundFailure::Interrupted(text)
    }
}

/// The text of the last cause, which says most.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    anchors: Vec<CertificateDer<'static>>,
    resolver: Arc<dyn Resolve>,
    /// Made for the first TLS connection: reading the system's CAs takes a moment.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Shared {
    async fn tls(&self) -> Result<Arc<ClientConfig>, OutboundFailure> {
        let untrusted = |error: &dyn fmt::Display| OutboundFailure::Untrusted(error.to_string());
        let make = async || {
            let anchors = self.anchors.clone();
            let roots = tokio::task::spawn_blocking(|| roots(anchors))
                .await
                .map_err(|error| untrusted(&error))?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| untrusted(&error))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(Arc::new(config))
        };
        self.tls.get_or_try_init(make).await.cloned()
    }
}

fn roots(anchors: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if anchors.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "the system's CAs can't be read in full");
        }
        roots.add_parsable_certificates(found.certs);
    } else {
        roots.add_parsable_certificates(anchors);
    }
    roots
}

/// Opens connections.
#[derive(Clone, Debug)]
struct Connector {
    guarded: bool,
    shared: Arc<Shared>,
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = OutboundFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Stream, OutboundFailure> {
        let host = target::host(uri);
        let encrypted = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let stream = self.tcp(&self.addresses(host, port).await?).await?;
        // Small requests and their answers go to and fro: they must not wait for each other's acknowledgements.
        let _ = stream.set_nodelay(true);
        if !encrypted {
            return Ok(Stream(Box::new(stream)));
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| OutboundFailure::Untrusted(error.to_string()))?;
        let handshake = TlsConnector::from(self.shared.tls().await?).connect(name, stream);
        match timeout(CONNECT_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => Ok(Stream(Box::new(stream))),
            Ok(Err(error)) => Err(OutboundFailure::Untrusted(error.to_string())),
            Err(_) => Err(OutboundFailure::TimedOut(CONNECT_TIMEOUT)),
        }
    }

    /// The addresses of a name that may be connected to.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, OutboundFailure> {
        let unresolvable = |error: &dyn fmt::Display| OutboundFailure::Unresolvable(error.to_string());
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => timeout(CONNECT_TIMEOUT, self.shared.resolver.resolve(host, port))
                .await
                .map_err(|error| unresolvable(&error))?
                .map_err(|error| unresolvable(&error))?,
        };
        if !self.guarded {
            return Ok(addresses);
        }
        let mut refusal = None;
        let mut fine = Vec::new();
        for address in addresses {
            match guard::objection(address.ip()) {
                None => fine.push(address),
                Some(reason) => {
                    refusal.get_or_insert(OutboundFailure::AddressRefused {
                        address: address.ip(),
                        reason,
                    });
                }
            }
        }
        match (fine.is_empty(), refusal) {
            (true, Some(refusal)) => Err(refusal),
            _ => Ok(fine),
        }
    }

    /// A connection to the first address that takes it.
    async fn tcp(&self, addresses: &[SocketAddr]) -> Result<TcpStream, OutboundFailure> {
        let mut problem = OutboundFailure::Unresolvable("it has no address".into());
        for address in addresses {
            problem = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => OutboundFailure::Unreachable(error.to_string()),
                Err(_) => OutboundFailure::TimedOut(CONNECT_TIMEOUT),
            };
        }
        Err(problem)
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection, within TLS or not.
struct Stream(Box<dyn Io>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

//! The device's HTTP client: kept connections, client certificates, redirects, addresses that stand in for names.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::tls::{self, HttpVersion};

const MAX_BODY: usize = 64 << 20;
const MAX_REDIRECTS: usize = 5;

/// A request before it is addressed.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers beside `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, url: &str) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Sets a header; the value must be printable ASCII.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, Problem> {
        let value = HeaderValue::from_str(value).map_err(Problem::transport)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// The media type without its parameters, in lower case; empty when there is none.
    pub fn media_type(&self) -> String {
        let value = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// The answer if its status is 200, an error otherwise.
    pub fn ok(self) -> Result<Self, Problem> {
        match self.status {
            200 => Ok(self),
            status => Err(Problem::Status {
                status,
                body: self.body.to_vec(),
            }),
        }
    }

    /// Checks the media type.
    pub fn expect_type(self, expected: &[&str]) -> Result<Self, Problem> {
        let found = self.media_type();
        if expected.contains(&found.as_str()) {
            Ok(self)
        } else {
            Err(Problem::protocol(format!(
                "Content-Type is `{found}`, not {}",
                expected.join(" or ")
            )))
        }
    }
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Talks to servers for one device; connections are kept and reused per origin and identity.
pub struct Client {
    anchors: Vec<CertificateDer<'static>>,
    addresses: HashMap<String, SocketAddr>,
    version: HttpVersion,
    timeout: Duration,
    resumption: bool,
    connections: HashMap<String, Connection>,
    configs: HashMap<String, Arc<ClientConfig>>,
    opened: u64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("version", &self.version)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that trusts the certificates in `pem` and nobody else.
    pub fn trusting(pem: &[u8]) -> Result<Self, crate::Error> {
        use crate::error::{At, Step};
        Ok(Self {
            anchors: tls::certificates(pem).at(Step::SetUp)?,
            ..Self::plain()
        })
    }

    /// A client for `http` URLs: it trusts no TLS server.
    pub fn plain() -> Self {
        Self {
            anchors: Vec::new(),
            addresses: HashMap::new(),
            version: HttpVersion::default(),
            timeout: Duration::from_secs(30),
            resumption: true,
            connections: HashMap::new(),
            configs: HashMap::new(),
            opened: 0,
        }
    }

    /// A client with the same settings and no connections.
    pub fn fresh(&self) -> Self {
        Self {
            anchors: self.anchors.clone(),
            addresses: self.addresses.clone(),
            version: self.version,
            timeout: self.timeout,
            resumption: self.resumption,
            ..Self::plain()
        }
    }

    /// Connects to `address` wherever a URL names `host` (with `:port` if the URL has one).
    pub fn resolve(mut self, host: &str, address: SocketAddr) -> Self {
        self.addresses.insert(host.to_ascii_lowercase(), address);
        self
    }

    /// Offers this HTTP version.
    pub fn version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// Gives up on an answer after this time; 30 seconds unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether TLS sessions are resumed; they are unless set.
    pub fn resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// Trusts one more authority, as a device does for the certificates of its enrollment profile.
    pub fn trust(&mut self, certificate: Vec<u8>) {
        let certificate = CertificateDer::from(certificate);
        if !self.anchors.contains(&certificate) {
            self.anchors.push(certificate);
            self.configs.clear();
        }
    }

    /// The trusted authorities in DER.
    pub fn anchors(&self) -> impl Iterator<Item = &[u8]> {
        self.anchors.iter().map(AsRef::as_ref)
    }

    /// How many connections were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Closes all connections.
    pub fn disconnect(&mut self) {
        self.connections.clear();
    }

    /// Sends a request, following redirects; `identity` is the TLS client certificate.
    pub async fn send(&mut self, request: Request, identity: Option<&Identity>) -> Result<Response, Problem> {
        let mut request = request;
        for _ in 0..=MAX_REDIRECTS {
            let exchange = tokio::time::timeout(self.timeout, self.exchange(&request, identity)).await;
            let response = match exchange {
                Ok(response) => response?,
                Err(_) => {
                    self.connections.clear();
                    return Err(Problem::transport(format!(
                        "none within {} s",
                        self.timeout.as_secs_f32()
                    )));
                }
            };
            match response
                .headers
                .get(LOCATION)
                .filter(|_| (300..400).contains(&response.status))
            {
                Some(location) => request.url = redirected(&request.url, location)?,
                None => return Ok(response),
            }
        }
        Err(Problem::transport(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Sends a whole request on a connection of its own and hangs up without reading the answer.
    pub async fn send_and_hang_up(
        &mut self,
        request: Request,
        identity: Option<&Identity>,
    ) -> Result<(), Problem> {
        let origin = Origin::of(&request.url)?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            request.method, origin.path, origin.authority
        );
        for (name, value) in &request.headers {
            head.push_str(&format!(
                "{name}: {}\r\n",
                value.to_str().map_err(Problem::transport)?
            ));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        let bytes = [head.as_bytes(), &request.body].concat();
        let tcp = self.dial(&origin).await?;
        if origin.secure {
            let config = tls::config(&self.anchors, identity, HttpVersion::Http1, false)?;
            write_and_close(handshake(config, &origin, tcp).await?, &bytes).await
        } else {
            write_and_close(tcp, &bytes).await
        }
    }

    async fn exchange(
        &mut self,
        request: &Request,
        identity: Option<&Identity>,
    ) -> Result<Response, Problem> {
        let origin = Origin::of(&request.url)?;
        let fingerprint = identity
            .map(Identity::fingerprint)
            .transpose()?
            .unwrap_or_default();
        let key = format!(
            "{}://{} {fingerprint}",
            if origin.secure { "https" } else { "http" },
            origin.authority
        );
        if let Some(kept) = self.connections.remove(&key) {
            // A kept connection may have been closed meanwhile; then the request is simply sent again.
            if let Ok(response) = self.transmit(&key, kept, &origin, request).await {
                return Ok(response);
            }
        }
        let connection = self.open(&origin, identity, &fingerprint).await?;
        self.transmit(&key, connection, &origin, request).await
    }

    async fn transmit(
        &mut self,
        key: &str,
        mut connection: Connection,
        origin: &Origin,
        request: &Request,
    ) -> Result<Response, Problem> {
        let mut built = hyper::Request::new(Full::new(request.body.clone()));
        *built.method_mut() = request.method.clone();
        *built.headers_mut() = request.headers.clone();
        let response = match &mut connection {
            Connection::Http1(sender) => {
                *built.uri_mut() = origin.path.parse().map_err(Problem::transport)?;
                let host = HeaderValue::from_str(&origin.authority).map_err(Problem::transport)?;
                built.headers_mut().insert(HOST, host);
                sender.ready().await.map_err(Problem::transport)?;
                sender.send_request(built).await
            }
            Connection::Http2(sender) => {
                *built.uri_mut() = request.url.parse().map_err(Problem::transport)?;
                sender.ready().await.map_err(Problem::transport)?;
                sender.send_request(built).await
            }
        };
        let response = read(response.map_err(|e| Problem::transport(causes(&e)))?).await?;
        self.connections.insert(key.into(), connection);
        Ok(response)
    }

    async fn open(
        &mut self,
        origin: &Origin,
        identity: Option<&Identity>,
        fingerprint: &str,
    ) -> Result<Connection, Problem> {
        self.opened += 1;
        let tcp = self.dial(origin).await?;
        if !origin.secure {
            return http1_over(tcp).await;
        }
        let config = match self.configs.get(fingerprint) {
            Some(config) => config.clone(),
            None => tls::config(&self.anchors, identity, self.version, self.resumption)?,
        };
        self.configs.insert(fingerprint.into(), config.clone());
        let stream = handshake(config, origin, tcp).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            http2_over(stream).await
        } else {
            http1_over(stream).await
        }
    }

    async fn dial(&self, origin: &Origin) -> Result<TcpStream, Problem> {
        let tcp = match self
            .addresses
            .get(&origin.authority)
            .or_else(|| self.addresses.get(&origin.host))
        {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((origin.host.as_str(), origin.port)).await,
        };
        let tcp = tcp.map_err(|e| Problem::transport(format!("{}: {e}", origin.authority)))?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }
}

struct Origin {
    secure: bool,
    host: String,
    port: u16,
    /// `host` or `host:port`, as the URL has it.
    authority: String,
    /// Path and query.
    path: String,
}

impl Origin {
    fn of(url: &str) -> Result<Self, Problem> {
        let bad = || Problem::transport(format!("`{url}` is not an http or https URL"));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        Ok(Self {
            secure,
            host: authority.host().trim_matches(['[', ']']).to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_ascii_lowercase(),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).into(),
        })
    }
}

fn redirected(from: &str, location: &HeaderValue) -> Result<String, Problem> {
    let location = location.to_str().map_err(Problem::transport)?;
    if location.contains("://") {
        return Ok(location.into());
    }
    let origin = Origin::of(from)?;
    let scheme = if origin.secure { "https" } else { "http" };
    Ok(format!("{scheme}://{}{location}", origin.authority))
}

async fn handshake(
    config: Arc<ClientConfig>,
    origin: &Origin,
    tcp: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Problem> {
    let name = ServerName::try_from(origin.host.clone()).map_err(Problem::transport)?;
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|e| Problem::transport(format!("TLS with {}: {e}", origin.authority)))
}

async fn http1_over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection, Problem> {
    let (sender, connection) = http1::handshake(TokioIo::new(io))
        .await
        .map_err(Problem::transport)?;
    tokio::spawn(connection);
    Ok(Connection::Http1(sender))
}

async fn http2_over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection, Problem> {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(Problem::transport)?;
    tokio::spawn(connection);
    Ok(Connection::Http2(sender))
}

async fn write_and_close(mut io: impl AsyncWrite + Unpin, bytes: &[u8]) -> Result<(), Problem> {
    io.write_all(bytes).await?;
    io.flush().await?;
    Ok(io.shutdown().await?)
}

async fn read(response: hyper::Response<Incoming>) -> Result<Response, Problem> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|e| Problem::transport(&e))?
        .to_bytes();
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    })
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

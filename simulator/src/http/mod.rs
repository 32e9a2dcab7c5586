//! The device's HTTP client: kept connections, client certificates, redirects, addresses that stand in for names.

mod connection;
mod message;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::header::{HOST, HeaderValue, LOCATION};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

use connection::{Connection, causes, http1_over, http2_over, read, redirected, write_and_close};
pub(crate) use connection::{Origin, handshake};
pub use message::{Request, Response};

use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::tls::{self, HttpVersion};

const MAX_REDIRECTS: usize = 5;

/// Talks to servers for one device; connections are kept and reused per origin and identity.
pub struct Client {
    anchors: Vec<CertificateDer<'static>>,
    addresses: HashMap<String, SocketAddr>,
    version: HttpVersion,
    timeout: Duration,
    resumption: bool,
    loopback_only: bool,
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
            loopback_only: false,
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
            loopback_only: self.loopback_only,
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

    /// Refuses to connect to any address but this machine's own.
    pub fn loopback_only(mut self) -> Self {
        self.loopback_only = true;
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

    /// A client with the same settings that trusts these certificates, in DER, and nobody else.
    pub fn trusting_only(&self, certificates: &[Vec<u8>]) -> Self {
        let anchors = certificates.iter().cloned().map(CertificateDer::from);
        Self {
            anchors: anchors.collect(),
            ..self.fresh()
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
            let response = self.send_once(&request, identity).await?;
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

    /// Sends a request and answers what comes, be it a redirect.
    pub async fn send_once(
        &mut self,
        request: &Request,
        identity: Option<&Identity>,
    ) -> Result<Response, Problem> {
        let within = self.timeout;
        match tokio::time::timeout(within, self.exchange(request, identity)).await {
            Ok(response) => response,
            Err(_) => {
                self.connections.clear();
                let seconds = self.timeout.as_secs_f32();
                Err(Problem::transport(format!("none within {seconds} s")))
            }
        }
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
        let address = match self
            .addresses
            .get(&origin.authority)
            .or_else(|| self.addresses.get(&origin.host))
        {
            Some(address) => *address,
            None => origin.address().await?,
        };
        if self.loopback_only && !address.ip().is_loopback() {
            return Err(Problem::State(format!(
                "{address} is not an address of this machine's loopback"
            )));
        }
        let tcp = TcpStream::connect(address).await;
        let tcp = tcp.map_err(|e| Problem::transport(format!("{}: {e}", origin.authority)))?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }
}

//! The other side of the tests: a TLS server with a CA of its own, which speaks HTTP/2 frame by frame (RFC 9113 §4),
//! so that it can do what no decent server does. It has no HPACK decoder: what a request says is tested elsewhere.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use uuid::Uuid;

use super::{Apns, ApnsOptions};
use crate::{
    apple::{Notification, PushIdentity},
    protocol::{ids::Topic, time::Timestamp},
};

pub(super) const TOPIC: &str = "com.apple.mgmt.External.test";
pub(super) const MAGIC: &str = "3B5E9C0A-MAGIC";
const TOKEN: [u8; 4] = [0xDE, 0xAD, 0xBE, 0xEF];
pub(super) const TOKEN_HEX: &str = "deadbeef";

/// Frame types (RFC 9113 §6).
pub(super) const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes (RFC 9113 §7).
pub(super) const NO_ERROR: u32 = 0;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// A CA for both sides.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("Test CA {}", Uuid::new_v4());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            folder,
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, params: &CertificateParams) -> (CertificateDer<'static>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.serialize_der())
    }

    /// A push certificate.
    pub(super) fn identity(&self) -> PushIdentity {
        let (certificate, key_pkcs8) = self.issue(&CertificateParams::new(Vec::new()).unwrap());
        PushIdentity {
            topic: Topic::new(TOPIC),
            chain: vec![certificate.to_vec()],
            key_pkcs8,
        }
    }

    /// One that ended long ago.
    pub(super) fn expired_identity(&self) -> PushIdentity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let (certificate, key_pkcs8) = self.issue(&params);
        PushIdentity {
            topic: Topic::new(TOPIC),
            chain: vec![certificate.to_vec()],
            key_pkcs8,
        }
    }

    /// A server that demands client certificates of this CA.
    fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let (certificate, key) = self.issue(&CertificateParams::new(vec!["localhost".into()]).unwrap());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(clients.unwrap())
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

/// A peer that is listening.
pub(super) struct Peer {
    pub(super) authority: Authority,
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Serves each connection with `behaviour`, which is told how many came before it.
    pub(super) async fn start<F>(behaviour: impl Fn(Wire, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::start_with(rustls::DEFAULT_VERSIONS, |_| (), behaviour).await
    }

    pub(super) async fn start_with<F>(
        versions: &[&'static SupportedProtocolVersion],
        change: impl Fn(&mut ServerConfig),
        behaviour: impl Fn(Wire, usize) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let authority = Authority::new();
        let mut config = authority.server(versions);
        change(&mut config);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                let before = count.fetch_add(1, Ordering::SeqCst);
                // One handshake at a time, so that connections are numbered as they came.
                if let Ok(tls) = acceptor.accept(tcp).await {
                    tokio::spawn(behaviour(Wire::new(tls), before));
                }
            }
        });
        Self {
            authority,
            port,
            connections,
        }
    }

    /// TCP connections so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Options that lead here, with short times.
    pub(super) fn options(&self) -> ApnsOptions {
        ApnsOptions {
            endpoint: format!("https://localhost:{}", self.port),
            ca_file: Some(self.authority.file()),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            ..ApnsOptions::default()
        }
    }

    /// A client that holds a certificate of this peer's CA.
    pub(super) fn client(&self) -> Arc<Apns> {
        self.client_with(self.options(), self.authority.identity())
    }

    pub(super) fn client_with(&self, options: ApnsOptions, identity: PushIdentity) -> Arc<Apns> {
        use crate::apple::PushService as _;
        let client = Apns::new(options).unwrap();
        client.present(identity).unwrap();
        Arc::new(client)
    }
}

/// A notification to push.
pub(super) fn notification() -> Notification {
    Notification {
        topic: Topic::new(TOPIC),
        token: TOKEN.to_vec(),
        magic: MAGIC.into(),
        id: Uuid::from_u128(7),
        expires_at: Timestamp::from_seconds(1_795_300_000),
    }
}

/// Waits until something holds.
pub(super) async fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    deadline.await.expect("it never came to hold");
}

/// A request that came whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: u32,
    pub(super) body: Vec<u8>,
    /// Streams that were open when it was opened, itself included.
    pub(super) open: usize,
}

/// A connection, frame by frame.
pub(super) struct Wire {
    pub(super) tls: TlsStream<TcpStream>,
    open: Vec<(u32, usize, Vec<u8>)>,
    pub(super) pings: usize,
}

impl Wire {
    fn new(tls: TlsStream<TcpStream>) -> Self {
        Self {
            tls,
            open: Vec::new(),
            pings: 0,
        }
    }

    /// The client certificate.
    pub(super) fn client(&self) -> Vec<u8> {
        let certificates = self.tls.get_ref().1.peer_certificates().unwrap();
        certificates[0].to_vec()
    }

    /// Reads the preface (§3.4), and allows so many streams at a time.
    pub(super) async fn greet(&mut self, max_streams: u32) -> io::Result<()> {
        let mut preface = [0; 24];
        self.tls.read_exact(&mut preface).await?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut settings = vec![0, 3];
        settings.extend(max_streams.to_be_bytes());
        self.frame(SETTINGS, 0, 0, &settings).await
    }

    /// Answers PINGs and SETTINGS until the next request is whole.
    pub(super) async fn request(&mut self) -> io::Result<Request> {
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await?,
                PING if flags & ACK == 0 => {
                    self.pings += 1;
                    self.frame(PING, ACK, 0, &payload).await?;
                }
                HEADERS => self.open.push((stream, self.open.len() + 1, Vec::new())),
                RST_STREAM => self.open.retain(|(open, ..)| *open != stream),
                DATA => {
                    let window = u32::try_from(payload.len()).unwrap().to_be_bytes();
                    self.frame(WINDOW_UPDATE, 0, 0, &window).await?;
                    let Some(found) = self.open.iter_mut().find(|(open, ..)| *open == stream) else {
                        continue;
                    };
                    found.2.extend(payload);
                    if flags & END_STREAM != 0 {
                        return Ok(Request {
                            stream,
                            open: found.1,
                            body: found.2.clone(),
                        });
                    }
                }
                GOAWAY => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
    }

    pub(super) async fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.tls.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.tls.read_exact(&mut payload).await?;
        Ok((kind, flags, u32::from_be_bytes([s0, s1, s2, s3]), payload))
    }

    pub(super) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.tls.write_all(&frame).await?;
        self.tls.flush().await
    }

    /// Answers one request.
    pub(super) async fn answer(
        &mut self,
        stream: u32,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<()> {
        self.open.retain(|(open, ..)| *open != stream);
        // HPACK (RFC 7541 §6.2.2): literals without indexing; 8 is the static table's `:status`.
        let text = |value: &str| [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
        let mut block = [&[0x08][..], &text(&status.to_string())].concat();
        for (name, value) in headers {
            block.extend([&[0x00][..], &text(name), &text(value)].concat());
        }
        let end = if body.is_empty() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | end, stream, &block).await?;
        if end == 0 {
            self.frame(DATA, END_STREAM, stream, body.as_bytes()).await?;
        }
        Ok(())
    }

    /// The lowest stream that has no answer yet.
    pub(super) fn lowest_open(&self) -> Option<u32> {
        self.open.iter().map(|(stream, ..)| *stream).min()
    }

    /// Accepts requests until the client goes.
    pub(super) async fn accept_all(&mut self) -> io::Result<()> {
        loop {
            let request = self.request().await?;
            self.answer(request.stream, 200, &[("apns-id", "theirs")], "")
                .await?;
        }
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) -> io::Result<()> {
        self.open.retain(|(open, ..)| *open != stream);
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await
    }

    /// The last stream that was or will be processed, an error code, and debug data.
    pub(super) async fn go_away(&mut self, last: u32, code: u32, data: &str) -> io::Result<()> {
        let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), data.as_bytes()].concat();
        self.frame(GOAWAY, 0, 0, &payload).await
    }

    /// Reads on until the client closes. A peer that closes on unread input resets the connection (RFC 1122
    /// §4.2.2.13), and what it has said and its kernel has not yet sent is lost.
    pub(super) async fn drain(&mut self) {
        while self.read().await.is_ok() {}
    }

    /// Ends the connection as TLS should.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.tls.shutdown().await
    }
}

//! HTTP/1.1 with as little work for the client as can be: requests are ready bytes, answers are barely read.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Settings;
use crate::error::Problem;
use crate::http::{Origin, handshake};
use crate::pki::identity::Identity;
use crate::tls::{self, HttpVersion};

const MAX_HEAD: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where measured requests go.
#[derive(Clone)]
pub(super) struct Target {
    address: SocketAddr,
    secure: bool,
    /// A URL of the server, for its name in TLS.
    url: String,
    config: Arc<ClientConfig>,
}

impl Target {
    /// The server of `url`, on the loopback.
    pub(super) async fn of(settings: &Settings, url: &str) -> Result<Self, Problem> {
        let address = super::loopback(url).await.map_err(|e| e.problem)?;
        let secure = Origin::of(url)?.secure;
        let config = Self::tls(settings, None)?;
        Ok(Self {
            address,
            secure,
            url: url.into(),
            config,
        })
    }

    /// The same server with a client certificate and full handshakes.
    pub(super) fn with(&self, settings: &Settings, identity: &Identity) -> Result<Self, Problem> {
        Ok(Self {
            config: Self::tls(settings, Some(identity))?,
            ..self.clone()
        })
    }

    fn tls(settings: &Settings, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Problem> {
        let anchors: Vec<_> = settings.client.anchors().map(|a| a.to_vec().into()).collect();
        tls::config(&anchors, identity, HttpVersion::Http1, false)
    }
}

/// One connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) async fn open(target: &Target) -> Result<Self, Problem> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if target.secure {
            Box::new(handshake(target.config.clone(), &Origin::of(&target.url)?, tcp).await?)
        } else {
            Box::new(tcp)
        };
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and answers the body; any status but 200 is an error.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Problem> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Problem::transport("the server hung up"));
            }
            match self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if self.buffer.len() > MAX_HEAD => return Err(Problem::transport("endless headers")),
                None => {}
            }
        };
        let (status, length) = read_head(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Problem::transport("the server hung up in an answer"));
            }
        }
        let body = self.buffer[head..head + length].to_vec();
        if status == 200 {
            Ok(body)
        } else {
            Err(Problem::Status { status, body })
        }
    }
}

/// The status and the length of the body.
fn read_head(head: &[u8]) -> Result<(u16, usize), Problem> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            value.trim().parse().ok()
        } else {
            None
        }
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok((status, length)),
        (Some(status), None) if status >= 400 => Ok((status, 0)),
        _ => Err(Problem::transport("an answer without status or Content-Length")),
    }
}

/// A request in bytes.
pub(super) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<u8>, Problem> {
    let origin = Origin::of(url)?;
    let mut head = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\n",
        origin.path, origin.authority
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    Ok([head.as_bytes(), body].concat())
}

/// A connection that is opened when it is needed, and again after a failure.
pub(super) struct Kept {
    target: Target,
    wire: Option<Wire>,
}

impl Kept {
    pub(super) fn new(target: Target) -> Self {
        Self { target, wire: None }
    }

    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(&self.target).await?,
        };
        let body = wire.exchange(request).await;
        // After a status that is not 200 the server may have closed; a new connection is the safe choice.
        if body.is_ok() {
            self.wire = Some(wire);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        assert_eq!(
            read_head(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n").unwrap(),
            (200, 12)
        );
        assert_eq!(read_head(b"HTTP/1.1 503 Busy\r\n\r\n").unwrap(), (503, 0));
        assert!(read_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn requests_keep_path_and_query() {
        let bytes = request("PUT", "https://a:1/mdm?x=1", &[("A", "b")], b"body").unwrap();
        assert_eq!(
            bytes,
            b"PUT /mdm?x=1 HTTP/1.1\r\nHost: a:1\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"
        );
    }
}

//! Where a URL leads, and connections that lead there.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Uri;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Response;
use crate::error::Problem;

const MAX_BODY: usize = 64 << 20;

pub(super) enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

pub(super) struct Origin {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// `host` or `host:port`, as the URL has it.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

impl Origin {
    pub(super) fn of(url: &str) -> Result<Self, Problem> {
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

pub(super) fn redirected(from: &str, location: &HeaderValue) -> Result<String, Problem> {
    let location = location.to_str().map_err(Problem::transport)?;
    if location.contains("://") {
        return Ok(location.into());
    }
    let origin = Origin::of(from)?;
    let scheme = if origin.secure { "https" } else { "http" };
    Ok(format!("{scheme}://{}{location}", origin.authority))
}

pub(super) async fn handshake(
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

pub(super) async fn http1_over(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Connection, Problem> {
    let (sender, connection) = http1::handshake(TokioIo::new(io))
        .await
        .map_err(Problem::transport)?;
    tokio::spawn(connection);
    Ok(Connection::Http1(sender))
}

pub(super) async fn http2_over(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Connection, Problem> {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(Problem::transport)?;
    tokio::spawn(connection);
    Ok(Connection::Http2(sender))
}

pub(super) async fn write_and_close(mut io: impl AsyncWrite + Unpin, bytes: &[u8]) -> Result<(), Problem> {
    io.write_all(bytes).await?;
    io.flush().await?;
    Ok(io.shutdown().await?)
}

pub(super) async fn read(response: hyper::Response<Incoming>) -> Result<Response, Problem> {
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

pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

//! The command line's way to the operator API: over the local socket of a running server, over HTTP with a key, or,
//! when no server runs, straight into the router.

use std::path::PathBuf;

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tower::ServiceExt as _;

use crate::net::serve::Peer;

/// The local socket's name in a data directory.
pub const SOCKET: &str = "operator.sock";

/// How to reach the operator API.
#[derive(Clone, Debug)]
pub enum Client {
    /// The local socket of a running server.
    Local(PathBuf),
    /// `http://host:port`, and a key.
    Remote {
        /// `host:port`.
        authority: String,
        /// An API key.
        key: String,
    },
    /// The router itself, in this process.
    Within(Box<Router>),
}

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server there, or the connection broke.
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    /// The server refused; its own words.
    #[error("{message}")]
    Refused {
        /// HTTP's status.
        status: u16,
        /// Code, text and step.
        message: String,
        /// What to do.
        step: String,
        /// The whole answer.
        body: Value,
    },
}

/// An answer: its status, and its body as JSON (null if there is none).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP's status, below 400.
    pub status: u16,
    /// JSON.
    pub body: Value,
}

impl Client {
    /// One request. `path` begins with a slash and is already encoded.
    pub async fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Answer, ClientError> {
        let request = Request::builder().method(method).uri(path);
        let request = match self {
            Self::Local(_) | Self::Within(_) => request.header(header::HOST, "localhost"),
            Self::Remote { authority, key } => request
                .header(header::HOST, authority)
                .header(header::AUTHORIZATION, format!("Bearer {key}")),
        };
        let request = request.body(Body::from(body)).map_err(unreachable)?;
        let (status, body) = match self {
            Self::Local(path) => over(UnixStream::connect(path).await.map_err(unreachable)?, request).await?,
            Self::Remote { authority, .. } => {
                over(
                    tokio::net::TcpStream::connect(authority.as_str())
                        .await
                        .map_err(unreachable)?,
                    request,
                )
                .await?
            }
            Self::Within(router) => {
                let mut request = request;
                request.extensions_mut().insert(Peer {
                    address: None,
                    certificate: None,
                });
                let response = router
                    .as_ref()
                    .clone()
                    .oneshot(request)
                    .await
                    .map_err(unreachable)?;
                let status = response.status();
                (
                    status,
                    response
                        .into_body()
                        .collect()
                        .await
                        .map_err(unreachable)?
                        .to_bytes(),
                )
            }
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| {
            if body.is_empty() {
                Value::Null
            } else {
                String::from_utf8_lossy(&body).into()
            }
        });
        if status.is_success() {
            return Ok(Answer {
                status: status.as_u16(),
                body,
            });
        }
        Err(refused(status, body))
    }
}

fn refused(status: StatusCode, body: Value) -> ClientError {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(&body["detail"])
        .or_else(|| text(&body["error"]))
        .or_else(|| text(&body["command_error"]))
        .unwrap_or_else(|| format!("the server answered {status}"));
    let step = text(&body["step"]).unwrap_or_default();
    ClientError::Refused {
        status: status.as_u16(),
        message,
        step,
        body,
    }
}

async fn over<S>(stream: S, request: Request<Body>) -> Result<(StatusCode, hyper::body::Bytes), ClientError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(unreachable)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(unreachable)?;
    let status = response.status();
    Ok((
        status,
        response
            .into_body()
            .collect()
            .await
            .map_err(unreachable)?
            .to_bytes(),
    ))
}

fn unreachable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unreachable(error.to_string())
}

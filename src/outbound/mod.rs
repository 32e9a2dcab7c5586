//! HTTP requests to addresses that operators name (webhooks, declarative management), and what the rules know of them:
//! a trait and plain types, no HTTP.
//!
//! [`client`] is the real thing; [`guard`] says which addresses it will not connect to; [`target`] reads URLs.

pub mod client;
pub mod guard;
pub mod target;

use std::{fmt, time::Duration};

use async_trait::async_trait;

pub use target::{BadTarget, Target};

/// Something that sends a request and brings its answer.
#[async_trait]
pub trait Outbound: Send + Sync + fmt::Debug {
    /// Sends one request, once. Redirects are not followed: they are answers like any other.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundAnswer, OutboundFailure>;
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundMethod {
    /// `GET`, without a body.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// A request. Headers and body show in no `Debug`.
#[derive(Clone)]
pub struct OutboundRequest {
    /// How.
    pub method: OutboundMethod,
    /// Where to.
    pub target: Target,
    /// Headers, besides `Host`, `User-Agent`, `Content-Length` and the target's `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether an address that [`guard`] refuses will do.
    pub any_address: bool,
    /// For all of it, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// So much of the answer's body is wanted, in bytes.
    pub answer_limit: usize,
}

impl fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundAnswer {
    /// HTTP's status.
    pub status: u16,
    /// The body; `None` if it is longer than was wanted.
    pub body: Option<Vec<u8>>,
    /// `X-Hmac-Signature`.
    pub signature: Option<String>,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
}

impl fmt::Debug for OutboundAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundAnswer({})", self.status)
    }
}

/// Why there is no answer. The texts are for operators, and hold neither URL nor secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundFailure {
    /// The name stands for no address that may be connected to.
    #[error("it is at {address}, {reason}: not connected to unless any address is allowed")]
    AddressRefused {
        /// The first of its addresses.
        address: std::net::IpAddr,
        /// What kind of address that is.
        reason: &'static str,
    },
    /// The request can't be put on the wire.
    #[error("the request can't be sent: {0}")]
    BadRequest(String),
    /// The connection broke before the answer was complete. The request may have been processed.
    #[error("the connection broke off: {0}")]
    Interrupted(String),
    /// Not all of it in time. The request may have been processed.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// No connection could be made.
    #[error("can't connect: {0}")]
    Unreachable(String),
    /// The name is unknown.
    #[error("the name can't be looked up: {0}")]
    Unresolvable(String),
    /// TLS failed; mostly its certificate is not trusted.
    #[error("TLS: {0}")]
    Untrusted(String),
}

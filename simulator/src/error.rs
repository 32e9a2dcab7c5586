//! What can go wrong in a device's conversation with its server, and at which step.

use std::fmt;

/// A failed step: where the device was, and what happened there.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct Error {
    /// The step of the protocol that failed.
    pub step: Step,
    /// What went wrong.
    #[source]
    pub problem: Problem,
}

impl Error {
    /// The HTTP status of the server's refusal, when that is what went wrong.
    pub fn status(&self) -> Option<u16> {
        self.problem.status()
    }
}

/// A result whose error names the failed step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The causes of a failed step.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The server answered with a status other than 200.
    #[error("the server answered HTTP {status}{}", text(body))]
    Status {
        /// The HTTP status code.
        status: u16,
        /// The answer's body.
        body: Vec<u8>,
    },
    /// A SCEP CertRep with pkiStatus FAILURE (RFC 8894 §3.2.1.3).
    #[error("the CA refused the request: failInfo {fail_info}{}", fail_text.as_deref().map(|t| format!(" ({t})")).unwrap_or_default())]
    ScepFailure {
        /// `badAlg` 0, `badMessageCheck` 1, `badRequest` 2, `badTime` 3, `badCertId` 4.
        fail_info: String,
        /// failInfoText, when the CA sent one.
        fail_text: Option<String>,
    },
    /// SCEP answered PENDING to the request and to each poll.
    #[error("the CA keeps the request pending")]
    ScepPending,
    /// The server's answer breaks the protocol.
    #[error("{0}")]
    Protocol(String),
    /// No answer: connection, TLS or time-out.
    #[error("no answer: {0}")]
    Transport(String),
    /// The enrollment was interrupted, as it was to be.
    #[error("interrupted")]
    Interrupted,
    /// The device is not in a state in which it can do this.
    #[error("{0}")]
    State(String),
    /// A local cryptographic operation failed, usually because the input is malformed.
    #[error("cryptography: {0}")]
    Crypto(#[from] openssl::error::ErrorStack),
}

impl Problem {
    /// A protocol violation by the server.
    pub fn protocol(detail: impl fmt::Display) -> Self {
        Self::Protocol(detail.to_string())
    }

    /// A failure to get an answer at all.
    pub fn transport(detail: impl fmt::Display) -> Self {
        Self::Transport(detail.to_string())
    }

    /// The HTTP status of the server's refusal, when that is what went wrong.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::transport(error)
    }
}

fn text(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    if text.is_empty() {
        text
    } else {
        format!(": {text}")
    }
}

/// Adds the step to a problem.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T>;
}

impl<T, P: Into<Problem>> At<T> for std::result::Result<T, P> {
    fn at(self, step: Step) -> Result<T> {
        self.map_err(|problem| Error {
            step,
            problem: problem.into(),
        })
    }
}

/// The steps of a device's life, in Apple's words.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub enum Step {
    Activation,
    Authenticate,
    CheckOut,
    Command,
    DeclarativeManagement,
    FetchProfile,
    GetBootstrapToken,
    GetCACaps,
    GetCACert,
    GetToken,
    InstallProfile,
    Operator,
    PkiOperation,
    ReturnToService,
    SetBootstrapToken,
    SetUp,
    TokenUpdate,
    UserAuthenticate,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

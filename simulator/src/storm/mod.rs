//! The load generator: many devices, on this machine only, with their cryptography done beforehand.
//!
//! What a client would spend on RSA is spent before the clock starts: keys are kept in a directory, requests and
//! results are signed in advance, so that the numbers are the server's.

mod enroll;
mod fleet;
mod measure;
mod presigned;
mod process;
mod requests;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use measure::{Phase, Report};

use crate::error::{At, Problem, Result, Step};
use crate::http::{Client, Origin};

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// SCEP, Authenticate, TokenUpdate on a kept connection; profiles are fetched before and measured apart.
    Enroll,
    /// `Idle` with a signature made beforehand, on kept connections.
    Idle,
    /// `Idle`, command, result, empty body, on kept connections; commands are queued before and measured apart.
    Roundtrip,
    /// A new connection with a client certificate and a full handshake for each `Idle`.
    TlsConnect,
}

/// How much load, and against what.
#[derive(Debug)]
pub struct Settings {
    /// What is measured.
    pub scenario: Scenario,
    /// Where enrollment profiles come from.
    pub url: String,
    /// Whether to append udid and serial to that URL.
    pub bind: bool,
    /// Takes the measured requests instead of the profile's own host; `http` or `https`.
    pub server: Option<String>,
    /// Trust for TLS, and addresses for host names.
    pub client: Client,
    /// Connections at the same time.
    pub connections: usize,
    /// Enrolled devices that share the load of all scenarios but `enroll`.
    pub devices: usize,
    /// How many operations; with `seconds` a bound.
    pub count: usize,
    /// Stop after this time.
    pub seconds: Option<Duration>,
    /// How many different RSA keys the devices share.
    pub keys: usize,
    /// Keeps keys and enrolled devices.
    pub directory: PathBuf,
    /// The server's process, for its processor time and memory.
    pub pid: Option<u32>,
    /// The operator's API, for `roundtrip`.
    pub operator: String,
    /// Its key.
    pub operator_key: String,
    /// Size of the queued commands' payload; 0 queues `DeviceInformation` instead of `InstallProfile`.
    pub payload: usize,
}

/// Prepares what the scenario needs, runs it, and reports. Everything must be on this machine's loopback.
pub async fn run(mut settings: Settings) -> Result<Report> {
    settings.client = settings.client.fresh().loopback_only();
    loopback(&settings.url).await?;
    match settings.scenario {
        Scenario::Enroll => enroll::run(&settings).await,
        Scenario::Idle | Scenario::Roundtrip | Scenario::TlsConnect => requests::run(&settings).await,
    }
}

/// The address of a URL, which must be this machine's own.
async fn loopback(url: &str) -> Result<SocketAddr> {
    let address = Origin::of(url).at(Step::SetUp)?.address().await.at(Step::SetUp)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let refusal = format!("{address} is not this machine: storms are for the loopback only");
    Err(Problem::State(refusal)).at(Step::SetUp)
}

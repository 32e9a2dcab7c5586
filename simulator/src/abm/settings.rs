//! How a fake Apple Business Manager is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::pki::issuing;

/// The trust anchor's file in the data directory.
pub const ANCHOR_FILE: &str = "abm-ca.pem";
const KEY_FILE: &str = "abm-ca.key";
const NAME: &str = "Fake Apple Business Manager CA";

/// The settings of a fake Apple Business Manager. By default it listens on free ports of 127.0.0.1 over TLS, keeps
/// nothing on disk and answers at once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Where its control endpoint listens, if it shall have one.
    pub control: Option<SocketAddr>,
    /// Whether the service speaks TLS; plain HTTP otherwise.
    pub tls: bool,
    /// Where its authority is kept; without it a new one is made.
    pub directory: Option<PathBuf>,
    /// How long each page of devices takes.
    pub page_delay: Duration,
    /// When an answer brings a new session.
    pub rotation: Rotation,
    /// How long a session lasts.
    pub session_lifetime: Duration,
    /// How long a session still counts after an answer brought a new one, for requests in flight.
    pub session_grace: Duration,
    /// How far an OAuth timestamp may be off.
    pub timestamp_window: Duration,
    /// How requests with an unknown session are refused.
    pub refusal: SessionRefusal,
    /// Whether error bodies are JSON strings, in quotation marks.
    pub quoted_errors: bool,
    /// Whether assigning a profile by the API is an event `modified` for the next sync.
    pub assignments_are_events: bool,
    /// How many requests the log has room for.
    pub log_capacity: usize,
    /// Decides on the generated serial numbers.
    pub seed: u64,
    /// Its clock.
    pub clock: Clock,
}

/// When an answer brings a new session in `X-ADM-Auth-Session`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// With each answer.
    Each,
    /// Never.
    Never,
    /// With this share of the answers, from 0 to 1.
    Share(f64),
}

/// How a request with an unknown or expired session is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRefusal {
    /// 403 `FORBIDDEN`, as Apple's own simulator did.
    Forbidden,
    /// 401 `UNAUTHORIZED`, as Apple's text says.
    #[default]
    Unauthorized,
}

impl Default for Settings {
    fn default() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: anywhere,
            control: Some(anywhere),
            tls: true,
            directory: None,
            page_delay: Duration::ZERO,
            rotation: Rotation::Share(0.25),
            session_lifetime: Duration::from_secs(30 * 60),
            session_grace: Duration::from_secs(30),
            timestamp_window: Duration::from_secs(5 * 60),
            refusal: SessionRefusal::default(),
            quoted_errors: false,
            assignments_are_events: true,
            log_capacity: 10_000,
            seed: 1,
            clock: Clock::system(),
        }
    }
}

impl Settings {
    /// The service's TLS identity, and the trust anchor in PEM.
    pub(super) fn identity(&self) -> Result<(Identity, Vec<u8>), Problem> {
        let make = || issuing::authority(NAME);
        let authority = match &self.directory {
            Some(directory) => issuing::kept_in(directory, (ANCHOR_FILE, KEY_FILE), make)?,
            None => make()?,
        };
        let names = ["mdmenrollment.apple.com"];
        let identity = issuing::server(
            &authority,
            "Fake Apple Business Manager",
            &names,
            self.listen.ip(),
        )?;
        Ok((identity, authority.certificate.to_pem()?))
    }
}

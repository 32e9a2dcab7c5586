//! How a fake APNs is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::authority::Authority;
use super::tls;
use crate::error::Problem;
use crate::tls::{Credentials, credentials_of};

/// The settings of a fake APNs. By default it listens on free ports of 127.0.0.1, keeps nothing on disk, answers at
/// once, and allows 1000 streams.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its control endpoint listens, if it shall have one.
    pub control: Option<SocketAddr>,
    /// Where its authority is kept; without it a new one is made.
    pub directory: Option<PathBuf>,
    /// Its certificate, instead of one from its own authority.
    pub certificate: Option<ServerCertificate>,
    /// How long an answer takes.
    pub latency: Duration,
    /// SETTINGS_MAX_CONCURRENT_STREAMS
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE
    pub initial_window_size: u32,
    /// Whether tokens that nobody registered are refused with `BadDeviceToken`.
    pub strict_tokens: bool,
    /// How many pushes the log has room for.
    pub log_capacity: usize,
    /// How many tokens are known at most; pushes to further ones are accepted and forgotten.
    pub max_tokens: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: anywhere,
            control: Some(anywhere),
            directory: None,
            certificate: None,
            latency: Duration::ZERO,
            max_concurrent_streams: 1000,
            initial_window_size: 65_535,
            strict_tokens: false,
            log_capacity: 10_000,
            max_tokens: 1_000_000,
        }
    }
}

/// A server certificate in PEM.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The certificate and those that lead to the trust anchor, which may be among them.
    pub chain: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
    /// The trust anchor.
    pub anchor: Vec<u8>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").finish_non_exhaustive()
    }
}

impl Settings {
    /// The server's credentials, and the trust anchor in PEM.
    pub(super) fn credentials(&self) -> Result<(Credentials, Vec<u8>), Problem> {
        if let Some(given) = &self.certificate {
            let credentials = tls::credentials_from_pem(&given.chain, &given.key)?;
            return Ok((credentials, given.anchor.clone()));
        }
        let authority = match &self.directory {
            Some(directory) => Authority::kept_in(directory)?,
            None => Authority::new()?,
        };
        let identity = authority.server(self.listen.ip())?;
        Ok((credentials_of(&identity)?, authority.anchor()?))
    }
}

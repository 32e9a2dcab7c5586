//! Automated Device Enrollment: where Apple's Device Assignment Services are, and how often they are asked.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// `[ade]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ade {
    /// `https://host[:port]` of the Device Assignment Services.
    pub base_url: String,
    /// PEM of the CAs that the service's certificate must come from, instead of those that the system trusts;
    /// relative to the data directory.
    pub ca_file: Option<PathBuf>,
    /// For one request to Apple.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

impl Default for Ade {
    fn default() -> Self {
        Self {
            base_url: "https://mdmenrollment.apple.com".into(),
            ca_file: None,
            request_timeout: Duration::from_secs(60),
        }
    }
}

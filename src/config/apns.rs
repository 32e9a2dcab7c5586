//! How to reach APNs, and how pushes are sent.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ConfigError, DAY, invalid};

/// `[apns]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apns {
    /// `https://host[:port]`; Apple's production host, which also listens on port 2197.
    pub endpoint: String,
    /// PEM of the CAs that the endpoint's certificate must come from, instead of those that the system trusts;
    /// relative to the data directory.
    pub ca_file: Option<PathBuf>,
    /// How long Apple keeps a push for a device that it can't reach.
    #[serde(with = "humantime_serde")]
    pub expiration: Duration,
    /// Connections for each push certificate.
    pub connections: usize,
    /// For making a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// For the answer to a push.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Between the PINGs that keep a connection from being forgotten on the way.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// Undelivered work is pushed for again after this, then after twice as long, up to a day.
    #[serde(with = "humantime_serde")]
    pub repush_after: Duration,
    /// The most pushes that leave in a second.
    pub max_per_second: u32,
    /// A push to all enrollments spreads at least over this.
    #[serde(with = "humantime_serde")]
    pub fan_out_window: Duration,
    /// Pushes leave more slowly while devices wait longer than this for their answers.
    #[serde(with = "humantime_serde")]
    pub slow_answer: Duration,
}

impl Default for Apns {
    fn default() -> Self {
        Self {
            endpoint: "https://api.push.apple.com:443".into(),
            ca_file: None,
            expiration: Duration::from_secs(7 * 86_400),
            connections: 1,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(60),
            repush_after: Duration::from_secs(2 * 3600),
            max_per_second: 10_000,
            fan_out_window: Duration::ZERO,
            slow_answer: Duration::from_millis(100),
        }
    }
}

impl Apns {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !self.endpoint.starts_with("https://") {
            return invalid(
                "apns.endpoint",
                "APNs is only spoken over TLS: https://host or https://host:port",
            );
        }
        if !(1..=64).contains(&self.connections) {
            return invalid("apns.connections", "1 to 64");
        }
        if !(DAY / 24..=30 * DAY).contains(&self.expiration) {
            return invalid(
                "apns.expiration",
                "1h to 30d: Apple forgets a push later than that anyway",
            );
        }
        if !(Duration::from_secs(60)..=7 * DAY).contains(&self.repush_after) {
            return invalid("apns.repush_after", "1m to 7d");
        }
        if self.max_per_second == 0 {
            return invalid("apns.max_per_second", "at least 1");
        }
        if self.fan_out_window > DAY {
            return invalid("apns.fan_out_window", "up to 1d");
        }
        for (key, duration) in [
            ("apns.connect_timeout", self.connect_timeout),
            ("apns.request_timeout", self.request_timeout),
            ("apns.ping_interval", self.ping_interval),
        ] {
            if !(Duration::from_secs(1)..=DAY / 24).contains(&duration) {
                return invalid(key, "1s to 1h");
            }
        }
        Ok(())
    }
}

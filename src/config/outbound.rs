//! `[hooks]` and `[declarative_management]`: requests to other programs.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[hooks]`: how events are delivered to every hook, and how much is kept for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Events that wait for one hook; of more, the oldest are dropped.
    pub max_events: u64,
    /// Bodies that are kept for one hook, dead letters' included, in MiB; of more, the oldest are dropped.
    pub max_mib: u64,
    /// For one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Requests to one hook at a time, each for another device.
    pub concurrency: usize,
    /// The longest time between two attempts at one event.
    #[serde(with = "humantime_serde")]
    pub max_backoff: Duration,
    /// An event that still fails after so long becomes a dead letter.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// So does one that a hook has refused so often while it took others.
    pub max_refusals: u32,
    /// Dead letters that are kept for one hook.
    pub max_dead_letters: u64,
    /// Days for which they are kept.
    pub dead_letter_days: u32,
    /// PEM of the CAs that hooks' certificates must come from, instead of those that the system trusts; relative to the
    /// data directory.
    pub ca_file: Option<PathBuf>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            max_events: 100_000,
            max_mib: 1024,
            timeout: Duration::from_secs(30),
            concurrency: 8,
            max_backoff: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(3 * 24 * 3600),
            max_refusals: 12,
            max_dead_letters: 10_000,
            dead_letter_days: 30,
            ca_file: None,
        }
    }
}

/// `[declarative_management]`: a program that answers declarative management in this server's place, as NanoMDM's `-dm`
/// has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeclarativeManagement {
    /// Below this URL it is asked. Without one, every device has the empty set of declarations.
    pub forward_url: Option<String>,
    /// A file with the key that signs requests, for the server's user only; relative to the data directory.
    pub send_hmac_key_file: Option<PathBuf>,
    /// A file with the key that answers are signed with; relative to the data directory.
    pub recv_hmac_key_file: Option<PathBuf>,
    /// For one answer; a device waits for it.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for DeclarativeManagement {
    fn default() -> Self {
        Self {
            forward_url: None,
            send_hmac_key_file: None,
            recv_hmac_key_file: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Hooks {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("hooks.max_events", self.max_events, 1..=10_000_000)?;
        within("hooks.max_mib", self.max_mib, 1..=1_000_000)?;
        within("hooks.concurrency", self.concurrency as u64, 1..=64)?;
        within("hooks.max_refusals", u64::from(self.max_refusals), 1..=1_000)?;
        within("hooks.timeout (seconds)", self.timeout.as_secs(), 1..=300)?;
        within(
            "hooks.max_backoff (seconds)",
            self.max_backoff.as_secs(),
            1..=86_400,
        )?;
        within(
            "hooks.give_up_after (seconds)",
            self.give_up_after.as_secs(),
            1..=31_536_000,
        )
    }
}

impl DeclarativeManagement {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.forward_url.is_none()
            && (self.send_hmac_key_file.is_some() || self.recv_hmac_key_file.is_some())
        {
            return Err(ConfigError::Invalid {
                key: "declarative_management.forward_url",
                problem: "the keys are of no use without it".into(),
            });
        }
        let is_url = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if self.forward_url.as_deref().is_some_and(|url| !is_url(url)) {
            return Err(ConfigError::Invalid {
                key: "declarative_management.forward_url",
                problem: "give a URL that begins with https:// or http://".into(),
            });
        }
        let key = "declarative_management.timeout (seconds)";
        within(key, self.timeout.as_secs(), 1..=120)
    }
}

fn within(key: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Invalid {
        key,
        problem: format!("{} to {}", range.start(), range.end()),
    })
}

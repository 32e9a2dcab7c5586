//! `[actions]`: bounds on what operators have devices do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// `[actions]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Actions {
    /// The most devices that may be wiped in an hour, whoever asks and whichever way; 0 allows none.
    pub max_wipes_per_hour: u64,
    /// For so long the answer to a request with an `Idempotency-Key` is repeated.
    #[serde(with = "humantime_serde")]
    pub idempotency_window: Duration,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            max_wipes_per_hour: 50,
            idempotency_window: Duration::from_secs(24 * 3600),
        }
    }
}

impl Actions {
    /// Refuses what can be read but not meant.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let hour = Duration::from_secs(3600);
        if self.idempotency_window < hour || self.idempotency_window > 7 * 24 * hour {
            return invalid("actions.idempotency_window", "1h to 7d");
        }
        Ok(())
    }
}

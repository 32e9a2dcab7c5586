//! `[hold]`: how long devices are held in Setup Assistant that no hold profile is for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// What happens when a hold has lasted too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldTimeout {
    /// The device stays held until an operator releases it.
    Keep,
    /// It is released.
    #[default]
    Release,
}

/// `[hold]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hold {
    /// How long a hold may last.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// What happens then.
    pub on_timeout: HoldTimeout,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3600),
            on_timeout: HoldTimeout::Release,
        }
    }
}

impl Hold {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let minute = Duration::from_secs(60);
        if !(minute..=1440 * minute).contains(&self.timeout) || !self.timeout.as_secs().is_multiple_of(60) {
            return invalid("hold.timeout", "whole minutes, 1m to 24h");
        }
        Ok(())
    }
}

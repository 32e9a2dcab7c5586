//! Enrollment status.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// `[reports]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reports {
    /// When an enrollment is given up of which nothing more is heard.
    #[serde(with = "humantime_serde")]
    pub enrollment_timeout: Duration,
    /// When a device is said to have missed its assignment that has not fetched its profile.
    #[serde(with = "humantime_serde")]
    pub missed_assignment_after: Duration,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            enrollment_timeout: Duration::from_secs(30 * 60),
            missed_assignment_after: Duration::from_secs(24 * 3600),
        }
    }
}

impl Reports {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.enrollment_timeout < Duration::from_secs(60) {
            return invalid("reports.enrollment_timeout", "at least a minute");
        }
        Ok(())
    }
}

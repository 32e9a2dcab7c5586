//! How long things are kept.

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// `[retention]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days for which command results are kept.
    pub results_days: u32,
    /// Days for which enrollment attempts are kept that have ended, and what was counted on each of these days.
    pub failures_days: u32,
    /// Days after the end of its identity when a device's record is removed.
    pub after_cert_expiry_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            results_days: 30,
            failures_days: 90,
            after_cert_expiry_days: 180,
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        // Reports look back so far.
        if !(31..=3650).contains(&self.failures_days) {
            return invalid("retention.failures_days", "31 to 3650");
        }
        if !(1..=3650).contains(&self.after_cert_expiry_days) {
            return invalid("retention.after_cert_expiry_days", "1 to 3650");
        }
        Ok(())
    }
}

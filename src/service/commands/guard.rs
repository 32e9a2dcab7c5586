//! What keeps one operator, or one mistake, from wiping a fleet (trust.md K-W11): a wipe of several devices needs an
//! administrator who has typed their number, and all wipes together are bounded by the hour.

use std::time::Duration;

use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    service::access::{Operator, Scope},
    storage::TargetLimit,
};

/// The command that wipes.
pub(in crate::service) const ERASE_DEVICE: &str = "EraseDevice";

const HOUR: Duration = Duration::from_secs(3600);

/// Refuses the wipe of several devices, unless an administrator has confirmed how many.
pub fn confirm(operator: &Operator, devices: usize, confirmed: Option<u64>) -> Result<()> {
    if devices > 1 {
        operator.require(Scope::Admin)?;
    }
    // For a single device it need not be said, but what is said has to be right.
    if confirmed == u64::try_from(devices).ok() || devices <= 1 && confirmed.is_none() {
        return Ok(());
    }
    let problem = match confirmed {
        None => format!("is missing: {devices} devices would be wiped"),
        Some(confirmed) => format!("is {confirmed}, but {devices} devices would be wiped"),
    };
    Err(Error::of_field(Code::BulkNotConfirmed, "confirm_count", problem))
}

/// The bound on wipes, if that is what the command does.
pub(in crate::service) fn limit(request_type: &str, max_per_hour: u64) -> Option<TargetLimit> {
    (request_type == ERASE_DEVICE).then(|| TargetLimit {
        request_type: ERASE_DEVICE.into(),
        max: max_per_hour,
        window: HOUR,
    })
}

/// The refusal of more wipes than are allowed.
pub(in crate::service) fn over_limit(max_per_hour: u64, retry_at: Timestamp, now: Timestamp) -> Error {
    let detail = format!("{max_per_hour} an hour are allowed, of all operators together");
    Error::with(Code::WipeLimit, detail).after(retry_at.since(now))
}

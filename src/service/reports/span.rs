//! The days that a report is about.

use crate::{
    error::{Error, Result},
    protocol::time::Timestamp,
    storage::{Day, DaySpan},
};

/// So many days unless others are asked for (G11).
pub const DEFAULT_DAYS: u32 = 14;

/// At most so many (G11).
pub const MAX_DAYS: u32 = 30;

/// The last `days` days, today included.
pub fn day_span(days: Option<u32>, tokens: Option<Vec<u64>>, now: Timestamp) -> Result<DaySpan> {
    let days = days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Error::invalid("days", format!("is not between 1 and {MAX_DAYS}")));
    }
    Ok(last_days(days, tokens, now))
}

/// The same, of a number that is right.
pub(super) fn last_days(days: u32, tokens: Option<Vec<u64>>, now: Timestamp) -> DaySpan {
    let to = Day::of(now);
    DaySpan {
        from: to.minus(days.saturating_sub(1)),
        to,
        tokens,
    }
}

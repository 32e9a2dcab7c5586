//! The clock of the fake: the machine's, moved or stopped by tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::clock;
use crate::endpoint::locked;

/// The time by which tokens, sessions and cursors expire. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Milliseconds at which it stands still.
    stopped: Option<u64>,
    /// Milliseconds by which it is ahead of the machine's.
    ahead: i64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at this time, in seconds since 1970, until it is moved.
    pub fn stopped_at(seconds: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            stopped: Some(seconds * 1000),
            ahead: 0,
        })))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut state = locked(&self.0);
        let by = by.as_millis() as u64;
        match &mut state.stopped {
            Some(at) => *at += by,
            None => state.ahead = state.ahead.saturating_add_unsigned(by),
        }
    }

    /// Milliseconds since 1970.
    pub fn milliseconds(&self) -> u64 {
        let state = locked(&self.0);
        let running = || clock::milliseconds().saturating_add_signed(state.ahead);
        state.stopped.unwrap_or_else(running)
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        (self.milliseconds() / 1000) as i64
    }
}

/// `2026-01-31T10:20:30Z`
pub(super) fn iso(seconds: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // The format has nothing that could fail.
    at.format(format).unwrap_or_default()
}

/// An HTTP date (RFC 9110 §5.6.7).
pub(super) fn http_date(seconds: i64) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(format).unwrap_or_default()
}

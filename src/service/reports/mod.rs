//! Enrollment status: what becomes of devices that enroll, and reports over it.
//!
//! Check-ins carry their part in their own step ([`following`]); what the doors see is noted beside them
//! ([`Attempts`]). [`Reports`] reads what the store has counted: no overview looks at all devices.

mod advice;
mod attempts;
mod follow;
mod overview;
mod platforms;
mod progress;
mod span;
mod timeouts;

pub use advice::{Advice, advice};
pub use attempts::{AtTheDoor, Attempts, REFUSALS};
pub use follow::{Moment, facts, following, made_for, subject};
pub use overview::{Daily, Expiring, Incomplete, Overview, Reason, Reports};
pub use platforms::{Group, PlatformReport};
pub use progress::{Progress, ShownStage, progress};
pub use span::{DEFAULT_DAYS, MAX_DAYS, day_span};
pub use timeouts::Timeouts;

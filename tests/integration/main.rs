//! Russet's tests through its doors, in one binary.

// Clippy knows a test by its attribute, and not the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod storage_battery;

//! Russet's tests through its doors, in one binary.

// Clippy knows a test by its attribute, and not the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod catalogue;
mod kill;
mod layering;
mod storage_battery;
#[allow(dead_code)]
mod support;

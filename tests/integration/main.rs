//! Russet's tests through its doors, in one binary.

// Clippy knows a test by its attribute, and not the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod catalogue;
mod checkin;
mod checkin_answers;
mod command_order;
mod commands;
mod enroll;
mod enroll_links;
mod identity;
mod kill;
mod layering;
mod listeners;
mod re_enroll;
mod renewal;
mod scep;
mod signature;
mod storage_battery;
mod support;

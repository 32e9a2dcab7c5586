//! Russet's tests through its doors, in one binary.

// Clippy knows a test by its attribute, and not the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod access;
mod actions;
mod ade_door;
mod ade_profiles;
mod ade_sync;
mod ade_tokens;
mod catalogue;
mod checkin;
mod checkin_answers;
mod command_line;
mod command_order;
mod commands;
mod enroll;
mod enroll_links;
mod events;
mod first_hour;
mod holds;
mod hostile;
mod identity;
mod kill;
mod layering;
mod listeners;
mod metrics;
mod operator_api;
mod operator_ui;
mod push;
mod push_certificates;
mod re_enroll;
mod renewal;
mod reports;
mod scep;
mod signature;
mod storage_battery;
mod support;
mod takeover;

//! Russet's tests through its doors, in one binary.

mod catalogue;
mod checkin;
mod checkin_answers;
mod command_order;
mod commands;
mod enroll;
mod enroll_links;
mod identity;
mod re_enroll;
mod renewal;
mod signature;
mod storage_battery;
#[allow(dead_code, unreachable_pub)]
mod support;

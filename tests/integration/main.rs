//! Russet's tests through its doors, in one binary.

mod catalogue;
mod listeners;
mod scep;
mod storage_battery;
#[allow(dead_code, unreachable_pub)]
mod support;

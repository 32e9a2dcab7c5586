//! Russet's tests through its doors, in one binary.

mod catalogue;
mod command_line;
mod hostile;
mod listeners;
mod operator_api;
mod scep;
mod storage_battery;
#[allow(dead_code, unreachable_pub)]
mod support;

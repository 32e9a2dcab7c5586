//! Russet's tests through its doors, in one binary.

mod catalogue;
mod storage_battery;
#[allow(dead_code)]
mod support;

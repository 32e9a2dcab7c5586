//! Russet's tests through its doors, in one binary.

mod catalogue;
mod kill;
mod layering;
mod storage_battery;
#[allow(dead_code)]
mod support;

//! Russet's tests through its doors, in one binary.

mod storage_battery;

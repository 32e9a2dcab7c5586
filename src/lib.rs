//! Russet, an Apple MDM protocol server.

pub mod protocol;
pub mod storage;

//! Russet, an Apple MDM protocol server.

pub mod pki;
pub mod protocol;
pub mod storage;

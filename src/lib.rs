//! Russet, an Apple MDM protocol server.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod error;
pub mod http;
pub mod metrics;
pub mod net;
pub mod operator;
pub mod pki;
pub mod protocol;
pub mod service;
pub mod setup;
pub mod storage;

/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

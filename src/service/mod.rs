//! The rules. Async; knows the storage traits, `pki` and what requests it may have sent, never HTTP or a database.

pub mod access;
pub mod actions;
pub mod ade;
pub mod admission;
pub mod audit;
pub mod authority;
mod backoff;
pub mod checkin;
pub mod commands;
pub mod contacts;
pub mod declarations;
pub mod enrollment;
pub mod events;
pub mod holds;
pub mod idempotency;
pub mod identity;
pub mod issuance;
pub mod jobs;
pub mod keys;
pub mod passwords;
pub mod peers;
pub mod push;
pub mod push_certificates;
pub mod renewal;
pub mod reports;
pub mod revision;
pub mod upkeep;

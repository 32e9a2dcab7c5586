//! Automated Device Enrollment: server tokens, the devices that Apple has for them, enrollment profiles, and the
//! device that comes out of its box.

pub mod accounts;
pub mod assign;
pub mod devices;
pub mod door;
pub mod profiles;
pub mod settings_commands;
pub mod standing;
pub mod sync;
mod tasks;
pub mod tokens;
pub mod why;

pub use crate::{
    apple::dep::{DepForward, DepForwarded},
    pki::bypass_code::{BypassCode, BypassCodeError},
};

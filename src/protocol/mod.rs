//! Wire types: what devices and operators send, and what they get. Pure: no async, no I/O, no clock.

pub mod actions;
pub mod ade;
pub mod answers;
pub mod catalogue;
pub mod command;
pub mod ids;
pub mod json;
pub mod machine_info;
pub mod mdm;
pub mod plist;
pub mod profile;
pub mod time;

//! Automated Device Enrollment from the device's side: [`Device::boot`](super::Device::boot) asks the activation
//! look-up, fetches the enrollment profile, enrols, and walks through Setup Assistant.
//!
//! A held device stays in Setup Assistant until `DeviceConfigured` has come in a conversation
//! ([`Device::connect`](super::Device::connect)); then it goes on by itself. [`Setup`] in the device's state says where it
//! is and which panes it showed.

mod boot;
mod fetch;
mod html;
mod leave;
mod machine_info;
mod panes;
mod profile;
mod refusal;
mod setup;
#[cfg(test)]
mod tests;
mod version;
mod web;

pub use boot::{BootOptions, Booted, Login, Outcome};
pub use panes::{Pane, panes, panes_of};
pub use profile::AdeProfile;
pub use refusal::{Refusal, UpdateRequired};
pub use setup::{Phase, Setup};

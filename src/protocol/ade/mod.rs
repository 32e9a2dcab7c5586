//! Enrollment profiles of Automated Device Enrollment: their settings, the rules that these obey, and how Apple spells
//! them. Pure.
//!
//! The operator's settings ([`Settings`]) are read leniently as to form and strictly as to sense: [`Settings::parse`]
//! tells everything that is wrong at once, each with its field. What works but may not be meant is a warning
//! ([`warnings`]); what another setting cancels is told by [`not_applied`]. [`render`] writes the profile as Apple's
//! Device Assignment Services take it ("Profile", <https://developer.apple.com/documentation/devicemanagement/profile>).

mod certificates;
mod check;
mod eligibility;
mod finding;
mod import;
mod initial;
mod naming;
mod panes;
mod platform;
mod presets;
mod read;
mod render;
mod settings;
#[cfg(test)]
mod tests;
mod warnings;

pub use check::{MAX_INITIAL_COMMANDS, check_description, check_name};
pub use eligibility::{Authentication, authentication, is_supervised, shared_ipad_objection};
pub use finding::Finding;
pub use import::{Imported, import};
pub use initial::{InitialCommand, initial_command};
pub use naming::{DeviceName, rendered_name};
pub use panes::{Pane, Span, pane, panes};
pub use platform::AdePlatform;
pub use presets::{Preset, merge, preset, presets};
pub use render::{Addresses, render, skipped_panes};
pub use settings::{
    Affinity, Apple, Auth, AuthMethod, Esim, Naming, Pairing, PairingMode, Panes, Settings, SharedIpad,
    Support, Targets,
};
pub use warnings::{not_applied, warnings};

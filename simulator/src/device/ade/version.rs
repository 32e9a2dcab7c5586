//! Versions of operating systems, by which devices know more or less.

use crate::{Hardware, Kind};

/// Major, minor, patch.
pub(super) type Version = (u32, u32, u32);

/// The version in a text such as `18.1` or `18.1.1 (a)`; what is no number counts as 0.
pub(super) fn parse(text: &str) -> Version {
    let number = text.split_whitespace().next().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// The first version of each operating system with something; `None` where it never came.
#[derive(Clone, Copy)]
pub(super) struct Since {
    pub(super) ios: Option<&'static str>,
    pub(super) macos: Option<&'static str>,
    pub(super) tvos: Option<&'static str>,
    pub(super) visionos: Option<&'static str>,
}

impl Since {
    /// Whether this device's system has it.
    pub(super) fn has(self, hardware: &Hardware) -> bool {
        let first = match hardware.kind {
            Kind::IPad | Kind::IPhone => self.ios,
            Kind::Mac => self.macos,
            Kind::AppleTV => self.tvos,
            Kind::VisionPro => self.visionos,
        };
        first.is_some_and(|first| parse(&hardware.os_version) >= parse(first))
    }
}

/// The first build of a simulated version.
pub(super) fn build(version: &str) -> String {
    let (major, minor, patch) = parse(version);
    let letter = char::from(b'A' + (minor % 26) as u8);
    format!("{}{letter}{}", major + 4, 100 + patch)
}

//! The platforms that Automated Device Enrollment knows.

use serde::{Deserialize, Serialize};

use crate::protocol::catalogue::Platform;

/// For which devices a profile is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AdePlatform {
    /// iPhone, iPad and iPod.
    #[default]
    Ios,
    /// Mac.
    Macos,
    /// Apple TV.
    Tvos,
    /// Apple Vision.
    Visionos,
}

impl AdePlatform {
    /// Every platform, in the order of the pane catalogue.
    pub const ALL: [AdePlatform; 4] = [Self::Ios, Self::Macos, Self::Tvos, Self::Visionos];

    /// Its name in settings and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Macos => "macos",
            Self::Tvos => "tvos",
            Self::Visionos => "visionos",
        }
    }

    /// The platform of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == name)
    }

    /// The platform of a device as Apple's list has it: by its family, or by its system.
    pub fn of_device(family: Option<&str>, os: Option<&str>) -> Option<Self> {
        match family {
            Some("AppleTV") => Some(Self::Tvos),
            Some("Mac") => Some(Self::Macos),
            Some("Vision") => Some(Self::Visionos),
            Some("iPad" | "iPhone" | "iPod") => Some(Self::Ios),
            _ => match os {
                Some("OSX" | "macOS") => Some(Self::Macos),
                Some("iOS" | "iPadOS") => Some(Self::Ios),
                Some("tvOS") => Some(Self::Tvos),
                Some("visionOS") => Some(Self::Visionos),
                _ => None,
            },
        }
    }

    /// The platform of an operating system of the catalogue; a watch has none.
    pub fn of(system: Platform) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.system() == system)
    }

    /// The operating system that the catalogue knows it by.
    pub fn system(self) -> Platform {
        match self {
            Self::Ios => Platform::Ios,
            Self::Macos => Platform::Macos,
            Self::Tvos => Platform::Tvos,
            Self::Visionos => Platform::Visionos,
        }
    }
}

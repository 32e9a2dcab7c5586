//! How devices come out of their boxes: the part of `[ade]` that is about them.

use serde::{Deserialize, Serialize};

use super::{Ade, ConfigError, invalid};

/// Who ends the hold in Setup Assistant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// The server, when all commands have been answered.
    #[default]
    Automatic,
    /// An operator.
    Manual,
}

/// What becomes of a device below `minimum_os` that can't be told to update first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BelowMinimumOs {
    /// It does not enroll.
    #[default]
    Refuse,
    /// It enrolls all the same.
    Enroll,
}

/// `[ade.platform_sso]`: what a Mac installs before it enrolls (macOS 26).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformSso {
    /// Where the profile with the extension's settings is.
    pub profile_url: String,
    /// Where the manifest of the app with the extension is.
    pub manifest_url: String,
}

impl Ade {
    /// Refuses what can be read but not meant.
    pub(super) fn check(&self, development: bool) -> Result<(), ConfigError> {
        if self.simulated_ca.is_some() && !development {
            return invalid(
                "ade.simulated_ca",
                "only in development mode; a real server takes test CAs by ade.trust_anchors",
            );
        }
        for (platform, version) in &self.minimum_os {
            let numbers = version.split('.').collect::<Vec<_>>();
            let is_version = numbers.len() <= 3 && numbers.iter().all(|number| number.parse::<u8>().is_ok());
            if !matches!(platform.as_str(), "ios" | "macos" | "tvos" | "visionos") || !is_version {
                let example = "a version such as \"17.6\" for each of ios, macos, tvos and visionos";
                return invalid("ade.minimum_os", example);
            }
        }
        if let Some(sso) = &self.platform_sso
            && [&sso.profile_url, &sso.manifest_url]
                .iter()
                .any(|url| !url.starts_with("https://"))
        {
            return invalid("ade.platform_sso", "devices only speak to https:// addresses");
        }
        Ok(())
    }
}

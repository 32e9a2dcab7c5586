//! What Apple's schema says of each command: where it exists and since when, and what it needs.
//!
//! Nothing here forbids anything: a command that Apple will add tomorrow has to pass today. The catalogue lets an
//! operator be told beforehand what a device would answer with an error, or would not answer at all.
//!
//! Source: <https://github.com/apple/device-management>, `mdm/commands`.

mod commands;
mod objections;

use std::fmt;

pub use objections::{Objection, Reason, Target, objections};

/// One of Apple's operating systems; iPadOS counts as iOS, as it does in Apple's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// iPhone, iPad and iPod touch.
    Ios,
    /// Mac, virtual ones too.
    Macos,
    /// Apple TV.
    Tvos,
    /// Apple Vision Pro.
    Visionos,
    /// Apple Watch.
    Watchos,
}

impl Platform {
    /// Every platform, in the order of the catalogue.
    pub const ALL: [Platform; 5] = [Self::Ios, Self::Macos, Self::Tvos, Self::Visionos, Self::Watchos];

    /// The platform of a hardware identifier, as devices send it in `ProductName` or `Model`: `iPhone17,2`.
    pub fn from_product_name(product: &str) -> Option<Self> {
        const FAMILIES: [(&str, Platform); 9] = [
            ("AppleTV", Platform::Tvos),
            ("Mac", Platform::Macos),
            ("RealityDevice", Platform::Visionos),
            ("VirtualMac", Platform::Macos),
            ("Watch", Platform::Watchos),
            ("iMac", Platform::Macos),
            ("iPad", Platform::Ios),
            ("iPhone", Platform::Ios),
            ("iPod", Platform::Ios),
        ];
        let product = product.trim_ascii_start();
        let family = FAMILIES.iter().find(|(family, _)| product.starts_with(family));
        family.map(|(_, platform)| *platform)
    }

    /// Apple's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "iOS",
            Self::Macos => "macOS",
            Self::Tvos => "tvOS",
            Self::Visionos => "visionOS",
            Self::Watchos => "watchOS",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A version of an operating system: `17.0` and `17` are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OsVersion {
    /// The first number.
    pub major: u8,
    /// The second number, or 0.
    pub minor: u8,
    /// The third number, or 0.
    pub patch: u8,
}

impl OsVersion {
    /// Reads what devices report: one to three numbers, whatever follows them: `16.4.1 (a)`.
    pub const fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes().trim_ascii_start();
        if bytes.is_empty() || !bytes[0].is_ascii_digit() {
            return None;
        }
        let mut numbers = [0_u8; 3];
        let mut part = 0;
        let mut at = 0;
        while at < bytes.len() && part < numbers.len() {
            match bytes[at] {
                digit @ b'0'..=b'9' => {
                    numbers[part] = numbers[part].saturating_mul(10).saturating_add(digit - b'0');
                }
                b'.' => part += 1,
                _ => break,
            }
            at += 1;
        }
        let [major, minor, patch] = numbers;
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for OsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 {
            write!(f, ".{}", self.patch)
        } else {
            Ok(())
        }
    }
}

/// What Apple's schema says of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// The command's `RequestType`.
    pub request_type: &'static str,
    /// Which channels of a Shared iPad take it.
    pub shared_ipad: SharedIpad,
    support: [Option<Support>; Platform::ALL.len()],
}

impl CommandSpec {
    /// What the command needs on `platform`; `None` if it does not exist there.
    pub fn on(&self, platform: Platform) -> Option<&Support> {
        self.support[platform as usize].as_ref()
    }
}

/// What a command needs on one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The first version that knows the command.
    pub since: OsVersion,
    /// The bit of `AccessRights` that the enrollment must have granted; 0 if none.
    pub access_right: u16,
    /// Whether the device must be supervised.
    pub supervised: bool,
    /// Whether the device must have been enrolled through Automated Device Enrollment.
    pub automated_enrollment: bool,
    /// Whether User Enrollment allows it.
    pub user_enrollment: bool,
    /// Whether the device channel takes it.
    pub device_channel: bool,
    /// Whether the user channel takes it; for iOS see [`CommandSpec::shared_ipad`].
    pub user_channel: bool,
}

/// Which channels of a Shared iPad take a command; neither if Shared iPad forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedIpad {
    /// The device channel.
    pub device_channel: bool,
    /// The signed-in user's channel.
    pub user_channel: bool,
    /// Whether, among iPhones and iPads, it is for Shared iPads only.
    pub required: bool,
}

/// Every command of the catalogue, in alphabetical order.
pub fn commands() -> &'static [CommandSpec] {
    commands::COMMANDS
}

/// The command with this `RequestType`.
pub fn command(request_type: &str) -> Option<&'static CommandSpec> {
    let found = commands().binary_search_by(|spec| spec.request_type.cmp(request_type));
    found.ok().and_then(|at| commands().get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_found() {
        for spec in commands() {
            assert_eq!(command(spec.request_type), Some(spec));
            assert!(Platform::ALL.iter().any(|platform| spec.on(*platform).is_some()));
        }
        assert_eq!(command("devicelock"), None);
    }

    #[test]
    fn products_belong_to_platforms() {
        for (product, platform) in [
            ("AppleTV14,1", Some(Platform::Tvos)),
            ("Mac14,2", Some(Platform::Macos)),
            ("MacBookPro18,2", Some(Platform::Macos)),
            ("Macmini9,1", Some(Platform::Macos)),
            ("RealityDevice14,1", Some(Platform::Visionos)),
            ("VirtualMac2,1", Some(Platform::Macos)),
            ("Watch7,5", Some(Platform::Watchos)),
            ("iMacPro1,1", Some(Platform::Macos)),
            ("iPad14,3", Some(Platform::Ios)),
            ("iPhone17,2", Some(Platform::Ios)),
            ("iPod9,1", Some(Platform::Ios)),
            ("Toaster1,1", None),
            ("", None),
        ] {
            assert_eq!(Platform::from_product_name(product), platform, "{product}");
        }
    }

    #[test]
    fn versions_are_read_leniently_and_ordered() {
        for (text, shown) in [
            ("17", Some("17.0")),
            ("17.0", Some("17.0")),
            (" 16.4.1 (a)", Some("16.4.1")),
            ("10.15.7", Some("10.15.7")),
            ("26.0 beta 3", Some("26.0")),
            ("1.2.3.4", Some("1.2.3")),
            ("999.1", Some("255.1")),
            ("beta", None),
            (".1", None),
            ("", None),
        ] {
            assert_eq!(
                OsVersion::parse(text)
                    .map(|version| version.to_string())
                    .as_deref(),
                shown,
                "{text}"
            );
        }
        assert!(OsVersion::parse("9.3") < OsVersion::parse("10.0"));
        assert!(OsVersion::parse("10.9") < OsVersion::parse("10.13.6"));
    }
}

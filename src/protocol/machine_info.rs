//! MachineInfo: what a device says of itself when it asks for its enrollment profile.
//!
//! Apple: "MachineInfo" of the device management reference.

use plist::Data;
use serde::Deserialize;

use super::{
    catalogue::{OsVersion, Platform},
    ids::{SerialNumber, Udid},
    mdm::{MessageError, device_identifier},
    plist::{PlistError, decode},
};

/// Why a property list is not MachineInfo.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineInfoError {
    /// An identifier that could be mistaken for another, or could not be shown.
    #[error(transparent)]
    Identifier(#[from] MessageError),
    /// Not a property list, or not one with these keys and types.
    #[error(transparent)]
    Plist(#[from] PlistError),
}

/// What a device says of itself. Apple's keys, of every platform and version; unknown ones are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineInfo {
    /// Absent in account-driven User Enrollment.
    pub udid: Option<Udid>,
    /// Absent in account-driven User Enrollment.
    pub serial: Option<SerialNumber>,
    /// Hardware identifier such as `iPhone17,2`.
    pub product: String,
    /// The build, such as `22A348`.
    pub build: String,
    /// Such as `18.0`; iOS 17, macOS 14 and later.
    pub os_version: Option<String>,
    /// The build of a background security improvement.
    pub supplemental_build: Option<String>,
    /// Its letter, such as `(a)`.
    pub supplemental_os_version_extra: Option<String>,
    /// Such as `en`.
    pub language: Option<String>,
    /// Cellular devices only.
    pub imei: Option<String>,
    /// Cellular devices only.
    pub meid: Option<String>,
    /// What Apple's list of updates calls this hardware.
    pub software_update_device_id: Option<String>,
    /// Whether the device understands that it has to update first.
    pub can_request_software_update: bool,
    /// Whether the device understands that it has to set up Platform SSO first.
    pub can_request_psso_config: bool,
    /// Whether the device is going to update whatever is said.
    pub mandatory_software_update_required: bool,
    /// A watch's proof that its phone is enrolled.
    pub pairing_token: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Keys {
    udid: Option<String>,
    serial: Option<String>,
    product: String,
    version: String,
    os_version: Option<String>,
    supplemental_build_version: Option<String>,
    supplemental_os_version_extra: Option<String>,
    language: Option<String>,
    imei: Option<String>,
    meid: Option<String>,
    software_update_device_id: Option<String>,
    #[serde(default)]
    mdm_can_request_software_update: bool,
    #[serde(default)]
    mdm_can_request_psso_config: bool,
    #[serde(default)]
    mandatory_software_update_required: bool,
    pairing_token: Option<Data>,
}

impl MachineInfo {
    /// Reads the property list that was signed.
    pub fn decode(content: &[u8]) -> Result<Self, MachineInfoError> {
        let keys: Keys = decode(content)?;
        let checked = |key, value: Option<String>| -> Result<Option<String>, MessageError> {
            // Absent and empty are one: devices without a modem send an empty IMEI.
            let value = value.filter(|value| !value.is_empty());
            if let Some(value) = &value {
                device_identifier(key, value)?;
            }
            Ok(value)
        };
        let stated = |value: Option<String>| value.filter(|value| !value.is_empty());
        Ok(Self {
            udid: checked("UDID", keys.udid)?.map(Udid::new),
            serial: checked("SERIAL", keys.serial)?.map(SerialNumber::new),
            product: keys.product,
            build: keys.version,
            os_version: stated(keys.os_version),
            supplemental_build: stated(keys.supplemental_build_version),
            supplemental_os_version_extra: stated(keys.supplemental_os_version_extra),
            language: stated(keys.language),
            imei: stated(keys.imei),
            meid: stated(keys.meid),
            software_update_device_id: stated(keys.software_update_device_id),
            can_request_software_update: keys.mdm_can_request_software_update,
            can_request_psso_config: keys.mdm_can_request_psso_config,
            mandatory_software_update_required: keys.mandatory_software_update_required,
            pairing_token: keys.pairing_token.map(Into::into),
        })
    }

    /// The platform, by the hardware identifier.
    pub fn platform(&self) -> Option<Platform> {
        Platform::from_product_name(&self.product)
    }

    /// The version of the operating system: as stated, or else as the build tells it.
    pub fn version(&self) -> Option<OsVersion> {
        let stated = self.os_version.as_deref().and_then(OsVersion::parse);
        stated.or_else(|| version_of_build(self.platform()?, &self.build))
    }
}

/// The version that a build belongs to: its number counts the major versions, its letter the minor ones.
fn version_of_build(platform: Platform, build: &str) -> Option<OsVersion> {
    let number_ends = build.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = build.split_at_checked(number_ends)?;
    let number: u8 = number.parse().ok()?;
    let letter = rest.bytes().next().filter(u8::is_ascii_uppercase)?;
    let minor = letter - b'A';
    let version = |major, minor| {
        Some(OsVersion {
            major,
            minor,
            patch: 0,
        })
    };
    match platform {
        // 17E is iOS 13.4, 22A is iOS 18.0, 23A is iOS 26.0; tvOS counts alike.
        Platform::Ios | Platform::Tvos => match number {
            ..=4 => None,
            5..=22 => version(number - 4, minor),
            23.. => version(number.saturating_add(3), minor),
        },
        // 19H is macOS 10.15.7, 20A is macOS 11.0, 24A is macOS 15.0, 25A is macOS 26.0.
        Platform::Macos => match number {
            ..=10 => None,
            11..=19 => version(10, number - 4),
            20..=24 => version(number - 9, minor),
            25.. => version(number.saturating_add(1), minor),
        },
        Platform::Visionos | Platform::Watchos => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plist(keys: &str) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict>{keys}</dict></plist>"
        )
        .into_bytes()
    }

    const LEAST: &str =
        "<key>PRODUCT</key><string>iPad13,4</string><key>VERSION</key><string>17E255</string>";

    #[test]
    fn every_key_is_read_and_unknown_ones_are_passed_over() {
        let info = MachineInfo::decode(&plist(&format!(
            "{LEAST}<key>UDID</key><string>00008020-000000000000002E</string><key>SERIAL</key><string>S1</string>\
             <key>OS_VERSION</key><string>18.1</string><key>IMEI</key><string></string>\
             <key>MDM_CAN_REQUEST_SOFTWARE_UPDATE</key><true/><key>MDM_CAN_REQUEST_PSSO_CONFIG</key><true/>\
             <key>PAIRING_TOKEN</key><data>AQI=</data><key>FROM_TOMORROW</key><array/>"
        )))
        .unwrap();
        assert_eq!(info.udid, Some(Udid::new("00008020-000000000000002E")));
        assert_eq!(info.serial, Some(SerialNumber::new("S1")));
        assert_eq!(info.imei, None);
        assert!(info.can_request_software_update && info.can_request_psso_config);
        assert!(!info.mandatory_software_update_required);
        assert_eq!(info.pairing_token, Some(vec![1, 2]));
        assert_eq!(info.version(), OsVersion::parse("18.1"));
    }

    #[test]
    fn what_is_missing_or_could_be_mistaken_is_refused() {
        assert!(MachineInfo::decode(&plist("<key>PRODUCT</key><string>iPad13,4</string>")).is_err());
        assert!(MachineInfo::decode(b"hello").is_err());
        for serial in ["a:b", "a,b", "a\nb"] {
            let keys = format!("{LEAST}<key>SERIAL</key><string>{serial}</string>");
            assert!(MachineInfo::decode(&plist(&keys)).is_err(), "{serial:?}");
        }
        let least = MachineInfo::decode(&plist(LEAST)).unwrap();
        assert_eq!((least.udid, least.serial), (None, None));
    }

    #[test]
    fn a_build_tells_the_version_of_old_systems() {
        for (platform, build, version) in [
            (Platform::Ios, "16A366", Some("12.0")),
            (Platform::Ios, "17D50", Some("13.3")),
            (Platform::Ios, "17E255", Some("13.4")),
            (Platform::Ios, "22A348", Some("18.0")),
            (Platform::Ios, "23A340", Some("26.0")),
            (Platform::Macos, "19A583", Some("10.15")),
            (Platform::Macos, "20A2411", Some("11.0")),
            (Platform::Macos, "25A354", Some("26.0")),
            (Platform::Ios, "A", None),
            (Platform::Ios, "17", None),
            (Platform::Ios, "", None),
            (Platform::Visionos, "22N320", None),
        ] {
            let expected = version.and_then(OsVersion::parse);
            assert_eq!(version_of_build(platform, build), expected, "{build}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_builds_never_panic(build in ".{0,12}") {
            for platform in Platform::ALL {
                let _ = version_of_build(platform, &build);
            }
        }
    }
}

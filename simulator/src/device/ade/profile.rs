//! The profile that Apple gives a device at activation, as far as devices look at it (Apple: *Profile*).

use serde_json::{Map, Value};

use super::version::parse;
use crate::error::Problem;
use crate::{Hardware, Kind};

/// The settings of Automated Device Enrollment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdeProfile {
    /// `url`
    pub url: String,
    /// `configuration_web_url`
    pub configuration_web_url: Option<String>,
    /// `is_supervised` in effect: always since iOS 13, macOS 11 and tvOS 13.
    pub supervised: bool,
    /// `is_mdm_removable`
    pub removable: bool,
    /// `is_multi_user`
    pub multi_user: bool,
    /// `await_device_configured`; always with `is_return_to_service`.
    pub awaits: bool,
    /// `auto_advance_setup`, which Apple TVs and Macs know.
    pub auto_advance: bool,
    /// `skip_setup_items`
    pub skips: Vec<String>,
    /// `anchor_certs` in DER.
    pub anchors: Vec<Vec<u8>>,
}

impl AdeProfile {
    /// Reads a profile as this device does. A key of the wrong type is an error.
    pub fn read(profile: &Map<String, Value>, hardware: &Hardware) -> Result<Self, Problem> {
        let string = |key: &str| match profile.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(key, "a string")),
        };
        let boolean = |key: &str, otherwise: bool| match profile.get(key) {
            None | Some(Value::Null) => Ok(otherwise),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(wrong(key, "a boolean")),
        };
        let strings = |key: &str| -> Result<Vec<String>, Problem> {
            let list = profile.get(key).filter(|value| !value.is_null()).cloned();
            let list = list.map(serde_json::from_value).transpose();
            Ok(list
                .map_err(|_| wrong(key, "an array of strings"))?
                .unwrap_or_default())
        };
        let version = parse(&hardware.os_version);
        let always_supervised = match hardware.kind {
            Kind::Mac => version >= (11, 0, 0),
            Kind::VisionPro => true,
            Kind::AppleTV | Kind::IPad | Kind::IPhone => version >= (13, 0, 0),
        };
        let advances = match hardware.kind {
            Kind::AppleTV => true,
            Kind::Mac => version >= (11, 0, 0),
            Kind::IPad | Kind::IPhone | Kind::VisionPro => false,
        };
        // Older systems know no web view and post to `url`.
        let web = match hardware.kind {
            Kind::Mac => version >= (10, 15, 0),
            Kind::AppleTV => false,
            Kind::VisionPro => true,
            Kind::IPad | Kind::IPhone => version >= (13, 0, 0),
        };
        let mut anchors = Vec::new();
        for anchor in strings("anchor_certs")? {
            let der = openssl::base64::decode_block(&anchor.replace(char::is_whitespace, ""));
            anchors.push(der.map_err(|_| wrong("anchor_certs", "base64"))?);
        }
        Ok(Self {
            url: string("url")?.ok_or_else(|| wrong("url", "there"))?,
            configuration_web_url: string("configuration_web_url")?.filter(|_| web),
            supervised: always_supervised || boolean("is_supervised", false)?,
            removable: boolean("is_mdm_removable", true)?,
            multi_user: boolean("is_multi_user", false)?,
            awaits: boolean("await_device_configured", false)? || boolean("is_return_to_service", false)?,
            auto_advance: boolean("auto_advance_setup", false)? && advances,
            skips: strings("skip_setup_items")?,
            anchors,
        })
    }
}

fn wrong(key: &str, expected: &str) -> Problem {
    Problem::Protocol(format!("the ADE profile's `{key}` is not {expected}"))
}

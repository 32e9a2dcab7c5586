//! Configuration profiles that operators have installed: what can be seen of them from outside.
//!
//! Apple: "TopLevel" of the configuration-profile reference.

use plist::{Dictionary, Value};

use super::ActionError;
use crate::protocol::plist::{PlistError, parse};

/// A larger profile is not taken.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The payloads that make a device managed, or take over its management.
const MDM: [&str; 1] = ["com.apple.mdm"];

/// Why bytes are not a profile that an operator can have installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It holds a payload that makes a device managed.
    #[error("holds an MDM payload; devices get it by enrolling, and a renewed one by renew-identity")]
    Mdm,
    /// A key that every profile has is missing.
    #[error("lacks {0}")]
    Missing(&'static str),
    /// It is not of `PayloadType` `Configuration`.
    #[error("is not a Configuration profile")]
    NotConfiguration,
    /// Its content is encrypted for somebody, which a server can't look into.
    #[error("is encrypted; send it unencrypted, commands are protected on their way")]
    Encrypted,
    /// Not a property list.
    #[error("can't be read: {0}")]
    Plist(#[from] PlistError),
}

/// A profile, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Mobileconfig {
    /// `PayloadIdentifier`
    pub identifier: String,
    /// The whole of it.
    pub content: Dictionary,
}

/// Refuses what is too large to be sent to devices.
pub(super) fn check_size(field: &'static str, bytes: &[u8]) -> Result<(), ActionError> {
    let problem = match bytes.len() {
        0 => "is empty",
        length if length > MAX_BYTES => "is larger than 4 MiB",
        _ => return Ok(()),
    };
    Err(ActionError::Field { field, problem })
}

/// Whether the bytes are a signed profile: CMS in DER.
pub fn is_signed(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

impl Mobileconfig {
    /// Reads an unsigned profile, or the content of a signed one.
    pub fn read(plist: &[u8]) -> Result<Self, ProfileError> {
        let content = parse(plist)?
            .into_dictionary()
            .ok_or(ProfileError::Plist(PlistError::Shape))?;
        let text = |key: &'static str| {
            let value = content.get(key).and_then(Value::as_string);
            value
                .filter(|value| !value.is_empty())
                .ok_or(ProfileError::Missing(key))
        };
        if text("PayloadType")? != "Configuration" {
            return Err(ProfileError::NotConfiguration);
        }
        text("PayloadUUID")?;
        let identifier = text("PayloadIdentifier")?.to_owned();
        if content.contains_key("EncryptedPayloadContent") {
            return Err(ProfileError::Encrypted);
        }
        if content
            .get("PayloadContent")
            .is_none_or(|content| content.as_array().is_none())
        {
            return Err(ProfileError::Missing("PayloadContent"));
        }
        let profile = Self { identifier, content };
        if profile.payload_types().any(|kind| MDM.contains(&kind)) {
            return Err(ProfileError::Mdm);
        }
        Ok(profile)
    }

    /// The types of its payloads.
    pub fn payload_types(&self) -> impl Iterator<Item = &str> {
        self.payloads()
            .filter_map(|payload| payload.get("PayloadType")?.as_string())
    }

    /// Its payloads.
    pub fn payloads(&self) -> impl Iterator<Item = &Dictionary> {
        let payloads = self.content.get("PayloadContent").and_then(Value::as_array);
        payloads.into_iter().flatten().filter_map(Value::as_dictionary)
    }

    /// Its payloads, to be changed.
    pub fn payloads_mut(&mut self) -> impl Iterator<Item = &mut Dictionary> {
        let payloads = self
            .content
            .get_mut("PayloadContent")
            .and_then(Value::as_array_mut);
        payloads
            .into_iter()
            .flatten()
            .filter_map(Value::as_dictionary_mut)
    }
}

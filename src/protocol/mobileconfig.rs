//! Configuration profiles that operators have installed: what can be seen of them from outside.
//!
//! Apple: "TopLevel" of the configuration-profile reference.

use plist::{Dictionary, Value};

use super::plist::{PlistError, parse};

/// A larger profile is not taken.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The payload that makes a device managed.
const MDM: &str = "com.apple.mdm";

/// Why bytes are not a profile that an operator can have installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Its content is encrypted for somebody, which a server can't look into.
    #[error("is encrypted; send it unencrypted, commands are protected on their way")]
    Encrypted,
    /// It holds a payload that makes a device managed.
    #[error("holds an MDM payload; devices get that by enrolling")]
    Mdm,
    /// A key that every profile has is missing.
    #[error("lacks {0}")]
    Missing(&'static str),
    /// It is not of `PayloadType` `Configuration`.
    #[error("is not a Configuration profile")]
    NotConfiguration,
    /// Not a property list.
    #[error("can't be read: {0}")]
    Plist(#[from] PlistError),
}

/// Whether the bytes are a signed profile: CMS in DER.
pub fn is_signed(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

/// The `PayloadIdentifier` of an unsigned profile, or of the content of a signed one, that an operator can have installed.
pub fn identifier(plist: &[u8]) -> Result<String, ProfileError> {
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
    let payloads = content.get("PayloadContent").and_then(Value::as_array);
    let payloads = payloads.ok_or(ProfileError::Missing("PayloadContent"))?;
    let kind = |payload: &Dictionary| Some(payload.get("PayloadType")?.as_string()? == MDM);
    if payloads
        .iter()
        .filter_map(Value::as_dictionary)
        .any(|payload| kind(payload) == Some(true))
    {
        return Err(ProfileError::Mdm);
    }
    Ok(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::plist::to_xml;

    fn profile(change: impl FnOnce(&mut Dictionary)) -> Result<String, ProfileError> {
        let payload =
            Dictionary::from_iter([("PayloadType".to_owned(), Value::from("com.apple.wifi.managed"))]);
        let mut profile = Dictionary::from_iter([
            ("PayloadType".to_owned(), Value::from("Configuration")),
            ("PayloadUUID".to_owned(), Value::from("U")),
            ("PayloadIdentifier".to_owned(), Value::from("org.example.wifi")),
            ("PayloadContent".to_owned(), Value::Array(vec![payload.into()])),
        ]);
        change(&mut profile);
        identifier(&to_xml(&profile).unwrap())
    }

    #[test]
    fn a_profile_tells_its_identifier() {
        assert_eq!(profile(|_| {}).unwrap(), "org.example.wifi");
    }

    #[test]
    fn what_can_not_be_installed_by_an_operator_is_refused() {
        let mdm = Dictionary::from_iter([("PayloadType".to_owned(), Value::from(MDM))]);
        let managed = profile(|profile| {
            profile.insert("PayloadContent".into(), Value::Array(vec![mdm.into()]));
        });
        assert_eq!(managed, Err(ProfileError::Mdm));
        let nameless = profile(|profile| {
            profile.remove("PayloadIdentifier");
        });
        assert_eq!(nameless, Err(ProfileError::Missing("PayloadIdentifier")));
        let sealed = profile(|profile| {
            profile.insert("EncryptedPayloadContent".into(), Value::Data(vec![1]));
        });
        assert_eq!(sealed, Err(ProfileError::Encrypted));
        let other = profile(|profile| {
            profile.insert("PayloadType".into(), "com.apple.wifi.managed".into());
        });
        assert_eq!(other, Err(ProfileError::NotConfiguration));
        assert!(matches!(identifier(b"PK\x03\x04"), Err(ProfileError::Plist(_))));
    }
}

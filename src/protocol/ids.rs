//! The identifiers that travel through every layer, each with a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a value that has already been checked, or that comes from our own store.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One management channel: a device, or one user of a device.
    ///
    /// Normalised as NanoMDM does it: `UDID` or `EnrollmentID` for the device channel, that id, a colon and
    /// the user's part for a user channel. The device's part never holds a colon (the decoder refuses such an
    /// id), so that no device can take the name of another's user channel.
    EnrollmentId
}
text_id! {
    /// A device's unique identifier, opaque text of any shape (Apple has used three so far).
    Udid
}
text_id! {
    /// A device's serial number.
    SerialNumber
}
text_id! {
    /// A command's identifier; opaque to the device, which only echoes it.
    CommandUuid
}
text_id! {
    /// An APNs topic, `com.apple.mgmt.…`: the subject UID of the MDM push certificate.
    Topic
}

impl EnrollmentId {
    /// The user channel `user` of the device channel `self`.
    pub fn user_channel(&self, user: &str) -> Self {
        Self(format!("{}:{user}", self.0))
    }

    /// The device channel this enrollment belongs to: itself, or the part before the colon.
    pub fn device(&self) -> EnrollmentId {
        Self(self.0.split(':').next().unwrap_or_default().to_owned())
    }

    /// Whether this is a user channel.
    pub fn is_user_channel(&self) -> bool {
        self.0.contains(':')
    }
}

/// SHA-256 of a certificate's DER encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Wraps a SHA-256 digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("a fingerprint is 64 hexadecimal digits");
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| "not hexadecimal")?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| "not hexadecimal")?;
        }
        Ok(Self(digest))
    }
}

/// What kind of channel an enrollment is; the words are NanoMDM's, which its webhooks and lists use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum EnrollmentKind {
    /// The device channel of a device-type enrollment (`UDID`).
    #[serde(rename = "Device")]
    Device,
    /// A Mac user's channel (`UDID` and `UserID`).
    #[serde(rename = "User")]
    User,
    /// The device channel of a User Enrollment (`EnrollmentID`).
    #[serde(rename = "User Enrollment (Device)")]
    UserEnrollmentDevice,
    /// The user channel of a User Enrollment (`EnrollmentID` and `EnrollmentUserID`).
    #[serde(rename = "User Enrollment")]
    UserEnrollment,
    /// A signed-in user of a Shared iPad (`UDID` and `UserShortName`).
    #[serde(rename = "Shared iPad")]
    SharedIpad,
}

impl EnrollmentKind {
    /// NanoMDM's word for the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "Device",
            Self::SharedIpad => "Shared iPad",
            Self::User => "User",
            Self::UserEnrollment => "User Enrollment",
            Self::UserEnrollmentDevice => "User Enrollment (Device)",
        }
    }

    /// Whether this is a User Enrollment (BYOD), which hides the device's identifiers.
    pub fn is_user_enrollment(self) -> bool {
        matches!(self, Self::UserEnrollment | Self::UserEnrollmentDevice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_channel_knows_its_device() {
        let user = EnrollmentId::new("UDID-1").user_channel("a:b");
        assert_eq!(user.as_str(), "UDID-1:a:b");
        assert!(user.is_user_channel());
        assert_eq!(user.device(), EnrollmentId::new("UDID-1"));
        assert!(!user.device().is_user_channel());
    }

    #[test]
    fn a_fingerprint_survives_its_text_form() {
        let fingerprint = Fingerprint::new([0xa7; 32]);
        assert_eq!(Fingerprint::try_from(fingerprint.to_string()), Ok(fingerprint));
        assert!(Fingerprint::try_from("zz".repeat(32)).is_err());
        assert!(Fingerprint::try_from("é".repeat(32)).is_err());
    }
}

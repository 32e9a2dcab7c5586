//! The PIN of a Mac that was locked or erased from afar: six digits.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Six digits that unlock a Mac. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// Takes six digits.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The PIN that these random bytes come to.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        // Of 2⁶⁴ values the remainder favours none noticeably.
        Self(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
    }

    /// The digits.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not by a borrowed text: JSON may hold escapes. The text must not show in the failure.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("pin is no text"))?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("pin must have six digits"))
    }
}

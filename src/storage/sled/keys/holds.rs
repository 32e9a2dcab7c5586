//! The keys of holds in Setup Assistant.

use super::{Prefix, Reader, Writer};
use crate::protocol::{
    ids::{EnrollmentId, Fingerprint},
    time::Timestamp,
};

/// A key of this part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::sled) enum HoldKey {
    /// A chunk of an enrollment's latest hold.
    Hold(EnrollmentId, u32),
    /// Index: who is held now.
    Open(EnrollmentId),
    /// Index: holds by the time at which something is to be done for them.
    Due(Timestamp, EnrollmentId),
    /// A chunk of a hold profile, by its name.
    Profile(String, u32),
    /// A chunk of a `.mobileconfig`.
    Content(Fingerprint, u32),
}

/// The kinds, all of them from here on up to the last.
pub(super) mod kind {
    pub(in super::super) const HOLD: u8 = 0xB0;
    pub(in super::super) const OPEN: u8 = 0xB1;
    pub(in super::super) const DUE: u8 = 0xB2;
    pub(in super::super) const PROFILE: u8 = 0xB3;
    pub(in super::super) const CONTENT: u8 = 0xB4;
}

impl HoldKey {
    /// The key's bytes.
    pub(super) fn write(&self) -> Writer {
        match self {
            Self::Hold(id, chunk) => Writer::new(kind::HOLD)
                .text(id.as_str())
                .bytes(&chunk.to_be_bytes()),
            Self::Open(id) => Writer::new(kind::OPEN).last(id.as_str()),
            Self::Due(at, id) => Writer::new(kind::DUE).time(*at).last(id.as_str()),
            Self::Profile(name, chunk) => Writer::new(kind::PROFILE).text(name).bytes(&chunk.to_be_bytes()),
            Self::Content(digest, chunk) => Writer::new(kind::CONTENT)
                .bytes(digest.as_bytes())
                .bytes(&chunk.to_be_bytes()),
        }
    }

    /// Reads the parts of a key of this kind.
    pub(super) fn read(kind: u8, parts: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            kind::HOLD => Self::Hold(EnrollmentId::new(parts.text()?), parts.u32()?),
            kind::OPEN => Self::Open(EnrollmentId::new(parts.last()?)),
            kind::DUE => Self::Due(parts.time()?, EnrollmentId::new(parts.last()?)),
            kind::PROFILE => Self::Profile(parts.text()?, parts.u32()?),
            kind::CONTENT => Self::Content(parts.digest()?, parts.u32()?),
            _ => return None,
        })
    }
}

/// The prefixes of this part.
impl Prefix {
    /// Who is held now.
    pub(in crate::storage::sled) fn open_holds() -> Self {
        Self(vec![kind::OPEN])
    }

    /// Holds for which something is to be done, the earliest first.
    pub(in crate::storage::sled) fn due_holds() -> Self {
        Self(vec![kind::DUE])
    }

    /// All hold profiles, by name.
    pub(in crate::storage::sled) fn hold_profiles() -> Self {
        Self(vec![kind::PROFILE])
    }

    /// All contents of hold profiles.
    pub(in crate::storage::sled) fn hold_contents() -> Self {
        Self(vec![kind::CONTENT])
    }
}

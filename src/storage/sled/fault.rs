//! What goes wrong in this backend, as the traits' errors.
//!
//! No text here holds anything of a record: serde's own errors quote what they stumbled over, so they are left out.

use sled::Error;

use crate::storage::StoreError;

/// The next step that every report of damage names.
pub(super) const RESTORE: &str =
    "stop the server and restore the data directory from a backup; keep the damaged one for examination";

/// A failure of sled.
pub(super) fn sled(error: Error) -> StoreError {
    match error {
        Error::Corruption { .. } => damaged("a part of the database file fails its checksum"),
        Error::Io(cause) => StoreError::Unavailable(Box::new(cause)),
        other => StoreError::Unavailable(Box::new(other)),
    }
}

/// Something that can't be read back.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what}; {RESTORE}").into())
}

/// Something that may work later.
pub(super) fn unavailable(why: impl Into<String>) -> StoreError {
    StoreError::Unavailable(why.into().into())
}

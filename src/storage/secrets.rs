//! Secrets that operators may need again: the PINs with which Macs were locked, and bypass codes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Sealed, StoreResult};
use crate::protocol::{
    ids::{CommandUuid, EnrollmentId},
    time::Timestamp,
};

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// Removes Activation Lock; the device made it.
    BypassCode,
    /// Unlocks a Mac that was locked or erased with it.
    Pin,
}

/// A secret of an enrollment. It outlives the enrollment: a Mac that was erased still asks for its PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Whose.
    pub enrollment: EnrollmentId,
    /// What it is for.
    pub kind: SecretKind,
    /// The secret.
    pub sealed: Sealed,
    /// The command that carried it, or that was answered with it.
    pub command: CommandUuid,
    /// When it was kept.
    pub at: Timestamp,
}

/// So many secrets of one kind are kept for an enrollment; of more, the oldest go.
pub const MAX_SECRETS: usize = 16;

/// Secrets of enrollments. [`Batch::secrets`](super::Batch) puts in what goes with commands.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Keeps a secret. The same one again changes nothing.
    async fn keep_secret(&self, secret: SecretRecord) -> StoreResult<()>;

    /// The secrets of one kind, the latest first.
    async fn secrets(&self, enrollment: &EnrollmentId, kind: SecretKind) -> StoreResult<Vec<SecretRecord>>;
}

//! What was answered to requests that carry an `Idempotency-Key`, so that a repetition gets the same answer and changes
//! nothing (draft-ietf-httpapi-idempotency-key-header).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{SecretHash, StoreResult, records::base64_bytes};
use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// An answer, as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// HTTP's status.
    pub status: u16,
    /// `Content-Type`
    pub content_type: String,
    /// The body.
    #[serde(with = "base64_bytes")]
    pub body: Vec<u8>,
}

/// A request that carries a key.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    /// Of the key, and of whose it is.
    pub key: SecretHash,
    /// Of the method, the address and the body.
    pub request: Fingerprint,
    /// When it came.
    pub at: Timestamp,
    /// A request that has no answer yet and came before this was interrupted: it may be carried out anew.
    pub interrupted_before: Timestamp,
    /// So many keys are kept; of more, the oldest go.
    pub keep: u64,
}

/// What there is to do about a [`KeyedRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// It was answered: with this.
    Answered(KeptAnswer),
    /// It is being carried out.
    Busy,
    /// It is to be carried out.
    Fresh {
        /// When it first came: earlier than now if it was interrupted.
        since: Timestamp,
    },
    /// The key belongs to another request.
    OtherRequest,
}

/// Answers to repeat.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Takes note of a request, unless its key is known.
    async fn begin_keyed(&self, request: KeyedRequest) -> StoreResult<Idempotency>;

    /// Keeps the answer to a request that was begun. One whose key is gone is passed over.
    async fn answer_keyed(&self, key: &SecretHash, answer: KeptAnswer) -> StoreResult<()>;

    /// Forgets a key: the request came to nothing, and may be repeated.
    async fn forget_keyed(&self, key: &SecretHash) -> StoreResult<()>;

    /// Forgets keys that came before `before`, at most `limit`; says how many.
    async fn purge_keyed(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;
}

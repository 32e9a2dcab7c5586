//! Requests that may be sent again: under one key the answer is the same, and what was done is not done again.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    protocol::{ids::Fingerprint, time::Timestamp},
    service::access::Operator,
    storage::{Idempotency, KeptAnswer, KeyedRequest, SecretHash, Storage},
};

/// So many keys are kept, of all operators together.
const MAX_KEPT: u64 = 10_000;

/// A longer answer is not kept: the request is carried out again, and finds everything done.
const MAX_ANSWER: usize = 1024 * 1024;

/// A request that has no answer after this was interrupted.
const INTERRUPTED_AFTER: Duration = Duration::from_secs(120);

/// What there is to do about a request with a key.
#[derive(Debug)]
pub enum Begun {
    /// It was answered: with this.
    Answered(KeptAnswer),
    /// It is to be carried out.
    Fresh(InHand),
}

/// A request that is being carried out.
#[derive(Debug)]
pub struct InHand {
    key: SecretHash,
    /// From what its identifiers are made: the same when it is carried out again.
    pub seed: Uuid,
}

/// Answers to repeat.
#[derive(Clone, Debug)]
pub struct Idempotence {
    store: Arc<dyn Storage>,
}

impl Idempotence {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store }
    }

    /// An operator has sent a request (all of it: method, address, body) under a key of theirs.
    pub async fn begin(
        &self,
        operator: &Operator,
        key: &str,
        request: &[u8],
        now: Timestamp,
    ) -> Result<Begun> {
        // One operator's key is not another's.
        let owner = format!("{}\0{}\0{key}", operator.kind.as_str(), operator.name);
        let key = SecretHash(sha256(owner.as_bytes()));
        let request = sha256(request);
        let keyed = KeyedRequest {
            key,
            request,
            at: now,
            interrupted_before: now.minus(INTERRUPTED_AFTER),
            keep: MAX_KEPT,
        };
        match self.store.begin_keyed(keyed).await? {
            Idempotency::Answered(answer) => Ok(Begun::Answered(answer)),
            Idempotency::Busy => Err(Error::new(Code::IdempotencyKeyBusy)),
            Idempotency::Fresh { since } => {
                // Of its time too: once a key is forgotten, it stands for something new.
                let words = [
                    &key.0.as_bytes()[..],
                    request.as_bytes(),
                    &since.millis().to_be_bytes(),
                ]
                .concat();
                let seed = Uuid::new_v5(&Uuid::NAMESPACE_OID, &words);
                Ok(Begun::Fresh(InHand { key, seed }))
            }
            Idempotency::OtherRequest => Err(Error::new(Code::IdempotencyKeyReused)),
        }
    }

    /// Keeps an answer that tells of something done; after a refusal the same request may be tried again.
    pub async fn end(&self, request: &InHand, answer: KeptAnswer) -> Result<()> {
        if !(200..300).contains(&answer.status) {
            self.store.forget_keyed(&request.key).await?;
        } else if answer.body.len() <= MAX_ANSWER {
            self.store.answer_keyed(&request.key, answer).await?;
        }
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Fingerprint::new(hash)
}

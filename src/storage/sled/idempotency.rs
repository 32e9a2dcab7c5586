//! Requests with an idempotency key, and what was answered.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    SledStorage, chunks,
    keys::{ActionKey, Key, Prefix},
    transaction::Transaction,
    view::{View, decode},
};
use crate::{
    protocol::{ids::Fingerprint, time::Timestamp},
    storage::{Idempotency, IdempotencyStore, KeptAnswer, KeyedRequest, SecretHash, StoreResult},
};

/// What is kept under a key.
#[derive(Serialize, Deserialize)]
struct Kept {
    request: Fingerprint,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<KeptAnswer>,
}

#[async_trait]
impl IdempotencyStore for SledStorage {
    async fn begin_keyed(&self, request: KeyedRequest) -> StoreResult<Idempotency> {
        self.write(move |transaction| begin(transaction, &request)).await
    }

    async fn answer_keyed(&self, key: &SecretHash, answer: KeptAnswer) -> StoreResult<()> {
        let key = *key;
        self.write(move |transaction| match kept(&transaction.view(), &key)? {
            Some(mut kept) => {
                kept.answer = Some(answer);
                put(transaction, &key, &kept)
            }
            None => Ok(()),
        })
        .await
    }

    async fn forget_keyed(&self, key: &SecretHash) -> StoreResult<()> {
        let key = *key;
        self.write(move |transaction| match kept(&transaction.view(), &key)? {
            Some(kept) => forget(transaction, &key, kept.at),
            None => Ok(()),
        })
        .await
    }

    async fn purge_keyed(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| {
            let due = oldest(&transaction.view(), limit, |at| at < before)?;
            for (at, key) in &due {
                forget(transaction, key, *at)?;
            }
            Ok(due.len())
        })
        .await
    }
}

fn begin(transaction: &mut Transaction<'_>, request: &KeyedRequest) -> StoreResult<Idempotency> {
    if let Some(kept) = kept(&transaction.view(), &request.key)? {
        if kept.request != request.request {
            return Ok(Idempotency::OtherRequest);
        }
        if let Some(answer) = kept.answer {
            return Ok(Idempotency::Answered(answer));
        }
        if kept.at >= request.interrupted_before {
            return Ok(Idempotency::Busy);
        }
        return Ok(Idempotency::Fresh { since: kept.at });
    }
    let surplus = (transaction.meta.keyed + 1).saturating_sub(request.keep);
    let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
    for (at, key) in oldest(&transaction.view(), surplus, |_| true)? {
        forget(transaction, &key, at)?;
    }
    let kept = Kept {
        request: request.request,
        at: request.at,
        answer: None,
    };
    transaction.put(&Key::Action(ActionKey::KeyedAge(request.at, request.key)), &[]);
    transaction.meta.keyed += 1;
    put(transaction, &request.key, &kept)?;
    Ok(Idempotency::Fresh { since: request.at })
}

fn kept(view: &View<'_>, key: &SecretHash) -> StoreResult<Option<Kept>> {
    let bytes = chunks::get(view, |piece| Key::Action(ActionKey::Keyed(*key, piece)))?;
    bytes.map(|bytes| decode(&bytes)).transpose()
}

fn put(transaction: &mut Transaction<'_>, key: &SecretHash, kept: &Kept) -> StoreResult<()> {
    let bytes = serde_json::to_vec(kept).unwrap_or_default();
    chunks::put(
        transaction,
        |piece| Key::Action(ActionKey::Keyed(*key, piece)),
        &bytes,
    )
}

fn forget(transaction: &mut Transaction<'_>, key: &SecretHash, at: Timestamp) -> StoreResult<()> {
    transaction.remove(&Key::Action(ActionKey::KeyedAge(at, *key)));
    transaction.meta.keyed = transaction.meta.keyed.saturating_sub(1);
    chunks::remove(transaction, |piece| Key::Action(ActionKey::Keyed(*key, piece)))
}

fn oldest(
    view: &View<'_>,
    limit: usize,
    is_due: impl Fn(Timestamp) -> bool,
) -> StoreResult<Vec<(Timestamp, SecretHash)>> {
    let mut keys = Vec::new();
    for pair in view.scan(&Prefix::keyed_ages()).take(limit) {
        match pair?.0 {
            Key::Action(ActionKey::KeyedAge(at, key)) if is_due(at) => keys.push((at, key)),
            _ => break,
        }
    }
    Ok(keys)
}

//! Secrets of enrollments.

use async_trait::async_trait;

use super::{
    SledStorage,
    keys::{ActionKey, Key, Prefix},
    transaction::Transaction,
    view::decode,
};
use crate::{
    protocol::ids::EnrollmentId,
    storage::{MAX_SECRETS, SecretKind, SecretRecord, SecretStore, StoreResult},
};

#[async_trait]
impl SecretStore for SledStorage {
    async fn keep_secret(&self, secret: SecretRecord) -> StoreResult<()> {
        self.write(move |transaction| keep(transaction, &secret)).await
    }

    async fn secrets(&self, enrollment: &EnrollmentId, kind: SecretKind) -> StoreResult<Vec<SecretRecord>> {
        self.shared.read(|view, _| {
            let mut secrets: Vec<SecretRecord> = view
                .scan(&Prefix::secrets(enrollment, number(kind)))
                .map(|pair| decode(&pair?.1))
                .collect::<StoreResult<_>>()?;
            secrets.reverse();
            Ok(secrets)
        })
    }
}

/// The kind in a key; never to be changed.
fn number(kind: SecretKind) -> u8 {
    match kind {
        SecretKind::BypassCode => 1,
        SecretKind::Pin => 2,
    }
}

/// Keeps a secret, and lets the oldest go if there are too many.
pub(super) fn keep(transaction: &mut Transaction<'_>, secret: &SecretRecord) -> StoreResult<()> {
    let kind = number(secret.kind);
    let key = Key::Action(ActionKey::Secret(
        secret.enrollment.clone(),
        kind,
        secret.at,
        secret.command.clone(),
    ));
    transaction.put_record(&key, secret)?;
    let keys: Vec<Key> = transaction
        .view()
        .scan(&Prefix::secrets(&secret.enrollment, kind))
        .map(|pair| pair.map(|(key, _)| key))
        .collect::<StoreResult<_>>()?;
    let surplus = keys.len().saturating_sub(MAX_SECRETS);
    keys.iter().take(surplus).for_each(|key| transaction.remove(key));
    Ok(())
}

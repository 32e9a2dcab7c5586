//! What operators set up: API keys, accounts, enrollment links, push certificates.

use std::cmp::Reverse;

use async_trait::async_trait;

use super::{
    SledStorage, fault,
    keys::{Key, Prefix},
    view::{View, decode},
};
use crate::{
    protocol::{ids::Topic, time::Timestamp},
    storage::{
        AccountRecord, AdminStore, ApiKeyRecord, EnrollLinkRecord, LinkUse, PendingPushKeyRecord,
        PushCertificateRecord, SecretHash, StoreResult,
    },
};

#[async_trait]
impl AdminStore for SledStorage {
    async fn add_api_key(&self, key: ApiKeyRecord) -> StoreResult<bool> {
        self.write(move |transaction| {
            let name = Key::ApiName(key.name.clone());
            if transaction.view().get(&name)?.is_some() {
                return Ok(false);
            }
            transaction.put_record(&name, &key.hash)?;
            transaction.put_record(&Key::ApiSecret(key.hash), &key)?;
            Ok(true)
        })
        .await
    }

    async fn api_key(&self, hash: &SecretHash) -> StoreResult<Option<ApiKeyRecord>> {
        self.shared.read(|view, _| view.record(&Key::ApiSecret(*hash)))
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRecord>> {
        self.shared.read(|view, _| {
            let mut keys = Vec::new();
            for pair in view.scan(&Prefix::api_key_names()) {
                let hash = decode(&pair?.1)?;
                let key = view.record(&Key::ApiSecret(hash))?;
                keys.push(key.ok_or_else(|| fault::damaged("an API key is missing"))?);
            }
            Ok(keys)
        })
    }

    async fn api_key_used(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<()> {
        let key = Key::ApiSecret(*hash);
        self.write(move |transaction| {
            let Some(mut record) = transaction.view().record::<ApiKeyRecord>(&key)? else {
                return Ok(());
            };
            if record.used_at.is_none_or(|stored| stored < at) {
                record.used_at = Some(at);
                transaction.put_record(&key, &record)?;
            }
            Ok(())
        })
        .await
    }

    async fn remove_api_key(&self, name: &str) -> StoreResult<bool> {
        let name = Key::ApiName(name.to_owned());
        self.write(move |transaction| {
            let Some(hash) = transaction.view().record(&name)? else {
                return Ok(false);
            };
            transaction.remove(&name);
            transaction.remove(&Key::ApiSecret(hash));
            Ok(true)
        })
        .await
    }

    async fn add_account(&self, account: AccountRecord) -> StoreResult<bool> {
        self.write(move |transaction| {
            let key = Key::Account(account.name.clone());
            if transaction.view().get(&key)?.is_some() {
                return Ok(false);
            }
            transaction.put_record(&key, &account)?;
            Ok(true)
        })
        .await
    }

    async fn account(&self, name: &str) -> StoreResult<Option<AccountRecord>> {
        self.shared
            .read(|view, _| view.record(&Key::Account(name.to_owned())))
    }

    async fn accounts(&self) -> StoreResult<Vec<AccountRecord>> {
        self.shared.read(|view, _| {
            view.scan(&Prefix::accounts())
                .map(|pair| decode(&pair?.1))
                .collect()
        })
    }

    async fn remove_account(&self, name: &str) -> StoreResult<bool> {
        let key = Key::Account(name.to_owned());
        self.write(move |transaction| {
            let known = transaction.view().get(&key)?.is_some();
            if known {
                transaction.remove(&key);
            }
            Ok(known)
        })
        .await
    }

    async fn add_enroll_link(&self, link: EnrollLinkRecord) -> StoreResult<()> {
        self.write(move |transaction| transaction.put_record(&Key::EnrollLink(link.hash), &link))
            .await
    }

    async fn enroll_link(&self, hash: &SecretHash) -> StoreResult<Option<EnrollLinkRecord>> {
        self.shared.read(|view, _| view.record(&Key::EnrollLink(*hash)))
    }

    async fn use_enroll_link(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<LinkUse> {
        let key = Key::EnrollLink(*hash);
        self.write(move |transaction| {
            let Some(mut link) = transaction.view().record::<EnrollLinkRecord>(&key)? else {
                return Ok(LinkUse::Unknown);
            };
            if link.used_at.is_some() {
                return Ok(LinkUse::Used);
            }
            if link.expires_at <= at {
                return Ok(LinkUse::Expired);
            }
            link.used_at = Some(at);
            transaction.put_record(&key, &link)?;
            Ok(LinkUse::Granted(link))
        })
        .await
    }

    async fn add_pending_push_key(&self, key: PendingPushKeyRecord) -> StoreResult<PendingPushKeyRecord> {
        self.write(move |transaction| {
            let place = Key::PendingPush(key.topic.clone());
            if let Some(waiting) = transaction.view().record(&place)? {
                return Ok(waiting);
            }
            transaction.put_record(&place, &key)?;
            Ok(key)
        })
        .await
    }

    async fn pending_push_keys(&self) -> StoreResult<Vec<PendingPushKeyRecord>> {
        self.shared.read(|view, _| pending_push_keys(&view))
    }

    async fn put_push_certificate(&self, certificate: PushCertificateRecord) -> StoreResult<()> {
        self.write(move |transaction| {
            for pending in pending_push_keys(&transaction.view())? {
                if certificate.key_hash == Some(pending.key_hash) {
                    transaction.remove(&Key::PendingPush(pending.topic));
                }
            }
            transaction.put_record(&Key::PushCertificate(certificate.topic.clone()), &certificate)
        })
        .await
    }

    async fn push_certificate(&self, topic: &Topic) -> StoreResult<Option<PushCertificateRecord>> {
        self.shared
            .read(|view, _| view.record(&Key::PushCertificate(topic.clone())))
    }

    async fn push_certificates(&self) -> StoreResult<Vec<PushCertificateRecord>> {
        let mut certificates: Vec<PushCertificateRecord> = self.shared.read(|view, _| {
            view.scan(&Prefix::push_certificates())
                .map(|pair| decode(&pair?.1))
                .collect()
        })?;
        certificates.sort_by_key(|certificate| Reverse(certificate.stored_at));
        Ok(certificates)
    }
}

fn pending_push_keys(view: &View<'_>) -> StoreResult<Vec<PendingPushKeyRecord>> {
    view.scan(&Prefix::pending_push_keys())
        .map(|pair| decode(&pair?.1))
        .collect()
}

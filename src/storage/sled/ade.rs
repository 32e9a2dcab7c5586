//! Server tokens and enrollment profiles, and the role's methods: each of them one transaction or one read.
//!
//! A token's record and a profile are kept in chunks: with keys and certificates they grow beyond what a page of the
//! database likes.

use std::cmp::Reverse;

use async_trait::async_trait;

use super::{
    SledStorage, ade_devices, ade_lists, chunks, fault,
    keys::{Key, Prefix},
    reports,
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::{
        AdeChanged, AdeDeviceChange, AdeDeviceFilter, AdeDeviceRecord, AdeFigures, AdeProfileRecord,
        AdeProfileRule, AdeStore, AdeSyncRecord, AdeTokenAdded, AdeTokenRecord, AdeTokenRule, Listing, Page,
        RowRuling, StoreResult,
    },
};

#[async_trait]
impl AdeStore for SledStorage {
    async fn add_ade_token(&self, mut token: AdeTokenRecord, limit: usize) -> StoreResult<AdeTokenAdded> {
        self.write(move |transaction| {
            let view = transaction.view();
            if view.get(&Key::AdeToken(token.name.clone(), 0))?.is_some() {
                return Ok(AdeTokenAdded::NameTaken);
            }
            if view.scan(&Prefix::ade_numbers()).take(limit).count() == limit {
                return Ok(AdeTokenAdded::TooMany);
            }
            transaction.meta.last_ade_token += 1;
            token.number = transaction.meta.last_ade_token;
            transaction.put_record(&Key::AdeNumber(token.number), &token.name)?;
            put_token(transaction, &token)?;
            Ok(AdeTokenAdded::Added(token.number))
        })
        .await
    }

    async fn ade_tokens(&self) -> StoreResult<Vec<AdeTokenRecord>> {
        self.read_at_length(ade_lists::tokens).await
    }

    async fn ade_token(&self, name: &str) -> StoreResult<Option<AdeTokenRecord>> {
        self.shared.read(|view, _| token(&view, name))
    }

    async fn ade_token_by_number(&self, number: u64) -> StoreResult<Option<AdeTokenRecord>> {
        self.shared.read(|view, _| token_by_number(&view, number))
    }

    async fn edit_ade_token(&self, number: u64, rule: AdeTokenRule) -> StoreResult<Option<AdeTokenRecord>> {
        self.write(move |transaction| {
            let Some(stored) = token_by_number(&transaction.view(), number)? else {
                return Ok(None);
            };
            let Some(changed) = rule(&stored) else {
                return Ok(Some(stored));
            };
            let changed = AdeTokenRecord {
                number,
                name: stored.name,
                created_at: stored.created_at,
                ..changed
            };
            put_token(transaction, &changed)?;
            Ok(Some(changed))
        })
        .await
    }

    async fn remove_ade_token(&self, number: u64) -> StoreResult<bool> {
        self.write(move |transaction| {
            let index = Key::AdeNumber(number);
            let Some(name) = transaction.view().record::<String>(&index)? else {
                return Ok(false);
            };
            transaction.remove(&index);
            chunks::remove(transaction, |piece| Key::AdeToken(name.clone(), piece))?;
            transaction.put(&Key::AdeGone(number), &[]);
            reports::token_removed(transaction, number);
            Ok(true)
        })
        .await
    }

    async fn purge_removed_ade_tokens(&self, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| purge_removed(transaction, limit))
            .await
    }

    async fn ade_sync(&self, token: u64) -> StoreResult<AdeSyncRecord> {
        self.shared.read(|view, _| {
            if !is_there(&view, token)? {
                return Ok(AdeSyncRecord::default());
            }
            Ok(view.record(&Key::AdeSync(token))?.unwrap_or_default())
        })
    }

    async fn change_ade_devices(&self, token: u64, change: AdeDeviceChange) -> StoreResult<AdeChanged> {
        let _alone = self.page.lock().await;
        self.write(move |transaction| ade_devices::change(transaction, token, &change))
            .await
    }

    async fn ade_device(&self, serial: &SerialNumber) -> StoreResult<Vec<AdeDeviceRecord>> {
        let mut devices = self
            .shared
            .read(|view, _| ade_devices::with_serial(&view, serial))?;
        devices.sort_by_key(|device| (device.removed_at.is_some(), Reverse(device.updated_at)));
        Ok(devices)
    }

    async fn ade_devices(
        &self,
        filter: &AdeDeviceFilter,
        page: &Page,
    ) -> StoreResult<Listing<AdeDeviceRecord>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read_at_length(move |shared| ade_lists::devices(shared, &filter, &page))
            .await
    }

    async fn due_ade_devices(
        &self,
        token: u64,
        now: Timestamp,
        limit: usize,
    ) -> StoreResult<Vec<AdeDeviceRecord>> {
        self.shared
            .read(|view, _| ade_devices::due(&view, token, now, limit))
    }

    async fn next_ade_due(&self, token: u64) -> StoreResult<Option<Timestamp>> {
        self.shared.read(|view, _| ade_devices::next_due(&view, token))
    }

    async fn ade_figures(&self, token: u64) -> StoreResult<AdeFigures> {
        self.read_at_length(move |shared| ade_lists::figures(shared, token))
            .await
    }

    async fn edit_ade_profile(
        &self,
        token: u64,
        name: &str,
        rule: AdeProfileRule,
    ) -> StoreResult<Option<Option<AdeProfileRecord>>> {
        let name = name.to_owned();
        self.write(move |transaction| {
            if !is_there(&transaction.view(), token)? {
                return Ok(None);
            }
            let stored = profile(&transaction.view(), token, &name)?;
            let count = profile_names(&transaction.view(), token, usize::MAX)?.len();
            let key = |piece| Key::AdeProfile(token, name.clone(), piece);
            match rule(stored.as_ref(), count) {
                RowRuling::Keep => Ok(Some(stored)),
                RowRuling::Remove => {
                    chunks::remove(transaction, key)?;
                    Ok(Some(None))
                }
                RowRuling::Put(mut changed) => {
                    (changed.token, changed.name) = (token, name.clone());
                    chunks::put_record(transaction, key, &changed)?;
                    Ok(Some(Some(changed)))
                }
            }
        })
        .await
    }

    async fn ade_profiles(&self, token: u64) -> StoreResult<Vec<AdeProfileRecord>> {
        self.read_at_length(move |shared| ade_lists::profiles(shared, token))
            .await
    }

    async fn ade_profile(&self, token: u64, name: &str) -> StoreResult<Option<AdeProfileRecord>> {
        self.shared.read(|view, _| match is_there(&view, token)? {
            true => profile(&view, token, name),
            false => Ok(None),
        })
    }
}

/// Whether there is a token with this number: of one that was removed, rows may be left.
pub(super) fn is_there(view: &View<'_>, token: u64) -> StoreResult<bool> {
    Ok(view.get(&Key::AdeNumber(token))?.is_some())
}

/// The token of a name.
pub(super) fn token(view: &View<'_>, name: &str) -> StoreResult<Option<AdeTokenRecord>> {
    chunks::record(view, |piece| Key::AdeToken(name.to_owned(), piece))
}

fn token_by_number(view: &View<'_>, number: u64) -> StoreResult<Option<AdeTokenRecord>> {
    let Some(name) = view.record::<String>(&Key::AdeNumber(number))? else {
        return Ok(None);
    };
    let record = token(view, &name)?.ok_or_else(|| fault::damaged("a server token is missing"))?;
    Ok(Some(record))
}

/// A profile, whether or not its token is there.
pub(super) fn profile(view: &View<'_>, token: u64, name: &str) -> StoreResult<Option<AdeProfileRecord>> {
    chunks::record(view, |piece| Key::AdeProfile(token, name.to_owned(), piece))
}

/// The names of a token's profiles, at most `limit`.
fn profile_names(view: &View<'_>, token: u64, limit: usize) -> StoreResult<Vec<String>> {
    let mut names = Vec::new();
    for pair in view.scan(&Prefix::ade_profiles(token)) {
        let (Key::AdeProfile(_, name, piece), _) = pair? else {
            return Err(unexpected_key());
        };
        if names.len() == limit {
            break;
        }
        if piece == 0 {
            names.push(name);
        }
    }
    Ok(names)
}

/// Stores a token; one that is the default is the only one.
fn put_token(transaction: &mut Transaction<'_>, token: &AdeTokenRecord) -> StoreResult<()> {
    if token.is_default {
        let mut names = Vec::new();
        for pair in transaction.view().scan(&Prefix::ade_numbers()) {
            names.push(decode::<String>(&pair?.1)?);
        }
        for name in names.into_iter().filter(|name| *name != token.name) {
            if let Some(mut other) = self::token(&transaction.view(), &name)?
                && other.is_default
            {
                other.is_default = false;
                chunks::put_record(transaction, |piece| Key::AdeToken(name.clone(), piece), &other)?;
            }
        }
    }
    chunks::put_record(
        transaction,
        |piece| Key::AdeToken(token.name.clone(), piece),
        token,
    )
}

fn purge_removed(transaction: &mut Transaction<'_>, limit: usize) -> StoreResult<usize> {
    let mut gone = Vec::new();
    for pair in transaction.view().scan(&Prefix::ade_gone()) {
        match pair? {
            (Key::AdeGone(token), _) => gone.push(token),
            _ => return Err(unexpected_key()),
        }
    }
    let mut purged = 0;
    for token in gone {
        purged += ade_devices::purge(transaction, token, limit - purged)?;
        for name in profile_names(&transaction.view(), token, limit - purged)? {
            chunks::remove(transaction, |piece| Key::AdeProfile(token, name.clone(), piece))?;
            purged += 1;
        }
        if purged == limit {
            break;
        }
        transaction.remove(&Key::AdeSync(token));
        transaction.remove(&Key::AdeGone(token));
    }
    Ok(purged)
}

//! How many enrolled devices have an identity that expires on which day, kept as enrollments change.

use std::collections::BTreeMap;

use super::{
    fault,
    keys::{Key, Prefix},
    transaction::Transaction,
    view::{View, unexpected_key},
};
use crate::{
    protocol::ids::Fingerprint,
    storage::{CertificateRecord, EnrollmentRecord, EnrollmentState, StoreResult},
};

const DAY: i64 = 86_400;

/// An enrollment's record is replaced, made or removed. Its certificate's record is there already.
pub(super) fn moved(
    transaction: &mut Transaction<'_>,
    before: Option<&EnrollmentRecord>,
    after: Option<&EnrollmentRecord>,
) -> StoreResult<()> {
    let (before, after) = (before.and_then(counted), after.and_then(counted));
    if before == after {
        return Ok(());
    }
    if let Some(key) = key(transaction, before)? {
        let count = count(&transaction.view(), &key)?.saturating_sub(1);
        set(transaction, &key, count);
    }
    if let Some(key) = key(transaction, after)? {
        let count = count(&transaction.view(), &key)? + 1;
        set(transaction, &key, count);
    }
    Ok(())
}

/// The identity of a device channel that is enrolled.
fn counted(record: &EnrollmentRecord) -> Option<Fingerprint> {
    let counts = record.state == EnrollmentState::Enrolled && !record.id.is_user_channel();
    record.identity.filter(|_| counts)
}

fn key(transaction: &Transaction<'_>, identity: Option<Fingerprint>) -> StoreResult<Option<Key>> {
    let Some(identity) = identity else { return Ok(None) };
    let certificate: Option<CertificateRecord> = transaction.view().record(&Key::Certificate(identity))?;
    let day = certificate.map(|certificate| certificate.not_after.seconds().div_euclid(DAY));
    // X.509 knows no year beyond 9999.
    Ok(day.map(|day| Key::IdentityDay(u32::try_from(day).unwrap_or(0))))
}

fn count(view: &View<'_>, key: &Key) -> StoreResult<u64> {
    match view.get(key)? {
        None => Ok(0),
        Some(bytes) => number(&bytes),
    }
}

fn set(transaction: &mut Transaction<'_>, key: &Key, count: u64) {
    match count {
        0 => transaction.remove(key),
        count => transaction.put(key, &count.to_be_bytes()),
    }
}

fn number(bytes: &[u8]) -> StoreResult<u64> {
    let bytes = bytes.try_into().map(u64::from_be_bytes);
    bytes.map_err(|_| fault::damaged("a count has another length"))
}

/// How many there are for each day, in days since 1970.
pub(super) fn all(view: &View<'_>) -> StoreResult<BTreeMap<i64, u64>> {
    view.scan(&Prefix::identity_days())
        .map(|pair| match pair? {
            (Key::IdentityDay(day), bytes) => Ok((i64::from(day), number(&bytes)?)),
            _ => Err(unexpected_key()),
        })
        .collect()
}

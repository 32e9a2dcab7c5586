//! The audit log: entries by number, and an index of their targets.
//!
//! An entry is stored as its hash, the latest time that it or any entry before it names, and its canonical bytes. The
//! latest time never goes back, whatever the clock does, and so the place where a time begins is found by halving.

use async_trait::async_trait;

use super::{
    SledStorage, fault,
    keys::{Key, Prefix},
    meta::Meta,
    shared::Shared,
    transaction::Transaction,
    view::{View, unexpected_key},
};
use crate::{
    protocol::{ids::Fingerprint, time::Timestamp},
    storage::{
        AuditEntry, AuditFilter, AuditHead, AuditLink, AuditRow, AuditStore, Listing, NewAudit, Page,
        StoreResult, clip,
    },
};

/// So many entries are looked at under the readers' lock at once.
const PIECE: u64 = 128;

/// So many entries are looked at for one page.
const LOOKED_AT: u64 = 5_000;

const HASH: usize = 32;
const TIME: usize = 8;

#[async_trait]
impl AuditStore for SledStorage {
    async fn append_audit(&self, entry: NewAudit) -> StoreResult<u64> {
        self.write(move |transaction| append(transaction, &entry)).await
    }

    async fn audit_head(&self) -> StoreResult<AuditHead> {
        self.shared.read(|_, meta| Ok(head(meta)))
    }

    async fn audit_entries(&self, filter: &AuditFilter, page: &Page) -> StoreResult<Listing<AuditRow>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read_at_length(move |shared| entries(shared, &filter, &page))
            .await
    }

    async fn audit_links(&self, after: u64, limit: usize) -> StoreResult<Vec<AuditLink>> {
        self.read_at_length(move |shared| {
            let last = shared.read(|_, meta| Ok(meta.audit_entries))?;
            let last = last.min(after.saturating_add(limit as u64));
            let mut links = Vec::new();
            let mut next = after.saturating_add(1);
            while next <= last {
                let end = last.min(next + PIECE - 1);
                shared.read(|view, _| {
                    for number in next..=end {
                        let stored = view.get(&Key::Audit(number))?;
                        let stored = stored
                            .and_then(|value| split(&value).map(|(hash, _, bytes)| (hash, bytes.to_vec())));
                        links.push(AuditLink { number, stored });
                    }
                    Ok(())
                })?;
                next = end + 1;
            }
            Ok(links)
        })
        .await
    }
}

/// Enters it at the end; its number.
pub(super) fn append(transaction: &mut Transaction<'_>, new: &NewAudit) -> StoreResult<u64> {
    let (entry, bytes, hash) = AuditEntry::after(&head(&transaction.meta), new)
        .map_err(|_| fault::unavailable("an audit entry can't be encoded"))?;
    let latest = transaction
        .meta
        .audit_latest
        .map_or(new.at, |latest| latest.max(new.at));
    let time = latest.millis().to_be_bytes();
    let value = [&hash.as_bytes()[..], &time, &bytes].concat();
    transaction.put(&Key::Audit(entry.number), value);
    for target in &new.targets {
        transaction.put(&Key::AuditTarget(clip(target), entry.number), &[]);
    }
    transaction.meta.audit_entries = entry.number;
    transaction.meta.audit_head = Some(hash);
    transaction.meta.audit_latest = Some(latest);
    Ok(entry.number)
}

fn head(meta: &Meta) -> AuditHead {
    match meta.audit_head {
        None => AuditHead::empty(),
        Some(hash) => AuditHead {
            number: meta.audit_entries,
            hash,
        },
    }
}

fn split(value: &[u8]) -> Option<(Fingerprint, Timestamp, &[u8])> {
    let (hash, rest) = value.split_first_chunk::<HASH>()?;
    let (time, bytes) = rest.split_first_chunk::<TIME>()?;
    let latest = Timestamp::from_millis(i64::from_be_bytes(*time));
    Some((Fingerprint::new(*hash), latest, bytes))
}

/// The entry under a number, with the latest time up to it.
fn read(view: &View<'_>, number: u64) -> StoreResult<(AuditRow, Timestamp)> {
    let value = view.get(&Key::Audit(number))?;
    let read = value
        .as_deref()
        .and_then(split)
        .and_then(|(hash, latest, bytes)| {
            let entry = serde_json::from_slice(bytes).ok()?;
            Some((AuditRow { entry, hash }, latest))
        });
    read.ok_or_else(|| fault::damaged(&format!("audit entry {number} is missing or can't be read")))
}

/// The numbers that a page goes through, one after the other.
enum Walk {
    Up(u64, u64),
    Down(u64),
    /// Of one target, in the page's order.
    Listed(std::vec::IntoIter<u64>),
}

impl Iterator for Walk {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match self {
            Self::Up(next, last) => {
                let number = *next;
                *next = number.saturating_add(1);
                (number <= *last).then_some(number)
            }
            Self::Down(next) => {
                let number = *next;
                *next = number.saturating_sub(1);
                (number > 0).then_some(number)
            }
            Self::Listed(numbers) => numbers.next(),
        }
    }
}

fn entries(shared: &Shared, filter: &AuditFilter, page: &Page) -> StoreResult<Listing<AuditRow>> {
    let mut walk = walk(shared, filter, page)?;
    let (mut rows, mut to_skip, mut looked_at, mut at) = (Vec::new(), page.offset, 0, None);
    let mut over = page.limit == 0;
    while !over {
        let numbers: Vec<u64> = walk.by_ref().take(PIECE as usize).collect();
        looked_at += PIECE;
        // Fewer than were asked for are the last.
        let last = numbers.len() < PIECE as usize;
        shared.read(|view, _| {
            for number in numbers {
                let (row, latest) = read(&view, number)?;
                if !filter.oldest_first && filter.since.is_some_and(|since| latest < since) {
                    (over, at) = (true, None);
                    return Ok(());
                }
                at = Some(number);
                if !matches(&row.entry, filter) {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                    continue;
                }
                rows.push(row);
                if rows.len() == page.limit {
                    over = true;
                    return Ok(());
                }
            }
            if last {
                (over, at) = (true, None);
            }
            Ok(())
        })?;
        over |= looked_at >= LOOKED_AT;
    }
    Ok(Listing {
        rows,
        next_cursor: at.map(|number| number.to_string()),
    })
}

fn walk(shared: &Shared, filter: &AuditFilter, page: &Page) -> StoreResult<Walk> {
    let cursor = page.place(|cursor| cursor.parse::<u64>().ok())?;
    if let Some(target) = &filter.target {
        let mut numbers = numbers_of(shared, &clip(target))?;
        if filter.oldest_first {
            numbers.reverse();
        }
        let rest = numbers.into_iter().filter(|number| match cursor {
            None => true,
            Some(cursor) if filter.oldest_first => *number > cursor,
            Some(cursor) => *number < cursor,
        });
        return Ok(Walk::Listed(rest.collect::<Vec<_>>().into_iter()));
    }
    shared.read(|view, meta| {
        let last = meta.audit_entries;
        Ok(match (filter.oldest_first, cursor) {
            (true, Some(cursor)) => Walk::Up(cursor.saturating_add(1), last),
            (true, None) => Walk::Up(first_since(&view, last, filter.since)?, last),
            (false, Some(cursor)) => Walk::Down(cursor.saturating_sub(1).min(last)),
            (false, None) => Walk::Down(last),
        })
    })
}

/// The numbers of a target's entries, the latest first.
fn numbers_of(shared: &Shared, target: &str) -> StoreResult<Vec<u64>> {
    let prefix = Prefix::audit_target(target);
    let mut numbers: Vec<u64> = Vec::new();
    loop {
        let before = numbers.len();
        shared.read(|view, _| {
            let scan = match numbers.last() {
                None => view.scan(&prefix),
                Some(number) => view.scan_after(&prefix, &Key::AuditTarget(target.to_owned(), *number)),
            };
            for pair in scan.take(PIECE as usize) {
                let (Key::AuditTarget(_, number), _) = pair? else {
                    return Err(unexpected_key());
                };
                numbers.push(number);
            }
            Ok(())
        })?;
        if numbers.len() < before + PIECE as usize {
            return Ok(numbers);
        }
    }
}

/// The first entry that can be of `since` or later.
fn first_since(view: &View<'_>, last: u64, since: Option<Timestamp>) -> StoreResult<u64> {
    let (mut low, mut high) = (1, last + 1);
    let Some(since) = since else { return Ok(low) };
    while low < high {
        let middle = low + (high - low) / 2;
        if read(view, middle)?.1 < since {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn matches(entry: &AuditEntry, filter: &AuditFilter) -> bool {
    filter
        .operator
        .as_ref()
        .is_none_or(|operator| entry.operator == clip(operator))
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        service::audit::{Audit, Origin, stranger},
        storage::{AuditOutcome, sled::SledOptions},
    };

    async fn filled(folder: &std::path::Path) -> Arc<SledStorage> {
        let store = Arc::new(SledStorage::open(folder, SledOptions::default()).unwrap());
        let audit = Audit::new(store.clone());
        for number in 1..=50 {
            let (actor, at) = (
                stranger("ada", Origin::default()),
                Timestamp::from_seconds(number),
            );
            let targets = vec![format!("enrollment:{number}")];
            let recorded = audit.record(actor, "wipe", AuditOutcome::Done, targets, BTreeMap::new(), at);
            recorded.await.unwrap();
        }
        store
    }

    /// What somebody can do who has the files and this program's source: the store itself finds nothing wrong.
    async fn edited(job: impl FnOnce(&mut Transaction<'_>) -> StoreResult<()> + Send + 'static) -> Audit {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path()).await;
        let head = store.audit_head().await.unwrap();
        store.write(job).await.unwrap();
        drop(store);
        let store = Arc::new(SledStorage::open(folder.path(), SledOptions::default()).unwrap());
        let audit = Audit::new(store);
        let pinned = audit.pinned(&head).await.unwrap();
        let verified = audit.verify(0).await.unwrap();
        assert!(verified.broken.is_some() || pinned.is_some());
        audit
    }

    async fn broken(audit: &Audit) -> Option<u64> {
        audit.verify(0).await.unwrap().broken.map(|broken| broken.number)
    }

    fn rewritten(value: &[u8], with_its_hash: bool) -> Vec<u8> {
        let (hash, latest, bytes) = split(value).unwrap();
        let bytes = String::from_utf8(bytes.to_vec()).unwrap().replace("wipe", "lock");
        let hash = if with_its_hash {
            AuditEntry::hash(bytes.as_bytes())
        } else {
            hash
        };
        [
            &hash.as_bytes()[..],
            &latest.millis().to_be_bytes(),
            bytes.as_bytes(),
        ]
        .concat()
    }

    #[tokio::test]
    async fn k_w8_an_entry_that_was_edited_in_the_store_is_named() {
        let audit = edited(|transaction| {
            let value = transaction.view().get(&Key::Audit(7))?.unwrap();
            transaction.put(&Key::Audit(7), rewritten(&value, false));
            Ok(())
        });
        assert_eq!(broken(&audit.await).await, Some(7));
    }

    #[tokio::test]
    async fn k_w8_an_entry_that_was_edited_with_its_hash_breaks_the_link_to_the_next() {
        let audit = edited(|transaction| {
            let value = transaction.view().get(&Key::Audit(7))?.unwrap();
            transaction.put(&Key::Audit(7), rewritten(&value, true));
            Ok(())
        });
        assert_eq!(broken(&audit.await).await, Some(8));
    }

    #[tokio::test]
    async fn k_w8_an_entry_that_was_taken_out_of_the_store_is_named() {
        let audit = edited(|transaction| {
            transaction.remove(&Key::Audit(31));
            Ok(())
        });
        assert_eq!(broken(&audit.await).await, Some(31));
    }

    #[tokio::test]
    async fn k_w8_a_log_that_was_cut_off_or_written_anew_is_found_by_a_head_that_was_kept_elsewhere() {
        let audit = edited(|transaction| {
            for number in 21..=50 {
                transaction.remove(&Key::Audit(number));
            }
            let value = transaction.view().get(&Key::Audit(20))?.unwrap();
            transaction.meta.audit_entries = 20;
            transaction.meta.audit_head = split(&value).map(|(hash, ..)| hash);
            Ok(())
        });
        // In itself it is a good chain.
        assert_eq!(broken(&audit.await).await, None);
    }
}

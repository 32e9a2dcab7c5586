//! The counters of a store that was written before there were any: made once, when it is opened. Nothing else is written
//! meanwhile. What is cut off begins anew at the next opening.

use std::collections::BTreeMap;

use sled::IVec;

use super::{
    counts,
    devices::{awaits, counted, expiry, is_busy},
};
use crate::storage::{
    AdeDeviceRecord, ClassTotals, Day, EnrollmentRecord, EnrollmentState, ReportClass, StoreResult,
    sled::{
        SledStorage,
        ade::is_there,
        keys::{Key, Prefix, ReportKey},
        view::{View, decode, unexpected_key},
    },
};

/// Which counters this program keeps: raised when there is another one.
pub(in crate::storage::sled) const REPORTS: u32 = 1;

/// So many records in one step.
const PIECE: usize = 500;

/// What there is to count.
#[derive(Default)]
struct Counted {
    totals: BTreeMap<ReportClass, ClassTotals>,
    expiries: BTreeMap<(Day, u64), u64>,
    awaiting: BTreeMap<u64, u64>,
}

/// Makes the counters.
pub(in crate::storage::sled) fn rebuild(store: &SledStorage) -> StoreResult<()> {
    let mut sum = Counted::default();
    in_pieces(store, &Prefix::enrollments(), |view, _, value| {
        let record: EnrollmentRecord = decode(value)?;
        if let Some(class) = counted(&record) {
            sum.totals.entry(class).or_default().enrolled += 1;
        }
        if record.id.is_user_channel() {
            return Ok(None);
        }
        let Some((at, key)) = expiry(view, &record)? else {
            return Ok(None);
        };
        if record.state != EnrollmentState::CheckedOut {
            let token = record.ade.as_ref().map_or(0, |ade| ade.token);
            *sum.expiries.entry((Day::of(at), token)).or_default() += 1;
        }
        Ok(Some(key))
    })?;
    for token in tokens(store)? {
        in_pieces(store, &Prefix::ade_devices(token, ""), |view, _, value| {
            let device: AdeDeviceRecord = decode(value)?;
            if !awaits(&device) || is_busy(view, &device.serial)? {
                return Ok(None);
            }
            *sum.awaiting.entry(token).or_default() += 1;
            let serial = device.serial.as_str().to_owned();
            Ok(Some(Key::Report(ReportKey::Awaiting(token, serial))))
        })?;
    }
    store.write_now(move |transaction| {
        counts::set_totals(transaction, &sum.totals, &sum.expiries, &sum.awaiting)?;
        transaction.meta.reports = REPORTS;
        transaction.touch();
        Ok(())
    })
}

fn tokens(store: &SledStorage) -> StoreResult<Vec<u64>> {
    store.shared.read(|view, _| {
        let mut tokens = Vec::new();
        for pair in view.scan(&Prefix::ade_numbers()) {
            match pair?.0 {
                Key::AdeNumber(token) if is_there(&view, token)? => tokens.push(token),
                Key::AdeNumber(_) => {}
                _ => return Err(unexpected_key()),
            }
        }
        Ok(tokens)
    })
}

/// Looks at everything under a prefix, and writes the keys that `index` names.
fn in_pieces(
    store: &SledStorage,
    prefix: &Prefix,
    mut index: impl FnMut(&View<'_>, &Key, &IVec) -> StoreResult<Option<Key>>,
) -> StoreResult<()> {
    let mut after: Option<Key> = None;
    loop {
        let (last, keys) = store.shared.read(|view, _| {
            let scan = match &after {
                Some(key) => view.scan_after(prefix, key),
                None => view.scan(prefix),
            };
            let (mut last, mut keys) = (None, Vec::new());
            for pair in scan.take(PIECE) {
                let (key, value) = pair?;
                keys.extend(index(&view, &key, &value)?);
                last = Some(key);
            }
            Ok((last, keys))
        })?;
        if last.is_none() {
            return Ok(());
        }
        after = last;
        if !keys.is_empty() {
            store.write_now(move |transaction| {
                for key in &keys {
                    transaction.put(key, &[]);
                }
                Ok(())
            })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        protocol::{
            ids::{EnrollmentId, EnrollmentKind},
            time::Timestamp,
        },
        storage::{
            Change, EnrollmentStore as _, ReportStore as _, Ruling,
            sled::{SledOptions, SledStorage, keys::Prefix},
        },
    };

    fn enrolled(number: u32) -> crate::storage::EnrollmentRecord {
        serde_json::from_value(serde_json::json!({
            "id": EnrollmentId::new(format!("E{number}")),
            "kind": EnrollmentKind::Device,
            "state": "enrolled",
            "device": { "product_name": "Mac16,1" },
            "updated_at": Timestamp::from_seconds(0),
        }))
        .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_was_never_counted_is_counted_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        for number in 0..3 {
            let rule = Box::new(move |_: &_| Ruling::Write(Box::new(Change::of(enrolled(number)))));
            let id = EnrollmentId::new(format!("E{number}"));
            store.check_in(&id, None, rule).await.unwrap();
        }
        let counted = store.report_totals(None).await.unwrap();
        assert_eq!(counted.values().map(|totals| totals.enrolled).sum::<u64>(), 3);
        // As an earlier program would have left it.
        store
            .write(|transaction| {
                let keys: Vec<_> = transaction
                    .view()
                    .scan(&Prefix::totals())
                    .map(|pair| pair.map(|(key, _)| key))
                    .collect::<Result<_, _>>()?;
                keys.iter().for_each(|key| transaction.remove(key));
                transaction.meta.reports = 0;
                Ok(())
            })
            .await
            .unwrap();
        assert!(store.report_totals(None).await.unwrap().is_empty());
        drop(store);
        let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        assert_eq!(store.report_totals(None).await.unwrap(), counted);
    }
}

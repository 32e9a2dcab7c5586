//! The outbox of pushes.

use async_trait::async_trait;

use super::{SledStorage, keys::Key, listing, queue, transaction::Transaction};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{
        EnrollmentRecord, Listing, NewCommand, Page, PushStore, PushTarget, StoreResult, TokenRefusal,
        WakeRecord, Work,
    },
};

#[async_trait]
impl PushStore for SledStorage {
    async fn wakes(&self, page: &Page) -> StoreResult<Listing<(EnrollmentId, WakeRecord)>> {
        let page = page.clone();
        self.read_at_length(move |shared| listing::wakes(shared, &page))
            .await
    }

    async fn push_target(&self, id: &EnrollmentId, now: Timestamp) -> StoreResult<Option<PushTarget>> {
        self.shared.read(|view, _| {
            let record: Option<EnrollmentRecord> = view.record(&Key::Enrollment(id.clone()))?;
            record
                .map(|record| {
                    Ok(PushTarget {
                        state: record.state,
                        push: record.push,
                        work: queue::work(&view, id, now)?,
                    })
                })
                .transpose()
        })
    }

    async fn note_pushes(&self, pushes: Vec<(EnrollmentId, Timestamp)>) -> StoreResult<()> {
        self.write(move |transaction| {
            for (id, at) in pushes {
                let key = Key::Wake(id);
                if let Some(mut wake) = transaction.view().record::<WakeRecord>(&key)? {
                    wake.pushed_at = Some(at);
                    wake.pushes = wake.pushes.saturating_add(1);
                    transaction.put_record(&key, &wake)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn settle_wakes(
        &self,
        ids: Vec<EnrollmentId>,
        now: Timestamp,
    ) -> StoreResult<Vec<(EnrollmentId, Work)>> {
        self.write(move |transaction| {
            let mut left = Vec::new();
            for id in ids {
                let view = transaction.view();
                match queue::work(&view, &id, now)? {
                    Work::Nothing => transaction.remove(&Key::Wake(id)),
                    // What is due the device has seen and put off; there may be more that it has not.
                    Work::Due => {
                        let later = queue::next_not_before(&view, &id, now)?;
                        left.push((id, later.map_or(Work::Due, Work::Later)));
                    }
                    later => left.push((id, later)),
                }
            }
            Ok(left)
        })
        .await
    }

    async fn mark_token(
        &self,
        id: &EnrollmentId,
        token: &[u8],
        refusal: Option<TokenRefusal>,
    ) -> StoreResult<bool> {
        let (key, token) = (Key::Enrollment(id.clone()), token.to_vec());
        self.write(move |transaction| {
            let record: Option<EnrollmentRecord> = transaction.view().record(&key)?;
            let Some(mut record) = record else {
                return Ok(false);
            };
            match &mut record.push {
                Some(push) if push.token == token => push.refused = refusal,
                _ => return Ok(false),
            }
            transaction.put_record(&key, &record)?;
            Ok(true)
        })
        .await
    }
}

/// Puts an enrollment into the outbox for a command that was just queued for it.
pub(super) fn wake(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    command: &NewCommand,
) -> StoreResult<()> {
    let due = command.not_before.map_or(command.at, |at| at.max(command.at));
    let key = Key::Wake(id.clone());
    let before: Option<WakeRecord> = transaction.view().record(&key)?;
    let wake = WakeRecord {
        due: match &before {
            // It has been woken for what was due before.
            Some(WakeRecord {
                pushed_at: Some(_), ..
            })
            | None => due,
            Some(waiting) => due.min(waiting.due),
        },
        pushed_at: before.as_ref().and_then(|before| before.pushed_at),
        pushes: 0,
    };
    if before.as_ref() != Some(&wake) {
        transaction.put_record(&key, &wake)?;
    }
    Ok(())
}

//! Records of devices that can't come back: their identity expired long ago.

use super::enrollment_removed;
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{
        EnrollmentRecord, StoreResult,
        sled::{
            enrollments,
            keys::{Key, Prefix, ReportKey},
            queue,
            transaction::Transaction,
            view::{View, unexpected_key},
        },
    },
};

/// Removes device channels whose identity expired before `before`.
pub(super) fn purge(
    transaction: &mut Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> StoreResult<Vec<EnrollmentId>> {
    let mut due = Vec::new();
    for pair in transaction.view().scan(&Prefix::identity_expiries()) {
        let (Key::Report(ReportKey::Expiry(at, id)), _) = pair? else {
            return Err(unexpected_key());
        };
        if at >= before || due.len() == limit {
            break;
        }
        let record: Option<EnrollmentRecord> = transaction.view().record(&Key::Enrollment(id))?;
        due.extend(record.filter(|record| record.pending.is_none()));
    }
    let mut removed = Vec::new();
    for record in due {
        if is_heard(&transaction.view(), &record, before)? {
            continue;
        }
        remove_device(transaction, &record, before)?;
        removed.push(record.id);
    }
    Ok(removed)
}

/// Whether the device was in contact after all.
fn is_heard(view: &View<'_>, record: &EnrollmentRecord, before: Timestamp) -> StoreResult<bool> {
    let seen: Option<Timestamp> = view.record(&Key::LastSeen(record.id.clone()))?;
    Ok(seen.is_some_and(|seen| seen >= before))
}

/// Removes an enrollment, with its users and its place in the reports.
pub(in crate::storage::sled) fn remove_device(
    transaction: &mut Transaction<'_>,
    record: &EnrollmentRecord,
    at: Timestamp,
) -> StoreResult<()> {
    for user in enrollments::users(&transaction.view(), &record.id)? {
        queue::cancel_all(transaction, &user.id, u64::MAX, at)?;
        enrollments::remove(transaction, &user)?;
    }
    queue::cancel_all(transaction, &record.id, u64::MAX, at)?;
    enrollments::remove(transaction, record)?;
    // Its certificates stay: what was issued is not forgotten.
    enrollment_removed(transaction, record)
}

//! Enrollments: records, the index of serial numbers, latest contacts.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    SledStorage, event_queue, holds, identity_days,
    keys::{Key, Prefix},
    listing, queue, reports, search,
    transaction::Transaction,
    view::{View, decode},
};
use crate::{
    protocol::{
        ids::{EnrollmentId, Fingerprint, Topic},
        time::Timestamp,
    },
    storage::{
        CertificateRecord, Change, EnrollmentFilter, EnrollmentRecord, EnrollmentRemoval, EnrollmentRow,
        EnrollmentState, EnrollmentStore, Listing, Page, Rule, Ruling, Situation, StoreResult, Users,
    },
};

#[async_trait]
impl EnrollmentStore for SledStorage {
    async fn check_in(
        &self,
        id: &EnrollmentId,
        identity: Option<Fingerprint>,
        rule: Rule,
    ) -> StoreResult<Ruling> {
        let id = id.clone();
        self.write(move |transaction| {
            let ruling = rule(&situation(transaction, &id, identity)?);
            if let Ruling::Write(change) = &ruling {
                apply(transaction, change)?;
            }
            Ok(ruling)
        })
        .await
    }

    async fn standing(
        &self,
        id: &EnrollmentId,
        identity: &Fingerprint,
    ) -> StoreResult<(Option<EnrollmentRecord>, Option<CertificateRecord>)> {
        self.shared.read(|view, _| {
            let enrollment = view.record(&Key::Enrollment(id.clone()))?;
            Ok((enrollment, view.record(&Key::Certificate(*identity))?))
        })
    }

    async fn enrollment(&self, id: &EnrollmentId) -> StoreResult<Option<EnrollmentRow>> {
        self.shared.read(|view, _| {
            let record = view.record(&Key::Enrollment(id.clone()))?;
            record.map(|record| row(&view, record)).transpose()
        })
    }

    async fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        page: &Page,
    ) -> StoreResult<Listing<EnrollmentRow>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read_at_length(move |shared| listing::enrollments(shared, &filter, &page))
            .await
    }

    async fn devices_by_topic(&self) -> StoreResult<BTreeMap<Topic, u64>> {
        self.read_at_length(listing::devices_by_topic).await
    }

    async fn seen(&self, contacts: Vec<(EnrollmentId, Timestamp)>) -> StoreResult<()> {
        self.write(move |transaction| {
            for (id, at) in contacts {
                let view = transaction.view();
                let known = view.get(&Key::Enrollment(id.clone()))?.is_some();
                let key = Key::LastSeen(id);
                if known && view.record(&key)?.is_none_or(|stored: Timestamp| stored < at) {
                    transaction.put_record(&key, &at)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn remove_enrollment(
        &self,
        id: &EnrollmentId,
        also_enrolled: bool,
        at: Timestamp,
    ) -> StoreResult<EnrollmentRemoval> {
        let id = id.clone();
        self.write(move |transaction| remove_whole(transaction, &id, also_enrolled, at))
            .await
    }
}

fn remove_whole(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    also_enrolled: bool,
    at: Timestamp,
) -> StoreResult<EnrollmentRemoval> {
    let record: Option<EnrollmentRecord> = transaction.view().record(&Key::Enrollment(id.clone()))?;
    let Some(record) = record else {
        return Ok(EnrollmentRemoval::Unknown);
    };
    if record.state == EnrollmentState::Enrolled && !also_enrolled {
        return Ok(EnrollmentRemoval::StillEnrolled);
    }
    reports::remove_device(transaction, &record, at)?;
    Ok(EnrollmentRemoval::Removed)
}

fn situation(
    transaction: &Transaction<'_>,
    id: &EnrollmentId,
    identity: Option<Fingerprint>,
) -> StoreResult<Situation> {
    let view = transaction.view();
    Ok(Situation {
        enrollment: view.record(&Key::Enrollment(id.clone()))?,
        device: if id.is_user_channel() {
            view.record(&Key::Enrollment(id.device()))?
        } else {
            None
        },
        certificate: match identity {
            Some(identity) => view.record(&Key::Certificate(identity))?,
            None => None,
        },
        last_sequence: transaction.meta.last_sequence,
    })
}

fn apply(transaction: &mut Transaction<'_>, change: &Change) -> StoreResult<()> {
    let record = &change.enrollment;
    let at = record.updated_at;
    if let Some(certificate) = &change.certificate {
        transaction.put_record(&Key::Certificate(certificate.fingerprint), certificate)?;
    }
    put(transaction, record)?;
    if let Some(attempt) = &change.attempt {
        reports::note(transaction, attempt)?;
    }
    if let Some(policies) = &change.policies {
        reports::put_policies(transaction, &record.id, policies)?;
    }
    if let Some(event) = &change.event {
        event_queue::append(transaction, event)?;
    }
    if record.state == EnrollmentState::CheckedOut {
        queue::cancel_all(transaction, &record.id, u64::MAX, at)?;
    }
    if let Some(watermark) = change.close_commands_to {
        queue::cancel_all(transaction, &record.id, watermark, at)?;
    }
    if change.users == Users::Keep {
        return Ok(());
    }
    for mut user in users(&transaction.view(), &record.id)? {
        queue::cancel_all(transaction, &user.id, u64::MAX, at)?;
        if change.users == Users::Remove {
            remove(transaction, &user)?;
        } else if user.state != EnrollmentState::CheckedOut {
            user.state = EnrollmentState::CheckedOut;
            user.updated_at = at;
            put(transaction, &user)?;
        }
    }
    Ok(())
}

/// The user channels of a device channel; none for a user channel.
pub(super) fn users(view: &View<'_>, device: &EnrollmentId) -> StoreResult<Vec<EnrollmentRecord>> {
    if device.is_user_channel() {
        return Ok(Vec::new());
    }
    view.scan(&Prefix::users_of(device))
        .map(|pair| decode(&pair?.1))
        .collect()
}

fn put(transaction: &mut Transaction<'_>, record: &EnrollmentRecord) -> StoreResult<()> {
    let key = Key::Enrollment(record.id.clone());
    let before: Option<EnrollmentRecord> = transaction.view().record(&key)?;
    if let Some(before) = &before {
        forget(transaction, before);
    }
    identity_days::moved(transaction, before.as_ref(), Some(record))?;
    search::reindex(transaction, before.as_ref(), Some(record));
    holds::enrollment_changed(transaction, before.as_ref(), record)?;
    transaction.meta.enrollments += 1;
    transaction.meta.enrolled += u64::from(record.state == EnrollmentState::Enrolled);
    if let Some(index) = serial_key(record) {
        transaction.put(&index, &[]);
    }
    index_token(transaction, record, before.as_ref())?;
    if record.state == EnrollmentState::CheckedOut {
        transaction.remove(&Key::Wake(record.id.clone()));
    }
    transaction.put_record(&key, record)?;
    reports::enrollment_changed(transaction, before.as_ref(), record)
}

pub(super) fn remove(transaction: &mut Transaction<'_>, record: &EnrollmentRecord) -> StoreResult<()> {
    forget(transaction, record);
    identity_days::moved(transaction, Some(record), None)?;
    if let Some(token) = token_of(transaction, record)? {
        transaction.remove(&Key::AdeEnrolled(token, record.id.clone()));
    }
    search::reindex(transaction, Some(record), None);
    transaction.remove(&Key::LastSeen(record.id.clone()));
    transaction.remove(&Key::Wake(record.id.clone()));
    transaction.remove(&Key::Enrollment(record.id.clone()));
    holds::enrollment_removed(transaction, &record.id)
}

/// Takes a record that is about to go out of the counters and the index of serial numbers.
fn forget(transaction: &mut Transaction<'_>, record: &EnrollmentRecord) {
    let meta = &mut transaction.meta;
    meta.enrollments = meta.enrollments.saturating_sub(1);
    let enrolled = u64::from(record.state == EnrollmentState::Enrolled);
    meta.enrolled = meta.enrolled.saturating_sub(enrolled);
    if let Some(index) = serial_key(record) {
        transaction.remove(&index);
    }
}

fn serial_key(record: &EnrollmentRecord) -> Option<Key> {
    let serial = record.device.serial.clone()?;
    (!record.id.is_user_channel()).then(|| Key::Serial(serial, record.id.clone()))
}

/// Keeps the index by server token: a device is its token's, a user channel its device's token's.
fn index_token(
    transaction: &mut Transaction<'_>,
    record: &EnrollmentRecord,
    before: Option<&EnrollmentRecord>,
) -> StoreResult<()> {
    let token = token_of(transaction, record)?;
    if record.id.is_user_channel() {
        if let Some(token) = token {
            transaction.put(&Key::AdeEnrolled(token, record.id.clone()), &[]);
        }
        return Ok(());
    }
    let former = before.and_then(|before| Some(before.ade.as_ref()?.token));
    if token == former {
        return Ok(());
    }
    let users = users(&transaction.view(), &record.id)?;
    for id in users.iter().map(|user| &user.id).chain([&record.id]) {
        if let Some(former) = former {
            transaction.remove(&Key::AdeEnrolled(former, id.clone()));
        }
        if let Some(token) = token {
            transaction.put(&Key::AdeEnrolled(token, id.clone()), &[]);
        }
    }
    Ok(())
}

/// The server token whose device an enrollment's device is.
fn token_of(transaction: &Transaction<'_>, record: &EnrollmentRecord) -> StoreResult<Option<u64>> {
    if !record.id.is_user_channel() {
        return Ok(record.ade.as_ref().map(|ade| ade.token));
    }
    let device: Option<EnrollmentRecord> = transaction.view().record(&Key::Enrollment(record.id.device()))?;
    Ok(device.and_then(|device| Some(device.ade?.token)))
}

/// A record as lists show it.
pub(super) fn row(view: &View<'_>, record: EnrollmentRecord) -> StoreResult<EnrollmentRow> {
    let last_seen = view.record(&Key::LastSeen(record.id.clone()))?;
    let device = if record.id.is_user_channel() {
        let device: Option<EnrollmentRecord> = view.record(&Key::Enrollment(record.id.device()))?;
        device.map(|device| device.device).unwrap_or_default()
    } else {
        record.device.clone()
    };
    Ok(EnrollmentRow {
        record,
        device,
        last_seen,
    })
}

//! Attempts and what is counted: the role's methods, each of them one transaction or one read.

mod attempts;
mod counts;
mod devices;
mod idle;
mod lists;
mod rebuild;

use std::collections::BTreeMap;

use async_trait::async_trait;

pub(super) use self::{
    attempts::note,
    devices::{
        awaits, enrollment_changed, enrollment_removed, forget_awaiting, is_enrolled, refresh_awaiting,
        set_awaiting, token_removed,
    },
    idle::remove_device,
    rebuild::{REPORTS, rebuild},
};
use super::{SledStorage, chunks, fault, keys::Key, transaction::Transaction, view::decode};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{
        AppliedPolicies, AttemptChange, AttemptFilter, AttemptRecord, AttemptRow, ClassTotals, Day, DaySpan,
        DayTally, EnrollmentRow, Listing, MacFilter, Page, ReportClass, ReportStore, StoreResult,
        sled::keys::ReportKey,
    },
};

#[async_trait]
impl ReportStore for SledStorage {
    async fn note_attempt(&self, change: AttemptChange) -> StoreResult<Option<AttemptRecord>> {
        self.write(move |transaction| note(transaction, &change)).await
    }

    async fn attempt(&self, number: u64) -> StoreResult<Option<AttemptRow>> {
        self.shared.read(|view, _| {
            let record = view.record(&Key::Report(ReportKey::Attempt(number)))?;
            record.map(|record| lists::row(&view, record)).transpose()
        })
    }

    async fn latest_attempt(&self, id: &EnrollmentId) -> StoreResult<Option<AttemptRow>> {
        self.shared.read(|view, _| {
            let name = format!("e:{id}").to_ascii_uppercase();
            let (open, last) = attempts::found(&view, &[name])?;
            let record = open.or(last);
            record.map(|record| lists::row(&view, record)).transpose()
        })
    }

    async fn attempts(&self, filter: &AttemptFilter, page: &Page) -> StoreResult<Listing<AttemptRow>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read_at_length(move |shared| lists::attempts(shared, &filter, &page))
            .await
    }

    async fn give_up_attempts(
        &self,
        idle_since: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> StoreResult<(Vec<AttemptRecord>, bool)> {
        self.write(move |transaction| attempts::give_up(transaction, idle_since, now, limit))
            .await
    }

    async fn purge_attempts(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| {
            let attempts = attempts::purge(transaction, before, limit)?;
            Ok(attempts + counts::purge(transaction, Day::of(before), limit - attempts)?)
        })
        .await
    }

    async fn report_totals(&self, tokens: Option<&[u64]>) -> StoreResult<BTreeMap<ReportClass, ClassTotals>> {
        let tokens = tokens.map(<[u64]>::to_vec);
        self.read_at_length(move |shared| counts::totals(shared, &tokens))
            .await
    }

    async fn report_days(&self, span: &DaySpan) -> StoreResult<BTreeMap<(Day, ReportClass), DayTally>> {
        let span = span.clone();
        self.read_at_length(move |shared| counts::days(shared, &span))
            .await
    }

    async fn failure_reasons(&self, span: &DaySpan) -> StoreResult<BTreeMap<String, u64>> {
        let span = span.clone();
        self.read_at_length(move |shared| counts::reasons(shared, &span))
            .await
    }

    async fn awaiting_devices(&self, tokens: Option<&[u64]>) -> StoreResult<u64> {
        let tokens = tokens.map(<[u64]>::to_vec);
        self.read_at_length(move |shared| counts::awaiting(shared, &tokens))
            .await
    }

    async fn identity_expiries(&self, tokens: Option<&[u64]>) -> StoreResult<BTreeMap<Day, u64>> {
        let tokens = tokens.map(<[u64]>::to_vec);
        self.read_at_length(move |shared| counts::expiries(shared, &tokens))
            .await
    }

    async fn expiring_enrollments(
        &self,
        tokens: Option<&[u64]>,
        page: &Page,
    ) -> StoreResult<Listing<(Timestamp, EnrollmentRow)>> {
        let (tokens, page) = (tokens.map(<[u64]>::to_vec), page.clone());
        self.read_at_length(move |shared| lists::expiring(shared, &tokens, &page))
            .await
    }

    async fn macs(&self, filter: &MacFilter, page: &Page) -> StoreResult<Listing<EnrollmentRow>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read_at_length(move |shared| lists::macs(shared, &filter, &page))
            .await
    }

    async fn applied_policies(&self, id: &EnrollmentId) -> StoreResult<Option<AppliedPolicies>> {
        self.shared.read(|view, _| {
            let bytes = chunks::get(&view, |piece| policies_key(id, piece))?;
            bytes.map(|bytes| decode(&bytes)).transpose()
        })
    }

    async fn purge_idle_enrollments(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> StoreResult<Vec<EnrollmentId>> {
        self.write(move |transaction| idle::purge(transaction, before, limit))
            .await
    }
}

fn policies_key(id: &EnrollmentId, piece: u32) -> Key {
    Key::Report(ReportKey::Policies(id.clone(), piece))
}

/// Keeps what a device was given when it enrolled.
pub(super) fn put_policies(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    policies: &AppliedPolicies,
) -> StoreResult<()> {
    let bytes = serde_json::to_vec(policies).map_err(|_| fault::unavailable("a record can't be encoded"))?;
    chunks::put(transaction, |piece| policies_key(id, piece), &bytes)
}

/// Forgets it.
pub(super) fn remove_policies(transaction: &mut Transaction<'_>, id: &EnrollmentId) -> StoreResult<()> {
    chunks::remove(transaction, |piece| policies_key(id, piece))
}

//! Lists of attempts, of identities that expire, and of Macs.

use sled::IVec;

use crate::{
    protocol::{catalogue::Platform, ids::EnrollmentId, time::Timestamp},
    storage::{
        AttemptFilter, AttemptList, AttemptRecord, AttemptRow, AttemptStage, EnrollmentRecord, EnrollmentRow,
        EnrollmentState, Listing, MacFilter, Outstanding, Page, ReportPlatform, StoreResult,
        reports::tokens_match,
        sled::{
            enrollments, holds,
            keys::{Key, Prefix, ReportKey},
            listing::{Source, page_of},
            queue,
            shared::Shared,
            view::{View, decode, unexpected_key},
        },
    },
};

/// So many unfinished commands are shown of one device.
const OUTSTANDING: usize = 100;

/// An attempt as lists show it.
pub(super) fn row(view: &View<'_>, record: AttemptRecord) -> StoreResult<AttemptRow> {
    let device = record.subject.enrollment.as_ref().filter(|_| record.is_open());
    let last_seen = match device {
        Some(id) => view.record(&Key::LastSeen(id.clone()))?,
        None => None,
    };
    let outstanding = match device {
        Some(id) if record.stage == AttemptStage::Configuring => outstanding(view, id)?,
        _ => Vec::new(),
    };
    let hold = match device {
        Some(id) if record.stage == AttemptStage::Configuring => holds::hold(view, id)?,
        _ => None,
    };
    Ok(AttemptRow {
        record,
        last_seen,
        outstanding,
        hold,
    })
}

fn outstanding(view: &View<'_>, id: &EnrollmentId) -> StoreResult<Vec<Outstanding>> {
    let mut commands = Vec::new();
    for pair in view.scan(&Prefix::queue(id)).take(OUTSTANDING) {
        let (key, value) = pair?;
        commands.extend(queue::outstanding(view, &key, &value)?);
    }
    Ok(commands)
}

/// Attempts that match; the cursor is the place of a page's last row.
pub(super) fn attempts(
    shared: &Shared,
    filter: &AttemptFilter,
    page: &Page,
) -> StoreResult<Listing<AttemptRow>> {
    let prefix = match filter.list {
        AttemptList::Active => Prefix::active_attempts(),
        AttemptList::Failed => Prefix::failed_attempts(),
        AttemptList::Incomplete => Prefix::incomplete_attempts(),
    };
    let after = page.place(|cursor| after(filter.list, cursor))?;
    let matching = |view: &View<'_>, key: &Key, _: &IVec| {
        let number = match key {
            Key::Report(
                ReportKey::Active(number) | ReportKey::Failed(_, number) | ReportKey::Incomplete(_, number),
            ) => *number,
            _ => return Err(unexpected_key()),
        };
        let record: Option<AttemptRecord> = view.record(&Key::Report(ReportKey::Attempt(number)))?;
        let record = record.filter(|record| filter.matches(record));
        record.map(|record| row(view, record)).transpose()
    };
    page_of(
        shared,
        &Source::Scan(prefix),
        page,
        after,
        matching,
        |key| match key {
            Key::Report(ReportKey::Active(number)) => number.to_string(),
            Key::Report(ReportKey::Failed(at, number) | ReportKey::Incomplete(at, number)) => {
                format!("{}.{number}", at.millis())
            }
            _ => String::new(),
        },
    )
}

fn after(list: AttemptList, cursor: &str) -> Option<Key> {
    let ended = || {
        let (at, number) = cursor.split_once('.')?;
        Some((Timestamp::from_millis(at.parse().ok()?), number.parse().ok()?))
    };
    Some(Key::Report(match list {
        AttemptList::Active => ReportKey::Active(cursor.parse().ok()?),
        AttemptList::Failed => ended().map(|(at, number)| ReportKey::Failed(at, number))?,
        AttemptList::Incomplete => ended().map(|(at, number)| ReportKey::Incomplete(at, number))?,
    }))
}

/// Device channels by the end of their identity; the cursor is the place of a page's last row.
pub(super) fn expiring(
    shared: &Shared,
    tokens: &Option<Vec<u64>>,
    page: &Page,
) -> StoreResult<Listing<(Timestamp, EnrollmentRow)>> {
    let after = page.place(|cursor| {
        let (at, id) = cursor.split_once('.')?;
        let at = Timestamp::from_millis(at.parse().ok()?);
        Some(Key::Report(ReportKey::Expiry(at, EnrollmentId::new(id))))
    })?;
    let expiring = |view: &View<'_>, key: &Key, _: &IVec| {
        let Key::Report(ReportKey::Expiry(at, id)) = key else {
            return Err(unexpected_key());
        };
        let record: Option<EnrollmentRecord> = view.record(&Key::Enrollment(id.clone()))?;
        let record = record.filter(|record| {
            record.state != EnrollmentState::CheckedOut && tokens_match(tokens, token_of(record))
        });
        let row = record.map(|record| enrollments::row(view, record)).transpose()?;
        Ok(row.map(|row| (*at, row)))
    };
    let source = Source::Scan(Prefix::identity_expiries());
    page_of(shared, &source, page, after, expiring, |key| match key {
        Key::Report(ReportKey::Expiry(at, id)) => format!("{}.{id}", at.millis()),
        _ => String::new(),
    })
}

fn token_of(record: &EnrollmentRecord) -> u64 {
    record.ade.as_ref().map_or(0, |ade| ade.token)
}

/// Enrolled Macs that match; the cursor is the id of a page's last row.
pub(super) fn macs(shared: &Shared, filter: &MacFilter, page: &Page) -> StoreResult<Listing<EnrollmentRow>> {
    let after = page
        .cursor
        .as_ref()
        .map(|id| Key::Enrollment(EnrollmentId::new(id)));
    let matching = |view: &View<'_>, _: &Key, value: &IVec| {
        let record: EnrollmentRecord = decode(value)?;
        if record.state != EnrollmentState::Enrolled || record.id.is_user_channel() {
            return Ok(None);
        }
        let product = record
            .device
            .product_name
            .as_deref()
            .or(record.device.model.as_deref());
        let platform = ReportPlatform::from(product.and_then(Platform::from_product_name));
        let matches = platform == ReportPlatform::Macos
            && tokens_match(&filter.tokens, token_of(&record))
            && filter
                .escrowed
                .is_none_or(|wanted| record.bootstrap_token.is_some() == wanted)
            && filter
                .user_approved
                .is_none_or(|wanted| record.user_approved == Some(wanted));
        if matches {
            enrollments::row(view, record).map(Some)
        } else {
            Ok(None)
        }
    };
    let source = Source::Scan(Prefix::enrollments());
    page_of(shared, &source, page, after, matching, |key| match key {
        Key::Enrollment(id) => id.to_string(),
        _ => String::new(),
    })
}

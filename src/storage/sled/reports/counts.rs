//! What is counted. Each counter is a row of its own, which changes with what it counts; a row that counts nothing is
//! not there.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use sled::IVec;

use crate::{
    protocol::time::Timestamp,
    storage::{
        AttemptRecord, AttemptResult, ClassTotals, Day, DaySpan, DayTally, EnrollmentSection, Page,
        ReportClass, StoreResult,
        reports::tokens_match,
        sled::{
            keys::{Key, Prefix, ReportKey},
            listing::{Source, page_of},
            shared::Shared,
            transaction::Transaction,
            view::{View, decode, unexpected_key},
        },
    },
};

/// Changes one counter.
fn change<T>(
    transaction: &mut Transaction<'_>,
    key: ReportKey,
    change: impl FnOnce(&mut T),
) -> StoreResult<()>
where
    T: Serialize + DeserializeOwned + Default + PartialEq,
{
    let key = Key::Report(key);
    let mut value: T = transaction.view().record(&key)?.unwrap_or_default();
    change(&mut value);
    if value == T::default() {
        transaction.remove(&key);
        Ok(())
    } else {
        transaction.put_record(&key, &value)
    }
}

/// Adds to a number or takes away from it.
fn count(number: &mut u64, before: bool, after: bool) {
    match (before, after) {
        (false, true) => *number = number.saturating_add(1),
        (true, false) => *number = number.saturating_sub(1),
        _ => {}
    }
}

/// A device channel came to be counted under other classes.
pub(super) fn enrolled_changed(
    transaction: &mut Transaction<'_>,
    before: Option<ReportClass>,
    after: Option<ReportClass>,
) -> StoreResult<()> {
    if before == after {
        return Ok(());
    }
    for (class, is) in [(before, false), (after, true)] {
        if let Some(class) = class {
            change(
                transaction,
                ReportKey::Totals(class),
                |totals: &mut ClassTotals| {
                    count(&mut totals.enrolled, !is, is);
                },
            )?;
        }
    }
    Ok(())
}

/// An attempt goes on, or stands out as failed, or does so no more.
pub(super) fn attempt_changed(
    transaction: &mut Transaction<'_>,
    before: Option<&AttemptRecord>,
    after: Option<&AttemptRecord>,
) -> StoreResult<()> {
    let standing = |record: &AttemptRecord| (record.class(), record.is_open(), record.attention);
    if before.map(standing) == after.map(standing) {
        return Ok(());
    }
    for (record, is) in [(before, false), (after, true)] {
        let Some((class, open, attention)) = record.map(standing) else {
            continue;
        };
        if open || attention {
            change(
                transaction,
                ReportKey::Totals(class),
                |totals: &mut ClassTotals| {
                    count(&mut totals.in_progress, !is && open, is && open);
                    count(&mut totals.failed, !is && attention, is && attention);
                },
            )?;
        }
    }
    Ok(())
}

/// Counts what an attempt means to its days, in place of what it meant before.
pub(super) fn tally(
    transaction: &mut Transaction<'_>,
    before: Option<&AttemptRecord>,
    after: &AttemptRecord,
) -> StoreResult<()> {
    let (was, is) = (before.map(Meaning::of), Meaning::of(after));
    if was.as_ref() == Some(&is) {
        return Ok(());
    }
    if let Some(was) = was {
        was.apply(transaction, false)?;
    }
    is.apply(transaction, true)
}

/// What an attempt means to the days that it touches.
#[derive(PartialEq)]
struct Meaning {
    class: ReportClass,
    started: Day,
    ended: Option<(Day, DayTally)>,
    reason: Option<(Day, String, u64)>,
}

impl Meaning {
    fn of(record: &AttemptRecord) -> Self {
        let outcome = record.outcome.as_ref();
        let ended = outcome.map(|outcome| {
            let mut tally = DayTally {
                enrolled: u64::from(outcome.result == AttemptResult::Enrolled),
                failed: u64::from(outcome.result == AttemptResult::Failed),
                ..DayTally::default()
            };
            if outcome.incomplete.is_some() {
                tally.incomplete[record.stage.section() as usize] = 1;
            }
            if let Some(took) = record.took() {
                tally.timed = 1;
                tally.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            }
            (Day::of(outcome.at), tally)
        });
        let failed = outcome.filter(|outcome| outcome.result == AttemptResult::Failed);
        Self {
            class: record.class(),
            started: Day::of(record.started_at),
            ended,
            reason: failed
                .and_then(|outcome| Some((Day::of(outcome.at), outcome.code.clone()?, outcome.count))),
        }
    }

    fn apply(self, transaction: &mut Transaction<'_>, adds: bool) -> StoreResult<()> {
        let begun = DayTally {
            started: 1,
            ..DayTally::default()
        };
        for (day, part) in [Some((self.started, begun)), self.ended].into_iter().flatten() {
            change(
                transaction,
                ReportKey::Tally(day, self.class),
                |tally: &mut DayTally| {
                    *tally = if adds {
                        tally.and(part)
                    } else {
                        without(*tally, part)
                    };
                },
            )?;
        }
        if let Some((day, code, times)) = self.reason {
            change(
                transaction,
                ReportKey::Reason(day, self.class.token, code),
                |number: &mut u64| {
                    *number = if adds {
                        number.saturating_add(times)
                    } else {
                        number.saturating_sub(times)
                    };
                },
            )?;
        }
        Ok(())
    }
}

fn without(tally: DayTally, part: DayTally) -> DayTally {
    DayTally {
        started: tally.started.saturating_sub(part.started),
        enrolled: tally.enrolled.saturating_sub(part.enrolled),
        failed: tally.failed.saturating_sub(part.failed),
        incomplete: std::array::from_fn(|at| tally.incomplete[at].saturating_sub(part.incomplete[at])),
        timed: tally.timed.saturating_sub(part.timed),
        millis: tally.millis.saturating_sub(part.millis),
    }
}

/// A device of a token waits to be enrolled, or does so no more.
pub(super) fn awaiting_changed(
    transaction: &mut Transaction<'_>,
    token: u64,
    waits: bool,
) -> StoreResult<()> {
    change(
        transaction,
        ReportKey::AwaitingCount(token),
        |number: &mut u64| {
            count(number, !waits, waits);
        },
    )
}

/// The identity of a token's device expires on this day, or does so no more.
pub(super) fn expiry_changed(
    transaction: &mut Transaction<'_>,
    at: Timestamp,
    token: u64,
    expires: bool,
) -> StoreResult<()> {
    let key = ReportKey::ExpiryCount(Day::of(at), token);
    change(transaction, key, |number: &mut u64| {
        count(number, !expires, expires)
    })
}

/// Sets the counters of a store that had none.
pub(super) fn set_totals(
    transaction: &mut Transaction<'_>,
    totals: &BTreeMap<ReportClass, ClassTotals>,
    expiries: &BTreeMap<(Day, u64), u64>,
    awaiting: &BTreeMap<u64, u64>,
) -> StoreResult<()> {
    for (class, totals) in totals {
        transaction.put_record(&Key::Report(ReportKey::Totals(*class)), totals)?;
    }
    for ((day, token), number) in expiries {
        transaction.put_record(&Key::Report(ReportKey::ExpiryCount(*day, *token)), number)?;
    }
    for (token, number) in awaiting {
        transaction.put_record(&Key::Report(ReportKey::AwaitingCount(*token)), number)?;
    }
    Ok(())
}

/// Forgets what happened on days before `day`, at most `limit` rows.
pub(super) fn purge(transaction: &mut Transaction<'_>, day: Day, limit: usize) -> StoreResult<usize> {
    let mut due = Vec::new();
    for prefix in [Prefix::tallies(), Prefix::reasons()] {
        for pair in transaction.view().scan(&prefix).take(limit - due.len()) {
            match pair?.0 {
                key @ Key::Report(ReportKey::Tally(of, _) | ReportKey::Reason(of, ..)) => {
                    if of >= day {
                        break;
                    }
                    due.push(key);
                }
                _ => return Err(unexpected_key()),
            }
        }
    }
    for key in &due {
        transaction.remove(key);
    }
    Ok(due.len())
}

fn all<T>(
    shared: &Shared,
    source: Source,
    row: impl Fn(&View<'_>, &Key, &IVec) -> StoreResult<Option<T>>,
) -> StoreResult<Vec<T>> {
    let everything = Page::first(usize::MAX);
    Ok(page_of(shared, &source, &everything, None, row, |_| String::new())?.rows)
}

/// How many devices stand where.
pub(super) fn totals(
    shared: &Shared,
    tokens: &Option<Vec<u64>>,
) -> StoreResult<BTreeMap<ReportClass, ClassTotals>> {
    let rows = all(
        shared,
        Source::Scan(Prefix::totals()),
        |_, key, value| match key {
            Key::Report(ReportKey::Totals(class)) if tokens_match(tokens, class.token) => {
                Ok(Some((*class, decode(value)?)))
            }
            _ => Ok(None),
        },
    )?;
    Ok(rows.into_iter().collect())
}

fn days_of(span: &DaySpan, prefix: impl Fn(Day) -> Prefix) -> Source {
    let days = (span.from.0..=span.to.0).map(|day| prefix(Day(day)));
    Source::Scans(days.collect())
}

/// What happened on each day.
pub(super) fn days(shared: &Shared, span: &DaySpan) -> StoreResult<BTreeMap<(Day, ReportClass), DayTally>> {
    let source = days_of(span, Prefix::tallies_of);
    let rows = all(shared, source, |_, key, value| match key {
        Key::Report(ReportKey::Tally(day, class)) if tokens_match(&span.tokens, class.token) => {
            Ok(Some(((*day, *class), decode(value)?)))
        }
        _ => Ok(None),
    })?;
    Ok(rows.into_iter().collect())
}

/// How often attempts failed for each reason.
pub(super) fn reasons(shared: &Shared, span: &DaySpan) -> StoreResult<BTreeMap<String, u64>> {
    let source = days_of(span, Prefix::reasons_of);
    let rows = all(shared, source, |_, key, value| match key {
        Key::Report(ReportKey::Reason(_, token, code)) if tokens_match(&span.tokens, *token) => {
            Ok(Some((code.clone(), decode::<u64>(value)?)))
        }
        _ => Ok(None),
    })?;
    let mut reasons = BTreeMap::new();
    for (code, times) in rows {
        *reasons.entry(code).or_default() += times;
    }
    Ok(reasons)
}

/// Devices that wait to be enrolled.
pub(super) fn awaiting(shared: &Shared, tokens: &Option<Vec<u64>>) -> StoreResult<u64> {
    let source = Source::Scan(Prefix::awaiting_counts());
    let rows = all(shared, source, |_, key, value| match key {
        Key::Report(ReportKey::AwaitingCount(token)) if tokens_match(tokens, *token) => {
            decode::<u64>(value).map(Some)
        }
        _ => Ok(None),
    })?;
    Ok(rows.into_iter().sum())
}

/// How many identities expire on each day.
pub(super) fn expiries(shared: &Shared, tokens: &Option<Vec<u64>>) -> StoreResult<BTreeMap<Day, u64>> {
    let source = Source::Scan(Prefix::expiry_counts());
    let rows = all(shared, source, |_, key, value| match key {
        Key::Report(ReportKey::ExpiryCount(day, token)) if tokens_match(tokens, *token) => {
            Ok(Some((*day, decode::<u64>(value)?)))
        }
        _ => Ok(None),
    })?;
    let mut days = BTreeMap::new();
    for (day, number) in rows {
        *days.entry(day).or_default() += number;
    }
    Ok(days)
}

const _: () = assert!(EnrollmentSection::Activation as usize == 3);

//! Lists, page by page.
//!
//! A page is read in pieces, each under the readers' lock for a moment only, so that no list, however long or
//! however selective its filter, holds up a commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use sled::IVec;

use super::{
    enrollments::row,
    keys::{Key, Prefix},
    shared::Shared,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::ids::{CommandUuid, EnrollmentId, Fingerprint, Topic},
    storage::{
        CertificateRecord, CommandStatus, EnrollmentFilter, EnrollmentRecord, EnrollmentRow, EnrollmentState,
        Listing, Page, QueuedCommand, StoreResult, WakeRecord,
        sled::queue::{self, Target},
    },
};

/// So many keys are looked at in one piece.
pub(super) const PIECE: usize = 128;

/// Where the rows of a list come from.
pub(super) enum Source {
    Scan(Prefix),
    /// One after the other; they are in the order of the keys.
    Scans(Vec<Prefix>),
    Enrollments(BTreeSet<EnrollmentId>),
    /// The enrollments of devices of these server tokens.
    OfTokens(Vec<u64>),
}

impl Source {
    /// The first keys after `after`; fewer than [`PIECE`] are the last.
    pub(super) fn piece(
        &self,
        view: &View<'_>,
        after: Option<&Key>,
    ) -> StoreResult<Vec<(Key, Option<IVec>)>> {
        match self {
            Self::Scan(prefix) => {
                let scan = match after {
                    Some(key) => view.scan_after(prefix, key),
                    None => view.scan(prefix),
                };
                scan.take(PIECE)
                    .map(|pair| pair.map(|(key, value)| (key, Some(value))))
                    .collect()
            }
            Self::Scans(prefixes) => {
                let begun = after.map(Key::encode);
                let mut pairs = Vec::new();
                for prefix in prefixes {
                    let scan = match (after, &begun) {
                        (Some(_), Some(begun)) if begun[..] >= prefix.end()[..] => continue,
                        (Some(key), Some(begun)) if begun.starts_with(prefix.as_bytes()) => {
                            view.scan_after(prefix, key)
                        }
                        _ => view.scan(prefix),
                    };
                    for pair in scan.take(PIECE - pairs.len()) {
                        let (key, value) = pair?;
                        pairs.push((key, Some(value)));
                    }
                    if pairs.len() == PIECE {
                        break;
                    }
                }
                Ok(pairs)
            }
            Self::Enrollments(ids) => {
                let start = match after {
                    Some(Key::Enrollment(id)) => Bound::Excluded(id),
                    _ => Bound::Unbounded,
                };
                named(view, ids.range((start, Bound::Unbounded)))
            }
            Self::OfTokens(tokens) => {
                let mut ids = BTreeSet::new();
                for token in tokens {
                    let prefix = &Prefix::ade_enrolled(*token);
                    let scan = match after {
                        Some(Key::Enrollment(id)) => {
                            view.scan_after(prefix, &Key::AdeEnrolled(*token, id.clone()))
                        }
                        _ => view.scan(prefix),
                    };
                    for pair in scan.take(PIECE) {
                        if let (Key::AdeEnrolled(_, id), _) = pair? {
                            ids.insert(id);
                        }
                    }
                }
                named(view, ids.iter())
            }
        }
    }
}

/// The first of these enrollments, a piece of them.
fn named<'a>(
    view: &View<'_>,
    ids: impl Iterator<Item = &'a EnrollmentId>,
) -> StoreResult<Vec<(Key, Option<IVec>)>> {
    let rows = ids.take(PIECE).map(|id| {
        let key = Key::Enrollment(id.clone());
        let value = view.get(&key)?;
        Ok((key, value))
    });
    rows.collect()
}

/// One page: what `row` makes of the keys after `after` (`None` passes one over).
pub(super) fn page_of<T>(
    shared: &Shared,
    source: &Source,
    page: &Page,
    mut after: Option<Key>,
    row: impl Fn(&View<'_>, &Key, &IVec) -> StoreResult<Option<T>>,
    cursor: impl Fn(&Key) -> String,
) -> StoreResult<Listing<T>> {
    let mut rows = Vec::new();
    let mut to_skip = page.offset;
    if page.limit == 0 {
        return Ok(Listing {
            rows,
            next_cursor: None,
        });
    }
    loop {
        let piece = shared.read(|view, _| {
            let mut made = Vec::new();
            for (key, value) in source.piece(&view, after.as_ref())? {
                let row = match value {
                    Some(value) => row(&view, &key, &value)?,
                    None => None,
                };
                made.push((key, row));
            }
            Ok(made)
        })?;
        let last = piece.len() < PIECE;
        for (key, row) in piece {
            if let Some(row) = row {
                if to_skip > 0 {
                    to_skip -= 1;
                } else {
                    rows.push(row);
                }
            }
            if rows.len() == page.limit {
                return Ok(Listing {
                    rows,
                    next_cursor: Some(cursor(&key)),
                });
            }
            after = Some(key);
        }
        if last {
            return Ok(Listing {
                rows,
                next_cursor: None,
            });
        }
    }
}

/// Enrollments that match; the cursor is the id of a page's last row.
pub(super) fn enrollments(
    shared: &Shared,
    filter: &EnrollmentFilter,
    page: &Page,
) -> StoreResult<Listing<EnrollmentRow>> {
    let source = match (&filter.ids, &filter.serials, &filter.ade_tokens) {
        (Some(ids), _, _) => Source::Enrollments(ids.iter().cloned().collect()),
        (None, Some(_), _) => Source::Enrollments(shared.read(|view, _| with_serials(&view, filter))?),
        (None, None, Some(tokens)) => Source::OfTokens(tokens.clone()),
        (None, None, None) => Source::Scan(Prefix::enrollments()),
    };
    let after = page
        .cursor
        .as_ref()
        .map(|id| Key::Enrollment(EnrollmentId::new(id)));
    let matching_row = |view: &View<'_>, _: &Key, value: &IVec| {
        let record: EnrollmentRecord = decode(value)?;
        if !record_matches(&record, filter) || !is_of_tokens(view, &record.id, filter.ade_tokens.as_deref())?
        {
            return Ok(None);
        }
        let row = row(view, record)?;
        let serial_matches = one_of(&filter.serials, row.device.serial.as_ref());
        Ok(serial_matches.then_some(row))
    };
    page_of(shared, &source, page, after, matching_row, |key| match key {
        Key::Enrollment(id) => id.to_string(),
        _ => String::new(),
    })
}

/// How many device channels are enrolled with each topic.
pub(super) fn devices_by_topic(shared: &Shared) -> StoreResult<BTreeMap<Topic, u64>> {
    let source = Source::Scan(Prefix::enrollments());
    let everything = Page::first(usize::MAX);
    let topic = |_: &View<'_>, _: &Key, value: &IVec| {
        let record: EnrollmentRecord = decode(value)?;
        let counts = record.state == EnrollmentState::Enrolled && !record.id.is_user_channel();
        Ok(record.push.filter(|_| counts).map(|push| push.topic))
    };
    let topics = page_of(shared, &source, &everything, None, topic, |_| String::new())?;
    let mut devices = BTreeMap::new();
    for topic in topics.rows {
        *devices.entry(topic).or_default() += 1;
    }
    Ok(devices)
}

/// The enrollments whose device has one of the filter's serial numbers.
fn with_serials(view: &View<'_>, filter: &EnrollmentFilter) -> StoreResult<BTreeSet<EnrollmentId>> {
    let mut ids = BTreeSet::new();
    for serial in filter.serials.iter().flatten() {
        for pair in view.scan(&Prefix::serial(serial)) {
            let (Key::Serial(_, device), _) = pair? else {
                return Err(unexpected_key());
            };
            for pair in view.scan(&Prefix::users_of(&device)) {
                if let (Key::Enrollment(user), _) = pair? {
                    ids.insert(user);
                }
            }
            ids.insert(device);
        }
    }
    Ok(ids)
}

fn record_matches(record: &EnrollmentRecord, filter: &EnrollmentFilter) -> bool {
    let short_name = record.user.as_ref().and_then(|user| user.short_name.as_ref());
    let enrolled = record.state == EnrollmentState::Enrolled;
    one_of(&filter.kinds, Some(&record.kind))
        && one_of(&filter.user_short_names, short_name)
        && filter.enabled.is_none_or(|enabled| enabled == enrolled)
}

/// Whether the enrollment is of a device of one of these server tokens, if only they are wanted.
pub(super) fn is_of_tokens(view: &View<'_>, id: &EnrollmentId, tokens: Option<&[u64]>) -> StoreResult<bool> {
    let Some(tokens) = tokens else {
        return Ok(true);
    };
    for token in tokens {
        if view.get(&Key::AdeEnrolled(*token, id.clone()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one_of<T: PartialEq>(wanted: &Option<Vec<T>>, actual: Option<&T>) -> bool {
    wanted
        .as_ref()
        .is_none_or(|wanted| actual.is_some_and(|actual| wanted.contains(actual)))
}

/// An enrollment's queue; the cursor is a place in it.
pub(super) fn queue(shared: &Shared, id: &EnrollmentId, page: &Page) -> StoreResult<Listing<QueuedCommand>> {
    let after = page.cursor.as_ref().and_then(|cursor| {
        let (priority, sequence) = cursor.split_once('-')?;
        Some(Key::Queued(
            id.clone(),
            priority.parse().ok()?,
            sequence.parse().ok()?,
        ))
    });
    let source = Source::Scan(Prefix::queue(id));
    page_of(shared, &source, page, after, queue::listed, |key| match key {
        Key::Queued(_, priority, sequence) => format!("{priority}-{sequence}"),
        _ => String::new(),
    })
}

/// The outbox of pushes; the cursor is the enrollment of a page's last row.
pub(super) fn wakes(shared: &Shared, page: &Page) -> StoreResult<Listing<(EnrollmentId, WakeRecord)>> {
    let after = page.cursor.as_ref().map(|id| Key::Wake(EnrollmentId::new(id)));
    let wake = |_: &View<'_>, key: &Key, value: &IVec| match key {
        Key::Wake(id) => Ok(Some((id.clone(), decode(value)?))),
        _ => Err(unexpected_key()),
    };
    let source = Source::Scan(Prefix::wakes());
    page_of(shared, &source, page, after, wake, |key| match key {
        Key::Wake(id) => id.to_string(),
        _ => String::new(),
    })
}

/// A command's targets; the cursor is the enrollment of a page's last row.
pub(super) fn statuses(
    shared: &Shared,
    uuid: &CommandUuid,
    page: &Page,
) -> StoreResult<Listing<CommandStatus>> {
    let Some(number) = shared.read(|view, _| queue::number(&view, uuid))? else {
        return Ok(Listing {
            rows: Vec::new(),
            next_cursor: None,
        });
    };
    let after = page
        .cursor
        .as_ref()
        .map(|id| Key::Target(number, EnrollmentId::new(id)));
    let status = |_: &View<'_>, key: &Key, value: &IVec| {
        let Key::Target(_, enrollment) = key else {
            return Err(unexpected_key());
        };
        let target: Target = decode(value)?;
        Ok(Some(CommandStatus {
            enrollment: enrollment.clone(),
            state: target.state,
            at: target.at,
        }))
    };
    let source = Source::Scan(Prefix::targets(number));
    page_of(shared, &source, page, after, status, |key| match key {
        Key::Target(_, id) => id.to_string(),
        _ => String::new(),
    })
}

/// The certificates that were issued, of one enrollment if one is named; the cursor is the fingerprint of a page's last
/// row.
pub(super) fn certificates(
    shared: &Shared,
    enrollment: Option<&EnrollmentId>,
    page: &Page,
) -> StoreResult<Listing<CertificateRecord>> {
    let after = page.place(|cursor| {
        let fingerprint = Fingerprint::try_from(cursor.to_owned()).ok()?;
        Some(Key::Certificate(fingerprint))
    })?;
    let matching = |_: &View<'_>, _: &Key, value: &IVec| {
        let record: CertificateRecord = decode(value)?;
        let matches = enrollment.is_none() || record.enrollment.as_ref() == enrollment;
        Ok(matches.then_some(record))
    };
    let source = Source::Scan(Prefix::certificates());
    page_of(shared, &source, page, after, matching, |key| match key {
        Key::Certificate(fingerprint) => fingerprint.to_string(),
        _ => String::new(),
    })
}

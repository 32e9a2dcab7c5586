//! Lists and figures of Automated Device Enrollment, read in pieces.

use serde::Deserialize;

use super::{
    ade::{is_there, profile, token},
    keys::{Key, Prefix, ReportKey},
    listing::{Source, page_of},
    reports::is_enrolled,
    shared::Shared,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::{
        AdeDeviceFilter, AdeDeviceRecord, AdeFigures, AdeProfileRecord, AdeTokenRecord, Listing, Page,
        StoreResult,
    },
};

/// All rows of a prefix that `row` makes something of.
fn all<T>(
    shared: &Shared,
    prefix: Prefix,
    row: impl Fn(&View<'_>, &Key, &sled::IVec) -> StoreResult<Option<T>>,
) -> StoreResult<Vec<T>> {
    let everything = Page::first(usize::MAX);
    let source = Source::Scan(prefix);
    Ok(page_of(shared, &source, &everything, None, row, |_| String::new())?.rows)
}

/// All tokens, by name.
pub(super) fn tokens(shared: &Shared) -> StoreResult<Vec<AdeTokenRecord>> {
    all(shared, Prefix::ade_tokens(), |view, key, _| match key {
        Key::AdeToken(name, 0) => token(view, name),
        Key::AdeToken(..) => Ok(None),
        _ => Err(unexpected_key()),
    })
}

/// A token's profiles, by name.
pub(super) fn profiles(shared: &Shared, token: u64) -> StoreResult<Vec<AdeProfileRecord>> {
    all(shared, Prefix::ade_profiles(token), |view, key, _| match key {
        Key::AdeProfile(_, name, 0) if is_there(view, token)? => profile(view, token, name),
        Key::AdeProfile(..) => Ok(None),
        _ => Err(unexpected_key()),
    })
}

/// Devices that match; the cursor is the token's number and the serial number of a page's last row.
pub(super) fn devices(
    shared: &Shared,
    filter: &AdeDeviceFilter,
    page: &Page,
) -> StoreResult<Listing<AdeDeviceRecord>> {
    let beginning = filter.serial_prefix.as_deref().unwrap_or_default();
    let tokens = match filter.token {
        Some(token) => vec![token],
        None => all(shared, Prefix::ade_numbers(), |_, key, _| match key {
            Key::AdeNumber(token) => Ok(Some(*token)),
            _ => Err(unexpected_key()),
        })?,
    };
    let wanted = |token: &u64| filter.tokens.as_ref().is_none_or(|wanted| wanted.contains(token));
    let prefixes = tokens
        .into_iter()
        .filter(wanted)
        .map(|token| Prefix::ade_devices(token, beginning));
    let after = page.place(|cursor| {
        let (token, serial) = cursor.split_once('.')?;
        Some(Key::AdeDevice(token.parse().ok()?, SerialNumber::new(serial)))
    })?;
    let row = |view: &View<'_>, _: &Key, value: &sled::IVec| {
        let record: AdeDeviceRecord = decode(value)?;
        let matches = matches(&record, filter)
            && is_there(view, record.token)?
            && match filter.awaiting {
                Some(wanted) => is_awaiting(view, &record)? == wanted,
                None => true,
            };
        Ok(matches.then_some(record))
    };
    page_of(
        shared,
        &Source::Scans(prefixes.collect()),
        page,
        after,
        row,
        |key| match key {
            Key::AdeDevice(token, serial) => format!("{token}.{serial}"),
            _ => String::new(),
        },
    )
}

/// Whether the device waits to be enrolled.
fn is_awaiting(view: &View<'_>, record: &AdeDeviceRecord) -> StoreResult<bool> {
    let key = ReportKey::Awaiting(record.token, record.serial.as_str().to_owned());
    Ok(view.get(&Key::Report(key))?.is_some())
}

fn matches(record: &AdeDeviceRecord, filter: &AdeDeviceFilter) -> bool {
    let facts = &record.facts;
    let profile = facts.profile_uuid.as_ref();
    filter
        .tokens
        .as_ref()
        .is_none_or(|tokens| tokens.contains(&record.token))
        && filter
            .profile_uuids
            .as_ref()
            .is_none_or(|wanted| profile.is_some_and(|uuid| wanted.contains(uuid)))
        && filter
            .profile_status
            .as_ref()
            .is_none_or(|wanted| facts.profile_status.as_ref() == Some(wanted))
        && filter
            .removed
            .is_none_or(|removed| record.removed_at.is_some() == removed)
        && filter
            .unseen_in
            .is_none_or(|generation| record.generation < generation)
        && filter
            .removed_before
            .is_none_or(|time| record.removed_at.is_some_and(|at| at < time))
}

/// What of a device's row is counted: reading all of it would cost three times as much.
#[derive(Deserialize)]
struct Counted {
    serial: SerialNumber,
    facts: CountedFacts,
    #[serde(default)]
    removed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct CountedFacts {
    #[serde(default)]
    profile_status: Option<String>,
    #[serde(default)]
    profile_uuid: Option<String>,
}

impl CountedFacts {
    fn has_profile(&self) -> bool {
        match self.profile_status.as_deref() {
            Some(status) => status == "assigned" || status == "pushed",
            None => self.profile_uuid.as_ref().is_some_and(|uuid| !uuid.is_empty()),
        }
    }
}

/// How many devices of a token stand where.
pub(super) fn figures(shared: &Shared, token: u64) -> StoreResult<AdeFigures> {
    let devices = all(shared, Prefix::ade_devices(token, ""), |view, _, value| {
        if !is_there(view, token)? {
            return Ok(None);
        }
        let device: Counted = decode(value)?;
        let is_removed = device.removed_at.is_some();
        let is_enrolled = !is_removed && is_enrolled(view, &device.serial)?;
        Ok(Some((is_removed, is_enrolled, device.facts.has_profile())))
    })?;
    let mut figures = AdeFigures::default();
    for (is_removed, is_enrolled, has_profile) in devices {
        if is_removed {
            figures.removed_from_abm += 1;
            continue;
        }
        figures.devices += 1;
        figures.enrolled += u64::from(is_enrolled);
        figures.ready_to_enroll += u64::from(has_profile && !is_enrolled);
        figures.missing_profile += u64::from(!has_profile);
    }
    Ok(figures)
}

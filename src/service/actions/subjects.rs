//! Which enrollments an operator acts on: the one place through which routes and jobs find them, and where it is decided
//! whom an operator sees. One that is not seen does not exist, to them.

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Code, Error, Result},
    protocol::{
        catalogue::Platform,
        ids::{EnrollmentId, EnrollmentKind, SerialNumber},
    },
    service::{access::visibility::Sight, commands::platform},
    storage::{EnrollmentFilter, EnrollmentRow, EnrollmentState, Page, Storage},
};

/// So many are looked for at a time.
const PIECE: usize = 500;

/// One enrollment.
pub async fn one(store: &dyn Storage, sight: &Sight, id: &EnrollmentId) -> Result<EnrollmentRow> {
    sight.enrollment(id).await?;
    let row = store.enrollment(id).await?;
    row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))
}

/// All of these, each once; if one of them does not exist, none (trust.md K-W2).
pub async fn all(store: &dyn Storage, sight: &Sight, ids: &[EnrollmentId]) -> Result<Vec<EnrollmentId>> {
    let mut seen = HashSet::with_capacity(ids.len());
    let wanted: Vec<EnrollmentId> = ids.iter().filter(|id| seen.insert(*id)).cloned().collect();
    for piece in wanted.chunks(PIECE) {
        let filter = sight.narrow(EnrollmentFilter {
            ids: Some(piece.to_vec()),
            ..EnrollmentFilter::default()
        });
        let rows = store.enrollments(&filter, &Page::first(PIECE)).await?.rows;
        let found: HashSet<&EnrollmentId> = rows.iter().map(|row| &row.record.id).collect();
        if let Some(missing) = piece.iter().find(|id| !found.contains(id)) {
            return Err(Error::with(Code::EnrollmentUnknown, missing));
        }
    }
    Ok(wanted)
}

/// The devices with these serial numbers: of several enrollments of one, those that are enrolled. If there is none with
/// one of them, none at all.
pub async fn by_serial(
    store: &dyn Storage,
    sight: &Sight,
    serials: &[SerialNumber],
) -> Result<Vec<EnrollmentId>> {
    let mut ids = Vec::new();
    let mut seen = HashSet::new();
    for piece in serials.chunks(PIECE) {
        let filter = sight.narrow(EnrollmentFilter {
            serials: Some(piece.to_vec()),
            ..EnrollmentFilter::default()
        });
        let mut found: HashMap<SerialNumber, Vec<EnrollmentRow>> = HashMap::new();
        for_each(store, &filter, |row| {
            if let Some(serial) = row.device.serial.clone()
                && !row.record.id.is_user_channel()
            {
                found.entry(serial).or_default().push(row);
            }
        })
        .await?;
        for serial in piece {
            let rows = found
                .get(serial)
                .ok_or_else(|| Error::with(Code::EnrollmentUnknown, serial))?;
            let is_enrolled = |row: &EnrollmentRow| row.record.state == EnrollmentState::Enrolled;
            let any_enrolled = rows.iter().any(is_enrolled);
            let chosen = rows.iter().filter(|row| is_enrolled(row) || !any_enrolled);
            ids.extend(
                chosen
                    .map(|row| row.record.id.clone())
                    .filter(|id| seen.insert(id.clone())),
            );
        }
    }
    Ok(ids)
}

/// Which devices a job concerns. Every field that is present must match.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// `true`: enrolled ones only; `false`: all others.
    pub enabled: Option<bool>,
    /// One of these kinds of device channels.
    pub kinds: Option<Vec<EnrollmentKind>>,
    /// Of this platform.
    pub platform: Option<Platform>,
}

/// The device channels that match, by id.
pub async fn matching(
    store: &dyn Storage,
    sight: &Sight,
    filter: &DeviceFilter,
) -> Result<Vec<EnrollmentId>> {
    let wanted = sight.narrow(EnrollmentFilter {
        enabled: filter.enabled,
        kinds: filter.kinds.clone(),
        ..EnrollmentFilter::default()
    });
    let mut ids = Vec::new();
    for_each(store, &wanted, |row| {
        let fits = filter
            .platform
            .is_none_or(|wanted| platform(&row) == Some(wanted));
        if fits && !row.record.id.is_user_channel() {
            ids.push(row.record.id);
        }
    })
    .await?;
    Ok(ids)
}

async fn for_each(
    store: &dyn Storage,
    filter: &EnrollmentFilter,
    mut each: impl FnMut(EnrollmentRow),
) -> Result<()> {
    let mut page = Page::first(PIECE);
    loop {
        let listing = store.enrollments(filter, &page).await?;
        listing.rows.into_iter().for_each(&mut each);
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}

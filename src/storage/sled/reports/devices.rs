//! Where devices stand: enrolled ones by class, identities by their end, and those of Apple's list that wait.

use super::{attempts::is_enrolling, counts};
use crate::{
    protocol::{
        ids::{EnrollmentId, SerialNumber},
        time::Timestamp,
    },
    storage::{
        AdeDeviceRecord, CertificateRecord, EnrollmentRecord, EnrollmentState, ReportClass, StoreResult,
        sled::{
            ade::is_there,
            keys::{Key, Prefix, ReportKey},
            transaction::Transaction,
            view::{View, unexpected_key},
        },
    },
};

/// A device channel's record has changed; its certificates are stored already.
pub(in crate::storage::sled) fn enrollment_changed(
    transaction: &mut Transaction<'_>,
    before: Option<&EnrollmentRecord>,
    record: &EnrollmentRecord,
) -> StoreResult<()> {
    if record.id.is_user_channel() {
        return Ok(());
    }
    counts::enrolled_changed(transaction, before.and_then(counted), counted(record))?;
    let expiry = |record: &EnrollmentRecord| {
        let token = record.ade.as_ref().map_or(0, |ade| ade.token);
        (
            record.identity,
            token,
            record.state == EnrollmentState::CheckedOut,
        )
    };
    if before.map(expiry) != Some(expiry(record)) {
        if let Some(before) = before {
            expiry_changed(transaction, before, false)?;
        }
        expiry_changed(transaction, record, true)?;
    }
    let enrolled = |record: &EnrollmentRecord| {
        let serial = record.device.serial.clone();
        serial.filter(|_| record.state == EnrollmentState::Enrolled)
    };
    let (was, is) = (before.and_then(enrolled), enrolled(record));
    if was != is {
        for serial in [was, is].into_iter().flatten() {
            refresh_awaiting(transaction, &serial)?;
        }
    }
    Ok(())
}

/// A device channel's record has been removed; its certificates are stored still.
pub(in crate::storage::sled) fn enrollment_removed(
    transaction: &mut Transaction<'_>,
    record: &EnrollmentRecord,
) -> StoreResult<()> {
    if record.id.is_user_channel() {
        return Ok(());
    }
    counts::enrolled_changed(transaction, counted(record), None)?;
    expiry_changed(transaction, record, false)?;
    super::remove_policies(transaction, &record.id)?;
    match &record.device.serial {
        Some(serial) => refresh_awaiting(transaction, serial),
        None => Ok(()),
    }
}

/// What a device channel is counted under, if it is enrolled and not held.
pub(super) fn counted(record: &EnrollmentRecord) -> Option<ReportClass> {
    let counts = record.state == EnrollmentState::Enrolled
        && !record.awaiting_configuration
        && !record.id.is_user_channel();
    counts.then(|| ReportClass::of(record))
}

fn expiry_changed(transaction: &mut Transaction<'_>, record: &EnrollmentRecord, is: bool) -> StoreResult<()> {
    let Some((at, key)) = expiry(&transaction.view(), record)? else {
        return Ok(());
    };
    if is {
        transaction.put(&key, &[]);
    } else {
        transaction.remove(&key);
    }
    if record.state == EnrollmentState::CheckedOut {
        return Ok(());
    }
    let token = record.ade.as_ref().map_or(0, |ade| ade.token);
    counts::expiry_changed(transaction, at, token, is)
}

/// When the identity of a device channel expires, and its place in the index.
pub(super) fn expiry(view: &View<'_>, record: &EnrollmentRecord) -> StoreResult<Option<(Timestamp, Key)>> {
    let Some(identity) = record.identity else {
        return Ok(None);
    };
    let certificate: Option<CertificateRecord> = view.record(&Key::Certificate(identity))?;
    Ok(certificate.map(|certificate| {
        let at = certificate.not_after;
        (at, expiry_key(at, &record.id))
    }))
}

fn expiry_key(at: Timestamp, id: &EnrollmentId) -> Key {
    Key::Report(ReportKey::Expiry(at, id.clone()))
}

/// Whether a device of Apple's list could be enrolled: Apple has it for us, with a profile.
pub(in crate::storage::sled) fn awaits(record: &AdeDeviceRecord) -> bool {
    let facts = &record.facts;
    let has_profile = match facts.profile_status.as_deref() {
        Some(status) => status == "assigned" || status == "pushed",
        None => facts.profile_uuid.as_ref().is_some_and(|uuid| !uuid.is_empty()),
    };
    record.removed_at.is_none() && has_profile
}

/// Looks anew whether a device waits to be enrolled, with each token that has it.
pub(in crate::storage::sled) fn refresh_awaiting(
    transaction: &mut Transaction<'_>,
    serial: &SerialNumber,
) -> StoreResult<()> {
    let view = transaction.view();
    let mut standings = Vec::new();
    let mut busy = None;
    for pair in view.scan(&Prefix::ade_serial(serial)) {
        let (Key::AdeSerial(_, token), _) = pair? else {
            return Err(unexpected_key());
        };
        if !is_there(&view, token)? {
            continue;
        }
        let device: Option<AdeDeviceRecord> = view.record(&Key::AdeDevice(token, serial.clone()))?;
        let mut waits = device.is_some_and(|device| awaits(&device));
        if waits {
            let busy = match busy {
                Some(busy) => busy,
                None => *busy.insert(is_busy(&view, serial)?),
            };
            waits = !busy;
        }
        standings.push((token, waits));
    }
    for (token, waits) in standings {
        set_awaiting(transaction, token, serial, waits)?;
    }
    Ok(())
}

/// Notes whether a device of a token waits.
pub(in crate::storage::sled) fn set_awaiting(
    transaction: &mut Transaction<'_>,
    token: u64,
    serial: &SerialNumber,
    waits: bool,
) -> StoreResult<()> {
    let key = Key::Report(ReportKey::Awaiting(token, serial.as_str().to_owned()));
    let waited = transaction.view().get(&key)?.is_some();
    if waits == waited {
        return Ok(());
    }
    if waits {
        transaction.put(&key, &[]);
    } else {
        transaction.remove(&key);
    }
    counts::awaiting_changed(transaction, token, waits)
}

/// Whether a device is enrolled, or enrolling.
pub(super) fn is_busy(view: &View<'_>, serial: &SerialNumber) -> StoreResult<bool> {
    Ok(is_enrolling(view, serial.as_str())? || is_enrolled(view, serial)?)
}

/// Whether a device channel with this serial number is enrolled.
pub(in crate::storage::sled) fn is_enrolled(view: &View<'_>, serial: &SerialNumber) -> StoreResult<bool> {
    for pair in view.scan(&Prefix::serial(serial)) {
        let (Key::Serial(_, id), _) = pair? else {
            return Err(unexpected_key());
        };
        let record: Option<EnrollmentRecord> = view.record(&Key::Enrollment(id))?;
        if record.is_some_and(|record| record.state == EnrollmentState::Enrolled) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A token is there no more: its devices wait for nothing. Their rows go when they are purged.
pub(in crate::storage::sled) fn token_removed(transaction: &mut Transaction<'_>, token: u64) {
    transaction.remove(&Key::Report(ReportKey::AwaitingCount(token)));
}

/// A device of such a token is purged.
pub(in crate::storage::sled) fn forget_awaiting(
    transaction: &mut Transaction<'_>,
    token: u64,
    serial: &SerialNumber,
) {
    let key = ReportKey::Awaiting(token, serial.as_str().to_owned());
    transaction.remove(&Key::Report(key));
}

//! Devices of Automated Device Enrollment: rows, and the indexes by serial number and by what is due.

use super::{
    ade::is_there,
    fault,
    keys::{Key, Prefix},
    reports,
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::{AdeChanged, AdeDeviceChange, AdeDeviceRecord, RowRuling, StoreResult},
};

/// Carries a change out.
pub(super) fn change(
    transaction: &mut Transaction<'_>,
    token: u64,
    change: &AdeDeviceChange,
) -> StoreResult<AdeChanged> {
    if !is_there(&transaction.view(), token)? {
        return Ok(AdeChanged::NoToken);
    }
    if let Some(rule) = &change.sync {
        let key = Key::AdeSync(token);
        let stored = transaction.view().record(&key)?.unwrap_or_default();
        let Some(sync) = rule(&stored) else {
            return Ok(AdeChanged::Refused);
        };
        transaction.put_record(&key, &sync)?;
    }
    let mut changed = 0;
    for serial in &change.serials {
        let key = Key::AdeDevice(token, serial.clone());
        let stored: Option<AdeDeviceRecord> = transaction.view().record(&key)?;
        match (change.rule)(serial, stored.as_ref()) {
            RowRuling::Keep => continue,
            RowRuling::Put(mut record) => {
                record.token = token;
                record.serial = serial.clone();
                put(transaction, &key, stored.as_ref(), &record)?;
            }
            RowRuling::Remove => match &stored {
                Some(stored) => {
                    remove(transaction, stored);
                    reports::set_awaiting(transaction, token, serial, false)?;
                }
                None => continue,
            },
        }
        changed += 1;
    }
    Ok(AdeChanged::Done(changed))
}

/// Writes a row; the indexes only where they change.
fn put(
    transaction: &mut Transaction<'_>,
    key: &Key,
    stored: Option<&AdeDeviceRecord>,
    record: &AdeDeviceRecord,
) -> StoreResult<()> {
    let was_due = stored.and_then(|stored| stored.due);
    if was_due != record.due {
        if let Some(at) = was_due {
            transaction.remove(&due_key(record, at));
        }
        if let Some(at) = record.due {
            transaction.put(&due_key(record, at), &[]);
        }
    }
    if stored.is_none() {
        transaction.put(&Key::AdeSerial(record.serial.clone(), record.token), &[]);
    }
    transaction.put_record(key, record)?;
    // Whether it is enrolled is looked up only where it matters anew: a sync writes many rows.
    match stored.is_some_and(reports::awaits) == reports::awaits(record) {
        true => Ok(()),
        false => reports::refresh_awaiting(transaction, &record.serial),
    }
}

fn remove(transaction: &mut Transaction<'_>, record: &AdeDeviceRecord) {
    if let Some(at) = record.due {
        transaction.remove(&due_key(record, at));
    }
    transaction.remove(&Key::AdeSerial(record.serial.clone(), record.token));
    transaction.remove(&Key::AdeDevice(record.token, record.serial.clone()));
}

fn due_key(record: &AdeDeviceRecord, at: Timestamp) -> Key {
    Key::AdeDue(record.token, at, record.serial.clone())
}

/// Deletes devices of a token that is there no more, at most `limit`; says how many.
pub(super) fn purge(transaction: &mut Transaction<'_>, token: u64, limit: usize) -> StoreResult<usize> {
    let mut devices: Vec<AdeDeviceRecord> = Vec::new();
    for pair in transaction
        .view()
        .scan(&Prefix::ade_devices(token, ""))
        .take(limit)
    {
        devices.push(decode(&pair?.1)?);
    }
    for device in &devices {
        remove(transaction, device);
        reports::forget_awaiting(transaction, token, &device.serial);
    }
    Ok(devices.len())
}

/// A device, of every token that has it.
pub(super) fn with_serial(view: &View<'_>, serial: &SerialNumber) -> StoreResult<Vec<AdeDeviceRecord>> {
    let mut devices = Vec::new();
    for pair in view.scan(&Prefix::ade_serial(serial)) {
        let (Key::AdeSerial(_, token), _) = pair? else {
            return Err(unexpected_key());
        };
        if is_there(view, token)? {
            devices.push(device(view, token, serial.clone())?);
        }
    }
    Ok(devices)
}

/// The devices whose time has come.
pub(super) fn due(
    view: &View<'_>,
    token: u64,
    now: Timestamp,
    limit: usize,
) -> StoreResult<Vec<AdeDeviceRecord>> {
    let mut devices = Vec::new();
    if !is_there(view, token)? {
        return Ok(devices);
    }
    for pair in view.scan(&Prefix::ade_due(token)).take(limit) {
        match pair? {
            (Key::AdeDue(_, at, serial), _) if at <= now => devices.push(device(view, token, serial)?),
            (Key::AdeDue(..), _) => break,
            _ => return Err(unexpected_key()),
        }
    }
    Ok(devices)
}

/// When the first one's time comes.
pub(super) fn next_due(view: &View<'_>, token: u64) -> StoreResult<Option<Timestamp>> {
    if !is_there(view, token)? {
        return Ok(None);
    }
    match view.scan(&Prefix::ade_due(token)).next().transpose()? {
        Some((Key::AdeDue(_, at, _), _)) => Ok(Some(at)),
        Some(_) => Err(unexpected_key()),
        None => Ok(None),
    }
}

fn device(view: &View<'_>, token: u64, serial: SerialNumber) -> StoreResult<AdeDeviceRecord> {
    view.record(&Key::AdeDevice(token, serial))?
        .ok_or_else(|| fault::damaged("a device of an index is missing"))
}

//! Lists of devices: all, what changed, some, and giving them up (Apple: *Get a list of devices*, *Sync the list of
//! devices*, *Get device details*, *Disown devices*).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Outcome, Refused, Work, json, refused};
use crate::abm::clock::iso;
use crate::abm::cursor::{Cursor, LIFETIME};
use crate::abm::faults::{DeviceStatus, is_among};
use crate::abm::record::DeviceRecord;

const DEFAULT_LIMIT: usize = 100;
/// The most devices in a page, and in a request that names them.
pub(super) const MAX_LIMIT: usize = 1000;

#[derive(Deserialize)]
struct Request {
    cursor: Option<String>,
    limit: Option<i64>,
}

impl Request {
    fn limit(&self) -> usize {
        let limit = self.limit.filter(|limit| *limit > 0).map(|limit| limit as usize);
        limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
    }

    /// The cursor's text; an empty one is none.
    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref().filter(|cursor| !cursor.is_empty())
    }
}

#[derive(Serialize)]
struct Page<'a> {
    cursor: String,
    devices: Vec<DeviceRecord<'a>>,
    fetched_until: String,
    more_to_follow: bool,
}

/// A list of serial numbers.
#[derive(Deserialize)]
pub(super) struct Serials {
    devices: Option<Vec<String>>,
}

impl Serials {
    /// The list, which must have something in it.
    pub(super) fn required(self) -> Result<Vec<String>, Refused> {
        match self.devices {
            Some(devices) if devices.len() > MAX_LIMIT => Err(refused(400, "DEVICE_LIMIT_EXCEEDED")),
            Some(devices) if !devices.is_empty() => Ok(devices),
            _ => Err(refused(400, "DEVICE_ID_REQUIRED")),
        }
    }
}

/// `POST /server/devices`
pub(super) fn fetch(work: &mut Work<'_>) -> Outcome {
    let request: Request = work.fields()?;
    let server = work.inner.estate.server_at(work.server);
    let start = match request.cursor() {
        None => Cursor {
            server: work.server,
            fetched: Some(0),
            events: server.events.len() as u64,
            page: 1,
            issued: work.now,
            serial: 0,
        },
        Some(text) => {
            let cursor = read(work, text)?;
            if cursor.fetched.is_none() {
                return Err(refused(400, "EXHAUSTED_CURSOR"));
            }
            if work.now - cursor.issued > LIFETIME {
                return Err(refused(400, "INVALID_CURSOR"));
            }
            cursor
        }
    };
    let duplicates = work.inner.faults.duplicates.unwrap_or(0.0);
    let limit = half(request.limit(), duplicates);
    let after = start.fetched.unwrap_or(0) + 1;
    let estate = &work.inner.estate;
    let members = estate.server_at(work.server).members.range(after..);
    let (mut last, mut devices) = (None, Vec::with_capacity(limit));
    for (place, unit) in members.take(limit) {
        last = Some(*place);
        devices.push(DeviceRecord::of(estate, *unit, work.version));
        if is_among(&estate.units[*unit as usize].serial, duplicates) {
            devices.push(DeviceRecord::of(estate, *unit, work.version));
        }
    }
    let following = last.map(|last| server.members.range(last + 1..).next().is_some());
    let more = following.unwrap_or(false);
    let next = Cursor {
        fetched: last.filter(|_| more),
        page: if more { start.page + 1 } else { 1 },
        ..start
    };
    let count = devices.len();
    let body = page(work, next, more, request.cursor(), devices)?;
    work.record.devices = count;
    Ok(body)
}

/// `POST /devices/sync`
pub(super) fn sync(work: &mut Work<'_>) -> Outcome {
    let request: Request = work.fields()?;
    let text = request.cursor().ok_or(refused(400, "CURSOR_REQUIRED"))?;
    let start = read(work, text)?;
    if work.now - start.issued > LIFETIME {
        return Err(refused(400, "EXPIRED_CURSOR"));
    }
    let faults = &work.inner.faults;
    let duplicates = faults.duplicates.unwrap_or(0.0);
    let hides = faults.sync_hides_throttled.unwrap_or(false);
    let estate = &work.inner.estate;
    let events = &estate.server_at(work.server).events;
    let known = (start.events as usize).min(events.len());
    let until = events.len().min(known + half(request.limit(), duplicates));
    let mut devices = Vec::with_capacity(until - known);
    for event in &events[known..until] {
        let unit = &estate.units[event.unit as usize];
        let throttled = unit.extra.as_ref().and_then(|extra| extra.throttled_until);
        if hides && throttled.is_some_and(|until| until > work.now) {
            continue;
        }
        devices.push(DeviceRecord::event(estate, event, work.version));
        if is_among(&unit.serial, duplicates) {
            devices.push(DeviceRecord::stale(estate, event, work.version));
        }
    }
    let more = until < events.len();
    // A mid-fetch cursor has a page number of its own.
    let number = if start.fetched.is_none() { start.page } else { 1 };
    let next = Cursor {
        fetched: None,
        events: until as u64,
        page: if more { number + 1 } else { 1 },
        ..start
    };
    let count = devices.len();
    let body = page(work, next, more, Some(text), devices)?;
    work.record.devices = count;
    Ok(body)
}

/// `POST /devices`
pub(super) fn details(work: &mut Work<'_>) -> Outcome {
    let serials = work.fields::<Serials>()?.required()?;
    let estate = &work.inner.estate;
    let details: BTreeMap<&String, Value> = serials
        .iter()
        .map(|serial| {
            let refused = work.inner.faults.devices.get(serial);
            let hidden = refused.is_some_and(|status| *status == DeviceStatus::NotAccessible);
            let unit = estate.unit_of(work.server, serial).filter(|_| !hidden);
            let record = unit.map(|unit| json!(DeviceRecord::details(estate, unit, work.version)));
            (
                serial,
                record.unwrap_or(json!({ "response_status": "NOT_ACCESSIBLE" })),
            )
        })
        .collect();
    work.record.devices = details.len();
    json(&json!({ "devices": details }))
}

/// `POST /devices/disown`
pub(super) fn disown(work: &mut Work<'_>) -> Outcome {
    let serials = work.fields::<Serials>()?.required()?;
    let allowed = work.inner.estate.server_at(work.server).may_disown;
    let mut devices = BTreeMap::new();
    for serial in serials {
        let ordered = work.inner.faults.devices.get(&serial).copied();
        let unit = work.inner.estate.unit_of(work.server, &serial);
        let status = match (ordered, unit) {
            (Some(status), _) if status != DeviceStatus::Success => status,
            (_, None) => DeviceStatus::NotAccessible,
            (_, Some(_)) if !allowed => DeviceStatus::Failed,
            (_, Some(unit)) => {
                work.inner.estate.release(unit, work.now, false);
                DeviceStatus::Success
            }
        };
        devices.insert(serial, status.word(work.version));
    }
    work.record.devices = devices.len();
    json(&json!({ "devices": devices }))
}

/// A page, with the next cursor or, if that is at fault, the present one.
fn page(
    work: &Work<'_>,
    mut next: Cursor,
    more: bool,
    present: Option<&str>,
    devices: Vec<DeviceRecord<'_>>,
) -> Outcome {
    next.issued = work.now;
    next.serial = work.hub.cursors.fetch_add(1, Ordering::Relaxed);
    let same = present.filter(|_| work.same_cursor);
    json(&Page {
        cursor: same.map_or_else(|| next.write(&work.hub.secret), Into::into),
        devices,
        fetched_until: iso(work.now),
        more_to_follow: more || same.is_some(),
    })
}

fn read(work: &Work<'_>, text: &str) -> Result<Cursor, Refused> {
    let cursor = Cursor::read(text, &work.hub.secret).filter(|cursor| cursor.server == work.server);
    cursor.ok_or(refused(400, "INVALID_CURSOR"))
}

/// Room for duplicates.
fn half(limit: usize, duplicates: f64) -> usize {
    if duplicates > 0.0 {
        limit.div_ceil(2)
    } else {
        limit
    }
}

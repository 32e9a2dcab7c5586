//! Giving profiles to devices and taking them away (Apple: *Assign a profile*, *Remove a profile*).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::devices::Serials;
use super::{Outcome, Work, json, refused};
use crate::abm::estate::{Assignment, ProfileStatus};
use crate::abm::faults::DeviceStatus;
use crate::abm::record::NUMBERS;

#[derive(Deserialize)]
struct Request {
    profile_uuid: Option<String>,
    #[serde(flatten)]
    serials: Serials,
}

/// `POST` or `PUT /profile/devices`
pub(super) fn assign(work: &mut Work<'_>) -> Outcome {
    let request: Request = work.fields()?;
    let serials = request.serials.required()?;
    let uuid = request.profile_uuid.filter(|uuid| !uuid.is_empty());
    let uuid = uuid.ok_or(refused(400, "PROFILE_UUID_REQUIRED"))?;
    let estate = &work.inner.estate;
    let profile = estate.profile(&uuid);
    let profile = profile.filter(|place| estate.profiles[*place as usize].server == work.server);
    let profile = profile.ok_or(refused(404, "PROFILE_NOT_FOUND"))?;

    let (mut devices, mut retry_after) = (BTreeMap::new(), None);
    for serial in serials {
        let (status, wait) = one(work, &serial, profile);
        retry_after = retry_after.max(wait);
        devices.insert(serial, status.word(work.version));
    }
    work.record.devices = devices.len();
    let mut answer = json!({ "profile_uuid": uuid, "devices": devices });
    if let Some(seconds) = retry_after.filter(|_| work.version >= NUMBERS) {
        answer["retry_after_seconds"] = seconds.into();
    }
    json(&answer)
}

/// Gives a profile to one device; answers what came of it, and how long to wait if it is throttled.
pub(super) fn one(work: &mut Work<'_>, serial: &str, profile: u32) -> (DeviceStatus, Option<i64>) {
    let outcome = attempt(work, serial, profile);
    let word = outcome.0.word(u32::MAX);
    *work.inner.log.stats.assigned.entry(word.into()).or_default() += 1;
    outcome
}

fn attempt(work: &mut Work<'_>, serial: &str, profile: u32) -> (DeviceStatus, Option<i64>) {
    let inner = &mut *work.inner;
    let throttle = inner.faults.throttle;
    let ordered = inner.faults.devices.get(serial).copied();
    if let Some(status) = ordered.filter(|status| *status != DeviceStatus::Success) {
        let wait = throttle.map(|throttle| throttle.retry_after_seconds as i64);
        return (status, wait.filter(|_| status == DeviceStatus::Throttled));
    }
    let Some(unit) = inner.estate.unit_of(work.server, serial) else {
        return (DeviceStatus::NotAccessible, None);
    };
    let device = &mut inner.estate.units[unit as usize];
    if let Some(throttle) = throttle {
        let wait = throttle.retry_after_seconds as i64;
        let extra = device.extra();
        extra.assigned_at.retain(|at| work.now - at < wait);
        let repeated = throttle
            .repeats
            .is_some_and(|most| extra.assigned_at.len() >= most);
        match extra.throttled_until {
            Some(until) if work.now < until => {
                inner.log.stats.early_assignments += 1;
                return (DeviceStatus::Throttled, Some(until - work.now));
            }
            None if throttle.takes(serial) => {
                extra.throttled_until = Some(work.now + wait);
                return (DeviceStatus::Throttled, Some(wait));
            }
            _ if repeated => {
                extra.throttled_until = Some(work.now + wait);
                return (DeviceStatus::Throttled, Some(wait));
            }
            _ => extra.assigned_at.push(work.now),
        }
    }
    let same = device.assignment.profile == Some(profile);
    if same && device.assignment.status != ProfileStatus::Removed {
        return (DeviceStatus::Success, None);
    }
    device.assignment = Assignment {
        status: ProfileStatus::Assigned,
        profile: Some(profile),
        assigned: work.now,
        pushed: 0,
    };
    note(work, unit);
    (DeviceStatus::Success, None)
}

/// `DELETE /profile/devices`
pub(super) fn unassign(work: &mut Work<'_>) -> Outcome {
    let request: Request = work.fields()?;
    let serials = request.serials.required()?;
    let wanted = request.profile_uuid.filter(|uuid| !uuid.is_empty());
    let profile = wanted.as_ref().map(|uuid| work.inner.estate.profile(uuid));
    let mut devices = BTreeMap::new();
    for serial in serials {
        let status = take_away(work, &serial, profile);
        devices.insert(serial, status.word(work.version));
    }
    work.record.devices = devices.len();
    let mut answer = json!({ "devices": devices });
    if let Some(uuid) = wanted {
        answer["profile_uuid"] = uuid.into();
    }
    json(&answer)
}

fn take_away(work: &mut Work<'_>, serial: &str, profile: Option<Option<u32>>) -> DeviceStatus {
    let ordered = work.inner.faults.devices.get(serial).copied();
    if let Some(status) = ordered.filter(|status| *status != DeviceStatus::Success) {
        return status;
    }
    let Some(unit) = work.inner.estate.unit_of(work.server, serial) else {
        return DeviceStatus::NotAccessible;
    };
    let assignment = &mut work.inner.estate.units[unit as usize].assignment;
    if assignment.profile.is_none() {
        return DeviceStatus::Success;
    }
    if profile.is_some_and(|profile| profile != assignment.profile) {
        return DeviceStatus::Failed;
    }
    let was_pushed = assignment.status == ProfileStatus::Pushed;
    *assignment = Assignment {
        status: if was_pushed {
            ProfileStatus::Removed
        } else {
            ProfileStatus::Empty
        },
        ..Assignment::default()
    };
    note(work, unit);
    DeviceStatus::Success
}

fn note(work: &mut Work<'_>, unit: u32) {
    if work.hub.settings.assignments_are_events {
        work.inner.estate.modified(unit, work.now);
    }
}

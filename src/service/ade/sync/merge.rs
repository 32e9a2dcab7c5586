//! What a page makes of the devices that are stored: pure.
//!
//! The latest `op_date` wins, whatever the order; a full pass tells how things are now and has no dates.

use std::collections::BTreeMap;

use super::facts::{self, Op, Reported};
use crate::{
    apple::dep::DepDevice,
    protocol::{ids::SerialNumber, time::Timestamp},
    service::ade::assign::wanted::Wants,
    storage::{AdeAssignmentState, AdeDeviceFacts, AdeDeviceRecord, RowRuling},
};

/// A page, one record for each device.
#[derive(Clone, Debug, Default)]
pub struct Reports(BTreeMap<SerialNumber, Reported>);

impl Reports {
    /// Of several records of one device, the one with the latest date counts; with the same date, or none, the later.
    pub fn of(devices: &[DepDevice]) -> Self {
        let mut reports: BTreeMap<SerialNumber, Reported> = BTreeMap::new();
        for reported in devices.iter().filter_map(facts::read) {
            let older = |before: &Reported| reported.op_date.is_some() && reported.op_date < before.op_date;
            if !reports.get(&reported.serial).is_some_and(older) {
                reports.insert(reported.serial.clone(), reported);
            }
        }
        Self(reports)
    }

    /// The devices that it is about.
    pub fn serials(&self) -> Vec<SerialNumber> {
        self.0.keys().cloned().collect()
    }

    /// What becomes of a device.
    pub fn ruling(
        &self,
        serial: &SerialNumber,
        stored: Option<&AdeDeviceRecord>,
        pass: &Pass<'_>,
    ) -> RowRuling<AdeDeviceRecord> {
        let Some(reported) = self.0.get(serial) else {
            return RowRuling::Keep;
        };
        let known = stored.and_then(|stored| stored.op_date);
        if reported.op_date.is_some() && reported.op_date < known {
            return RowRuling::Keep;
        }
        match (reported.op, stored) {
            (Op::Deleted, None) => RowRuling::Keep,
            (Op::Deleted, Some(stored)) => RowRuling::Put(deleted(stored, reported, pass.now)),
            (Op::Present, stored) => RowRuling::Put(present(stored, reported, pass)),
        }
    }
}

/// What a page is read within.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The full pass, or the latest one.
    pub generation: u64,
    /// What decides on profiles.
    pub wants: &'a Wants,
    /// When the page came.
    pub now: Timestamp,
}

fn present(stored: Option<&AdeDeviceRecord>, reported: &Reported, pass: &Pass<'_>) -> AdeDeviceRecord {
    let mut record = stored.cloned().unwrap_or_else(|| AdeDeviceRecord {
        token: 0,
        serial: reported.serial.clone(),
        facts: AdeDeviceFacts::default(),
        op_date: None,
        generation: pass.generation,
        removed_at: None,
        chosen_profile: None,
        assignment: None,
        due: None,
        first_seen_at: pass.now,
        updated_at: pass.now,
    });
    record.facts = facts_after(&record.facts, reported.facts.clone());
    record.op_date = record.op_date.max(reported.op_date);
    record.generation = pass.generation;
    record.updated_at = pass.now;
    if record.removed_at.take().is_some() {
        // It is as good as new here, but Apple's memory of it is longer.
        record.assignment = record
            .assignment
            .filter(|assignment| assignment.state == AdeAssignmentState::Throttled);
    }
    if let Some(assignment) = &mut record.assignment
        && facts::present_profile(&record.facts) == Some(assignment.profile_uuid.as_str())
        && assignment.state != AdeAssignmentState::Assigned
    {
        // Asked for, and done, though the answer was lost.
        assignment.state = AdeAssignmentState::Assigned;
        assignment.at = pass.now;
    }
    record.due = pass.wants.due(&record, pass.now);
    record
}

fn deleted(stored: &AdeDeviceRecord, reported: &Reported, now: Timestamp) -> AdeDeviceRecord {
    let mut record = stored.clone();
    record.facts.released_by_replacement = reported.facts.released_by_replacement;
    record.op_date = reported.op_date.or(record.op_date);
    removed(&record, now)
}

/// Apple has it no more for this server (Y7).
pub fn removed(stored: &AdeDeviceRecord, now: Timestamp) -> AdeDeviceRecord {
    AdeDeviceRecord {
        removed_at: stored.removed_at.or(Some(now)),
        due: None,
        updated_at: now,
        ..stored.clone()
    }
}

/// What does not change in a device's life stays when a record leaves it out.
fn facts_after(before: &AdeDeviceFacts, mut facts: AdeDeviceFacts) -> AdeDeviceFacts {
    let keep = |new: &mut Option<String>, old: &Option<String>| {
        if new.is_none() {
            new.clone_from(old);
        }
    };
    keep(&mut facts.model, &before.model);
    keep(&mut facts.description, &before.description);
    keep(&mut facts.color, &before.color);
    keep(&mut facts.device_family, &before.device_family);
    keep(&mut facts.os, &before.os);
    keep(&mut facts.bluetooth_mac_address, &before.bluetooth_mac_address);
    keep(&mut facts.ethernet_mac_address, &before.ethernet_mac_address);
    keep(&mut facts.wifi_mac_address, &before.wifi_mac_address);
    keep(&mut facts.eid, &before.eid);
    if facts.imei.is_empty() {
        facts.imei.clone_from(&before.imei);
    }
    if facts.meid.is_empty() {
        facts.meid.clone_from(&before.meid);
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn devices(all: serde_json::Value) -> Vec<DepDevice> {
        let all = all.as_array().unwrap().iter();
        all.map(|device| device.as_object().unwrap().clone()).collect()
    }

    fn after(stored: Option<&AdeDeviceRecord>, page: serde_json::Value) -> Option<AdeDeviceRecord> {
        let reports = Reports::of(&devices(page));
        let wants = Wants::default();
        let pass = Pass {
            generation: 3,
            wants: &wants,
            now: NOW,
        };
        match reports.ruling(&SerialNumber::new("S"), stored, &pass) {
            RowRuling::Keep => stored.cloned(),
            RowRuling::Put(record) => Some(record),
            RowRuling::Remove => None,
        }
    }

    fn event(op: &str, hour: u32, color: &str) -> serde_json::Value {
        json!({ "serial_number": "S", "op_type": op, "op_date": format!("2026-01-31T{hour:02}:00:00Z"), "color": color })
    }

    #[test]
    fn y11_the_latest_op_date_wins_in_one_page_and_over_pages() {
        let page = json!([
            event("modified", 9, "late"),
            event("added", 7, "early"),
            event("modified", 8, "middle")
        ]);
        let first = after(None, page).unwrap();
        assert_eq!(first.facts.color.as_deref(), Some("late"));
        let older = after(Some(&first), json!([event("deleted", 8, "")])).unwrap();
        assert_eq!(older, first);
        let same = after(
            Some(&first),
            json!([event("modified", 9, "x"), event("modified", 9, "y")]),
        )
        .unwrap();
        assert_eq!(same.facts.color.as_deref(), Some("y"));
    }

    #[test]
    fn y7_a_released_device_is_marked_at_once_and_comes_back_when_added() {
        let first = after(None, json!([event("added", 1, "red")])).unwrap();
        let gone = after(Some(&first), json!([event("Deleted", 2, "")])).unwrap();
        assert_eq!((gone.removed_at, gone.due), (Some(NOW), None));
        assert_eq!(gone.facts.color.as_deref(), Some("red"));
        let back = after(Some(&gone), json!([event("added", 3, "")])).unwrap();
        assert_eq!(back.removed_at, None);
        let never_seen = after(None, json!([event("deleted", 2, "")]));
        assert_eq!(never_seen, None);
    }

    #[test]
    fn a_full_pass_has_neither_op_nor_date_and_tells_how_things_are() {
        let first = after(None, json!([event("deleted", 5, "")]));
        assert_eq!(first, None);
        let known = after(None, json!([event("added", 5, "red")])).unwrap();
        let gone = removed(&known, NOW);
        let seen = after(Some(&gone), json!([{ "serial_number": "S", "color": null }])).unwrap();
        assert_eq!((seen.removed_at, seen.generation), (None, 3));
        assert_eq!(seen.op_date, known.op_date);
        assert_eq!(seen.facts.color.as_deref(), Some("red"));
    }

    #[test]
    fn moved_devices_that_arrive_as_modified_are_devices_like_any_other() {
        assert!(after(None, json!([event("modified", 1, "red")])).is_some());
    }
}

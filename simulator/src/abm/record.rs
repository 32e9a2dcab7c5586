//! Device records as JSON, with the fields that the client's protocol version knows (Apple: *Device*).

use serde::Serialize;

use super::clock::iso;
use super::estate::{Assignment, Estate, Event, MODELS, Numbers, Operation, ProfileStatus};

/// The first version with `device_family` and `os`.
const FAMILY: u32 = 2;
/// The first version with `mdm_migration_deadline`.
const MIGRATION: u32 = 8;
/// The first version with addresses, EID and replacements.
pub(super) const NUMBERS: u32 = 10;
/// A stale duplicate is so many seconds older.
const STALE: i64 = 60;

/// A device, as an answer has it.
#[derive(Debug, Default, Serialize)]
pub(super) struct DeviceRecord<'a> {
    serial_number: &'a str,
    model: &'a str,
    description: &'a str,
    color: &'a str,
    asset_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<&'a str>,
    profile_status: ProfileStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_assign_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_push_time: Option<String>,
    device_assigned_date: String,
    device_assigned_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    op_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mdm_migration_deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bluetooth_mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ethernet_mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wifi_mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imei: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meid: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_replacement_device: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released_by_replacement: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<&'a str>,
}

impl<'a> DeviceRecord<'a> {
    /// A device as it is now.
    pub(super) fn of(estate: &'a Estate, unit: u32, version: u32) -> Self {
        let device = &estate.units[unit as usize];
        Self::at(estate, unit, device.since, device.assignment, version)
    }

    /// A device as it is now, for `/devices`.
    pub(super) fn details(estate: &'a Estate, unit: u32, version: u32) -> Self {
        Self {
            response_status: Some("SUCCESS"),
            ..Self::of(estate, unit, version)
        }
    }

    /// A device as it was when this happened to it.
    pub(super) fn event(estate: &'a Estate, event: &Event, version: u32) -> Self {
        let deleted = event.operation == Operation::Deleted;
        Self {
            op_type: Some(event.operation.name()),
            op_date: Some(iso(event.at)),
            released_by_replacement: (version >= NUMBERS && deleted).then_some(event.by_replacement),
            ..Self::at(estate, event.unit, event.since, event.assignment, version)
        }
    }

    /// An older record that says the contrary.
    pub(super) fn stale(estate: &'a Estate, event: &Event, version: u32) -> Self {
        let operation = match event.operation {
            Operation::Deleted => Operation::Added,
            Operation::Added | Operation::Modified => Operation::Deleted,
        };
        let event = Event {
            operation,
            at: event.at - STALE,
            ..*event
        };
        Self::event(estate, &event, version)
    }

    fn at(estate: &'a Estate, unit: u32, since: i64, assignment: Assignment, version: u32) -> Self {
        let device = &estate.units[unit as usize];
        let model = &MODELS[usize::from(device.model)];
        let extra = device.extra.as_deref();
        let profile = assignment
            .profile
            .map(|place| &*estate.profiles[place as usize].uuid);
        let time = |seconds: i64| (seconds > 0 && profile.is_some()).then(|| iso(seconds));
        let deadline = extra
            .and_then(|e| e.migration_deadline)
            .filter(|_| version >= MIGRATION);
        let mut record = Self {
            serial_number: &device.serial,
            model: model.model,
            description: model.description,
            color: model.color,
            asset_tag: extra.map_or("", |e| &e.asset_tag),
            device_family: (version >= FAMILY).then_some(model.family.name()),
            os: (version >= FAMILY).then_some(model.family.os(version)),
            profile_status: assignment.status,
            profile_uuid: profile,
            profile_assign_time: time(assignment.assigned),
            profile_push_time: time(assignment.pushed),
            device_assigned_date: iso(since),
            device_assigned_by: &estate.organisation.admin_id,
            mdm_migration_deadline: deadline.map(iso),
            ..Self::default()
        };
        if version >= NUMBERS {
            let numbers = Numbers::of(&device.serial);
            let cellular = model.family.has_cellular();
            record.bluetooth_mac_address = Some(numbers.mac(5));
            record.wifi_mac_address = Some(numbers.mac(10));
            record.ethernet_mac_address = model.family.has_ethernet().then(|| numbers.mac(15));
            record.eid = cellular.then(|| numbers.eid());
            record.imei = cellular.then(|| vec![numbers.imei()]);
            record.meid = cellular.then(|| vec![numbers.meid()]);
            record.is_replacement_device = Some(extra.is_some_and(|e| e.replaces.is_some()));
        }
        record
    }
}

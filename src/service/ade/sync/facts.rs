//! Reads a device as Apple's pages and look-ups have it (Apple, "Device"), leniently: anything but the serial number may
//! be absent, null, or in another case.

use serde_json::Value;

use crate::{
    apple::dep::DepDevice,
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::AdeDeviceFacts,
};

/// What a delta says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `added`, `modified`, or a word that is not known: the device is this server's.
    Present,
    /// `deleted`: it is not any more.
    Deleted,
}

/// A record of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The device.
    pub serial: SerialNumber,
    /// What Apple says of it.
    pub facts: AdeDeviceFacts,
    /// What has happened.
    pub op: Op,
    /// When; full passes do not tell.
    pub op_date: Option<Timestamp>,
}

/// Reads a record; `None` if it names no device.
pub fn read(device: &DepDevice) -> Option<Reported> {
    let serial = text(device, "serial_number")?;
    let deleted = text(device, "op_type").is_some_and(|op| op.eq_ignore_ascii_case("deleted"));
    Some(Reported {
        serial: SerialNumber::new(serial),
        facts: facts(device),
        op: if deleted { Op::Deleted } else { Op::Present },
        op_date: time(device, "op_date"),
    })
}

/// What Apple says of a device.
pub fn facts(device: &DepDevice) -> AdeDeviceFacts {
    let text = |name| text(device, name);
    let time = |name| time(device, name);
    let list = |name: &str| match device.get(name) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) if !one.is_empty() => vec![one.clone()],
        _ => Vec::new(),
    };
    AdeDeviceFacts {
        model: text("model"),
        description: text("description"),
        color: text("color"),
        asset_tag: text("asset_tag"),
        device_family: text("device_family"),
        os: text("os"),
        profile_status: text("profile_status").map(|status| status.to_ascii_lowercase()),
        profile_uuid: text("profile_uuid"),
        profile_assign_time: time("profile_assign_time"),
        profile_push_time: time("profile_push_time"),
        device_assigned_date: time("device_assigned_date"),
        device_assigned_by: text("device_assigned_by"),
        mdm_migration_deadline: time("mdm_migration_deadline"),
        bluetooth_mac_address: text("bluetooth_mac_address"),
        ethernet_mac_address: text("ethernet_mac_address"),
        wifi_mac_address: text("wifi_mac_address"),
        eid: text("eid"),
        imei: list("imei"),
        meid: list("meid"),
        is_replacement_device: flag(device, "is_replacement_device"),
        released_by_replacement: flag(device, "released_by_replacement"),
    }
}

/// The profile that a device has at Apple, if it has one that still counts.
pub fn present_profile(facts: &AdeDeviceFacts) -> Option<&str> {
    let counts = match facts.profile_status.as_deref() {
        Some(status) => matches!(status, "assigned" | "pushed"),
        None => true,
    };
    facts.profile_uuid.as_deref().filter(|_| counts)
}

fn text(device: &DepDevice, name: &str) -> Option<String> {
    let text = device.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(device: &DepDevice, name: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&text(device, name)?)
}

fn flag(device: &DepDevice, name: &str) -> bool {
    match device.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn device(value: Value) -> DepDevice {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_record_is_read_though_it_is_odd() {
        let odd = device(json!({
            "serial_number": " C8TJ500QF1MN ", "op_type": "DELETED", "op_date": "2026-01-31T10:20:30Z",
            "profile_status": "Assigned", "profile_uuid": null, "imei": "35", "color": "", "model": 7,
            "released_by_replacement": "true",
        }));
        let read = read(&odd).unwrap();
        assert_eq!((read.serial.as_str(), read.op), ("C8TJ500QF1MN", Op::Deleted));
        assert_eq!(read.facts.profile_status.as_deref(), Some("assigned"));
        assert_eq!(read.facts.imei, ["35"]);
        assert!(read.facts.color.is_none() && read.facts.model.is_none());
        assert!(read.facts.released_by_replacement && read.op_date.is_some());
        assert_eq!(super::read(&device(json!({ "model": "IPAD" }))), None);
    }

    #[test]
    fn a_removed_profile_does_not_count() {
        let facts = |status| facts(&device(json!({ "profile_uuid": "u", "profile_status": status })));
        assert_eq!(present_profile(&facts("pushed")), Some("u"));
        assert_eq!(present_profile(&facts("removed")), None);
        assert_eq!(present_profile(&facts("empty")), None);
    }
}

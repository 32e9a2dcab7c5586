//! An event as JSON: NanoMDM's (keys in alphabetical order) or MicroMDM's (indented, in the order of its source).
//!
//! A field's order here is its order on the wire: receivers have been seen to compare texts.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::CONNECT;
use crate::{
    protocol::ids::EnrollmentKind,
    storage::{EventRecord, EventSubject, HookFormat},
};

/// `Content-Type` of both formats.
pub(super) const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// MicroMDM's event ids are UUIDs: made from ours, so that one event has one id there too.
const EVENT_IDS: Uuid = Uuid::from_u128(0x5c0d_9e1b_7a52_4f0e_9d1c_3b7a_68f2_c4e1);

/// The request's body.
pub(super) fn body(
    format: HookFormat,
    event: &EventRecord,
    payload: &[u8],
) -> Result<Vec<u8>, serde_json::Error> {
    match format {
        HookFormat::Nanomdm => serde_json::to_vec(&nanomdm(event, payload)?),
        HookFormat::Micromdm => serde_json::to_vec_pretty(&micromdm(event, payload)?),
    }
}

#[derive(Default, Serialize)]
struct NanoEvent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledge_event: Option<NanoAcknowledge<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkin_event: Option<NanoCheckIn<'a>>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_response_event: Option<Value>,
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    russet_event: Option<Value>,
    topic: &'a str,
}

#[derive(Serialize)]
struct NanoAcknowledge<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    command_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<&'a str>,
    ids: NanoIds<'a>,
    raw_payload: String,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    udid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_params: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct NanoCheckIn<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<&'a str>,
    ids: NanoIds<'a>,
    raw_payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_update_tally: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_params: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct NanoIds<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    r#type: EnrollmentKind,
}

fn nanomdm<'a>(event: &'a EventRecord, payload: &'a [u8]) -> Result<NanoEvent<'a>, serde_json::Error> {
    let mut rendered = NanoEvent {
        created_at: event.created_at.to_rfc3339(),
        event_id: &event.id,
        topic: &event.topic,
        ..NanoEvent::default()
    };
    let Some(subject) = &event.subject else {
        let body = Some(serde_json::from_slice(payload)?);
        match event.topic.starts_with("dep.") {
            true => rendered.device_response_event = body,
            false => rendered.russet_event = body,
        }
        return Ok(rendered);
    };
    let (udid, enrollment_id) = identifiers(subject);
    let ids = NanoIds {
        id: subject.id.as_str(),
        parent_id: subject.parent.as_ref().map(|parent| parent.as_str()),
        r#type: subject.kind,
    };
    if event.topic == CONNECT {
        rendered.acknowledge_event = Some(NanoAcknowledge {
            command_uuid: event.command_uuid.as_ref().map(|uuid| uuid.as_str()),
            enrollment_id,
            ids,
            raw_payload: STANDARD.encode(payload),
            status: event.status.as_deref().unwrap_or_default(),
            udid,
            url_params: url_params(event),
        });
    } else {
        rendered.checkin_event = Some(NanoCheckIn {
            enrollment_id,
            ids,
            raw_payload: STANDARD.encode(payload),
            token_update_tally: event.token_update_tally,
            udid,
            url_params: url_params(event),
        });
    }
    Ok(rendered)
}

#[derive(Serialize)]
struct MicroEvent<'a> {
    topic: &'a str,
    event_id: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledge_event: Option<MicroAcknowledge<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkin_event: Option<MicroCheckIn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    russet_event: Option<Value>,
}

#[derive(Serialize)]
struct MicroAcknowledge<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    udid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_params: Option<&'a BTreeMap<String, String>>,
    raw_payload: String,
}

#[derive(Serialize)]
struct MicroCheckIn<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    udid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<&'a str>,
    /// Always there, `null` if there are none.
    url_params: Option<&'a BTreeMap<String, String>>,
    raw_payload: String,
}

fn micromdm<'a>(event: &'a EventRecord, payload: &'a [u8]) -> Result<MicroEvent<'a>, serde_json::Error> {
    let mut rendered = MicroEvent {
        topic: &event.topic,
        event_id: Uuid::new_v5(&EVENT_IDS, event.id.as_bytes()).to_string(),
        created_at: event.created_at.to_rfc3339(),
        acknowledge_event: None,
        checkin_event: None,
        russet_event: None,
    };
    let Some(subject) = &event.subject else {
        rendered.russet_event = Some(serde_json::from_slice(payload)?);
        return Ok(rendered);
    };
    let (udid, enrollment_id) = identifiers(subject);
    if event.topic == CONNECT {
        rendered.acknowledge_event = Some(MicroAcknowledge {
            udid,
            enrollment_id,
            status: event.status.as_deref().unwrap_or_default(),
            command_uuid: event.command_uuid.as_ref().map(|uuid| uuid.as_str()),
            url_params: url_params(event),
            raw_payload: STANDARD.encode(payload),
        });
    } else {
        rendered.checkin_event = Some(MicroCheckIn {
            udid,
            enrollment_id,
            url_params: url_params(event),
            raw_payload: STANDARD.encode(payload),
        });
    }
    Ok(rendered)
}

fn url_params(event: &EventRecord) -> Option<&BTreeMap<String, String>> {
    (!event.url_params.is_empty()).then_some(&event.url_params)
}

/// The device's `UDID`, or in a User Enrollment its `EnrollmentID`.
fn identifiers(subject: &EventSubject) -> (Option<&str>, Option<&str>) {
    let device = subject.parent.as_ref().unwrap_or(&subject.id).as_str();
    if subject.kind.is_user_enrollment() {
        (None, Some(device))
    } else {
        (Some(device), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    };

    fn event(topic: &str, id: &str, kind: EnrollmentKind) -> EventRecord {
        let id = EnrollmentId::new(id);
        EventRecord {
            id: "dc881dae3485a7ce".into(),
            topic: topic.into(),
            created_at: Timestamp::parse_rfc3339("2026-11-21T20:31:53.905Z").unwrap(),
            subject: Some(EventSubject {
                parent: id.is_user_channel().then(|| id.device()),
                id,
                kind,
            }),
            url_params: BTreeMap::new(),
            token_update_tally: None,
            command_uuid: None,
            status: None,
        }
    }

    fn text(format: HookFormat, event: &EventRecord, payload: &[u8]) -> String {
        String::from_utf8(body(format, event, payload).unwrap()).unwrap()
    }

    #[test]
    fn nanomdms_check_in() {
        let mut event = event("mdm.TokenUpdate", "EID1:u", EnrollmentKind::UserEnrollment);
        event.token_update_tally = Some(1);
        event.url_params = [("foo".into(), "bar".into())].into();
        assert_eq!(
            text(HookFormat::Nanomdm, &event, b"plist"),
            "{\"checkin_event\":{\"enrollment_id\":\"EID1\",\"ids\":{\"id\":\"EID1:u\",\"parent_id\":\"EID1\",\
             \"type\":\"User Enrollment\"},\"raw_payload\":\"cGxpc3Q=\",\"token_update_tally\":1,\
             \"url_params\":{\"foo\":\"bar\"}},\"created_at\":\"2026-11-21T20:31:53.905Z\",\
             \"event_id\":\"dc881dae3485a7ce\",\"topic\":\"mdm.TokenUpdate\"}"
        );
    }

    #[test]
    fn nanomdms_report() {
        let mut event = event("mdm.Connect", "U1", EnrollmentKind::Device);
        event.status = Some("Acknowledged".into());
        event.command_uuid = Some(CommandUuid::new("C1"));
        assert_eq!(
            text(HookFormat::Nanomdm, &event, b"plist"),
            "{\"acknowledge_event\":{\"command_uuid\":\"C1\",\"ids\":{\"id\":\"U1\",\"type\":\"Device\"},\
             \"raw_payload\":\"cGxpc3Q=\",\"status\":\"Acknowledged\",\"udid\":\"U1\"},\
             \"created_at\":\"2026-11-21T20:31:53.905Z\",\"event_id\":\"dc881dae3485a7ce\",\
             \"topic\":\"mdm.Connect\"}"
        );
        event.status = Some("Idle".into());
        event.command_uuid = None;
        assert!(!text(HookFormat::Nanomdm, &event, b"").contains("command_uuid"));
    }

    #[test]
    fn micromdms_check_in_has_url_params_even_if_there_are_none() {
        let mut event = event("mdm.Authenticate", "U1", EnrollmentKind::Device);
        let id = Uuid::new_v5(&EVENT_IDS, b"dc881dae3485a7ce");
        let expected = |params: &str| {
            format!(
                "{{\n  \"topic\": \"mdm.Authenticate\",\n  \"event_id\": \"{id}\",\n  \"created_at\": \
                 \"2026-11-21T20:31:53.905Z\",\n  \"checkin_event\": {{\n    \"udid\": \"U1\",\n    \
                 \"url_params\": {params},\n    \"raw_payload\": \"cGxpc3Q=\"\n  }}\n}}"
            )
        };
        assert_eq!(text(HookFormat::Micromdm, &event, b"plist"), expected("null"));
        event.url_params = [("a".into(), "b".into())].into();
        assert_eq!(
            text(HookFormat::Micromdm, &event, b"plist"),
            expected("{\n      \"a\": \"b\"\n    }")
        );
    }

    #[test]
    fn micromdms_report() {
        let mut event = event("mdm.Connect", "EID1", EnrollmentKind::UserEnrollmentDevice);
        event.status = Some("Error".into());
        event.command_uuid = Some(CommandUuid::new("C1"));
        let id = Uuid::new_v5(&EVENT_IDS, b"dc881dae3485a7ce");
        assert_eq!(
            text(HookFormat::Micromdm, &event, b"plist"),
            format!(
                "{{\n  \"topic\": \"mdm.Connect\",\n  \"event_id\": \"{id}\",\n  \"created_at\": \
                 \"2026-11-21T20:31:53.905Z\",\n  \"acknowledge_event\": {{\n    \"enrollment_id\": \"EID1\",\n    \
                 \"status\": \"Error\",\n    \"command_uuid\": \"C1\",\n    \"raw_payload\": \"cGxpc3Q=\"\n  }}\n}}"
            )
        );
    }

    #[test]
    fn an_event_of_the_servers_own_carries_its_json() {
        let mut event = event("russet.push_certificate_expiring", "x", EnrollmentKind::Device);
        event.subject = None;
        let payload = br#"{"days_left":7}"#;
        assert_eq!(
            text(HookFormat::Nanomdm, &event, payload),
            "{\"created_at\":\"2026-11-21T20:31:53.905Z\",\"event_id\":\"dc881dae3485a7ce\",\
             \"russet_event\":{\"days_left\":7},\"topic\":\"russet.push_certificate_expiring\"}"
        );
        let value: serde_json::Value =
            serde_json::from_str(&text(HookFormat::Micromdm, &event, payload)).unwrap();
        assert_eq!(value["russet_event"]["days_left"], 7);
    }

    #[test]
    fn a_page_of_devices_is_told_as_nanodeps_syncer_tells_it() {
        let mut event = event("dep.SyncDevices", "x", EnrollmentKind::Device);
        event.subject = None;
        let payload = br#"{"dep_name":"hq","device_response":{"cursor":"c"}}"#;
        assert_eq!(
            text(HookFormat::Nanomdm, &event, payload),
            "{\"created_at\":\"2026-11-21T20:31:53.905Z\",\"device_response_event\":{\"dep_name\":\"hq\",\
             \"device_response\":{\"cursor\":\"c\"}},\"event_id\":\"dc881dae3485a7ce\",\"topic\":\"dep.SyncDevices\"}"
        );
    }
}

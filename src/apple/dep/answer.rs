//! Reads the service's JSON, leniently: what may be absent may also be null.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DepAssigned, DepDefined, DepDevice, DepFailure, DepPage, DepStatuses, wire::Answer};
use crate::protocol::time::Timestamp;

/// The body as JSON.
pub(super) fn json(answer: &Answer) -> Result<Value, DepFailure> {
    serde_json::from_slice(&answer.body).map_err(|_| malformed("it is not JSON"))
}

/// The body as a JSON object.
pub(super) fn object(answer: &Answer) -> Result<Map<String, Value>, DepFailure> {
    match json(answer)? {
        Value::Object(object) => Ok(object),
        _ => Err(malformed("it is not an object")),
    }
}

/// The session in the answer of `/session`.
pub(super) fn session(answer: &Answer) -> Result<String, DepFailure> {
    match object(answer)?.remove("auth_session_token") {
        Some(Value::String(token)) if !token.is_empty() => Ok(token),
        _ => Err(malformed("it has no auth_session_token")),
    }
}

/// A page of devices.
pub(super) fn page(answer: &Answer) -> Result<DepPage, DepFailure> {
    let mut object = object(answer)?;
    let Some(Value::String(cursor)) = object.remove("cursor") else {
        return Err(malformed("the page has no cursor"));
    };
    let devices = match object.remove("devices") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(devices)) => devices.into_iter().filter_map(device).collect(),
        Some(_) => return Err(malformed("devices is not a list")),
    };
    Ok(DepPage {
        devices,
        cursor,
        fetched_until: object
            .get("fetched_until")
            .and_then(Value::as_str)
            .and_then(Timestamp::parse_rfc3339),
        more_to_follow: object.get("more_to_follow").is_some_and(|more| more == true),
    })
}

/// Devices by their serial numbers.
pub(super) fn devices(answer: &Answer) -> Result<BTreeMap<String, DepDevice>, DepFailure> {
    let devices = member(&mut object(answer)?, "devices")?.into_iter();
    Ok(devices
        .filter_map(|(serial, value)| Some((serial, device(value)?)))
        .collect())
}

/// What became of each serial number.
pub(super) fn statuses(answer: &Answer) -> Result<DepStatuses, DepFailure> {
    Ok(read_statuses(member(&mut object(answer)?, "devices")?))
}

/// The answer to an assignment.
pub(super) fn assigned(answer: &Answer) -> Result<DepAssigned, DepFailure> {
    let mut object = object(answer)?;
    Ok(DepAssigned {
        retry_after_seconds: object.get("retry_after_seconds").and_then(Value::as_u64),
        devices: read_statuses(member(&mut object, "devices")?),
    })
}

/// The answer to a definition.
pub(super) fn defined(answer: &Answer) -> Result<DepDefined, DepFailure> {
    let mut object = object(answer)?;
    let Some(Value::String(profile_uuid)) = object.remove("profile_uuid") else {
        return Err(malformed("it has no profile_uuid"));
    };
    Ok(DepDefined {
        profile_uuid,
        devices: read_statuses(member(&mut object, "devices").unwrap_or_default()),
    })
}

fn member(object: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, DepFailure> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(member)) => Ok(member),
        Some(_) => Err(malformed("devices is not an object")),
    }
}

fn read_statuses(statuses: Map<String, Value>) -> DepStatuses {
    let read = |(serial, status): (String, Value)| Some((serial, status.as_str()?.to_ascii_uppercase()));
    statuses.into_iter().filter_map(read).collect()
}

fn device(value: Value) -> Option<DepDevice> {
    match value {
        Value::Object(device) => Some(device),
        _ => None,
    }
}

fn malformed(what: &str) -> DepFailure {
    DepFailure::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_absent_may_be_null() {
        let read = |body: &str| page(&Answer::bare(200, body));
        let full =
            read(r#"{"cursor":"c","devices":null,"fetched_until":null,"more_to_follow":null}"#).unwrap();
        assert_eq!(
            full,
            DepPage {
                cursor: "c".into(),
                ..DepPage::default()
            }
        );
        assert_eq!(read(r#"{"cursor":"c"}"#), Ok(full));
        assert!(read(r#"{"devices":[]}"#).is_err());
        assert!(read("<html>").is_err());
        let page =
            read(r#"{"cursor":"c","devices":[{"serial_number":"S"},7],"more_to_follow":true}"#).unwrap();
        assert_eq!(page.devices.len(), 1);
        assert!(page.more_to_follow);
    }
}

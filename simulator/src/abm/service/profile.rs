//! Profiles: defining and showing them (Apple: *Define a profile*, *Get a profile*).

use std::collections::BTreeMap;

use hyper::Uri;
use serde_json::{Map, Value, json};

use super::{Outcome, Refused, Work, assign, json, refused};

/// The first version with the keys below.
const VERSION_2: u32 = 2;
const KEYS_OF_2: [&str; 4] = [
    "auto_advance_setup",
    "await_device_configured",
    "is_multi_user",
    "support_email_address",
];

/// `POST /profile`
pub(super) fn define(work: &mut Work<'_>) -> Outcome {
    let mut profile: Map<String, Value> = work.fields()?;
    check(&profile)?;
    if work.version < VERSION_2 {
        profile.retain(|key, _| !KEYS_OF_2.contains(&key.as_str()));
    }
    let serials = strings(&profile, "devices")?;
    let place = work.inner.estate.add_profile(work.server, profile)?;
    let mut devices = BTreeMap::new();
    for serial in serials {
        let (status, _) = assign::one(work, &serial, place);
        devices.insert(serial, status.word(work.version));
    }
    let uuid = &work.inner.estate.profiles[place as usize].uuid;
    json(&json!({ "profile_uuid": uuid, "devices": devices }))
}

/// `GET /profile`
pub(super) fn show(work: &Work<'_>) -> Outcome {
    let uuid = work
        .request
        .parameter("profile_uuid")
        .filter(|uuid| !uuid.is_empty());
    let uuid = uuid.ok_or(refused(400, "PROFILE_UUID_REQUIRED"))?;
    let estate = &work.inner.estate;
    let profile = estate
        .profile(&uuid)
        .map(|place| &estate.profiles[place as usize]);
    let profile = profile.filter(|profile| profile.server == work.server);
    let profile = profile.ok_or(refused(400, "NOT_FOUND"))?;
    let mut body = profile.body.clone();
    body.remove("devices");
    body.insert("profile_uuid".into(), profile.uuid.as_str().into());
    if work.version < VERSION_2 {
        body.retain(|key, _| !KEYS_OF_2.contains(&key.as_str()));
    }
    json(&body)
}

/// Apple's checks, in the order of its list.
fn check(profile: &Map<String, Value>) -> Result<(), Refused> {
    let url = string(profile, "url")?.ok_or(refused(400, "CONFIG_URL_REQUIRED"))?;
    if url.len() > 2000 || !is_url(url) {
        return Err(refused(400, "CONFIG_URL_INVALID"));
    }
    if string(profile, "configuration_web_url")?.is_some_and(|url| !is_url(url)) {
        return Err(refused(400, "CONFIG_URL_INVALID"));
    }
    if string(profile, "profile_name")?.is_none() {
        return Err(refused(400, "CONFIG_NAME_REQUIRED"));
    }
    for (key, longest, word) in [
        ("profile_name", 125, "CONFIG_NAME_INVALID"),
        ("department", 125, "DEPARTMENT_INVALID"),
        ("support_phone_number", 50, "SUPPORT_PHONE_INVALID"),
        ("support_email_address", 250, "SUPPORT_EMAIL_INVALID"),
        ("org_magic", 256, "MAGIC_INVALID"),
    ] {
        if string(profile, key)?.is_some_and(|text| text.chars().count() > longest) {
            return Err(refused(400, word));
        }
    }
    let supervised = boolean(profile, "is_supervised")?.unwrap_or(false);
    if boolean(profile, "is_mdm_removable")? == Some(false) && !supervised {
        return Err(refused(400, "FLAGS_INVALID"));
    }
    let language = string(profile, "language")?.is_none_or(|text| {
        (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    });
    let region = string(profile, "region")?
        .is_none_or(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()));
    if !language || !region {
        return Err(refused(400, "LOCALE_INVALID"));
    }
    for key in [
        "allow_pairing",
        "auto_advance_setup",
        "await_device_configured",
        "do_not_use_profile_from_backup",
        "is_mandatory",
        "is_multi_user",
        "is_return_to_service",
    ] {
        boolean(profile, key)?;
    }
    for key in [
        "anchor_certs",
        "devices",
        "skip_setup_items",
        "supervising_host_certs",
    ] {
        strings(profile, key)?;
    }
    Ok(())
}

fn is_url(text: &str) -> bool {
    let uri: Option<Uri> = text.parse().ok();
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// A string; empty and null are absent.
fn string<'a>(profile: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refused> {
    match profile.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(malformed()),
    }
}

fn boolean(profile: &Map<String, Value>, key: &str) -> Result<Option<bool>, Refused> {
    match profile.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(malformed()),
    }
}

fn strings(profile: &Map<String, Value>, key: &str) -> Result<Vec<String>, Refused> {
    let list = profile.get(key).filter(|value| !value.is_null()).cloned();
    let list = list.map(serde_json::from_value).transpose();
    Ok(list.map_err(|_| malformed())?.unwrap_or_default())
}

fn malformed() -> Refused {
    refused(400, "MALFORMED_REQUEST_BODY")
}

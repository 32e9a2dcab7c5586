//! Activation Lock, replacements, beta programs, account-driven enrollment.

use hyper::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Work, json, refused};
use crate::abm::clock::iso;
use crate::abm::estate::Family;
use crate::encode::from_hex;

/// `POST /device/activationlock`
pub(super) fn lock(work: &mut Work<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Request {
        device: Option<String>,
        escrow_key: Option<String>,
    }
    let malformed = || refused(400, "MALFORMED_REQUEST_BODY");
    let request: Request = work.fields()?;
    let serial = request
        .device
        .filter(|serial| !serial.is_empty())
        .ok_or_else(malformed)?;
    if request
        .escrow_key
        .is_some_and(|key| from_hex(&key).is_none_or(|key| key.is_empty()))
    {
        return Err(malformed());
    }
    let estate = &mut work.inner.estate;
    let status = match estate.unit_of(work.server, &serial) {
        None => "NOT_ACCESSIBLE",
        Some(_) if !estate.organisation.activation_lock => "ORG_NOT_SUPPORTED",
        Some(unit) => {
            let device = &mut estate.units[unit as usize];
            let family = device.family();
            if family == Family::AppleTV {
                "DEVICE_NOT_SUPPORTED"
            } else if std::mem::replace(&mut device.extra().locked, true) {
                "DEVICE_ALREADY_LOCKED"
            } else {
                "SUCCESS"
            }
        }
    };
    json(&json!({ "serial_number": serial, "response_status": status }))
}

/// `GET /device/replacementDetails`
pub(super) fn replacement(work: &Work<'_>) -> Outcome {
    let serial = work
        .request
        .parameter("device")
        .filter(|serial| !serial.is_empty());
    let serial = serial.ok_or(refused(400, "DEVICE_ID_REQUIRED"))?;
    let estate = &work.inner.estate;
    let unit = estate
        .unit_of(work.server, &serial)
        .map(|unit| &estate.units[unit as usize]);
    let replaces = unit.and_then(|unit| unit.extra.as_ref()?.replaces.as_ref());
    let (original, at) = replaces.ok_or(refused(404, "DEVICE_NOT_FOUND"))?;
    let date = iso(*at);
    json(&json!({
        "serial_number": serial,
        "original_device_serial_number": original,
        "replacement_date": date.split('T').next(),
    }))
}

/// `GET /os-beta-enrollment/tokens`
pub(super) fn beta_tokens(work: &Work<'_>) -> Outcome {
    if !work.inner.estate.organisation.seed_for_it {
        return Err(refused(403, "APPLE_SEED_FOR_IT_TURNED_OFF"));
    }
    let token = |os: &str, title: &str| json!({ "os": os, "title": title, "token": format!("beta-{os}") });
    let tokens = [
        token("iOS", "iOS AppleSeed Beta"),
        token("OSX", "macOS AppleSeed Beta"),
        token("tvOS", "tvOS AppleSeed Beta"),
    ];
    json(&json!({ "betaEnrollmentTokens": tokens }))
}

/// `/account-driven-enrollment/profile`
pub(super) fn discovery(work: &mut Work<'_>) -> Outcome {
    const KEY: &str = "mdm_service_discovery_url";
    let fields: Value = work.fields()?;
    let estate = &mut work.inner.estate;
    let allowed = estate.organisation.account_driven;
    let server = estate.server_at_mut(work.server);
    match work.request.method.as_str() {
        "GET" => {
            let (url, at) = server.discovery.as_ref().ok_or(refused(404, "NOT_FOUND"))?;
            json(&json!({ KEY: url, "last_updated_timestamp": iso(*at) }))
        }
        "DELETE" => {
            server.discovery.take().ok_or(refused(404, "NOT_FOUND"))?;
            json(&json!({}))
        }
        _ => {
            let url = fields[KEY].as_str().filter(|url| !url.is_empty());
            let url = url.ok_or(refused(400, "MDM_SERVICE_DISCOVERY_URL_REQUIRED"))?;
            let uri: Option<Uri> = url.parse().ok();
            if !uri.is_some_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some()) {
                return Err(refused(400, "MDM_SERVICE_DISCOVERY_URL_NOT_VALID"));
            }
            if !allowed {
                return Err(refused(400, "ORG_NOT_SUPPORTED"));
            }
            server.discovery = Some((url.into(), work.now));
            json(&json!({}))
        }
    }
}

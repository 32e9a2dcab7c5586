//! `/enroll`: the enrollment profile, or for a browser a page that says what it is.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Extension, Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    DeviceDoor,
    device::url_params,
    page,
    render::{Failure, typed},
};
use crate::{
    error::{Code, Error},
    net::serve::Peer,
    service::enrollment::{ProfileRequest, made_for},
};

/// Query parameters that this server reads; all others go on into the profile's ServerURL.
const OWN_PARAMETERS: [&str; 3] = ["download", "serial", "udid"];

/// Hands a profile to anyone, where the configuration says so. `udid` and `serial` bind it to that device.
pub(super) async fn open(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    door.enrollments.check_open().await?;
    if wants_page(&headers, &query) {
        return Ok(page::enroll(&query, door.development));
    }
    let made_for = made_for(parameter(&query, "udid"), parameter(&query, "serial"))?;
    if method == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let request = ProfileRequest {
        made_for,
        url_params: passed_on(&query),
        topic: None,
    };
    let peer = door.address(&peer, &headers);
    let profile = door
        .enrollments
        .open_profile(&request, peer, door.clock.now())
        .await?;
    Ok(profile_response(profile))
}

/// Hands out the profile of a one-time link. A browser's first look, or a preview's, does not use it up.
pub(super) async fn by_link(
    State(door): State<Arc<DeviceDoor>>,
    secret: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(Path(secret)) = secret else {
        return Err(Code::EnrollLinkSpent.into());
    };
    let query = query.unwrap_or_default();
    let now = door.clock.now();
    if method == Method::HEAD || wants_page(&headers, &query) {
        door.enrollments.check_link(&secret, now).await?;
        return Ok(page::enroll(&query, door.development));
    }
    let profile = door
        .enrollments
        .profile_by_link(&secret, passed_on(&query), now)
        .await?;
    Ok(profile_response(profile))
}

pub(super) fn profile_response(profile: Vec<u8>) -> Response {
    let mut response = typed("application/x-apple-aspen-config", profile);
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        header::HeaderValue::from_static("attachment; filename=\"enrollment.mobileconfig\""),
    );
    response
}

/// What chat programs and mail gateways call themselves when they look at a link before its reader does.
const PREVIEWS: [&str; 9] = [
    "bot",
    "crawler",
    "facebookexternalhit",
    "mozilla/",
    "preview",
    "scanner",
    "skype",
    "spider",
    "whatsapp",
];

/// Browsers name HTML, and previews name themselves; device agents and scripts do neither.
fn wants_page(headers: &HeaderMap, query: &str) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let agent = text(header::USER_AGENT).to_ascii_lowercase();
    let is_page =
        text(header::ACCEPT).contains("text/html") || PREVIEWS.iter().any(|name| agent.contains(name));
    is_page && parameter(query, "download").is_none()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

fn passed_on(query: &str) -> BTreeMap<String, String> {
    let mut params = url_params(query);
    params.retain(|key, _| !OWN_PARAMETERS.contains(&key.as_str()));
    params
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self(Error::new(code))
    }
}

//! `/ade/…`: where a device out of its box asks for its enrollment profile. It sends its signed MachineInfo as the body of
//! a POST, in the header `x-apple-aspen-deviceinfo`, or as the query parameter `deviceinfo`.
//!
//! Apple: "Enrolling devices", "SoftwareUpdateRequired", "PSSORequired". The one place of this door where 401 may be the
//! answer: to a device that is not enrolled yet, and that asks its user for name and password then.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{
    DeviceDoor, base64,
    enroll::profile_response,
    render::{Failure, typed},
};
use crate::{
    error::{Code, Error},
    net::serve::Peer,
    pki::machine_info::MAX_LENGTH,
    service::ade::door::{Answer, Credentials, Knock},
};

/// The header of a web view's first request, and of some devices' only one.
const DEVICE_INFO: HeaderName = HeaderName::from_static("x-apple-aspen-deviceinfo");

/// What a proxy says of the address it speaks for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A device asks for its profile.
pub(super) async fn knock(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    segment: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let segment = captured(segment)?;
    let body = match method {
        Method::POST => door.strangers_bodies.read(&headers, body, MAX_LENGTH).await?,
        _ => Vec::new(),
    };
    let message = if body.is_empty() {
        message_of(&headers, query.as_deref())?
    } else {
        body
    };
    let authorization = Authorization::of(&headers);
    let knock = Knock {
        segment: &segment,
        message: &message,
        credentials: authorization.credentials(),
        peer: door.address(&peer, &headers),
    };
    Ok(answer(door.ade.knock(knock, door.clock.now()).await?))
}

/// The one capture of a path. What is not text stands for no token, like any other guess.
pub(super) fn captured<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Failure> {
    path.map(|Path(captured)| captured)
        .map_err(|_| Code::NotFound.into())
}

/// The message in the header or in the query.
pub(super) fn message_of(headers: &HeaderMap, query: Option<&str>) -> Result<Vec<u8>, Failure> {
    let header = headers
        .get(DEVICE_INFO)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let text = header.or_else(|| base64::parameter(query?, "deviceinfo"));
    // Nothing at all is refused like anything else that is no message, by the door itself, which counts it.
    let message = text.map_or(Some(Vec::new()), |text| base64::decode(&text));
    let message = message.unwrap_or_default();
    if message.len() > MAX_LENGTH {
        let detail = format!("limit {MAX_LENGTH} bytes");
        return Err(Failure(Error::with(Code::BodyTooLarge, detail)));
    }
    Ok(message)
}

/// Whether a request brings a message beside its body.
pub(super) fn brings_message(headers: &HeaderMap, query: Option<&str>) -> bool {
    headers.contains_key(DEVICE_INFO) || query.is_some_and(|query| query.contains("deviceinfo="))
}

/// What a device gets, on the wire.
pub(super) fn answer(answer: Answer) -> Response {
    match answer {
        Answer::Profile(profile) => profile_response(profile),
        Answer::UpdateFirst(version) => refusal(&json!({
            "code": "com.apple.softwareupdate.required",
            "description": "The system is older than this server enrolls.",
            "details": { "OSVersion": version.to_string() },
        })),
        Answer::SetUpSso { auth_url, sso } => refusal(&json!({
            "code": "com.apple.psso.required",
            "description": "Platform SSO is to be set up first.",
            "details": {
                "AuthURL": auth_url,
                "ProfileURL": sso.profile_url,
                "Package": { "ManifestURL": sso.manifest_url },
            },
        })),
        Answer::Authenticate => {
            let challenge = HeaderValue::from_static("Basic realm=\"Enrollment\", charset=\"UTF-8\"");
            let headers = [(header::WWW_AUTHENTICATE, challenge)];
            (StatusCode::UNAUTHORIZED, headers, "Name and password, please.\n").into_response()
        }
    }
}

fn refusal(body: &Value) -> Response {
    let mut response = typed("application/json", body.to_string());
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// What `Authorization` says.
enum Authorization {
    None,
    Basic(String, String),
    Bearer(String),
}

impl Authorization {
    fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::AUTHORIZATION);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, rest) = value.split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest.trim().to_owned());
        }
        let pair = scheme
            .eq_ignore_ascii_case("basic")
            .then(|| base64::decode(rest.trim()))
            .flatten()
            .and_then(|pair| String::from_utf8(pair).ok());
        match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((name, password)) => Self::Basic(name.to_owned(), password.to_owned()),
            None => Self::None,
        }
    }

    fn credentials(&self) -> Credentials<'_> {
        match self {
            Self::None => Credentials::None,
            Self::Basic(name, password) => Credentials::Password(name, password),
            Self::Bearer(token) => Credentials::Token(token),
        }
    }
}

impl DeviceDoor {
    /// Whose request this is, for counting. A header is believed from a trusted proxy only, and of it only what that proxy
    /// has added: the last address that is no trusted proxy itself.
    pub(super) fn address(&self, peer: &Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.address?.ip().to_canonical();
        let Some(proxy) = self
            .proxy
            .as_ref()
            .filter(|proxy| proxy.addresses.contains(&peer))
        else {
            return Some(peer);
        };
        let values = headers.get_all(FORWARDED_FOR).iter();
        let texts: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        texts
            .iter()
            .rev()
            .flat_map(|text| text.rsplit(','))
            .map_while(|text| text.trim().parse::<IpAddr>().ok())
            .map(|address| address.to_canonical())
            .find(|address| !proxy.addresses.contains(address))
    }
}

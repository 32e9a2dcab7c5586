//! Headers that every request needs, and whether its session may do anything at all.

use super::{Incoming, Refused, refused};
use crate::abm::hub::Inner;
use crate::abm::settings::SessionRefusal;

/// The session's header.
pub(super) const SESSION: &str = "x-adm-auth-session";
/// The protocol version's header.
pub(super) const VERSION: &str = "x-server-protocol-version";

/// `User-Agent` is required, and must look like `name/version` (Apple: *Device assignment*, common errors).
pub(super) fn check_user_agent(request: &Incoming) -> Result<(), Refused> {
    let Some(agent) = request
        .headers
        .get("user-agent")
        .filter(|value| !value.is_empty())
    else {
        return Err(refused(400, "USER_AGENT_MISSING"));
    };
    let agent = agent.to_str().unwrap_or_default();
    let product = agent.split_whitespace().next().unwrap_or_default();
    let legal = |text: &str| {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(token)
    };
    match product.split_once('/') {
        Some((name, version)) if legal(name) && legal(version) => Ok(()),
        _ => Err(refused(400, "USER_AGENT_INVALID")),
    }
}

/// Bodies are JSON and say so; the charset may be spelled in any way.
pub(super) fn check_content_type(request: &Incoming) -> Result<(), Refused> {
    let value = request.header("content-type").unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if request.body.is_empty() || media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(refused(415, "UNSUPPORTED_MEDIA_TYPE"))
    }
}

/// The protocol version; 1 unless the client says another.
pub(super) fn version(request: &Incoming) -> u32 {
    let version = request.header(VERSION).and_then(|text| text.trim().parse().ok());
    version.unwrap_or(1)
}

/// The server whose session it is, if it is anybody's.
pub(super) fn server(inner: &Inner, request: &Incoming, now_ms: u64) -> Option<u32> {
    inner.sessions.server(request.header(SESSION)?, now_ms)
}

/// The server whose session it is, if it may go on.
pub(super) fn admit(inner: &Inner, request: &Incoming, now_ms: u64) -> Result<u32, Refused> {
    let Some(place) = server(inner, request, now_ms) else {
        return Err(match inner.refusal {
            SessionRefusal::Forbidden => refused(403, "FORBIDDEN"),
            SessionRefusal::Unauthorized => refused(401, "UNAUTHORIZED"),
        });
    };
    check_standing(inner, place)?;
    Ok(place)
}

/// Terms and access.
pub(super) fn check_standing(inner: &Inner, server: u32) -> Result<(), Refused> {
    if !inner.estate.organisation.terms_signed {
        return Err(refused(403, "T_C_NOT_SIGNED"));
    }
    if inner.estate.server_at(server).access_denied {
        return Err(refused(403, "ACCESS_DENIED"));
    }
    Ok(())
}

/// Whether the client takes compressed answers.
pub(super) fn takes_gzip(request: &Incoming) -> bool {
    let codings = request.header("accept-encoding").unwrap_or_default();
    codings.split(',').any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && parameters.trim() != "q=0"
    })
}

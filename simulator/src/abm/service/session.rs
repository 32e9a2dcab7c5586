//! `GET /session`: OAuth in, a session out.

use serde_json::json;

use super::{Incoming, Outcome, Refused, gate, json, refused};
use crate::abm::hub::{Hub, Inner};
use crate::abm::log::Record;
use crate::abm::oauth::{Authorization, unescape};
use crate::abm::token::ServerToken;

pub(super) fn begin(hub: &Hub, inner: &mut Inner, request: &Incoming, record: &mut Record) -> Outcome {
    let header = request.header("authorization");
    let authorization = Authorization::read(header).map_err(|(status, word)| refused(status, word))?;
    let (server, token, present) = token(inner, &authorization).ok_or(refused(401, "UNAUTHORIZED"))?;
    record.server = Some(inner.estate.server_at(server).uuid.clone());

    let query: Vec<_> = crate::endpoint::pairs(&request.query)
        .filter_map(|(name, value)| Some((unescape(name)?, unescape(value)?)))
        .collect();
    if !authorization.is_signed_by(&token.credentials, &request.method, &url(request), &query)? {
        return Err(refused(401, "signature_invalid"));
    }
    if !present {
        return Err(refused(401, "token_rejected"));
    }
    let now = hub.settings.clock.seconds();
    check_freshness(hub, inner, &authorization, now)?;
    if token.expires <= now {
        return Err(refused(401, "token_expired"));
    }
    gate::check_standing(inner, server)?;

    let lifetime = hub.settings.session_lifetime.as_millis() as u64;
    let session = inner.sessions.begin(server, record.at + lifetime, record.at)?;
    json(&json!({ "auth_session_token": session }))
}

/// The server and token that the request names, and whether it is the server's present token.
fn token(inner: &Inner, authorization: &Authorization) -> Option<(u32, ServerToken, bool)> {
    let named = |token: &&ServerToken| {
        token.credentials.consumer_key == authorization.get("oauth_consumer_key")
            && token.credentials.access_token == authorization.get("oauth_token")
    };
    inner
        .estate
        .servers
        .iter()
        .enumerate()
        .find_map(|(place, server)| {
            if let Some(token) = server.token.as_ref().filter(named) {
                return Some((place as u32, token.clone(), true));
            }
            let replaced = server.replaced.iter().find(named)?;
            Some((place as u32, replaced.clone(), false))
        })
}

/// Timestamps must be near, nonces new.
fn check_freshness(
    hub: &Hub,
    inner: &mut Inner,
    authorization: &Authorization,
    now: i64,
) -> Result<(), Refused> {
    let timestamp = authorization.get("oauth_timestamp").parse::<u32>();
    let timestamp = i64::from(timestamp.map_err(|_| refused(400, "parameter_rejected"))?);
    let window = i64::try_from(hub.settings.timestamp_window.as_secs()).unwrap_or(i64::MAX);
    if (now - timestamp).saturating_abs() > window {
        return Err(refused(401, "timestamp_refused"));
    }
    let nonce = format!(
        "{} {}",
        authorization.get("oauth_consumer_key"),
        authorization.get("oauth_nonce")
    );
    if inner
        .sessions
        .is_new_nonce(nonce, timestamp, now.saturating_sub(window))
    {
        Ok(())
    } else {
        Err(refused(401, "nonce_used"))
    }
}

/// The URL as the client signed it: without the default port, in lower case.
fn url(request: &Incoming) -> String {
    let (scheme, port) = if request.secure {
        ("https", ":443")
    } else {
        ("http", ":80")
    };
    let host = request.header("host").unwrap_or_default().to_ascii_lowercase();
    let host = host.strip_suffix(port).unwrap_or(&host);
    format!("{scheme}://{host}{}", request.path)
}

//! `/mdm` and `/checkin`: limit, read, identify, decode; then the service's turn.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    DeviceDoor, MAX_CHECK_IN, MAX_REPORT,
    render::{self, Failure, typed},
};
use crate::{
    error::{Code, Error, Result},
    net::serve::Peer,
    protocol::mdm::{self, MessageError},
    service::checkin::Reply,
};

/// `ServerURL`, and `CheckInURL` where a profile has no other. The Content-Type tells check-ins from reports.
pub(super) async fn mdm(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> std::result::Result<Response, Failure> {
    let response = match content(&headers)? {
        Content::CheckIn => check_in(&door, &peer, query, &headers, body).await,
        Content::Report | Content::Plist => report(&door, &peer, query, &headers, body).await,
    };
    response.map_err(Failure)
}

/// `CheckInURL` of a profile that splits the two.
pub(super) async fn checkin(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> std::result::Result<Response, Failure> {
    content(&headers)?;
    check_in(&door, &peer, query, &headers, body)
        .await
        .map_err(Failure)
}

async fn check_in(
    door: &DeviceDoor,
    peer: &Peer,
    query: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response> {
    let claim = door.claim(peer, headers)?;
    let body = door.bodies.read(headers, body, MAX_CHECK_IN).await?;
    let now = door.clock.now();
    let certificate = door.verify(claim, &body, now)?;
    let (sender, message) = mdm::decode_check_in(&body).map_err(bad_message)?;
    let message_type = message.message_type();
    let reply = door
        .check_ins
        .check_in(
            &sender,
            message,
            &certificate,
            url_params(query.as_deref().unwrap_or_default()),
            &body,
            now,
        )
        .await;
    let result = if reply.is_ok() { "ok" } else { "refused" };
    let response = reply.map(|reply| match reply {
        Reply::Declined => StatusCode::GONE.into_response(),
        Reply::Empty => StatusCode::OK.into_response(),
        Reply::Json(body) => typed("application/json", body),
        Reply::NotFound => StatusCode::NOT_FOUND.into_response(),
        Reply::Plist(body) => typed("application/xml; charset=UTF-8", body),
    });
    let code = response.as_ref().map_or_else(render::status, Response::status);
    let code = code.as_str().to_owned();
    metrics::counter!("russet_checkins_total", "type" => message_type, "result" => result, "code" => code)
        .increment(1);
    response
}

async fn report(
    door: &DeviceDoor,
    peer: &Peer,
    query: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response> {
    let claim = door.claim(peer, headers)?;
    let body = door.bodies.read(headers, body, MAX_REPORT).await?;
    let now = door.clock.now();
    let certificate = door.verify(claim, &body, now)?;
    let (sender, report) = mdm::decode_report(&body).map_err(bad_message)?;
    let url_params = url_params(query.as_deref().unwrap_or_default());
    metrics::counter!("russet_connects_total").increment(1);
    let next = door
        .commands
        .report(&sender, report, body, &certificate, &url_params, now)
        .await?;
    door.pushes.answered(door.clock.now().since(now));
    Ok(match next {
        None => StatusCode::OK.into_response(),
        Some(command) => typed("application/xml; charset=UTF-8", command.payload),
    })
}

fn bad_message(error: MessageError) -> Error {
    Error::with(Code::BadMessage, &error).caused_by(error)
}

/// What a Content-Type says of a body.
enum Content {
    CheckIn,
    Report,
    /// Nothing in particular, which is how some reports come.
    Plist,
}

fn content(headers: &HeaderMap) -> Result<Content> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Content::Plist);
    };
    let value = value.to_str().map_err(|_| Error::new(Code::BadContentType))?;
    let media_type = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-apple-aspen-mdm" => Ok(Content::Report),
        "application/x-apple-aspen-mdm-checkin" => Ok(Content::CheckIn),
        // What HTTP clients say of bytes when nobody tells them.
        ""
        | "application/octet-stream"
        | "application/x-plist"
        | "application/x-www-form-urlencoded"
        | "application/xml"
        | "text/xml" => Ok(Content::Plist),
        _ => Err(Error::new(Code::BadContentType)),
    }
}

/// The URL's query parameters; of a repeated one the first counts.
pub(super) fn url_params(query: &str) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        params
            .entry(key.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    params
}

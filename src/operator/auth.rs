//! Who the operator is: an API key as the password of HTTP Basic (any user name) or as a Bearer token; a user by the
//! cookie of a session; or anyone who can open the server's local socket. A key wins over a cookie.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{OperatorDoor, cookie, csrf, render::Failure};
use crate::{
    error::{Code, Error, Kind, Result},
    net::serve::Peer,
    service::access::{Operator, sessions::CurrentSession},
};

/// The middleware: puts an [`Operator`] into the request, and the [`CurrentSession`] if there is one; or answers 401, to
/// a browser that wants a page with the way to the sign-in.
pub(super) async fn keys(State(door): State<Arc<OperatorDoor>>, request: Request, next: Next) -> Response {
    let sign_in = sign_in_instead(&request);
    match admitted(&door, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => match sign_in.filter(|_| error.kind() == Kind::Unauthenticated) {
            Some(page) => page,
            None => Failure(error).into_response(),
        },
    }
}

/// The request with who makes it among its extensions, if that is known, and if the request is not another site's doing.
pub(super) async fn admitted(door: &OperatorDoor, mut request: Request) -> Result<Request> {
    let presented = presented(door, &request)?;
    let (operator, session) = caller(door, presented).await?;
    if let Some(session) = session {
        request = csrf::check(door, &session, request).await?;
        request.extensions_mut().insert(session);
    }
    request.extensions_mut().insert(operator);
    Ok(request)
}

/// What a request says of who makes it.
pub(super) enum Presented {
    /// It came by the local socket.
    Local,
    /// An API key.
    Key(String),
    /// The secret of a session.
    Session(String),
}

/// What a request says of who makes it.
pub(super) fn presented(door: &OperatorDoor, request: &Request) -> Result<Presented> {
    let peer = request.extensions().get::<Peer>();
    if peer.is_some_and(|peer| peer.address.is_none()) {
        return Ok(Presented::Local);
    }
    if let Some(authorization) = request.headers().get(header::AUTHORIZATION) {
        return key(authorization.to_str().unwrap_or_default()).map(Presented::Key);
    }
    let secret = cookie::session(&door.front, request);
    secret
        .map(Presented::Session)
        .ok_or_else(|| Error::new(Code::KeyMissing))
}

/// Who that is, and in which session.
pub(super) async fn caller(
    door: &OperatorDoor,
    presented: Presented,
) -> Result<(Operator, Option<CurrentSession>)> {
    let now = door.clock.now();
    match presented {
        Presented::Local => Ok((Operator::local(), None)),
        Presented::Key(key) => Ok((door.keys.operator(&key, now).await?, None)),
        Presented::Session(secret) => {
            let (operator, session) = door.access.sessions.find(&secret, now).await?;
            Ok((operator, Some(session)))
        }
    }
}

/// The key of an `Authorization` header.
fn key(value: &str) -> Result<String> {
    let (scheme, credentials) = value
        .split_once(' ')
        .ok_or_else(|| Error::new(Code::KeyMissing))?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Error::with(Code::KeyMissing, "neither Basic nor Bearer"));
    }
    let pair = STANDARD
        .decode(credentials)
        .ok()
        .and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or_else(|| Error::with(Code::KeyMissing, "the Basic credentials can't be read"))?;
    let key = pair.split_once(':').map(|(_, key)| key.to_owned());
    Ok(key.unwrap_or_default())
}

/// For whoever follows a link in a browser: the sign-in page, which leads back.
pub(super) fn sign_in_instead(request: &Request) -> Option<Response> {
    let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    let is_page = *request.method() == Method::GET && accept.contains("text/html");
    if !is_page || request.headers().contains_key(header::AUTHORIZATION) {
        return None;
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", target)
        .finish();
    let location = (header::LOCATION, format!("/login?{query}"));
    Some((StatusCode::SEE_OTHER, [location]).into_response())
}

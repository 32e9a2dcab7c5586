//! Who the operator is: an API key as the password of HTTP Basic (any user name) or as a Bearer token; or anyone who
//! can open the server's local socket.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{OperatorDoor, render::Failure};
use crate::{
    error::{Code, Error, Result},
    net::serve::Peer,
    service::access::Operator,
};

/// The middleware: puts an [`Operator`] into the request, or answers 401.
pub(super) async fn keys(
    State(door): State<Arc<OperatorDoor>>,
    mut request: Request,
    next: Next,
) -> Response {
    match operator(&door, request.headers(), request.extensions()).await {
        Err(error) => Failure(error).into_response(),
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
    }
}

/// Who a request comes from.
pub(super) async fn operator(
    door: &OperatorDoor,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Operator> {
    let local = extensions
        .get::<Peer>()
        .is_some_and(|peer| peer.address.is_none());
    if local {
        Ok(Operator::local())
    } else {
        by_key(door, headers).await
    }
}

async fn by_key(door: &OperatorDoor, headers: &HeaderMap) -> Result<Operator> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, credentials) = value
        .and_then(|value| value.split_once(' '))
        .ok_or_else(|| Error::new(Code::KeyMissing))?;
    let credentials = credentials.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD
            .decode(credentials)
            .ok()
            .and_then(|pair| String::from_utf8(pair).ok());
        let pair =
            pair.ok_or_else(|| Error::with(Code::KeyMissing, "the Basic credentials can't be read"))?;
        pair.split_once(':')
            .map(|(_, key)| key.to_owned())
            .unwrap_or_default()
    } else {
        return Err(Error::with(Code::KeyMissing, "neither Basic nor Bearer"));
    };
    door.keys.operator(&key, door.clock.now()).await
}

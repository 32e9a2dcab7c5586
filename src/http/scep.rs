//! `/scep`: the HTTP side of RFC 8894 §4.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};

use super::{
    DeviceDoor, MAX_SCEP, base64,
    base64::parameter,
    render::{Failure, typed},
};
use crate::{
    error::{Code, Error},
    pki::scep::CAPABILITIES,
};

/// One route for the three operations, by GET and POST.
pub(super) async fn scep(
    State(door): State<Arc<DeviceDoor>>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    match parameter(&query, "operation").as_deref() {
        Some("GetCACaps") => Ok(typed("text/plain", CAPABILITIES)),
        Some("GetCACert") => Ok(typed(
            "application/x-x509-ca-cert",
            door.issuer.ca_certificate().to_vec(),
        )),
        Some("PKIOperation") => {
            let message = if method == Method::POST {
                door.strangers_bodies.read(&headers, body, MAX_SCEP).await?
            } else {
                message_of(&query)?
            };
            let reply = door.issuer.pki_operation(&message, door.clock.now()).await?;
            Ok(typed("application/x-pki-message", reply))
        }
        Some(_) => Err(Error::with(
            Code::BadParameter,
            "operation is not one of GetCACaps, GetCACert, PKIOperation",
        )
        .into()),
        None => Err(Error::with(
            Code::BadParameter,
            "operation is missing; this address is for SCEP clients",
        )
        .into()),
    }
}

/// The `message` of a GET.
fn message_of(query: &str) -> Result<Vec<u8>, Error> {
    let text = parameter(query, "message").unwrap_or_default();
    if text.is_empty() {
        return Err(Error::with(Code::BadParameter, "message is missing"));
    }
    base64::decode(&text).ok_or_else(|| Error::with(Code::BadParameter, "message is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_a_url_is_read_however_it_was_escaped() {
        let bytes = [0xfb, 0xff, 0xbf, 0x3e, 0x01];
        for message in [
            "+/+/PgE=",
            "%2B%2F%2B%2FPgE%3D",
            "+/+/PgE%3D",
            " / /PgE=",
            "-_-_PgE",
            "+/+/%0APgE=",
        ] {
            let query = format!("operation=PKIOperation&message={message}");
            assert_eq!(message_of(&query).unwrap(), bytes, "{message}");
        }
        for message in ["", "%%%", "é"] {
            assert!(message_of(&format!("operation=PKIOperation&message={message}")).is_err());
        }
    }
}

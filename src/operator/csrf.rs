//! Requests that another site's page has a browser send: refused by what the browser says of their origin, and, within a
//! session, by a token that only pages of ours know.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, Method, header},
};

use super::{OperatorDoor, input::Params};
use crate::{
    error::{Code, Error, Result},
    service::access::sessions::CurrentSession,
};

/// The header that brings the token.
const HEADER: &str = "x-csrf-token";

/// The field of a form that does.
const FIELD: &str = "csrf";

/// Largest form whose body is searched for its token; a form with files brings the token in its query.
const MAX_FORM: usize = 1024 * 1024;

/// Whether a request was sent from a page of ours, as far as the browser says; programs say nothing.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (text(&header::ORIGIN), text(&header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, own)| own == host),
        (Some(_), None) => false,
    }
}

/// Refuses what is not from a page of ours.
pub(super) fn require_ours(headers: &HeaderMap) -> Result<()> {
    match is_ours(headers) {
        true => Ok(()),
        false => Err(Error::with(
            Code::CsrfRejected,
            "it comes from another site's page",
        )),
    }
}

/// Refuses a request within a session that could change something and does not bring the session's token: as a header,
/// as a field of a form, or, for a form with files, in the query.
pub(super) async fn check(
    door: &OperatorDoor,
    session: &CurrentSession,
    request: Request,
) -> Result<Request> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(request);
    }
    require_ours(request.headers())?;
    if let Some(token) = request.headers().get(HEADER) {
        return compare(token.as_bytes(), session).map(|()| request);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-www-form-urlencoded" => {
            let (parts, body) = request.into_parts();
            let body = door.bodies.read(&parts.headers, body, MAX_FORM).await?;
            let mut fields = form_urlencoded::parse(&body).filter(|(name, _)| name == FIELD);
            let token = fields.next().map(|(_, value)| value.into_owned());
            compare(token.unwrap_or_default().as_bytes(), session)?;
            Ok(Request::from_parts(parts, Body::from(body)))
        }
        "multipart/form-data" => {
            let params = Params::parse(request.uri().query());
            compare(params.get(FIELD).unwrap_or_default().as_bytes(), session)?;
            Ok(request)
        }
        _ => Err(missing()),
    }
}

/// Compares in the same time wherever they differ.
fn compare(token: &[u8], session: &CurrentSession) -> Result<()> {
    let own = session.csrf_token.as_bytes();
    let differs = token
        .iter()
        .zip(own)
        .fold(0, |sum, (one, other)| sum | (one ^ other));
    match differs == 0 && token.len() == own.len() {
        true => Ok(()),
        false => Err(missing()),
    }
}

fn missing() -> Error {
    Error::with(
        Code::CsrfRejected,
        "the session's token is missing or not the right one",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ours(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_ours(&headers)
    }

    #[test]
    fn k_w4_a_request_of_another_sites_page_is_told_by_its_headers() {
        let host = ("host", "mdm.example.com:8444");
        assert!(ours(&[host]));
        assert!(ours(&[host, ("origin", "https://mdm.example.com:8444")]));
        assert!(ours(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(!ours(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!ours(&[host, ("origin", "https://evil.example")]));
        assert!(!ours(&[host, ("origin", "null")]));
        assert!(!ours(&[("origin", "https://mdm.example.com:8444")]));
    }
}

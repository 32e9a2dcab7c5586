//! `ETag` and `If-Match` (RFC 9110 §8.8.3, §13.1.1) on native resources whose edits race. The tag stands for what operators
//! can change, not for figures that change by themselves, so that it says nothing about caching.
//!
//! A handler takes [`IfMatch`], names it among its `params`, and hands `expected` to the service, which judges it in the
//! step that makes the change. What is shown is [`tagged`]. The document gets its 412 and its `ETag` headers by itself.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::Response,
};
use utoipa::IntoParams;

use super::{input::bad, render::Failure};
use crate::{
    error::{Error, Result},
    service::revision::{Expected, Revision},
};

/// More tags than this are in no request.
const MAX_TAGS: usize = 16;

/// What a change takes for granted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IfMatch {
    /// The change is only made if the resource still has this `ETag`, or one of several; `*` stands for any.
    #[param(
        rename = "If-Match", value_type = String, required = false, example = "*",
        pattern = r#"^(\*|(W/)?"[0-9A-Za-z]*"(, *(W/)?"[0-9A-Za-z]*"){0,15})$"#,
    )]
    pub(super) expected: Expected,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Failure> {
        let mut lines = parts.headers.get_all(header::IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            let expected = Expected::Anything;
            return Ok(Self { expected });
        }
        let mut revisions = Vec::new();
        for line in lines {
            let line = line.to_str().map_err(|_| unreadable())?.trim();
            if line == "*" {
                let expected = Expected::Anything;
                return Ok(Self { expected });
            }
            for tag in line.split(',') {
                revisions.extend(revision(tag.trim())?);
            }
        }
        if revisions.len() > MAX_TAGS {
            return Err(unreadable().into());
        }
        let expected = Expected::OneOf(revisions);
        Ok(Self { expected })
    }
}

/// The revision that a tag stands for. A weak one never matches here (RFC 9110 §13.1.1).
fn revision(tag: &str) -> Result<Option<Revision>> {
    let (weak, tag) = match tag.strip_prefix("W/") {
        Some(tag) => (true, tag),
        None => (false, tag),
    };
    let name = tag
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .filter(|name| !name.contains('"'))
        .ok_or_else(unreadable)?;
    Ok((!weak).then(|| Revision::named(name)))
}

fn unreadable() -> Error {
    bad("If-Match", "is neither * nor a list of entity tags in quotes")
}

/// Adds the tag of what an answer shows.
pub(super) fn tagged(mut response: Response, revision: &Revision) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", revision.as_str())) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_rfc_9110_writes_them() {
        assert_eq!(revision("\"ab\"").unwrap(), Some(Revision::named("ab")));
        assert_eq!(revision("W/\"ab\"").unwrap(), None);
        for wrong in ["ab", "\"ab", "", "w/\"ab\"", "\"a\"b\""] {
            assert!(revision(wrong).is_err(), "{wrong}");
        }
    }
}

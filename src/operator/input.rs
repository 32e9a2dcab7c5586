//! What operators send: ids in a path, parameters in a query, bodies.

use axum::{
    body::Body,
    extract::{self, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{MAX_BODY, OperatorDoor, render::Failure};
use crate::{
    error::{Code, Error, Result},
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::Page,
};

/// More rows than this are never in one answer.
pub(super) const MAX_PAGE: usize = 1_000;

/// A request's query parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: Option<&str>) -> Self {
        Self(
            form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A parameter's value; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>> {
        let parse = |value: &str| value.parse().map_err(|_| bad(name, "is not a number in range"));
        self.get(name).map(parse).transpose()
    }

    /// `true` or `false`, also as `1` or `0`.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(bad(name, "is neither true nor false")),
        }
    }

    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>> {
        let parse = |value: &str| {
            Timestamp::parse_rfc3339(value)
                .ok_or_else(|| bad(name, "is not a time such as 2026-11-21T08:00:00Z"))
        };
        self.get(name).map(parse).transpose()
    }

    /// `limit`, `offset` and `cursor`; 100 rows unless another limit is given.
    pub(super) fn page(&self) -> Result<Page> {
        self.page_of(100)
    }

    /// The same, with so many rows unless another limit is given.
    pub(super) fn page_of(&self, usual: usize) -> Result<Page> {
        let limit = self.number::<usize>("limit")?.filter(|limit| *limit > 0);
        Ok(Page {
            cursor: self.get("cursor").map(str::to_owned),
            offset: self.number("offset")?.unwrap_or(0),
            limit: limit.unwrap_or(usual).min(MAX_PAGE),
        })
    }
}

/// The captures of a path, with a refusal in this door's words where they can't be read.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Failure> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(captures)) => Ok(Self(captures)),
            Err(error) => Err(bad("the path", "holds an escape that is not UTF-8")
                .caused_by(error)
                .into()),
        }
    }
}

/// A parameter that can't be used.
pub(super) fn bad(name: &str, problem: &str) -> Error {
    Error::with(Code::BadParameter, format!("{name} {problem}"))
}

/// The ids of a path segment, separated by commas. Repetitions are dropped.
pub(super) fn ids(segment: &str) -> Result<Vec<EnrollmentId>> {
    let segment = percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| bad("the path", "holds an id that is not UTF-8"))?;
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for id in segment.split(',').filter(|id| !id.is_empty()) {
        if seen.insert(id) {
            ids.push(EnrollmentId::new(id));
        }
    }
    if ids.is_empty() {
        Err(bad("the path", "names no enrollment id"))
    } else {
        Ok(ids)
    }
}

impl OperatorDoor {
    /// A body, whole.
    pub(super) async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Vec<u8>> {
        self.bodies.read(headers, body, MAX_BODY).await
    }

    /// A JSON body; an empty one reads as `{}`.
    pub(super) async fn json<T: DeserializeOwned>(&self, headers: &HeaderMap, body: Body) -> Result<T> {
        let body = self.body(headers, body).await?;
        let body = if body.is_empty() { &b"{}"[..] } else { &body };
        // By way of a map: serde would take an array for a struct.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).map_err(|error| Error::with(Code::BadBody, &error))?;
        serde_json::from_value(object.into()).map_err(|error| Error::with(Code::BadBody, &error))
    }
}

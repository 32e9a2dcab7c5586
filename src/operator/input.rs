//! What operators send: ids in a path, parameters in a query, bodies.

use axum::{
    body::Body,
    extract::{self, FromRequestParts, path::ErrorKind, rejection::PathRejection},
    http::{HeaderMap, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{MAX_BODY, OperatorDoor, render::Failure};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ids::EnrollmentId,
        json::{self, Misread},
        time::Timestamp,
    },
    storage::Page,
};

/// More rows than this are never in one answer.
pub(super) const MAX_PAGE: usize = 1_000;

/// The query parameters of a native resource, as a struct that describes them too. Each handler may take several such
/// structs; names that none of them has, and empty values, are refused before it (see [`super::contract`]); an empty cursor
/// counts as absent.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let query = serde_path_to_error::deserialize(deserializer);
        query.map(Self).map_err(|error| {
            let name = error.path().to_string();
            let problem = Misread::new(&name, &error.into_inner().to_string());
            misread(Code::BadParameter, problem).into()
        })
    }
}

/// How many rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Limit {
    /// At most so many rows; 100 if absent.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

impl Limit {
    /// 100 unless another limit is given.
    pub(super) fn rows(&self) -> Result<usize> {
        let limit = self.limit.unwrap_or(100);
        if (1..=MAX_PAGE).contains(&limit) {
            Ok(limit)
        } else {
            Err(Error::invalid("limit", "is not between 1 and 1000"))
        }
    }
}

/// The page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// At most so many rows; 100 if absent.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Continue after the page that gave this as its `next_cursor`.
    cursor: Option<String>,
}

impl PageQuery {
    /// The page, 100 rows unless another limit is given.
    pub(super) fn page(self) -> Result<Page> {
        let limit = Limit { limit: self.limit };
        Ok(Page {
            cursor: self.cursor,
            offset: 0,
            limit: limit.rows()?,
        })
    }
}

/// The query parameters of NanoMDM's and NanoDEP's endpoints, which overlook what they do not know.
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
            Err(error) => Err(unreadable_path(error).into()),
        }
    }
}

/// The capture that can't be read, by its name.
fn unreadable_path(error: PathRejection) -> Error {
    let name = match &error {
        PathRejection::FailedToDeserializePathParams(error) => match error.kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => key.clone(),
            _ => "path".to_owned(),
        },
        _ => "path".to_owned(),
    };
    bad(&name, "holds an escape that is not UTF-8").caused_by(error)
}

/// A parameter that can't be read.
pub(super) fn bad(name: &str, problem: &str) -> Error {
    Error::of_field(Code::BadParameter, name, problem)
}

/// What can't be read, with the field that is to blame where that is known.
fn misread(code: Code, Misread { field, problem }: Misread) -> Error {
    match field {
        Some(field) => Error::of_field(code, &field, problem),
        None => Error::with(code, problem),
    }
}

/// The ids of a path segment, separated by commas. Repetitions are dropped.
pub(super) fn ids(segment: &str) -> Result<Vec<EnrollmentId>> {
    let segment = percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| bad("ids", "holds one that is not UTF-8"))?;
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for id in segment.split(',').filter(|id| !id.is_empty()) {
        if seen.insert(id) {
            ids.push(EnrollmentId::new(id));
        }
    }
    if ids.is_empty() {
        Err(bad("ids", "names no enrollment"))
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
            serde_json::from_slice(body).map_err(|error| match error.is_data() {
                true => misread(Code::BadBody, Misread::new("", &error.to_string())),
                false => Error::with(Code::BadBody, &error),
            })?;
        json::read(object).map_err(|problem| misread(Code::BadBody, problem))
    }
}

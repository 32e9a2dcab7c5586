//! What comes back from a form, and what was wrong with it.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request},
    http::{HeaderMap, header},
};

use crate::{
    error::{Code, Error, Result},
    operator::OperatorDoor,
    service::revision::{Expected, Revision},
};

/// A form's fields, in their order.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, Vec<u8>)>);

impl Form {
    /// Reads it, whichever of the two ways it was sent in.
    pub(super) async fn read(door: &OperatorDoor, headers: &HeaderMap, body: Body) -> Result<Self> {
        let bytes = door.body(headers, body).await?;
        let content_type = headers.get(header::CONTENT_TYPE).cloned();
        let in_parts = content_type
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"));
        if !in_parts {
            let pairs = form_urlencoded::parse(&bytes).into_owned();
            return Ok(Self(
                pairs.map(|(name, value)| (name, value.into_bytes())).collect(),
            ));
        }
        let mut request = Request::new(Body::from(bytes));
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        let unreadable = || Error::with(Code::BadBody, "the form can't be read");
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|error| unreadable().caused_by(error))?;
        let mut fields = Vec::new();
        while let Some(part) = parts
            .next_field()
            .await
            .map_err(|error| unreadable().caused_by(error))?
        {
            let name = part.name().unwrap_or_default().to_owned();
            let bytes = part
                .bytes()
                .await
                .map_err(|error| unreadable().caused_by(error))?;
            fields.push((name, bytes.to_vec()));
        }
        Ok(Self(fields))
    }

    /// Of these fields.
    #[cfg(test)]
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
        )
    }

    /// A field's text without the blanks around it; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.bytes(name)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
            .trim()
    }

    /// A field's text, if there is any.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// Whether a box is checked.
    pub(super) fn checked(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// The texts of a field that may be there several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.filter_map(|(_, bytes)| std::str::from_utf8(bytes).ok())
    }

    /// A field as it came.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let field = self.0.iter().find(|(own, _)| own == name);
        field.map(|(_, bytes)| bytes.as_slice())
    }

    /// The parts of a field that may hold blanks: separated by commas or lines.
    pub(super) fn items(&self, name: &str) -> Vec<String> {
        let items = self.text(name).split([',', '\n', '\r']).map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// What it was made from. Of two that look at the same thing, the one who sends later must not overwrite the other
    /// unseen.
    pub(super) fn expected(&self) -> Expected {
        self.given("revision").map_or(Expected::Anything, |name| {
            Expected::OneOf(vec![Revision::named(&name)])
        })
    }

    /// The words of a field: separated by commas, blanks or lines.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let words = self.text(name).split([',', ' ', '\n', '\r', '\t']);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

/// What is wrong with which field.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems(BTreeMap<String, String>);

impl Problems {
    /// Of a failure that names fields.
    pub(super) fn of(error: &Error) -> Self {
        let mut problems: BTreeMap<String, String> = BTreeMap::new();
        for problem in error.fields() {
            for field in &problem.fields {
                problems.insert(field.clone(), problem.problem.clone());
            }
        }
        Self(problems)
    }

    /// Of a failure that names the fields of a part of something, as the part's own form calls them; what is wrong with
    /// the part as such goes to its field `whole`.
    pub(super) fn within(error: &Error, part: &str, whole: &str) -> Self {
        let own = Self::of(error).0.into_iter().map(|(field, problem)| {
            let rest = field.strip_prefix(part).map(|rest| rest.trim_start_matches('.'));
            match rest {
                Some("") | None => (whole.to_owned(), problem),
                Some(rest) => (rest.to_owned(), problem),
            }
        });
        Self(own.collect())
    }

    /// With a field to blame for failures that name none.
    pub(super) fn or(mut self, error: &Error, field: &str, codes: &[Code]) -> Self {
        if self.0.is_empty() && codes.contains(&error.code()) {
            self.0.insert(field.to_owned(), error.message());
        }
        self
    }

    /// What is wrong with a field.
    pub(super) fn with(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }
}

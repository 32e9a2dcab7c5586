//! Requests and answers.

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::error::Problem;

/// A request before it is addressed.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers beside `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, url: &str) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Sets a header; the value must be printable ASCII.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, Problem> {
        let value = HeaderValue::from_str(value).map_err(Problem::transport)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// The media type without its parameters, in lower case; empty when there is none.
    pub fn media_type(&self) -> String {
        let value = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// The answer if its status is 200, an error otherwise.
    pub fn ok(self) -> Result<Self, Problem> {
        match self.status {
            200 => Ok(self),
            status => Err(Problem::Status {
                status,
                body: self.body.to_vec(),
            }),
        }
    }

    /// Checks the media type.
    pub fn expect_type(self, expected: &[&str]) -> Result<Self, Problem> {
        let found = self.media_type();
        if expected.contains(&found.as_str()) {
            Ok(self)
        } else {
            Err(Problem::protocol(format!(
                "Content-Type is `{found}`, not {}",
                expected.join(" or ")
            )))
        }
    }
}

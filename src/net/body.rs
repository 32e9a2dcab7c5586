//! Bodies, read whole, never larger and never slower than allowed.

use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    body::Body as _,
    header::{CONTENT_ENCODING, HeaderMap},
};
use tokio::time::timeout;

use crate::error::{Code, Error, Result};

/// Reads a body of at most `limit` bytes within `patience`.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, patience: Duration) -> Result<Vec<u8>> {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(Error::with(
            Code::BadContentType,
            "compressed bodies are not taken",
        ));
    }
    let too_large = || Error::with(Code::BodyTooLarge, format!("limit {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let collected = timeout(patience, Limited::new(body, limit).collect())
        .await
        .map_err(|_| Error::new(Code::BodyTimeout))?
        .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => too_large(),
            None => Error::with(Code::BadBody, "the connection broke off").caused_by(error),
        })?;
    Ok(collected.to_bytes().into())
}

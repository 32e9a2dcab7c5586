//! Bodies, read whole, never larger and never slower than allowed, and never too many large ones at a time.

use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    body::Body as _,
    header::{CONTENT_ENCODING, HeaderMap},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::error::{Code, Error, Result};

/// Bodies up to this size are read at once: the number of connections bounds them well enough. In bytes.
pub const SMALL: usize = 64 * 1024;

/// All larger bodies that are being read share so much memory; further ones wait. In KiB.
const ROOM: usize = 128 * 1024;

/// Reads bodies.
#[derive(Debug)]
pub struct Bodies {
    patience: Duration,
    room: Semaphore,
}

impl Bodies {
    /// Gives each body so long to arrive.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            room: Semaphore::new(ROOM),
        }
    }

    /// Reads a body of at most `limit` bytes.
    pub async fn read(&self, headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>> {
        let encoding = headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Error::with(
                Code::BadContentType,
                "compressed bodies are not taken",
            ));
        }
        let too_large = || Error::with(Code::BodyTooLarge, format!("limit {limit} bytes"));
        let announced = body.size_hint();
        if announced.lower() > limit as u64 {
            return Err(too_large());
        }
        // A body of unknown length may turn out as large as any.
        let size = announced
            .upper()
            .map_or(limit, |upper| usize::try_from(upper).unwrap_or(limit).min(limit));
        let read = async {
            let _room = match size {
                ..=SMALL => None,
                _ => self
                    .room
                    .acquire_many(u32::try_from(size / 1024).unwrap_or(u32::MAX))
                    .await
                    .ok(),
            };
            Limited::new(body, limit).collect().await
        };
        let collected = timeout(self.patience, read)
            .await
            .map_err(|_| Error::new(Code::BodyTimeout))?
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => too_large(),
                None => Error::with(Code::BadBody, "the connection broke off").caused_by(error),
            })?;
        Ok(collected.to_bytes().into())
    }
}

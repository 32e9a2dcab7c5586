//! Server tokens: the OAuth credentials of an MDM server, and the text that carries them.

use serde::{Deserialize, Serialize};

use super::clock::iso;
use crate::error::Problem;
use crate::{encode, random};

/// How long a token is good for.
pub(super) const YEAR: i64 = 365 * 86_400;

/// The OAuth credentials of an MDM server, as the `.p7m` carries them.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Credentials {
    pub consumer_key: String,
    pub consumer_secret: String,
    pub access_token: String,
    pub access_secret: String,
    pub access_token_expiry: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("consumer_key", &self.consumer_key)
            .field("access_token_expiry", &self.access_token_expiry)
            .finish_non_exhaustive()
    }
}

/// A token and when it expires.
#[derive(Clone, Debug)]
pub(super) struct ServerToken {
    pub(super) credentials: Credentials,
    pub(super) expires: i64,
}

impl ServerToken {
    /// A new one, good for a year.
    pub(super) fn new(now: i64) -> Result<Self, Problem> {
        let secret = |prefix: &str| -> Result<String, Problem> {
            Ok(format!("{prefix}_{}", encode::lower_hex(&random::bytes(20)?)))
        };
        let mut token = Self {
            credentials: Credentials {
                consumer_key: secret("CK")?,
                consumer_secret: secret("CS")?,
                access_token: secret("AT")?,
                access_secret: secret("AS")?,
                access_token_expiry: String::new(),
            },
            expires: 0,
        };
        token.expire_at(now + YEAR);
        Ok(token)
    }

    pub(super) fn expire_at(&mut self, seconds: i64) {
        self.expires = seconds;
        self.credentials.access_token_expiry = iso(seconds);
    }
}

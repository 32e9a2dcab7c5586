//! Apple's Device Assignment Services (Apple, "Device Assignment"), also called DEP: what the rules know of them.

mod answer;
mod client;
mod failure;
mod oauth;
mod resolver;
mod retry;
mod session;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use serde_json::Value;
use zeroize::Zeroize as _;

pub use client::{DepClient, DepClock, DepError, DepOptions};
pub use failure::DepFailure;
pub use retry::RetryPolicy;

use crate::protocol::time::Timestamp;

/// A device as a page or a look-up shows it: the JSON object, as Apple wrote it. Read by the rules, leniently.
pub type DepDevice = serde_json::Map<String, Value>;

/// The OAuth 1.0a credentials of a server token. Secret: they show in no `Debug` and are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DepCredentials {
    /// `CK_…`
    pub consumer_key: String,
    /// `CS_…`
    pub consumer_secret: String,
    /// `AT_…`
    pub access_token: String,
    /// `AS_…`
    pub access_secret: String,
}

impl Drop for DepCredentials {
    fn drop(&mut self) {
        self.consumer_key.zeroize();
        self.consumer_secret.zeroize();
        self.access_token.zeroize();
        self.access_secret.zeroize();
    }
}

impl fmt::Debug for DepCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DepCredentials(redacted)")
    }
}

/// With what, and where, Apple is asked.
#[derive(Clone, Debug)]
pub struct DepAccess {
    /// The token's name, for the log.
    pub name: String,
    /// Its credentials.
    pub credentials: DepCredentials,
    /// Where the service is, when it is not at the configured place (NanoDEP's `base_url`).
    pub base_url: Option<String>,
}

/// A page of devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DepPage {
    /// The devices, in the order of operation. Those of a delta have `op_type` and `op_date`.
    pub devices: Vec<DepDevice>,
    /// Where the list goes on.
    pub cursor: String,
    /// Up to when it is complete.
    pub fetched_until: Option<Timestamp>,
    /// Whether there is more right now.
    pub more_to_follow: bool,
}

/// What Apple says of a device for which something was asked: `SUCCESS`, `NOT_ACCESSIBLE`, `FAILED`, `THROTTLED`.
pub type DepStatuses = BTreeMap<String, String>;

/// The answer to an assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepAssigned {
    /// For each serial number.
    pub devices: DepStatuses,
    /// After how many seconds throttled devices may be asked for again.
    pub retry_after_seconds: Option<u64>,
}

/// The answer to a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepDefined {
    /// Apple's identifier of the profile.
    pub profile_uuid: String,
    /// For each serial number that the profile named.
    pub devices: DepStatuses,
}

/// A request to be passed on as it is (NanoDEP's proxy).
#[derive(Debug)]
pub struct DepForward {
    /// The method.
    pub method: http::Method,
    /// The path with its query, from the slash on.
    pub path: String,
    /// Headers that go with it; those of the session are added.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// The service's answer to a [`DepForward`], whatever its status.
#[derive(Debug)]
pub struct DepForwarded {
    /// The status.
    pub status: http::StatusCode,
    /// The headers, without those of the connection and the session.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Apple's Device Assignment Services. Opens a session when it needs one, renews it once when Apple no longer knows
/// it, and repeats what is safe to repeat; what it reports is final for now.
#[async_trait]
pub trait DeviceAssignment: Send + Sync + fmt::Debug {
    /// `GET /account`.
    async fn account(&self, access: &DepAccess) -> Result<DepDevice, DepFailure>;

    /// `POST /server/devices`: a page of all devices; without a cursor the first.
    async fn fetch(
        &self,
        access: &DepAccess,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<DepPage, DepFailure>;

    /// `POST /devices/sync`: a page of what has changed since the cursor.
    async fn sync(&self, access: &DepAccess, cursor: &str, limit: u32) -> Result<DepPage, DepFailure>;

    /// `POST /devices`: each device with its `response_status`.
    async fn devices(
        &self,
        access: &DepAccess,
        serials: &[String],
    ) -> Result<BTreeMap<String, DepDevice>, DepFailure>;

    /// `POST /devices/disown`. Irreversible.
    async fn disown(&self, access: &DepAccess, serials: &[String]) -> Result<DepStatuses, DepFailure>;

    /// `POST /profile`.
    async fn define_profile(&self, access: &DepAccess, profile: &Value) -> Result<DepDefined, DepFailure>;

    /// `GET /profile`.
    async fn profile(&self, access: &DepAccess, uuid: &str) -> Result<Value, DepFailure>;

    /// `POST /profile/devices`, at most 1,000 serial numbers.
    async fn assign(
        &self,
        access: &DepAccess,
        uuid: &str,
        serials: &[String],
    ) -> Result<DepAssigned, DepFailure>;

    /// `DELETE /profile/devices`.
    async fn unassign(&self, access: &DepAccess, serials: &[String]) -> Result<DepStatuses, DepFailure>;

    /// `POST /device/activationlock`; Apple's `response_status`.
    async fn activation_lock(&self, access: &DepAccess, request: &Value) -> Result<String, DepFailure>;

    /// `GET /device/replacementDetails`.
    async fn replacement(&self, access: &DepAccess, serial: &str) -> Result<DepDevice, DepFailure>;

    /// `GET /os-beta-enrollment/tokens`.
    async fn beta_tokens(&self, access: &DepAccess) -> Result<Value, DepFailure>;

    /// `POST /account-driven-enrollment/profile`.
    async fn set_service_discovery(&self, access: &DepAccess, url: &str) -> Result<(), DepFailure>;

    /// `GET /account-driven-enrollment/profile`.
    async fn service_discovery(&self, access: &DepAccess) -> Result<Value, DepFailure>;

    /// `DELETE /account-driven-enrollment/profile`.
    async fn remove_service_discovery(&self, access: &DepAccess) -> Result<(), DepFailure>;

    /// Passes a request on as it is, within a session.
    async fn forward(&self, access: &DepAccess, request: DepForward) -> Result<DepForwarded, DepFailure>;
}

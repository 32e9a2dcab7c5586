//! The service's endpoints, and which request means which.

use serde::{Deserialize, Serialize};

/// An endpoint of the Device Assignment Services API.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /account`
    Account,
    /// `POST /device/activationlock`
    ActivationLock,
    /// `POST` or `PUT /profile/devices`
    Assign,
    /// `GET /os-beta-enrollment/tokens`
    BetaTokens,
    /// `POST /profile`
    DefineProfile,
    /// `POST /devices`
    Details,
    /// `/account-driven-enrollment/profile`, any method
    Discovery,
    /// `POST /devices/disown`
    Disown,
    /// `POST /server/devices`
    Fetch,
    /// `GET /profile`
    GetProfile,
    /// `GET /device/replacementDetails`
    Replacement,
    /// `GET /session`
    Session,
    /// `POST /devices/sync`
    Sync,
    /// `DELETE /profile/devices`
    Unassign,
}

impl Endpoint {
    /// The endpoint of a request line; `Err` is the status for one that there is not.
    pub(super) fn of(method: &str, path: &str) -> Result<Self, u16> {
        let by_method: &[(&str, Self)] = match path {
            "/account" => &[("GET", Self::Account)],
            "/account-driven-enrollment/profile" => &[
                ("DELETE", Self::Discovery),
                ("GET", Self::Discovery),
                ("POST", Self::Discovery),
            ],
            "/device/activationlock" => &[("POST", Self::ActivationLock)],
            "/device/replacementDetails" => &[("GET", Self::Replacement)],
            "/devices" => &[("POST", Self::Details)],
            "/devices/disown" => &[("POST", Self::Disown)],
            "/devices/sync" => &[("POST", Self::Sync)],
            "/os-beta-enrollment/tokens" => &[("GET", Self::BetaTokens)],
            "/profile" => &[("GET", Self::GetProfile), ("POST", Self::DefineProfile)],
            "/profile/devices" => &[
                ("DELETE", Self::Unassign),
                ("POST", Self::Assign),
                ("PUT", Self::Assign),
            ],
            "/server/devices" => &[("POST", Self::Fetch)],
            "/session" => &[("GET", Self::Session)],
            _ => return Err(404),
        };
        let found = by_method.iter().find(|(known, _)| *known == method);
        found.map(|(_, endpoint)| *endpoint).ok_or(405)
    }

    /// Whether its requests come in pages.
    pub(super) fn has_pages(self) -> bool {
        matches!(self, Self::Fetch | Self::Sync)
    }
}

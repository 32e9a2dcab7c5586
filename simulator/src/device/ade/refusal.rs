//! What a server says when it gives no profile (Apple: *ErrorCodeSoftwareUpdateRequired*, *ErrorCodePSSORequired*).

use serde::Serialize;
use serde_json::Value;

use crate::http::Response;
use crate::plists;

/// A refusal with its reason, if there is any.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `code`
    pub code: Option<String>,
    /// `message`, which the user sees.
    pub message: Option<String>,
    /// `details`
    pub details: Value,
    /// What the device makes of it.
    pub reason: String,
}

/// The update that a server wants.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UpdateRequired {
    /// `OSVersion`
    pub os_version: String,
    /// `BuildVersion`
    pub build_version: Option<String>,
}

/// What is for the user to read, and what a program can't go on without.
impl Refusal {
    /// A refusal of the device's own.
    pub(super) fn own(status: u16, reason: &str) -> Self {
        Self {
            status,
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Reads an answer that is no profile.
    pub(super) fn of(response: &Response) -> Self {
        let body = match response.media_type().as_str() {
            "application/xml" | "text/xml" => plists::decode(&response.body)
                .ok()
                .and_then(|plist| serde_json::to_value(plist).ok()),
            _ => serde_json::from_slice::<Value>(&response.body).ok(),
        };
        let body = body.unwrap_or_default();
        let text = |key: &str| body[key].as_str().map(String::from);
        Self {
            status: response.status,
            code: text("code"),
            message: text("message"),
            details: body["details"].clone(),
            reason: format!("the server answered HTTP {}", response.status),
        }
    }

    /// The update that it asks for; `None` when it asks for something else, or not in Apple's form.
    pub(super) fn update(&self) -> Option<UpdateRequired> {
        let is_update =
            self.status == 403 && self.code.as_deref() == Some("com.apple.softwareupdate.required");
        let os_version = self.details["OSVersion"].as_str().filter(|_| is_update)?;
        Some(UpdateRequired {
            os_version: os_version.into(),
            build_version: self.details["BuildVersion"].as_str().map(String::from),
        })
    }

    /// Whether it asks for Platform SSO.
    pub(super) fn is_psso(&self) -> bool {
        self.status == 403 && self.code.as_deref() == Some("com.apple.psso.required")
    }
}

//! How a device behaves where Apple's devices differ, or misbehave.

use std::collections::BTreeMap;
use std::time::Duration;

use super::interrupt::Interruption;
use crate::pki::identity::Identity;
use crate::plists::Dictionary;
use crate::scep::ScepOptions;

/// How a device proves who it is on each request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Present {
    /// A TLS client certificate, and `Mdm-Signature` if the profile says `SignMessage`.
    #[default]
    AsProfile,
    /// TLS client certificate and `Mdm-Signature`.
    Both,
    /// Nothing.
    Neither,
    /// `Mdm-Signature` only, as behind a proxy that ends TLS.
    Signature,
    /// TLS client certificate only.
    Tls,
}

/// The proof of identity of one request, for requests that pretend.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The TLS client certificate.
    pub tls: Option<Identity>,
    /// Signs the body in `Mdm-Signature`.
    pub signature: Option<Identity>,
    /// The value of `Mdm-Signature`, instead of a true signature.
    pub signature_header: Option<String>,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
}

/// Choices that hold for the life of a device.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How requests are authenticated.
    pub present: Present,
    /// How SCEP is spoken.
    pub scep: ScepOptions,
    /// `AwaitingConfiguration` in the first TokenUpdate, as in Automated Device Enrollment.
    pub awaiting_configuration: bool,
    /// Enrol as a User Enrollment even if the profile does not say so.
    pub user_enrollment: bool,
    /// Where enrollments are interrupted, and how.
    pub interruption: Option<Interruption>,
    /// Whether an iPad is a Shared iPad, whose users come with [`crate::Device::add_user`].
    pub shared_ipad: bool,
    /// Whether those users wait for `UserConfigured` (`AwaitUserConfiguration` of `SharedDeviceConfiguration`).
    pub await_user_configuration: bool,
}

/// What a device does instead of answering properly. The request type `*` stands for every command.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Answers `NotNow` to this request type so many times.
    pub not_now: BTreeMap<String, u32>,
    /// Answers `Error` with this chain to this request type.
    pub errors: BTreeMap<String, Vec<Dictionary>>,
    /// Answers `CommandFormatError` to this request type.
    pub format_errors: Vec<String>,
    /// Sends each result twice and goes on with the second answer.
    pub duplicate_results: bool,
    /// Hangs up before the answer to so many results; each is sent again at the next connection.
    pub hang_up: u32,
    /// Waits so long before each result.
    pub delay: Option<Duration>,
    /// In how many lists of apps a new one still shows as `Installing`.
    pub app_lists: u32,
    /// How long a new app takes at least.
    pub app_delay: Option<Duration>,
    /// Apps that come to nothing, by bundle identifier, and Apple's word for it, such as `Failed`.
    pub app_failures: BTreeMap<String, String>,
    /// The bundle identifiers of the apps behind manifests, by address.
    pub manifests: BTreeMap<String, String>,
    /// Keys added to the result for this request type, replacing those of the same name.
    pub results: BTreeMap<String, Dictionary>,
}

impl Behaviour {
    pub(crate) fn takes_not_now(&mut self, request_type: &str) -> bool {
        for key in [request_type, "*"] {
            if let Some(left) = self.not_now.get_mut(key).filter(|left| **left > 0) {
                *left -= 1;
                return true;
            }
        }
        false
    }

    pub(crate) fn error(&self, request_type: &str) -> Option<Vec<Dictionary>> {
        self.errors
            .get(request_type)
            .or_else(|| self.errors.get("*"))
            .cloned()
    }

    pub(crate) fn format_error(&self, request_type: &str) -> bool {
        self.format_errors.iter().any(|r| r == request_type || r == "*")
    }
}

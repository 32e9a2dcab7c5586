//! The reasons that APNs gives for a refusal (Apple: *Handling notification responses from APNs*).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why APNs refuses a push.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[allow(missing_docs)]
pub enum Reason {
    BadCertificate,
    BadCertificateEnvironment,
    BadCollapseId,
    BadDeviceToken,
    BadEnvironmentKeyIdInToken,
    BadExpirationDate,
    BadMessageId,
    BadPath,
    BadPriority,
    BadTopic,
    DeviceTokenNotForTopic,
    DuplicateHeaders,
    ExpiredProviderToken,
    ExpiredToken,
    Forbidden,
    IdleTimeout,
    InternalServerError,
    InvalidProviderToken,
    InvalidPushType,
    MethodNotAllowed,
    MissingDeviceToken,
    MissingProviderToken,
    MissingTopic,
    PayloadEmpty,
    PayloadTooLarge,
    ServiceUnavailable,
    Shutdown,
    TooManyProviderTokenUpdates,
    TooManyRequests,
    TopicDisallowed,
    Unregistered,
    UnrelatedKeyIdInToken,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 32] = [
        Self::BadCertificate,
        Self::BadCertificateEnvironment,
        Self::BadCollapseId,
        Self::BadDeviceToken,
        Self::BadEnvironmentKeyIdInToken,
        Self::BadExpirationDate,
        Self::BadMessageId,
        Self::BadPath,
        Self::BadPriority,
        Self::BadTopic,
        Self::DeviceTokenNotForTopic,
        Self::DuplicateHeaders,
        Self::ExpiredProviderToken,
        Self::ExpiredToken,
        Self::Forbidden,
        Self::IdleTimeout,
        Self::InternalServerError,
        Self::InvalidProviderToken,
        Self::InvalidPushType,
        Self::MethodNotAllowed,
        Self::MissingDeviceToken,
        Self::MissingProviderToken,
        Self::MissingTopic,
        Self::PayloadEmpty,
        Self::PayloadTooLarge,
        Self::ServiceUnavailable,
        Self::Shutdown,
        Self::TooManyProviderTokenUpdates,
        Self::TooManyRequests,
        Self::TopicDisallowed,
        Self::Unregistered,
        Self::UnrelatedKeyIdInToken,
    ];

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadCollapseId
            | Self::BadDeviceToken
            | Self::BadExpirationDate
            | Self::BadMessageId
            | Self::BadPriority
            | Self::BadTopic
            | Self::DeviceTokenNotForTopic
            | Self::DuplicateHeaders
            | Self::IdleTimeout
            | Self::InvalidPushType
            | Self::MissingDeviceToken
            | Self::MissingTopic
            | Self::PayloadEmpty
            | Self::TopicDisallowed => 400,
            Self::BadCertificate
            | Self::BadCertificateEnvironment
            | Self::BadEnvironmentKeyIdInToken
            | Self::ExpiredProviderToken
            | Self::Forbidden
            | Self::InvalidProviderToken
            | Self::MissingProviderToken
            | Self::UnrelatedKeyIdInToken => 403,
            Self::BadPath => 404,
            Self::MethodNotAllowed => 405,
            Self::ExpiredToken | Self::Unregistered => 410,
            Self::PayloadTooLarge => 413,
            Self::TooManyProviderTokenUpdates | Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::ServiceUnavailable | Self::Shutdown => 503,
        }
    }

    /// The reason with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_string() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

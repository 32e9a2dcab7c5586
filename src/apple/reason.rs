//! Why APNs refuses (Apple, "Handling notification responses from APNs").

use std::fmt;

use serde::Deserialize as _;
use serde::de::{IntoDeserializer as _, value};

/// How much of a reason that nobody knows is kept, in characters.
const LONGEST_UNKNOWN: usize = 64;

macro_rules! reasons {
    ($($name:ident: $meaning:literal,)*) => {
        /// The reason of a refusal, by Apple's name for it. Alphabetical.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum PushReason {
            $(#[doc = $meaning] $name,)*
            /// A name that is not in Apple's list, or `none` where none was given: printable, and not long.
            Other(String),
        }

        impl PushReason {
            /// All that have a name of Apple's.
            pub const KNOWN: &'static [PushReason] = &[$(Self::$name,)*];

            /// Apple's name.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<a2::ErrorReason> for PushReason {
            fn from(reason: a2::ErrorReason) -> Self {
                match reason {
                    $(a2::ErrorReason::$name => Self::$name,)*
                }
            }
        }
    };
}

reasons! {
    BadCertificate: "The push certificate is expired or revoked.",
    BadCertificateEnvironment: "The push certificate is for the other environment.",
    BadCollapseId: "The collapse identifier is too long.",
    BadDeviceToken: "The token is invalid, or of the other environment.",
    BadEnvironmentKeyIdInToken: "The provider token's key is for the other environment.",
    BadExpirationDate: "The expiration can't be read.",
    BadMessageId: "The id can't be read.",
    BadPath: "The path can't be read.",
    BadPriority: "The priority can't be read.",
    BadTopic: "The topic is invalid.",
    DeviceTokenNotForTopic: "The token was registered for another topic.",
    DuplicateHeaders: "A header came twice.",
    ExpiredProviderToken: "The provider token is too old.",
    ExpiredToken: "The token has expired.",
    Forbidden: "That is not allowed.",
    IdleTimeout: "The connection was idle for too long.",
    InternalServerError: "APNs has an internal error.",
    InvalidProviderToken: "The provider token is invalid.",
    InvalidPushType: "The push type is invalid.",
    MethodNotAllowed: "The method was not POST.",
    MissingDeviceToken: "The path has no token.",
    MissingProviderToken: "No client certificate was presented, and no provider token.",
    MissingTopic: "There is no topic, and the certificate has several.",
    PayloadEmpty: "There is no body.",
    PayloadTooLarge: "The body is longer than 4096 bytes.",
    ServiceUnavailable: "APNs is not available.",
    Shutdown: "This host of APNs is shutting down.",
    TooManyProviderTokenUpdates: "The provider token changes too often.",
    TooManyRequests: "This token got too many pushes.",
    TopicDisallowed: "The certificate does not allow this topic.",
    Unregistered: "The token is no longer active for the topic.",
    UnrelatedKeyIdInToken: "The provider token's key is not that of the connection's first push.",
}

impl PushReason {
    /// Whether it speaks of the token alone, and not of how it and our certificate go together.
    pub fn is_of_the_token(&self) -> bool {
        matches!(self, Self::ExpiredToken | Self::Unregistered)
    }

    /// The reason of that name; a name that Apple has added since is kept as it is, within bounds.
    pub fn of(name: &str) -> Self {
        let name = name.trim();
        let deserializer: value::StrDeserializer<'_, value::Error> = name.into_deserializer();
        match a2::ErrorReason::deserialize(deserializer) {
            Ok(known) => known.into(),
            Err(_) if name.is_empty() => Self::unstated(),
            Err(_) => Self::Other(printable(name)),
        }
    }

    /// For an answer that gives no reason.
    pub fn unstated() -> Self {
        Self::Other("none".into())
    }
}

impl fmt::Display for PushReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text in a form that does no harm in a log.
fn printable(text: &str) -> String {
    let replaced = text
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
    replaced.take(LONGEST_UNKNOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_apples_list_has_its_own_name() {
        assert_eq!(PushReason::KNOWN.len(), 32);
        for reason in PushReason::KNOWN {
            assert_eq!(PushReason::of(reason.as_str()), *reason);
        }
    }

    #[test]
    fn a_reason_that_nobody_knows_is_kept_within_bounds() {
        assert_eq!(PushReason::of("NewReason"), PushReason::Other("NewReason".into()));
        assert_eq!(PushReason::of("a\nb\u{1b}"), PushReason::Other("a?b?".into()));
        assert_eq!(PushReason::of(&"x".repeat(9000)).as_str().len(), LONGEST_UNKNOWN);
        assert_eq!(PushReason::of(" "), PushReason::unstated());
    }
}

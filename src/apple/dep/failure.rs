//! What can go wrong between this server and Apple's Device Assignment Services.

use std::time::Duration;

/// Why Apple did not do it. The texts hold what Apple said, never a credential or a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepFailure {
    /// The token was replaced or is not known any more: a new one was downloaded in the portal, the password or the
    /// role of the person who made it has changed, or that person has left.
    #[error("Apple does not accept this server token any more ({0})")]
    TokenRejected(String),
    /// The token's year is over.
    #[error("this server token has expired ({0})")]
    TokenExpired(String),
    /// The OAuth signature does not fit; often a wrong clock.
    #[error("Apple does not accept the request's OAuth signature ({0})")]
    SignatureInvalid(String),
    /// `ACCESS_DENIED`.
    #[error("the token may not do this")]
    AccessDenied,
    /// `T_C_NOT_SIGNED`: somebody has to accept new terms in the portal.
    #[error("new terms wait to be accepted in Apple Business Manager or Apple School Manager")]
    TermsNotSigned,
    /// 429, and when to come again.
    #[error("Apple asks for fewer requests")]
    TooManyRequests(Option<Duration>),
    /// No connection, no answer in time, or 5xx; and when to come again.
    #[error("Apple's service can't be reached or is out of order ({0})")]
    Unavailable(String, Option<Duration>),
    /// `EXPIRED_CURSOR`: older than seven days.
    #[error("the cursor has expired")]
    CursorExpired,
    /// `INVALID_CURSOR`.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// `EXHAUSTED_CURSOR`: it has given everything.
    #[error("the cursor has given everything")]
    CursorExhausted,
    /// `PROFILE_NOT_FOUND`, or `NOT_FOUND` for a profile.
    #[error("Apple has no such profile")]
    ProfileNotFound,
    /// `DEVICE_NOT_FOUND` or another `NOT_FOUND`.
    #[error("Apple has no such thing")]
    NotFound,
    /// Apple refused the request: the status and its word for it (such as `CONFIG_NAME_INVALID`).
    #[error("Apple refused the request ({0} {1})")]
    Refused(u16, String),
    /// The answer can't be understood.
    #[error("Apple's answer can't be understood ({0})")]
    Malformed(String),
}

impl DepFailure {
    /// Its name, for figures.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenRejected(_) => "token_rejected",
            Self::TokenExpired(_) => "token_expired",
            Self::SignatureInvalid(_) => "signature_invalid",
            Self::AccessDenied => "access_denied",
            Self::TermsNotSigned => "terms_not_signed",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Unavailable(..) => "unavailable",
            Self::CursorExpired => "cursor_expired",
            Self::CursorInvalid => "cursor_invalid",
            Self::CursorExhausted => "cursor_exhausted",
            Self::ProfileNotFound => "profile_not_found",
            Self::NotFound => "not_found",
            Self::Refused(..) => "refused",
            Self::Malformed(_) => "malformed",
        }
    }
}

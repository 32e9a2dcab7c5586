//! The session's cookie (RFC 6265bis): `__Host-` and `Secure` wherever TLS is spoken; on a loopback address in plain HTTP,
//! where a browser would not take it otherwise, without.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
};

use super::front::Front;

/// Over TLS.
pub(super) const SECURE_NAME: &str = "__Host-russet";

/// In plain HTTP.
const PLAIN_NAME: &str = "russet";

/// What is added to the name for the cookie of an attempt to sign in by OpenID Connect.
const ATTEMPT: &str = "-oidc";

/// Longer than anything of ours.
const MAX_LENGTH: usize = 2048;

fn name(front: &Front, request: &Request) -> &'static str {
    if front.is_encrypted(request) {
        SECURE_NAME
    } else {
        PLAIN_NAME
    }
}

/// The secret of the browser's session.
pub(super) fn session(front: &Front, request: &Request) -> Option<String> {
    value(request.headers(), name(front, request))
}

/// The attempt to sign in by OpenID Connect that the browser has begun.
pub(super) fn attempt(front: &Front, request: &Request) -> Option<String> {
    value(request.headers(), &format!("{}{ATTEMPT}", name(front, request)))
}

/// A cookie's value.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    (!value.is_empty() && value.len() <= MAX_LENGTH).then(|| value.to_owned())
}

/// How answers to a request set the session's cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jar(&'static str);

impl Jar {
    /// For the answer to this request.
    pub(super) fn of(front: &Front, request: &Request) -> Self {
        Self(name(front, request))
    }

    /// Gives the browser the secret of its session.
    pub(super) fn set(self, secret: &str) -> HeaderValue {
        self.header("", secret, "Strict")
    }

    /// Takes it away.
    pub(super) fn clear(self) -> HeaderValue {
        self.header("", "", "Strict; Max-Age=0")
    }

    /// Gives the browser an attempt to carry, also on its way back from the provider's site.
    pub(super) fn set_attempt(self, sealed: &str) -> HeaderValue {
        self.header(ATTEMPT, sealed, "Lax; Max-Age=600")
    }

    /// Takes it away.
    pub(super) fn clear_attempt(self) -> HeaderValue {
        self.header(ATTEMPT, "", "Lax; Max-Age=0")
    }

    fn header(self, suffix: &str, value: &str, same_site: &str) -> HeaderValue {
        let secure = if self.0 == SECURE_NAME { "; Secure" } else { "" };
        let text = format!(
            "{}{suffix}={value}; Path=/; HttpOnly{secure}; SameSite={same_site}",
            self.0
        );
        let mut header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

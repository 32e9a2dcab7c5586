//! OAuth 1.0a with HMAC-SHA1, as `/session` asks for it (RFC 5849 §3).

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::token::Credentials;
use crate::encode::{base64, url_escape};
use crate::error::Problem;

/// The parameters of an `Authorization` header.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    pairs: Vec<(String, String)>,
}

/// What is wrong with one: the status and Apple's or OAuth's word for it.
pub(super) type Wrong = (u16, &'static str);

const REQUIRED: [&str; 6] = [
    "oauth_consumer_key",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_token",
];

impl Authorization {
    /// Reads the header's value.
    pub(super) fn read(header: Option<&str>) -> Result<Self, Wrong> {
        let header = header.ok_or((401, "UNAUTHORIZED"))?;
        let (scheme, rest) = header
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((header, ""));
        if !scheme.eq_ignore_ascii_case("OAuth") {
            return Err((401, "UNAUTHORIZED"));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for parameter in rest.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or((400, "parameter_rejected"))?;
            let value = value.trim().strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let value = value.and_then(unescape).ok_or((400, "parameter_rejected"))?;
            let name = unescape(name.trim()).ok_or((400, "parameter_rejected"))?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err((400, "parameter_rejected"));
            }
            pairs.push((name, value));
        }
        let authorization = Self { pairs };
        if REQUIRED.iter().any(|name| authorization.get(name).is_empty()) {
            return Err((400, "parameter_absent"));
        }
        if authorization.get("oauth_signature_method") != "HMAC-SHA1" {
            return Err((400, "signature_method_rejected"));
        }
        // The version may be absent.
        if !["", "1.0"].contains(&authorization.get("oauth_version")) {
            return Err((400, "version_rejected"));
        }
        Ok(authorization)
    }

    /// The value of a parameter, empty when it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        let pair = self.pairs.iter().find(|(known, _)| known == name);
        pair.map_or("", |(_, value)| value)
    }

    /// Whether the signature is by these credentials. Query parameters are signed too; the realm is not.
    pub(super) fn is_signed_by(
        &self,
        credentials: &Credentials,
        method: &str,
        url: &str,
        query: &[(String, String)],
    ) -> Result<bool, Problem> {
        let unsigned = ["realm", "oauth_signature"];
        let own = self
            .pairs
            .iter()
            .filter(|(name, _)| !unsigned.contains(&name.as_str()));
        let pairs: Vec<_> = own.chain(query).cloned().collect();
        let expected = signature(credentials, method, url, &pairs)?;
        let (expected, given) = (expected.as_bytes(), self.get("oauth_signature").as_bytes());
        Ok(expected.len() == given.len() && openssl::memcmp::eq(expected, given))
    }
}

/// The signature of a request with these parameters.
pub(super) fn signature(
    credentials: &Credentials,
    method: &str,
    url: &str,
    pairs: &[(String, String)],
) -> Result<String, Problem> {
    let mut pairs: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (url_escape(n), url_escape(v)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let base = format!("{method}&{}&{}", url_escape(url), url_escape(&pairs.join("&")));
    let key = format!(
        "{}&{}",
        url_escape(&credentials.consumer_secret),
        url_escape(&credentials.access_secret)
    );
    let key = PKey::hmac(key.as_bytes())?;
    let mut signer = Signer::new(MessageDigest::sha1(), &key)?;
    Ok(base64(&signer.sign_oneshot_to_vec(base.as_bytes())?))
}

/// The text without its escapes; a `+` is itself.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 5849 §1.2.
    #[test]
    fn the_example_of_the_rfc_is_verified() {
        let credentials = Credentials {
            consumer_key: "dpf43f3p2l4k3l03".into(),
            consumer_secret: "kd94hf93k423kf44".into(),
            access_token: "nnch734d00sl2jdk".into(),
            access_secret: "pfkkdhi9sl3r4s00".into(),
            access_token_expiry: String::new(),
        };
        let header = "OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", \
            oauth_token=\"nnch734d00sl2jdk\", oauth_signature_method=\"HMAC-SHA1\", \
            oauth_timestamp=\"137131202\", oauth_nonce=\"chapoH\", \
            oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\"";
        let authorization = Authorization::read(Some(header)).unwrap();
        let query = [("file", "vacation.jpg"), ("size", "original")];
        let query = query.map(|(n, v)| (n.to_string(), v.to_string()));
        let url = "http://photos.example.net/photos";
        assert!(
            authorization
                .is_signed_by(&credentials, "GET", url, &query)
                .unwrap()
        );
        assert!(!authorization.is_signed_by(&credentials, "GET", url, &[]).unwrap());
    }
}

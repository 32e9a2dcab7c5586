//! The OAuth 1.0a signature of a request (RFC 5849 §3), as `GET /session` wants it.
//!
//! Of our own: the crate for it is built for form requests, knows no `realm`, and brings a second HMAC.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::DepCredentials;

/// All but RFC 3986's unreserved characters (RFC 5849 §3.6).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What makes a signature different from every other.
pub(super) struct Once {
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    /// Never used before at this timestamp.
    pub(super) nonce: String,
}

/// The value of `Authorization` for a request without a form body.
pub(super) fn authorization(credentials: &DepCredentials, method: &Method, url: &Uri, once: &Once) -> String {
    let timestamp = once.timestamp.to_string();
    let own = [
        ("oauth_consumer_key", credentials.consumer_key.as_str()),
        ("oauth_nonce", once.nonce.as_str()),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", timestamp.as_str()),
        ("oauth_token", credentials.access_token.as_str()),
        ("oauth_version", "1.0"),
    ];
    let signature = signature(credentials, method, url, &own);
    let mut value = String::from("OAuth realm=\"ADM\"");
    for (name, text) in own
        .iter()
        .copied()
        .chain([("oauth_signature", signature.as_str())])
    {
        value.push_str(&format!(", {name}=\"{}\"", encode(text)));
    }
    value
}

fn signature(credentials: &DepCredentials, method: &Method, url: &Uri, own: &[(&str, &str)]) -> String {
    let query = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
    let mut parameters: Vec<(String, String)> = query
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    parameters.extend(own.iter().map(|(name, value)| (encode(name), encode(value))));
    parameters.sort();
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let base = format!(
        "{method}&{}&{}",
        encode(&base_uri(url)),
        encode(&parameters.join("&"))
    );
    let key = format!(
        "{}&{}",
        encode(&credentials.consumer_secret),
        encode(&credentials.access_secret)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, base.as_bytes()))
}

/// RFC 5849 §3.4.1.2: lower case, and no port that goes without saying.
fn base_uri(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https").to_ascii_lowercase();
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let usual = if scheme == "http" { 80 } else { 443 };
    let port = match url.port_u16() {
        Some(port) if port != usual => format!(":{port}"),
        _ => String::new(),
    };
    format!("{scheme}://{host}{port}{}", url.path())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OAuth Core 1.0, appendix A.5.
    #[test]
    fn the_signature_is_that_of_the_standards_example() {
        let credentials = DepCredentials {
            consumer_key: "dpf43f3p2l4k3l03".into(),
            consumer_secret: "kd94hf93k423kf44".into(),
            access_token: "nnch734d00sl2jdk".into(),
            access_secret: "pfkkdhi9sl3r4s00".into(),
        };
        let once = Once {
            timestamp: 1_191_242_096,
            nonce: "kllo9940pd9333jh".into(),
        };
        let url = "http://PHOTOS.example.net:80/photos?size=original&file=vacation.jpg";
        let value = authorization(&credentials, &Method::GET, &url.parse().unwrap(), &once);
        assert!(
            value.contains("oauth_signature=\"tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D\""),
            "{value}"
        );
        assert!(
            value.starts_with("OAuth realm=\"ADM\", oauth_consumer_key="),
            "{value}"
        );
    }
}

//! A URL that an operator has named (RFC 3986), as far as requests go to one.

use std::{fmt, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::Uri;

/// Where requests go: an http or https URL, and the credentials that came with it. Neither query nor credentials show
/// in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    /// `user:password`.
    credentials: Option<String>,
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is not a URL with a host.
    #[error("it is not a URL such as https://example.com/events")]
    NotAUrl,
    /// It is neither http nor https.
    #[error("it is neither http:// nor https://")]
    Scheme,
    /// Its user name or password can't be read.
    #[error("its user name or password is not percent-encoded UTF-8")]
    Credentials,
}

impl Target {
    /// Reads a URL. A user name and password in it become the credentials of HTTP Basic (RFC 7617).
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        let uri: Uri = url.trim().parse().map_err(|_| BadTarget::NotAUrl)?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err(BadTarget::Scheme),
            None => return Err(BadTarget::NotAUrl),
        }
        let authority = uri.authority().ok_or(BadTarget::NotAUrl)?.as_str();
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let credentials = user_info.map(credentials).transpose()?;
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(host.parse().map_err(|_| BadTarget::NotAUrl)?);
        let uri = Uri::from_parts(parts).map_err(|_| BadTarget::NotAUrl)?;
        // The authority's digits may be no port (RFC 3986 §3.2.3 takes any number of them), and no name is so long (RFC
        // 1035 §2.3.4).
        let port = host
            .rsplit_once(':')
            .map(|(_, port)| port)
            .filter(|port| !port.ends_with(']'));
        let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
        if uri.host().is_none_or(|host| host.is_empty() || host.len() > 255)
            || port.is_some_and(|port| !is_port(port))
        {
            return Err(BadTarget::NotAUrl);
        }
        Ok(Self { uri, credentials })
    }

    /// The same, with these credentials (`user:password`) instead.
    pub fn with_credentials(self, credentials: Option<String>) -> Self {
        Self { credentials, ..self }
    }

    /// `user:password`, if it has them.
    pub fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    /// The URL without its credentials.
    pub fn url(&self) -> String {
        self.uri.to_string()
    }

    /// Its host, where that is an address and no name.
    pub fn address(&self) -> Option<IpAddr> {
        host(&self.uri).parse().ok()
    }

    /// The URL of `path` below this one, which ends in a slash then if it did not. `path` is percent-encoded.
    pub fn below(&self, path: &str) -> Result<Self, BadTarget> {
        let mut parts = self.uri.clone().into_parts();
        let joined = format!("{}/{path}", self.uri.path().trim_end_matches('/'));
        parts.path_and_query = Some(joined.parse().map_err(|_| BadTarget::NotAUrl)?);
        Ok(Self {
            uri: Uri::from_parts(parts).map_err(|_| BadTarget::NotAUrl)?,
            credentials: self.credentials.clone(),
        })
    }

    /// For the request line.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(credentials)))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(
            f,
            "Target({}://{authority}",
            self.uri.scheme_str().unwrap_or_default()
        )?;
        write!(f, "{})", self.uri.path())
    }
}

/// The host of a URL, without the brackets of an IPv6 address.
pub(super) fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn credentials(user_info: &str) -> Result<String, BadTarget> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decode = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        decoded
            .map(|text| text.into_owned())
            .map_err(|_| BadTarget::Credentials)
    };
    Ok(format!("{}:{}", decode(user)?, decode(password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url_and_show_nowhere() {
        let target = Target::parse("https://ada:p%40ss@example.com:8443/hook?token=t0ken").unwrap();
        assert_eq!(target.url(), "https://example.com:8443/hook?token=t0ken");
        assert_eq!(target.credentials(), Some("ada:p@ss"));
        assert_eq!(target.authorization().as_deref(), Some("Basic YWRhOnBAc3M="));
        assert_eq!(format!("{target:?}"), "Target(https://example.com:8443/hook)");
    }

    #[test]
    fn only_http_urls_with_a_host_are_taken() {
        for url in ["ftp://example.com/", "file:///etc/passwd", "gopher://x/"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        for url in [
            "",
            "/hook",
            "example.com",
            "http://",
            "http://@/",
            "https:///x",
            "http://a b/",
        ] {
            assert_eq!(Target::parse(url), Err(BadTarget::NotAUrl), "{url}");
        }
        assert_eq!(Target::parse("http://%ff@x/"), Err(BadTarget::Credentials));
    }

    #[test]
    fn an_address_is_told_from_a_name() {
        let address = |url| Target::parse(url).unwrap().address();
        assert_eq!(address("http://169.254.169.254/"), "169.254.169.254".parse().ok());
        assert_eq!(address("http://[fe80::1]:80/x"), "fe80::1".parse().ok());
        assert_eq!(address("http://localhost/"), None);
    }

    #[test]
    fn paths_are_joined_below_it() {
        let below = |url, path| Target::parse(url).unwrap().below(path).unwrap().url();
        assert_eq!(below("http://x/dm/", "tokens"), "http://x/dm/tokens");
        assert_eq!(
            below("http://x/dm", "declaration/a/b%20c"),
            "http://x/dm/declaration/a/b%20c"
        );
        assert_eq!(below("http://x", "tokens"), "http://x/tokens");
    }
}

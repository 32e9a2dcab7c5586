//! Where APNs is: `https://host[:port]`, Apple's or a fake one's.

use std::net::IpAddr;

use http::Uri;
use rustls::pki_types::ServerName;

use super::ApnsError;

/// A host and port to connect to, and its names in TLS and in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As it stands in `:authority`.
    pub(super) authority: String,
    pub(super) server_name: ServerName<'static>,
}

impl Endpoint {
    /// Reads `https://host[:port]`; the port is 443 if it is not given.
    pub(super) fn parse(url: &str) -> Result<Self, ApnsError> {
        let refused = || ApnsError::Endpoint(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 443,
            Some(_) => authority.port_u16().ok_or_else(refused)?,
            // Before the host stands a user.
            None => return Err(refused()),
        };
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if uri.scheme_str() != Some("https") || !bare {
            return Err(refused());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let server_name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| refused())?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            server_name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_with_or_without_a_port() {
        let cases = [
            ("https://api.push.apple.com", "api.push.apple.com", 443),
            ("https://api.push.apple.com:2197/", "api.push.apple.com", 2197),
            ("https://127.0.0.1:8445", "127.0.0.1", 8445),
            ("https://[::1]:8445", "::1", 8445),
        ];
        for (url, host, port) in cases {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
        }
        assert_eq!(
            Endpoint::parse("https://[::1]:8445").unwrap().authority,
            "[::1]:8445"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "api.push.apple.com",
            "http://localhost",
            "https://",
            "https://host/path",
            "https://host?query",
            "https://user@host",
            "https://a b",
            "https://host:99999",
            "https://host:",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }
}

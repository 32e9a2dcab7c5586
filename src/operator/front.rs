//! How this door looks from outside: where a request comes from, and whether it came encrypted. What stands in front of it
//! is believed only where it is configured; anyone can write headers.

use std::net::IpAddr;

use axum::{extract::Request, http::HeaderMap};

use crate::net::serve::Peer;

/// The door's outside.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether the listener itself speaks TLS.
    pub encrypted: bool,
    /// The URL under which operators reach it, without a trailing slash.
    pub url: String,
}

impl Front {
    /// The address of whoever asks; `None` on the local socket.
    pub(super) fn peer(&self, request: &Request) -> Option<IpAddr> {
        let peer = connected(request)?;
        if !self.trusts(peer) {
            return Some(peer);
        }
        let mut known = peer;
        for hop in hops(request.headers()) {
            match hop.parse::<IpAddr>() {
                Ok(address) => known = address.to_canonical(),
                Err(_) => break,
            }
            if !self.trusts(known) {
                break;
            }
        }
        Some(known)
    }

    /// Whether the request came over TLS all the way that others can listen to.
    pub(super) fn is_encrypted(&self, request: &Request) -> bool {
        let proxied = connected(request).is_some_and(|peer| self.trusts(peer));
        let protocol = request.headers().get("x-forwarded-proto");
        self.encrypted || proxied && protocol.is_some_and(|protocol| protocol == "https")
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|proxy| proxy.to_canonical() == address)
    }
}

/// The other end of the connection.
fn connected(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>()?;
    peer.address.map(|address| address.ip().to_canonical())
}

/// The addresses of `X-Forwarded-For`, the nearest first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all("x-forwarded-for").iter().rev();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn front() -> Front {
        Front {
            trusted_proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            ..Front::default()
        }
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer {
            address: Some(format!("{peer}:4711").parse().unwrap()),
            certificate: None,
        });
        request
    }

    #[test]
    fn k_w3_a_strangers_headers_are_not_believed() {
        let said = [
            ("x-forwarded-for", "192.0.2.9"),
            ("true-client-ip", "192.0.2.9"),
            ("x-forwarded-proto", "https"),
        ];
        let stranger = request("198.51.100.7", &said);
        assert_eq!(front().peer(&stranger), "198.51.100.7".parse().ok());
        assert!(!front().is_encrypted(&stranger));
    }

    #[test]
    fn k_w3_behind_a_proxy_the_nearest_stranger_counts() {
        let peer = |headers: &[_]| front().peer(&request("10.0.0.1", headers)).unwrap().to_string();
        assert_eq!(
            peer(&[("x-forwarded-for", "192.0.2.9, 198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(
            peer(&[
                ("x-forwarded-for", "192.0.2.9"),
                ("x-forwarded-for", "198.51.100.7, 10.0.0.2")
            ]),
            "198.51.100.7"
        );
        assert_eq!(peer(&[("x-forwarded-for", "198.51.100.7, nonsense")]), "10.0.0.1");
        assert_eq!(peer(&[]), "10.0.0.1");
        let encrypted = request("10.0.0.1", &[("x-forwarded-proto", "https")]);
        assert!(front().is_encrypted(&encrypted));
    }
}

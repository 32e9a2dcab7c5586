//! Where requests to Apple's service may go: an operator can name another place for it, which must not become a way to a
//! metadata service. A name is judged by the addresses that are about to be connected to.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::outbound::guard;

/// Looks names up, and leaves out the addresses that nothing may go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded;

impl Service<Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            allowed(found).map(Vec::into_iter)
        })
    }
}

fn allowed(found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let mut refusal = None;
    let mut fine = Vec::new();
    for address in found {
        match guard::objection(address.ip()) {
            None => fine.push(address),
            Some(reason) => refusal = Some(format!("{} is {reason}", address.ip())),
        }
    }
    match refusal.filter(|_| fine.is_empty()) {
        Some(refusal) => Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal)),
        None => Ok(fine),
    }
}

/// What speaks against a URL that names an address: those are not looked up.
pub(super) fn objection(uri: &Uri) -> Option<&'static str> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    guard::objection(host.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_w6_apples_service_is_never_a_metadata_service() {
        for url in [
            "http://169.254.169.254/",
            "https://[fd00:ec2::254]:8443/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert!(objection(&url.parse().unwrap()).is_some(), "{url}");
        }
        for url in ["https://mdmenrollment.apple.com/", "http://127.0.0.1:9701/"] {
            assert!(objection(&url.parse().unwrap()).is_none(), "{url}");
        }
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (bad, good) = (address("169.254.169.254:80"), address("10.0.0.1:80"));
        assert_eq!(allowed(vec![bad, good]).unwrap(), [good]);
        assert!(allowed(vec![bad]).is_err());
        assert!(allowed(Vec::new()).unwrap().is_empty());
    }
}

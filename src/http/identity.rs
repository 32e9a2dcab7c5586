//! Which certificate a request comes from: the one that signed its body, the one of its TLS connection, or the one
//! that a trusted proxy hands over. Whether that certificate may do anything is the service's question.

use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::DeviceDoor;
use crate::{
    error::{Code, Error, Result},
    net::serve::Peer,
    pki::{
        identity::{ClientCertificate, IdentityError},
        mdm_signature::verify_mdm_signature,
        pem,
    },
    protocol::time::Timestamp,
};

const MDM_SIGNATURE: HeaderName = HeaderName::from_static("mdm-signature");

/// Which proxies may hand over a certificate, and how.
#[derive(Clone, Debug)]
pub struct ProxyTrust {
    /// Their addresses.
    pub addresses: Vec<IpAddr>,
    /// The header, if they use one.
    pub header: Option<HeaderName>,
}

impl DeviceDoor {
    /// The certificate a request comes from.
    ///
    /// A signature goes before the connection's certificate: a device that renews its identity may well sign with the
    /// new one on a connection that it opened with the old one.
    pub(super) fn identify(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Arc<ClientCertificate>> {
        let unreadable = |error: IdentityError| {
            Error::with(Code::CertificateNotTrusted, "it can't be read").caused_by(error)
        };
        if let Some(signature) = headers.get(MDM_SIGNATURE) {
            return verify_mdm_signature(
                signature.as_bytes(),
                body,
                now,
                self.signature_skew,
                &self.identities,
            )
            .map_err(|error| Error::with(Code::BadSignature, error).caused_by(error));
        }
        if let Some(der) = &peer.certificate {
            return self.identities.identify(der).map_err(unreadable);
        }
        if let Some(der) = self.handed_over(peer, headers)? {
            return self.identities.identify(&der).map_err(unreadable);
        }
        Err(Error::new(Code::IdentityMissing))
    }

    /// The certificate in the proxy's header. From anyone but a trusted proxy the header counts as absent.
    fn handed_over(&self, peer: &Peer, headers: &HeaderMap) -> Result<Option<Vec<u8>>> {
        let Some(ProxyTrust {
            addresses,
            header: Some(name),
        }) = &self.proxy
        else {
            return Ok(None);
        };
        let from_proxy = peer
            .address
            .is_some_and(|address| addresses.contains(&address.ip().to_canonical()));
        let mut values = headers.get_all(name).iter();
        match (from_proxy, values.next(), values.next()) {
            (false, ..) | (true, None, _) => Ok(None),
            (true, Some(value), None) => certificate_header(value.as_bytes()).map(Some).ok_or_else(|| {
                Error::with(
                    Code::CertificateNotTrusted,
                    "the proxy's header holds no certificate",
                )
            }),
            (true, Some(_), Some(_)) => Err(Error::with(
                Code::CertificateNotTrusted,
                "the proxy's header comes twice",
            )),
        }
    }
}

/// Reads RFC 9440 (`:base64 of DER:`) or URL-escaped PEM (nginx' `$ssl_client_escaped_cert`).
fn certificate_header(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    if let Some(encoded) = value
        .strip_prefix(b":")
        .and_then(|value| value.strip_suffix(b":"))
    {
        return STANDARD.decode(encoded).ok();
    }
    let text = percent_encoding::percent_decode(value).decode_utf8().ok()?;
    let block = pem::blocks(&text).ok()?.into_iter().next()?;
    (block.label == "CERTIFICATE").then_some(block.der)
}

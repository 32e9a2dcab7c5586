//! Which certificate a request comes from: the one that signed its body, the one of its TLS connection, or the one
//! that a trusted proxy hands over. Whether that certificate may do anything is the service's question.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::DeviceDoor;
use crate::{
    error::{Code, Error, Result},
    net::{body::SMALL, serve::Peer},
    pki::{
        identity::{ClientCertificate, IdentityError},
        mdm_signature::{MdmSignatureError, claimed_signer, verify_mdm_signature},
        pem,
    },
    protocol::time::Timestamp,
    service::identity::Identities,
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

/// What a request's headers and connection say of its sender, before its body has been read.
pub(super) enum Claim<'a> {
    /// A certificate of the device CA, whose possession was proven to us or to the proxy.
    Certificate(ClientCertificate),
    /// A signature that has yet to be verified over the body.
    Signature(&'a [u8]),
}

impl DeviceDoor {
    /// Who a request claims to come from. Without an identity that could open anything there is no claim, and no reason
    /// to read a body.
    ///
    /// A signature goes before the connection's certificate: a device that renews its identity may well sign with the
    /// new one on a connection that it opened with the old one.
    pub(super) fn claim<'a>(&self, peer: &Peer, headers: &'a HeaderMap) -> Result<Claim<'a>> {
        if let Some(signature) = headers.get(MDM_SIGNATURE) {
            let signature = signature.as_bytes();
            if is_large(headers) {
                let signer = claimed_signer(signature, &self.identities).map_err(bad_signature)?;
                Identities::trusted(&signer, self.clock.now())?;
            }
            return Ok(Claim::Signature(signature));
        }
        let handed_over = match &peer.certificate {
            Some(_) => None,
            None => self.handed_over(peer, headers)?,
        };
        let der = peer.certificate.as_deref().or(handed_over.as_deref());
        let der = der.ok_or_else(|| Error::new(Code::IdentityMissing))?;
        let certificate = self.identities.identify(der).map_err(|error: IdentityError| {
            Error::with(Code::CertificateNotTrusted, "it can't be read").caused_by(error)
        })?;
        Identities::trusted(&certificate, self.clock.now())?;
        Ok(Claim::Certificate(certificate))
    }

    /// The certificate that a claim has come true for.
    pub(super) fn verify(&self, claim: Claim<'_>, body: &[u8], now: Timestamp) -> Result<ClientCertificate> {
        match claim {
            Claim::Certificate(certificate) => Ok(certificate),
            Claim::Signature(signature) => {
                verify_mdm_signature(signature, body, now, self.signature_skew, &self.identities)
                    .map_err(bad_signature)
            }
        }
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

fn bad_signature(error: MdmSignatureError) -> Error {
    Error::with(Code::BadSignature, error).caused_by(error)
}

/// Whether a body is announced that takes part of the room for large ones. What comes in chunks is of unknown size.
fn is_large(headers: &HeaderMap) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    length
        .and_then(|length| length.parse().ok())
        .is_none_or(|length: usize| length > SMALL)
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

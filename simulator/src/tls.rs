//! TLS as Apple's devices do it: 1.2 or later, a client certificate when the server asks for one.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Problem;
use crate::pki::identity::Identity;

/// Which HTTP version a device offers in ALPN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HttpVersion {
    /// HTTP/1.1 only, also on plain connections.
    #[default]
    Http1,
    /// HTTP/2 only; on plain connections HTTP/1.1.
    Http2,
    /// Both: the server chooses.
    Either,
}

/// The certificates in PEM.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| Problem::State(format!("the trust anchors are not PEM: {e}")))?;
    if certificates.is_empty() {
        return Err(Problem::State(
            "there is no certificate in the PEM file of trust anchors".into(),
        ));
    }
    Ok(certificates)
}

/// The chain and the key of a server.
pub(crate) type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The chain and the key of an identity.
pub(crate) fn credentials_of(identity: &Identity) -> Result<Credentials, Problem> {
    let certificate = CertificateDer::from(identity.certificate.to_der()?);
    let key = PrivatePkcs8KeyDer::from(identity.key.private_key_to_pkcs8()?);
    Ok((vec![certificate], key.into()))
}

/// A client's TLS settings: who it trusts and who it is.
pub(crate) fn config(
    anchors: &[CertificateDer<'static>],
    identity: Option<&Identity>,
    version: HttpVersion,
    resumption: bool,
) -> Result<Arc<ClientConfig>, Problem> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(anchor.clone()).map_err(Problem::transport)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Problem::transport)?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![CertificateDer::from(identity.certificate.to_der()?)];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.private_key_to_pkcs8()?));
            builder
                .with_client_auth_cert(chain, key)
                .map_err(Problem::transport)?
        }
    };
    config.alpn_protocols = match version {
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
        HttpVersion::Either => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    if !resumption {
        config.resumption = rustls::client::Resumption::disabled();
    }
    Ok(Arc::new(config))
}

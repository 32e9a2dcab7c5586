//! TLS of the fake APNs: ALPN h2, and a client certificate from anybody who proves that its key is his.

use std::sync::{Arc, Mutex};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use super::faults::TlsAlert;
use super::locked;
use crate::error::Problem;
use crate::tls::{self, Credentials};

/// The chain and the key in PEM.
pub(super) fn credentials_from_pem(chain: &[u8], key: &[u8]) -> Result<Credentials, Problem> {
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|e| Problem::State(format!("the server's key is not PEM: {e}")))?;
    Ok((tls::certificates(chain)?, key))
}

/// The alert that ends handshakes at the moment.
pub(super) type Alert = Arc<Mutex<Option<TlsAlert>>>;

/// The server's settings.
pub(super) fn config((chain, key): Credentials, alert: Alert) -> Result<Arc<ServerConfig>, Problem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(PossessionVerifier {
        provider: provider.clone(),
        alert,
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Problem::transport)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(Problem::transport)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would pass by the verifier, and so by the alert.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Trusts every certificate whose key the client has.
#[derive(Debug)]
struct PossessionVerifier {
    provider: Arc<CryptoProvider>,
    alert: Alert,
}

impl ClientCertVerifier for PossessionVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match *locked(&self.alert) {
            None => Ok(ClientCertVerified::assertion()),
            Some(TlsAlert::CertificateExpired) => Err(CertificateError::Expired.into()),
            Some(TlsAlert::CertificateRevoked) => Err(CertificateError::Revoked.into()),
            Some(TlsAlert::UnknownCa) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

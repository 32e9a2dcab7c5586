//! TLS for both listeners: certificates from files, exchanged without a restart, and a client verifier that asks for
//! a certificate, has its possession proven, and leaves the judgement of it to the request.
//!
//! A verifier that judged the chain would end the handshake of a device whose identity has expired, which could then
//! never fetch the profile that cures it. And a resumed session skips the verifier anyway.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

/// Why a certificate or key can't be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that can't be read, or holds no PEM of the kind that belongs there.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not fit each other, or rustls takes neither.
    #[error("the certificate in {} and the key in {} can't be used together: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// A certificate and key in files, and the server configuration made of them, exchangeable while it serves.
pub struct TlsSource {
    certificate: PathBuf,
    key: PathBuf,
    ask_clients: bool,
    current: ArcSwap<ServerConfig>,
    loaded: Mutex<Option<(SystemTime, SystemTime)>>,
}

impl fmt::Debug for TlsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSource({})", self.certificate.display())
    }
}

impl TlsSource {
    /// Loads the files. With `ask_clients`, clients are asked for a certificate; they need not have one.
    pub fn load(certificate: PathBuf, key: PathBuf, ask_clients: bool) -> Result<Self, TlsError> {
        let times = modified(&certificate, &key);
        let config = server_config(&certificate, &key, ask_clients)?;
        Ok(Self {
            certificate,
            key,
            ask_clients,
            current: ArcSwap::from_pointee(config),
            loaded: Mutex::new(times),
        })
    }

    /// The configuration for the next handshake.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Loads the files again. If they can't be used, the old ones stay in service.
    pub fn reload(&self) -> Result<(), TlsError> {
        let times = modified(&self.certificate, &self.key);
        self.current.store(Arc::new(server_config(
            &self.certificate,
            &self.key,
            self.ask_clients,
        )?));
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = times;
        Ok(())
    }

    /// Loads the files again if one of them was written since. Tells whether it did.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let times = modified(&self.certificate, &self.key);
        if times.is_none() || *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) == times {
            return Ok(false);
        }
        self.reload().map(|()| true)
    }
}

fn modified(certificate: &Path, key: &Path) -> Option<(SystemTime, SystemTime)> {
    let of = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    Some((of(certificate)?, of(key)?))
}

/// The certificates of a PEM file, in their order; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let problem = |problem: String| TlsError::File {
        path: path.to_owned(),
        problem,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| problem(format!("no PEM certificate can be read from it: {error}")))?;
    if certificates.is_empty() {
        Err(problem("it holds no PEM certificate".into()))
    } else {
        Ok(certificates)
    }
}

/// The private key of a PEM file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::File {
        path: path.to_owned(),
        problem: format!("no unencrypted PEM key can be read from it: {error}"),
    })
}

fn server_config(certificate: &Path, key: &Path, ask_clients: bool) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = if ask_clients {
        builder.with_client_cert_verifier(Arc::new(PossessionOnly(provider)))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
    Ok(config)
}

/// Takes any client certificate, and none; checks only that the client holds its key.
#[derive(Debug)]
struct PossessionOnly(Arc<CryptoProvider>);

impl ClientCertVerifier for PossessionOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // No hints: a client that was given names of CAs might keep an expired or older identity to itself.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! The CAs that a certificate of Apple's services, or of a fake one, must lead to.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Why a file of CAs can't be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct BadCaFile {
    /// Which.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
}

/// The roots of `ca_file` alone, or the system's.
pub(super) fn load(ca_file: Option<&Path>) -> Result<Arc<RootCertStore>, BadCaFile> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let unusable = |problem: String| BadCaFile {
            path: path.to_owned(),
            problem,
        };
        let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("it holds no PEM certificate".into()));
        }
    } else {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            // Not a reason to stop: one function alone suffers, and each attempt says why.
            tracing::warn!(problems = ?native.errors, "the system has no trusted certificates: Apple will not be trusted");
        }
    }
    Ok(Arc::new(roots))
}

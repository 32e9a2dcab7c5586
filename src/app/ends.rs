//! When the server's own certificates end, for whoever watches it.

use crate::{
    config::{Config, TlsMode},
    data_dir::DataDir,
    net::tls,
    operator::Ends,
    pki::certificate::Certificate,
};

/// Takes down when the device CA ends.
pub(super) fn note_device_ca(ends: &Ends, certificate: &[u8]) {
    note(ends, "device_ca", certificate);
}

/// Takes down when the TLS certificate on disk ends, which is the one that is served or soon will be.
pub(super) fn note_tls(ends: &Ends, data_dir: &DataDir, config: &Config) {
    if config.tls.mode != TlsMode::Files {
        return;
    }
    // One that can't be read is reported where it is loaded.
    let chain = tls::certificates(&data_dir.path(&config.tls.certificate));
    if let Some(leaf) = chain.ok().and_then(|chain| chain.into_iter().next()) {
        note(ends, "tls", &leaf);
    }
}

fn note(ends: &Ends, kind: &'static str, certificate: &[u8]) {
    if let Ok(certificate) = Certificate::parse(certificate) {
        ends.set(kind, certificate.not_after);
    }
}

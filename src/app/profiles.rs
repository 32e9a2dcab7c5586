//! What the enrollment profiles say that this server hands out, and who signs them.

use std::{net::SocketAddr, sync::Arc};

use super::StartError;
use crate::{
    config::{Config, TlsMode},
    data_dir::DataDir,
    net::tls,
    pki::{ca::DeviceAuthority, profile_signer::ProfileSigner},
    protocol::profile::Anchor,
    service::enrollment::ProfileTemplate,
};

/// Profiles are signed with the TLS certificate, which devices trust; without one, with the device CA.
pub(super) fn signer(
    data_dir: &DataDir,
    config: &Config,
    ca: &Arc<DeviceAuthority>,
) -> Result<ProfileSigner, StartError> {
    if config.tls.mode == TlsMode::Proxy {
        return Ok(ProfileSigner::device_authority(Arc::clone(ca)));
    }
    let chain = tls::certificates(&data_dir.path(&config.tls.certificate))?;
    let key = tls::private_key(&data_dir.path(&config.tls.key))?;
    let chain = chain.into_iter().map(|der| der.to_vec()).collect();
    ProfileSigner::new(chain, key.secret_der())
        .map_err(|error| StartError::Setting(format!("tls.key can't sign profiles: {error}")))
}

pub(super) fn template(
    data_dir: &DataDir,
    config: &Config,
    ca: &DeviceAuthority,
    device_address: SocketAddr,
) -> Result<ProfileTemplate, StartError> {
    let anchors = match &config.tls.anchor {
        None => Vec::new(),
        Some(path) => tls::certificates(&data_dir.path(path))?
            .into_iter()
            .map(|der| Anchor {
                der: der.to_vec(),
                name: "Russet TLS CA".into(),
            })
            .collect(),
    };
    let signs = config.tls.mode == TlsMode::Proxy && config.tls.identity_header.is_none();
    Ok(ProfileTemplate {
        base_url: config.public_url(device_address),
        enroll: config.enroll.clone(),
        anchors,
        ca_fingerprint: ca.sha1_fingerprint(),
        challenge_ttl: config.identity.challenge_ttl,
        sign_message: config.enroll.sign_message || signs,
    })
}

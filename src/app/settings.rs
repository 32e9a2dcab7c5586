//! What parts of the server are told of the configuration.

use std::time::Duration;

use axum::http::HeaderName;

use super::{StartError, actions};
use crate::{
    config::{Config, TlsMode},
    data_dir::DataDir,
    http::ProxyTrust,
    net::tls,
    pki::{ca::DeviceAuthority, cipher::LegacyCiphers, identity::TrustAnchors, secret},
    service::{
        checkin::CheckInSettings, issuance::IssuerSettings, renewal::RenewalSettings, reports::Timeouts,
    },
};

/// Whose certificates are device identities here.
pub(super) fn anchors(
    data_dir: &DataDir,
    config: &Config,
    ca: &DeviceAuthority,
) -> Result<TrustAnchors, StartError> {
    let mut anchors = vec![ca.certificate().to_vec()];
    if let Some(path) = &config.identity.migration_ca {
        let path = data_dir.path(path);
        anchors.extend(tls::certificates(&path)?.into_iter().map(|der| der.to_vec()));
    }
    TrustAnchors::new(anchors.iter().map(Vec::as_slice))
        .map_err(|error| StartError::Setting(format!("identity.migration_ca: {error}")))
}

/// For check-ins.
pub(super) fn check_in_settings(data_dir: &DataDir, config: &Config) -> Result<CheckInSettings, StartError> {
    Ok(CheckInSettings {
        user_authenticate: config.checkin.user_authenticate,
        return_to_service: config.checkin.return_to_service,
        return_to_service_wifi: actions::return_to_service_wifi(data_dir, config)?,
    })
}

/// For SCEP.
pub(super) fn issuer_settings(config: &Config) -> IssuerSettings {
    IssuerSettings {
        organization: config.enroll.organization.clone(),
        identity_days: config.identity.identity_days,
        legacy_ciphers: if config.scep.legacy_ciphers {
            LegacyCiphers::All
        } else {
            LegacyCiphers::TripleDes
        },
        static_challenge: config
            .scep
            .static_challenge
            .as_deref()
            .map(|secret| secret::hash(secret).into()),
    }
}

/// Which proxies may tell who a device is, if the server stands behind any.
pub(super) fn proxy_trust(config: &Config) -> Result<Option<ProxyTrust>, StartError> {
    if config.tls.mode != TlsMode::Proxy {
        return Ok(None);
    }
    let parse = |name: &String| {
        HeaderName::try_from(name.as_str())
            .map_err(|_| StartError::Setting(format!("tls.identity_header: {name:?} is no header name")))
    };
    Ok(Some(ProxyTrust {
        addresses: config.server.trusted_proxies.clone(),
        header: config.tls.identity_header.as_ref().map(parse).transpose()?,
    }))
}

/// How long reports wait, and keep.
pub(super) fn timeouts(config: &Config) -> Timeouts {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    Timeouts {
        attempt: config.reports.enrollment_timeout,
        ended: days(config.retention.failures_days),
        expired_identity: days(config.retention.after_cert_expiry_days),
    }
}

/// When identities renew by themselves.
pub(super) fn renewals(config: &Config) -> RenewalSettings {
    RenewalSettings {
        before: Duration::from_secs(u64::from(config.identity.renew_before_days) * 24 * 3600),
        challenge_ttl: config.identity.challenge_ttl,
    }
}

//! What the parts need of the configuration, in their own terms.

use std::time::Duration;

use super::{StartError, actions};
use crate::{
    config::Config,
    data_dir::DataDir,
    pki::{cipher::LegacyCiphers, secret},
    service::{checkin::CheckInSettings, issuance::IssuerSettings, reports::Timeouts},
};

pub(super) fn check_in_settings(data_dir: &DataDir, config: &Config) -> Result<CheckInSettings, StartError> {
    Ok(CheckInSettings {
        user_authenticate: config.checkin.user_authenticate,
        return_to_service: config.checkin.return_to_service,
        return_to_service_wifi: actions::return_to_service_wifi(data_dir, config)?,
    })
}

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

pub(super) fn timeouts(config: &Config) -> Timeouts {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    Timeouts {
        attempt: config.reports.enrollment_timeout,
        ended: days(config.retention.failures_days),
        expired_identity: days(config.retention.after_cert_expiry_days),
    }
}

//! What pushes need: the way to APNs, the vendor that signs requests for push certificates.

use std::sync::Arc;

use super::StartError;
use crate::{
    apple::{
        PushService,
        apns::{Apns, ApnsOptions},
    },
    config::{self, Config},
    data_dir::{DataDir, DataDirError},
    pki::push_request::Vendor,
    service::{push::PushSettings, push_certificates::VendorOrProblem},
};

/// The MDM vendor that signs requests for push certificates, if one is configured.
pub fn push_vendor(data_dir: &DataDir, config: &Config) -> Option<Result<Vendor, DataDirError>> {
    let push = &config.push;
    let (certificate, key) = (push.vendor_certificate.as_ref()?, push.vendor_key.as_ref()?);
    Some(data_dir.push_vendor(certificate, key, push.vendor_chain.as_deref()))
}

/// The vendor, or what is wrong with it: requests for push certificates wait for it then, and nothing else does.
pub(super) fn usable_vendor(data_dir: &DataDir, config: &Config) -> Option<VendorOrProblem> {
    let vendor = push_vendor(data_dir, config)?;
    if let Err(error) = &vendor {
        tracing::error!("the MDM vendor's certificate can't be used: {error}");
    }
    Some(vendor.map_err(|error| error.to_string()))
}

/// A development server has a push certificate of its own making, with which there is no use in calling Apple.
pub(super) fn push_service(
    data_dir: &DataDir,
    config: &Config,
) -> Result<Option<Arc<dyn PushService>>, StartError> {
    if config.dev.enabled && config.apns.endpoint == config::Apns::default().endpoint {
        return Ok(None);
    }
    let apns = Apns::new(ApnsOptions::new(&config.apns, &data_dir.path("")));
    let apns = apns.map_err(|error| StartError::Setting(format!("[apns]: {error}")))?;
    Ok(Some(Arc::new(apns)))
}

pub(super) fn push_settings(config: &Config) -> PushSettings {
    PushSettings {
        expiration: config.apns.expiration,
        repush_after: config.apns.repush_after,
        max_per_second: config.apns.max_per_second,
        fan_out_window: config.apns.fan_out_window,
        slow_answer: config.apns.slow_answer,
    }
}

//! What sends requests to other programs, as it is configured.

use std::{path::PathBuf, sync::Arc};

use super::StartError;
use crate::{
    config::Config,
    data_dir::DataDir,
    net::tls,
    outbound::{
        Outbound, Target,
        client::{HttpClient, SystemResolver},
    },
    service::declarations::{Declarations, Forward},
};

/// The client; it trusts the CAs of the system unless others are named.
pub(super) fn client(data_dir: &DataDir, config: &Config) -> Result<Arc<dyn Outbound>, StartError> {
    let anchors = match &config.hooks.ca_file {
        Some(path) => tls::certificates(&data_dir.path(path))?,
        None => Vec::new(),
    };
    Ok(Arc::new(HttpClient::new(anchors, Arc::new(SystemResolver))))
}

/// Who answers declarative management.
pub(super) fn declarations(
    data_dir: &DataDir,
    config: &Config,
    outbound: Arc<dyn Outbound>,
) -> Result<Declarations, StartError> {
    let forward = &config.declarative_management;
    let Some(url) = &forward.forward_url else {
        return Ok(Declarations::Empty);
    };
    let target = Target::parse(url)
        .map_err(|error| StartError::Setting(format!("declarative_management.forward_url: {error}")))?;
    let key = |path: &Option<PathBuf>| path.as_ref().map(|path| data_dir.secret(path)).transpose();
    let keys = (
        key(&forward.send_hmac_key_file)?,
        key(&forward.recv_hmac_key_file)?,
    );
    let forward = Forward::new(target, keys, forward.timeout, outbound);
    Ok(Declarations::Forwarded(Box::new(forward)))
}

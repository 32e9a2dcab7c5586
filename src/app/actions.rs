//! What operators have devices do: its parts, put together.

use std::{fs, path::PathBuf, sync::Arc};

use super::StartError;
use crate::{
    config::Config,
    data_dir::DataDir,
    pki::seal::Sealer,
    service::{
        actions::{ActionSettings, Actions},
        commands::Commands,
        holds::Holds,
        jobs::Jobs,
    },
    storage::Storage,
};

/// Actions, and jobs of many.
pub(super) fn parts(
    data_dir: &DataDir,
    config: &Config,
    (store, commands): (&Arc<dyn Storage>, &Arc<Commands>),
    holds: Holds,
    sealer: &Arc<Sealer>,
) -> Result<(Arc<Actions>, Arc<Jobs>), StartError> {
    let settings = ActionSettings {
        enrollment_profile: config.enroll.profile_identifier.clone(),
        wifi_profile: return_to_service_wifi(data_dir, config)?,
    };
    let actions = Arc::new(Actions::new(
        Arc::clone(store),
        Arc::clone(commands),
        holds,
        Arc::clone(sealer),
        settings,
    ));
    let jobs = Jobs::new(
        Arc::clone(store),
        Arc::clone(&actions),
        Arc::clone(commands),
        Arc::clone(sealer),
    );
    Ok((actions, Arc::new(jobs)))
}

/// The Wi-Fi profile for devices that return to service.
pub(super) fn return_to_service_wifi(
    data_dir: &DataDir,
    config: &Config,
) -> Result<Option<Vec<u8>>, StartError> {
    let read = |path: &PathBuf| {
        let path = data_dir.path(path);
        fs::read(&path).map_err(|error| {
            StartError::Setting(format!(
                "checkin.return_to_service_wifi: {}: {error}",
                path.display()
            ))
        })
    };
    config
        .checkin
        .return_to_service_wifi
        .as_ref()
        .map(read)
        .transpose()
}

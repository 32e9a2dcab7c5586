//! What Automated Device Enrollment is built of.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use super::StartError;
use crate::{
    apple::dep::{DepClient, DepOptions, DeviceAssignment},
    clock::Clock,
    config::{self, Config},
    data_dir::DataDir,
    protocol::ade::Addresses,
    service::{
        ade::{
            assign::Assigner,
            devices::AdeDevices,
            profiles::{Doors, Profiles},
            settings_commands::EnrollmentSettings,
            sync::{AdeSync, Now, Rhythm, SyncSettings},
            tokens::AdeTokens,
            why::Explainer,
        },
        enrollment::Enrollments,
        events::Events,
    },
    storage::{AdeTokenRecord, Storage},
};

/// Apple's Device Assignment Services. A development server asks only a fake one.
pub(super) fn apple(
    data_dir: &DataDir,
    config: &Config,
    clock: &Clock,
) -> Result<Option<Arc<dyn DeviceAssignment>>, StartError> {
    if config.dev.enabled && config.ade.base_url == config::Ade::default().base_url {
        return Ok(None);
    }
    let options = DepOptions::new(&config.ade, &data_dir.path(Path::new("")));
    let client = DepClient::new(options, now(clock));
    let client = client.map_err(|error| StartError::Setting(format!("[ade]: {error}")))?;
    Ok(Some(Arc::new(client)))
}

/// What stands on tokens and profiles.
pub(super) struct Parts {
    pub(super) sync: Arc<AdeSync>,
    pub(super) devices: Arc<AdeDevices>,
    pub(super) why: Explainer,
}

impl Parts {
    pub(super) fn new(
        store: &Arc<dyn Storage>,
        tokens: &AdeTokens,
        (profiles, events): (&Arc<Profiles>, &Arc<Events>),
        config: &config::Ade,
        clock: &Clock,
    ) -> Self {
        let assigner = Arc::new(Assigner::new(
            Arc::clone(store),
            tokens.clone(),
            Arc::clone(profiles),
            now(clock),
        ));
        let sync = AdeSync::new(
            Arc::clone(store),
            tokens.clone(),
            (Arc::clone(&assigner), Arc::clone(events)),
            sync_settings(config),
            now(clock),
        );
        let devices = AdeDevices::new(Arc::clone(store), tokens.clone(), assigner);
        let devices = Arc::new(devices);
        Self {
            sync: Arc::new(sync),
            why: Explainer::new(Arc::clone(store), Arc::clone(&devices)),
            devices,
        }
    }
}

fn sync_settings(config: &config::Ade) -> SyncSettings {
    SyncSettings {
        rhythm: Rhythm {
            delta_every: config.delta_every,
            reconcile_every: config.reconcile_every,
            full_min_interval: config.full_min_interval,
            manual_min_interval: config.manual_min_interval,
            timeout: config.sync_timeout,
        },
        removed_kept: Duration::from_secs(u64::from(config.removed_days) * 24 * 3600),
        parallel: config.parallel_syncs,
        loop_pause: Duration::from_secs(1),
        // sled lets no other process in.
        store_is_ours_alone: true,
    }
}

fn now(clock: &Clock) -> Now {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

/// Enrollment profiles.
pub(super) fn profiles(
    store: &Arc<dyn Storage>,
    ade_tokens: &AdeTokens,
    config: &Config,
    enrollments: &Enrollments,
    at_enrollment: &EnrollmentSettings,
    device_address: SocketAddr,
) -> Arc<Profiles> {
    let door = OneDoor::new(config.public_url(device_address), enrollments.anchors());
    Arc::new(Profiles::new(
        Arc::clone(store),
        ade_tokens.connected(),
        Arc::new(door),
        at_enrollment.edition(),
        config.enroll.has_user_channels(),
    ))
}

/// One place where the devices of all tokens ask for their profile.
#[derive(Debug)]
struct OneDoor {
    addresses: Addresses,
}

impl OneDoor {
    /// `public_url`: `https://host[:port]`.
    fn new(public_url: String, anchors: Vec<Vec<u8>>) -> Self {
        Self {
            addresses: Addresses {
                url: format!("{public_url}/ade/enroll"),
                configuration_web_url: format!("{public_url}/ade/web"),
                anchors,
            },
        }
    }
}

impl Doors for OneDoor {
    fn addresses(&self, _: &AdeTokenRecord) -> Addresses {
        self.addresses.clone()
    }
}

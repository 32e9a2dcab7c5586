//! What Automated Device Enrollment is built of.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{StartError, device_trust::device_trust};
use crate::{
    apple::dep::{DepClient, DepOptions, DeviceAssignment},
    clock::Clock,
    config::{self, BelowMinimumOs, Config},
    data_dir::DataDir,
    pki::seal::Sealer,
    protocol::catalogue::{OsVersion, Platform},
    service::{
        ade::{
            accounts::Accounts,
            assign::Assigner,
            devices::AdeDevices,
            door::{Door, DoorSettings},
            profiles::{Doors, Profiles},
            settings_commands::EnrollmentSettings,
            sync::{AdeSync, Now, Rhythm, SyncSettings},
            tokens::AdeTokens,
            why::Explainer,
        },
        enrollment::Enrollments,
        events::Events,
        reports::Attempts,
    },
    storage::Storage,
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
    door: &Arc<Door>,
    at_enrollment: &EnrollmentSettings,
) -> Arc<Profiles> {
    let doors: Arc<dyn Doors> = Arc::<Door>::clone(door);
    Arc::new(Profiles::new(
        Arc::clone(store),
        ade_tokens.connected(),
        doors,
        at_enrollment.edition(),
        config.enroll.has_user_channels(),
    ))
}

/// The door, ready to be knocked at.
pub(super) fn door(
    data_dir: &DataDir,
    config: &Config,
    (store, accounts, attempts): (&Arc<dyn Storage>, &Arc<Accounts>, &Arc<Attempts>),
    enrollments: &Arc<Enrollments>,
    sealer: &Sealer,
) -> Result<Door, StartError> {
    let (trust, problems) = device_trust(data_dir, config);
    for (path, problem) in &problems {
        if config.ade.trust_anchors.contains(path) {
            let text = format!("ade.trust_anchors: {}: {problem}", path.display());
            return Err(StartError::Setting(text));
        }
        tracing::warn!(path = %path.display(), "not an anchor of devices: {problem}");
    }
    let minimum_os = config.ade.minimum_os.iter();
    let minimum_os: BTreeMap<Platform, OsVersion> = minimum_os
        .filter_map(|(name, version)| Some((platform(name)?, OsVersion::parse(version)?)))
        .collect();
    let settings = DoorSettings {
        minimum_os,
        enroll_below_minimum: config.ade.below_minimum_os == BelowMinimumOs::Enroll,
        platform_sso: config.ade.platform_sso.clone(),
        session: config.identity.challenge_ttl,
    };
    Ok(Door::new(
        Arc::clone(store),
        Arc::clone(enrollments),
        (Arc::clone(accounts), Arc::clone(attempts)),
        sealer,
        trust,
        settings,
    ))
}

fn platform(name: &str) -> Option<Platform> {
    Platform::ALL
        .into_iter()
        .find(|platform| platform.as_str().eq_ignore_ascii_case(name))
}

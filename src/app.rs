//! The object graph: built here and nowhere else, for the binary and for every test.

mod access;
mod actions;
mod ade;
mod device_trust;
mod ends;
mod listeners;
mod outbound;
mod profiles;
mod push;
mod settings;
mod telemetry;

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

pub use device_trust::{TrustAdded, TrustError, add_trust, device_trust, fetch_trust};
pub use listeners::Listeners;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

pub use push::push_vendor;
pub use telemetry::export_spans;

use crate::{
    clock::Clock,
    config::{Config, Release, TlsMode},
    data_dir::{DataDir, DataDirError},
    http::{self, DeviceDoor},
    net::{
        body::Bodies,
        serve::{self, Limits},
        tls::{TlsError, TlsSource},
    },
    operator::{self, Ends, OperatorDoor},
    pki::identity::IdentityCache,
    service::{
        access::Access,
        ade::{
            accounts::Accounts, door::Door, settings_commands::EnrollmentSettings, sync::AdeSync,
            tokens::AdeTokens,
        },
        audit::Audit,
        authority::AuthorityFacts,
        checkin::CheckIns,
        commands::{Commands, secrecy::Secrecy},
        contacts::Contacts,
        enrollment::Enrollments,
        events::Events,
        holds::{Holds, profiles::HoldProfiles},
        idempotency::Idempotence,
        identity::Identities,
        issuance::Issuer,
        jobs::Jobs,
        keys::Keys,
        passwords::Passwords,
        push::Pushes,
        push_certificates::PushCertificates,
        renewal::Renewals,
        reports::{Attempts, Reports},
        upkeep::Upkeep,
    },
    storage::{
        Storage, StoreError,
        sled::{OpenError, SledOptions, SledStorage},
    },
};

/// Why the server can't start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address is taken or can't be bound.
    #[error("can't listen on {address}: {source}")]
    Bind {
        /// Which address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The data directory lacks something, or holds something unusable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A setting can't be used.
    #[error("{0}")]
    Setting(String),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A certificate or key can't be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl StartError {
    /// Whether another process has the store.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Store(OpenError::InUse(_)))
    }
}

/// Of how many certificates the server remembers that it issued them, at up to 75 bytes each.
const KNOWN_IDENTITIES: usize = 65_536;

/// The server, ready to run.
#[derive(Debug)]
pub struct App {
    access: Access,
    device: Router,
    operator: Router,
    device_tls: Option<Arc<TlsSource>>,
    operator_tls: Option<Arc<TlsSource>>,
    ade_sync: Arc<AdeSync>,
    ade_tokens: AdeTokens,
    audit: Audit,
    ends: Ends,
    events: Arc<Events>,
    jobs: Arc<Jobs>,
    upkeep: Upkeep,
    pushes: Arc<Pushes>,
    ade: Arc<Door>,
    holds: Holds,
    settings: (DataDir, Config),
    limits: Limits,
    clock: Clock,
    store: Arc<dyn Storage>,
    metrics: Option<PrometheusHandle>,
}

impl App {
    /// Opens the store and builds everything. `device_address` is where devices will connect.
    pub fn open(
        data_dir: &DataDir,
        config: &Config,
        clock: Clock,
        device_address: SocketAddr,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Self, StartError> {
        data_dir.check_secrets(&config.tls.key)?;
        let options = SledOptions {
            cache_bytes: config.store.cache_mib.saturating_mul(1024 * 1024),
        };
        let store: Arc<dyn Storage> =
            Arc::new(SledStorage::open(&data_dir.path(&config.store.path), options)?);
        let sealer = Arc::new(data_dir.sealer()?);
        let ca = Arc::new(data_dir.device_ca(&sealer)?);
        let authority = AuthorityFacts::of(ca.certificate()).ok();
        let (device_tls, operator_tls) = tls_sources(data_dir, config)?;

        let push_certificates = PushCertificates::new(
            Arc::clone(&store),
            Arc::clone(&sealer),
            push::usable_vendor(data_dir, config),
        );
        let pushes = Arc::new(Pushes::new(
            Arc::clone(&store),
            push::push_service(data_dir, config)?,
            push_certificates.clone(),
            push::push_settings(config),
        ));
        let identities = Identities::new(Arc::clone(&store));
        let known = Arc::new(IdentityCache::new(
            settings::anchors(data_dir, config, &ca)?,
            KNOWN_IDENTITIES,
        ));
        let contacts = Arc::new(Contacts::default());
        let attempts = Arc::new(Attempts::new(Arc::clone(&store)));
        let outbound = outbound::client(data_dir, config)?;
        let events = Arc::new(Events::new(
            Arc::clone(&store),
            Arc::clone(&sealer),
            Arc::clone(&outbound),
            config.hooks.clone(),
        ));
        let holds = Holds::new(
            Arc::clone(&store),
            Arc::clone(&pushes),
            (Arc::clone(&events), Arc::clone(&attempts)),
            config.hold.clone(),
            config.ade.release == Release::Automatic,
        );
        let ade_settings = Arc::new(EnrollmentSettings::new(Arc::clone(&store), Arc::clone(&pushes)));
        let ade_tokens = AdeTokens::new(
            Arc::clone(&store),
            Arc::clone(&sealer),
            ade::apple(data_dir, config, &clock)?,
            Arc::clone(&events),
        );
        let check_ins = Arc::new(CheckIns::new(
            Arc::clone(&store),
            identities.clone(),
            (Arc::clone(&sealer), Arc::clone(&contacts)),
            (
                outbound::declarations(data_dir, config, outbound)?,
                Arc::clone(&events),
                ade_tokens.clone(),
            ),
            (Arc::clone(&pushes), Arc::clone(&ade_settings)),
            (holds.clone(), Arc::clone(&attempts)),
            settings::check_in_settings(data_dir, config)?,
        ));
        let enrollments = Arc::new(Enrollments::new(
            Arc::clone(&store),
            profiles::signer(data_dir, config, &ca)?,
            Arc::clone(&attempts),
            profiles::template(data_dir, config, &ca, device_address)?,
        ));
        let secrecy = Secrecy::new(Arc::clone(&sealer), Arc::clone(&enrollments));
        let renewals = Renewals::new(
            Arc::clone(&store),
            Arc::clone(&enrollments),
            secrecy.clone(),
            settings::renewals(config),
        );
        let commands = Arc::new(Commands::new(
            Arc::clone(&store),
            identities,
            Arc::clone(&contacts),
            Arc::clone(&pushes),
            Arc::clone(&events),
            (Arc::clone(&ade_settings), holds.clone(), Arc::clone(&attempts)),
            (secrecy, renewals, config.actions.max_wipes_per_hour),
        ));
        let (actions, jobs) = actions::parts(data_dir, config, (&store, &commands), holds.clone(), &sealer)?;

        let passwords = Passwords::default();
        let accounts = Arc::new(Accounts::new(Arc::clone(&store), passwords.clone()));
        let access = access::access(data_dir, config, (&store, passwords), &sealer)?;
        let ade = ade::door(
            data_dir,
            config,
            (&store, &accounts, &attempts),
            &enrollments,
            &sealer,
        )?;
        let ade = Arc::new(ade);
        let profiles = ade::profiles(&store, &ade_tokens, config, &ade, &ade_settings);
        let ade_parts = ade::Parts::new(&store, &ade_tokens, (&profiles, &events), &config.ade, &clock);

        let (audit, ends) = (Audit::new(Arc::clone(&store)), Ends::default());
        ends::note_device_ca(&ends, ca.certificate());
        ends::note_tls(&ends, data_dir, config);
        let bodies = || Bodies::new(config.server.body_timeout);
        let device_door = DeviceDoor {
            clock: clock.clone(),
            check_ins: Arc::clone(&check_ins),
            commands: Arc::clone(&commands),
            pushes: Arc::clone(&pushes),
            issuer: Issuer::new(
                Arc::clone(&store),
                Arc::clone(&known),
                ca,
                attempts,
                settings::issuer_settings(config),
            ),
            enrollments: Arc::clone(&enrollments),
            ade: Arc::clone(&ade),
            identities: known,
            signature_skew: config.identity.signature_skew,
            bodies: bodies(),
            strangers_bodies: bodies(),
            proxy: settings::proxy_trust(config)?,
            development: config.dev.enabled,
        };
        let operator_door = OperatorDoor {
            access: access.clone(),
            front: access::front(config),
            actions,
            ade_devices: ade_parts.devices,
            ade_sync: Arc::clone(&ade_parts.sync),
            ade_tokens: ade_tokens.clone(),
            ade_why: ade_parts.why,
            audit: audit.clone(),
            ends: ends.clone(),
            authority,
            development: config.dev.enabled,
            clock: clock.clone(),
            store: Arc::clone(&store),
            commands,
            check_ins,
            enrollments,
            ade: Arc::clone(&ade),
            accounts,
            holds: holds.clone(),
            hold_profiles: HoldProfiles::new(Arc::clone(&store)),
            idempotence: Idempotence::new(Arc::clone(&store)),
            jobs: Arc::clone(&jobs),
            events: Arc::clone(&events),
            keys: Keys::new(Arc::clone(&store)),
            pushes: Arc::clone(&pushes),
            push_certificates: push_certificates.clone(),
            ade_profiles: profiles,
            reports: Reports::new(Arc::clone(&store)),
            missed_assignment_after: config.reports.missed_assignment_after,
            metrics: metrics.clone(),
            device_classes: Default::default(),
            ready_at: Default::default(),
            bodies: bodies(),
        };
        let results_kept = Duration::from_secs(u64::from(config.retention.results_days) * 24 * 3600);
        Ok(Self {
            device: http::router(Arc::new(device_door)),
            operator: operator::router(Arc::new(operator_door)),
            device_tls,
            operator_tls,
            ade_sync: ade_parts.sync,
            ade_tokens,
            audit,
            ends,
            events,
            jobs,
            upkeep: Upkeep::new(
                Arc::clone(&store),
                contacts,
                (push_certificates, Arc::clone(&access.sessions)),
                (results_kept, config.actions.idempotency_window),
                settings::timeouts(config),
            ),
            access,
            limits: Limits {
                slots: Arc::new(Semaphore::new(config.server.max_connections)),
                header_timeout: config.server.header_timeout,
                drain_timeout: config.server.drain_timeout,
            },
            pushes,
            ade,
            holds,
            settings: (data_dir.clone(), config.clone()),
            clock,
            store,
            metrics,
        })
    }

    /// The operator's routes, for a command line that finds no server running.
    pub fn operator_router(&self) -> Router {
        self.operator.clone()
    }

    /// Users, for set-up and tests.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Everything that is remembered, for set-up and tests.
    pub fn store(&self) -> &Arc<dyn Storage> {
        &self.store
    }

    /// Where devices come out of their boxes.
    pub fn ade(&self) -> &Arc<Door> {
        &self.ade
    }

    /// Events, for whoever has something to announce.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Takes certificates that were exchanged on disk into service. What can't be used is logged, and the old one stays.
    pub fn reload_certificates(&self) {
        self.reload_device_trust();
        for source in [&self.device_tls, &self.operator_tls].into_iter().flatten() {
            report_reload(source.reload().map(|()| true));
        }
    }

    /// Takes the device CAs at their word that are on disk now.
    fn reload_device_trust(&self) {
        let (data_dir, config) = &self.settings;
        let (trust, _) = device_trust(data_dir, config);
        if self.ade.trust(trust) {
            tracing::info!("other device CAs are trusted now");
        }
    }

    /// Learns which hooks there are, before a device can say anything that they would miss. `false`: the server is to
    /// end.
    async fn load_hooks(&self, mut stop: watch::Receiver<bool>) -> bool {
        while let Err(error) = self.events.load().await {
            tracing::error!(source = ?std::error::Error::source(&error), "the hooks can't be read: {error}");
            let waited = tokio::time::timeout(Duration::from_secs(1), stop.wait_for(|stop| *stop)).await;
            if waited.is_ok() {
                return false;
            }
        }
        true
    }

    /// Serves until `stop` turns true, then drains and writes down what is only in memory. `reload` exchanges the
    /// certificates each time its value changes.
    pub async fn run(
        self,
        listeners: Listeners,
        stop: watch::Receiver<bool>,
        mut reload: watch::Receiver<()>,
    ) {
        if !self.load_hooks(stop.clone()).await {
            return;
        }
        let (deliver, ends) = watch::channel(false);
        let clock = self.clock.clone();
        let couriers = tokio::spawn(Arc::clone(&self.events).run(Arc::new(move || clock.now()), ends));
        let mut servers = JoinSet::new();
        servers.spawn(serve::tcp(
            listeners.device,
            self.device_tls.clone(),
            self.device.clone(),
            self.limits.clone(),
            stop.clone(),
        ));
        servers.spawn(serve::tcp(
            listeners.operator,
            self.operator_tls.clone(),
            self.operator.clone(),
            self.limits.clone(),
            stop.clone(),
        ));
        let socket = listeners.local.map(|(listener, path)| {
            servers.spawn(serve::local(
                listener,
                self.operator.clone(),
                self.limits.clone(),
                stop.clone(),
            ));
            path
        });
        let clock = self.clock.clone();
        let now = Arc::new(move || clock.now());
        servers.spawn(Arc::clone(&self.pushes).run(now, stop.clone()));
        let clock = self.clock.clone();
        let now = Arc::new(move || clock.now());
        servers.spawn(Arc::clone(&self.jobs).run(now, stop.clone()));
        servers.spawn(Arc::clone(&self.ade_sync).run(stop.clone()));
        servers.spawn(tend_holds(self.holds.clone(), self.clock.clone(), stop.clone()));
        let mut upkeep = tokio::time::interval(Upkeep::INTERVAL);
        let mut often = tokio::time::interval(Duration::from_secs(5));
        let mut reload_open = true;
        loop {
            tokio::select! {
                ended = servers.join_next() => if ended.is_none() { break },
                _ = upkeep.tick() => {
                    let now = self.clock.now();
                    match self.upkeep.run(now).await {
                        Ok(notices) => self.events.push_certificates(&notices, now).await,
                        Err(error) => housekeeping_failed(&error),
                    }
                    ends::note_tls(&self.ends, &self.settings.0, &self.settings.1);
                    if let Err(error) = self.audit.announce(now).await {
                        tracing::error!("the end of the audit log can't be read: {error}");
                    }
                    if let Err(error) = self.ade_tokens.watch(now).await {
                        housekeeping_failed(&error);
                    }
                }
                _ = often.tick() => {
                    // Samples pile up until they are put into their histograms.
                    if let Some(metrics) = &self.metrics {
                        metrics.run_upkeep();
                    }
                    for source in [&self.device_tls, &self.operator_tls].into_iter().flatten() {
                        report_reload(source.reload_if_changed());
                    }
                    let now = self.clock.now();
                    self.events.pushes(&self.pushes.take_news(), now).await;
                    self.events.ade_refused(self.ade.take_news(now).as_ref(), now).await;
                    self.reload_device_trust();
                }
                changed = reload.changed(), if reload_open => match changed {
                    Ok(()) => self.reload_certificates(),
                    Err(_) => reload_open = false,
                },
            }
        }
        if let Some(path) = socket {
            let _ = fs::remove_file(path);
        }
        // After the last device: what it said goes out now, or after the next start.
        let _ = deliver.send(true);
        let _ = couriers.await;
        if let Err(error) = self.upkeep.finish().await {
            tracing::warn!("the latest contacts were not written down: {error}");
        }
    }
}

fn housekeeping_failed(error: &StoreError) {
    let source = std::error::Error::source(error);
    tracing::error!(?source, "housekeeping failed: {error}");
}

/// Has held devices go on whose time has come, until `stop` turns true; at first all of them, for what the end of the
/// server has interrupted. What fails is tried again.
async fn tend_holds(holds: Holds, clock: Clock, mut stop: watch::Receiver<bool>) {
    match holds.resume(clock.now()).await {
        Ok(0) => {}
        Ok(devices) => tracing::info!(devices, "held in Setup Assistant, and going on"),
        Err(error) => tracing::error!("held devices could not be looked at: {error}"),
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = async { stop.wait_for(|stop| *stop).await.is_ok() } => break,
        }
        if let Err(error) = holds.tend(clock.now()).await {
            tracing::error!("a held device can't go on: {error}");
        }
    }
}

fn report_reload(reloaded: Result<bool, TlsError>) {
    match reloaded {
        Ok(true) => tracing::info!("TLS certificate reloaded"),
        Ok(false) => {}
        Err(error) => {
            tracing::error!("the TLS certificate on disk can't be used, the old one stays: {error}")
        }
    }
}

type Source = Option<Arc<TlsSource>>;

/// The device listener asks clients for certificates; the operator's needs TLS only off the loopback.
fn tls_sources(data_dir: &DataDir, config: &Config) -> Result<(Source, Source), StartError> {
    let load = |ask| {
        let (certificate, key) = (
            data_dir.path(&config.tls.certificate),
            data_dir.path(&config.tls.key),
        );
        TlsSource::load(certificate, key, ask).map(|source| Some(Arc::new(source)))
    };
    let device = if config.tls.mode == TlsMode::Files {
        load(true)?
    } else {
        None
    };
    let operator = if config.server.operator_listen.ip().is_loopback() {
        None
    } else {
        load(false).map_err(|error| {
            StartError::Setting(format!(
                "server.operator_listen is not a loopback address and so needs TLS, but {error}; \
                 listen on 127.0.0.1, or set tls.certificate and tls.key"
            ))
        })?
    };
    Ok((device, operator))
}

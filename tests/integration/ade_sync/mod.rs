//! Syncing and assigning against the fake Apple Business Manager, through the real client.

mod api;
mod assigning;
mod crashes;
mod faults;
mod rules;

use std::{sync::Arc, time::Duration};

use russet::{
    apple::dep::{DepClient, DepOptions, DeviceAssignment, RetryPolicy},
    clock::Clock,
    config,
    outbound::client::{HttpClient, SystemResolver},
    pki::seal::Sealer,
    protocol::{ade::Addresses, ids::SerialNumber, time::Timestamp},
    service::{
        ade::{
            assign::Assigner,
            profiles::{Doors, Profiles},
            sync::{AdeSync, Now, Rhythm, SyncSettings},
            tokens::{AdeTokens, import::Import},
        },
        events::Events,
    },
    storage::{
        AdeDeviceFilter, AdeDeviceRecord, AdeSyncRecord, AdeTokenRecord, Page, Storage,
        sled::{SledOptions, SledStorage},
    },
};
use russet_sim::abm::{self, FakeAbm, Settings};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

const START: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Enough for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fake Apple, a store, and what syncs between them by a clock that stands still.
struct Kit {
    abm: FakeAbm,
    clock: Clock,
    store: Arc<dyn Storage>,
    engine: Arc<AdeSync>,
    token: AdeTokenRecord,
    running: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    folder: TempDir,
}

impl Kit {
    /// Nothing runs by itself.
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let abm = FakeAbm::start(Settings {
            clock: abm::Clock::stopped_at(START),
            control: None,
            ..settings
        })
        .await
        .unwrap();
        abm.portal().add_bare_server("hq").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("abm.pem"), abm.anchor()).unwrap();
        let store = open(&folder);
        let clock = Clock::manual(Timestamp::from_seconds(START as i64));
        let (tokens, _) = tokens(&abm, &folder, &store, &clock);
        let credentials = abm.portal().new_token("hq").unwrap();
        let credentials = serde_json::to_vec(&credentials).unwrap();
        let import = Import {
            apple_id: None,
            force: false,
        };
        let imported = tokens
            .import_credentials("hq", &credentials, import, clock.now())
            .await;
        let token = imported.unwrap().record;
        let engine = engine(&abm, &folder, &store, &clock);
        Self {
            abm,
            clock,
            store,
            engine,
            token,
            running: None,
            folder,
        }
    }

    /// Lets happen what happens by itself.
    fn run(&mut self) {
        let (stop, stopped) = watch::channel(false);
        self.running = Some((stop, tokio::spawn(Arc::clone(&self.engine).run(stopped))));
    }

    /// Moves all clocks.
    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.abm.clock().advance(by);
    }

    /// A default profile for iPhones and iPads.
    async fn default_profile(&mut self) -> String {
        let (tokens, _) = tokens(&self.abm, &self.folder, &self.store, &self.clock);
        let access = tokens.access(&self.token, self.clock.now()).unwrap();
        let profile = json!({ "profile_name": "phones", "url": "https://mdm.example/enroll" });
        let defined = tokens.apple().unwrap().define_profile(&access, &profile).await;
        let uuid = defined.unwrap().profile_uuid;
        let assigner = uuid.clone();
        self.edit(move |token| token.assigner_profile_uuid = Some(assigner.clone()))
            .await;
        uuid
    }

    async fn edit(&mut self, change: impl Fn(&mut AdeTokenRecord) + Send + Sync + 'static) {
        let rule = move |stored: &AdeTokenRecord| {
            let mut next = stored.clone();
            change(&mut next);
            Some(next)
        };
        let edited = self.store.edit_ade_token(self.token.number, Box::new(rule)).await;
        self.token = edited.unwrap().unwrap();
    }

    /// One sync that an operator asks for, to its end, with the profiles that it brings about.
    async fn sync(&self) -> AdeSyncRecord {
        self.engine
            .start(&self.token, false)
            .await
            .expect("the sync begins");
        self.ended().await
    }

    /// Waits until nothing runs.
    async fn ended(&self) -> AdeSyncRecord {
        self.until("the sync ends", async || {
            let record = self.record().await;
            let status = self.engine.status(&self.token).await.unwrap();
            (record.running.is_none() && !status.assigning).then_some(record)
        })
        .await
    }

    async fn until<T>(&self, what: &str, check: impl AsyncFn() -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = check().await {
                    return found;
                }
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// How many requests of a kind there were, but for those that only told of an old session.
    fn requests(&self, endpoint: abm::Endpoint) -> usize {
        let requests = self.abm.requests_to(endpoint);
        requests.iter().filter(|request| request.status != 401).count()
    }

    async fn record(&self) -> AdeSyncRecord {
        self.store.ade_sync(self.token.number).await.unwrap()
    }

    async fn device(&self, serial: &str) -> Option<AdeDeviceRecord> {
        let devices = self.store.ade_device(&SerialNumber::new(serial)).await.unwrap();
        devices.into_iter().next()
    }

    /// The serial numbers of devices that Apple has, as far as is known here.
    async fn serials(&self) -> Vec<String> {
        let filter = AdeDeviceFilter {
            removed: Some(false),
            ..AdeDeviceFilter::default()
        };
        let devices = self
            .store
            .ade_devices(&filter, &Page::first(100_000))
            .await
            .unwrap();
        devices
            .rows
            .iter()
            .map(|device| device.serial.to_string())
            .collect()
    }

    /// Whether the store has what Apple has.
    async fn agrees(&self) {
        let mut theirs = self.abm.portal().serials("hq").unwrap();
        theirs.sort();
        assert_eq!(self.serials().await, theirs);
    }

    /// Ends everything at once, and begins anew on the same store.
    async fn crash(mut self) -> Self {
        if let Some((_, task)) = self.running.take() {
            task.abort();
            let _ = task.await;
        }
        let Self {
            abm,
            clock,
            store,
            engine: old,
            token,
            folder,
            running,
        } = self;
        old.end().await;
        drop(old);
        let engine = engine(&abm, &folder, &store, &clock);
        Self {
            abm,
            clock,
            store,
            engine,
            token,
            running,
            folder,
        }
    }
}

fn open(folder: &TempDir) -> Arc<dyn Storage> {
    let options = SledOptions {
        cache_bytes: 8 * 1024 * 1024,
    };
    Arc::new(SledStorage::open(&folder.path().join("db"), options).unwrap())
}

fn rhythm() -> Rhythm {
    Rhythm {
        delta_every: 12 * HOUR,
        reconcile_every: 7 * DAY,
        full_min_interval: 7 * DAY,
        manual_min_interval: 15 * MINUTE,
        timeout: 15 * MINUTE,
    }
}

fn client(abm: &FakeAbm, folder: &TempDir, clock: &Clock) -> DepClient {
    let clock = clock.clone();
    let options = DepOptions {
        base_url: abm.url(),
        ca_file: Some(folder.path().join("abm.pem")),
        retry: RetryPolicy {
            first_wait: Duration::from_millis(1),
            ..RetryPolicy::default()
        },
        ..DepOptions::new(&config::Ade::default(), "".as_ref())
    };
    DepClient::new(options, Arc::new(move || clock.now())).unwrap()
}

fn settings() -> SyncSettings {
    SyncSettings {
        rhythm: rhythm(),
        removed_kept: 45 * DAY,
        parallel: 4,
        loop_pause: Duration::from_millis(20),
        store_is_ours_alone: true,
    }
}

fn engine(abm: &FakeAbm, folder: &TempDir, store: &Arc<dyn Storage>, clock: &Clock) -> Arc<AdeSync> {
    engine_with(abm, folder, store, clock, settings())
}

fn engine_with(
    abm: &FakeAbm,
    folder: &TempDir,
    store: &Arc<dyn Storage>,
    clock: &Clock,
    settings: SyncSettings,
) -> Arc<AdeSync> {
    let (tokens, events) = tokens(abm, folder, store, clock);
    let now = clock.clone();
    let now: Now = Arc::new(move || now.now());
    let profiles = Profiles::new(
        Arc::clone(store),
        tokens.connected(),
        Arc::new(Door),
        Arc::default(),
        false,
    );
    let assigner = Arc::new(Assigner::new(
        Arc::clone(store),
        tokens.clone(),
        Arc::new(profiles),
        Arc::clone(&now),
    ));
    let parts = (assigner, events);
    Arc::new(AdeSync::new(Arc::clone(store), tokens, parts, settings, now))
}

fn tokens(
    abm: &FakeAbm,
    folder: &TempDir,
    store: &Arc<dyn Storage>,
    clock: &Clock,
) -> (AdeTokens, Arc<Events>) {
    let apple: Arc<dyn DeviceAssignment> = Arc::new(client(abm, folder, clock));
    let outbound = Arc::new(HttpClient::new(Vec::new(), Arc::new(SystemResolver)));
    let sealer = Arc::new(Sealer::new(&[7; 32]).unwrap());
    let hooks = config::Hooks::default();
    let events = Arc::new(Events::new(
        Arc::clone(store),
        Arc::clone(&sealer),
        outbound,
        hooks,
    ));
    let tokens = AdeTokens::new(Arc::clone(store), sealer, Some(apple), Arc::clone(&events));
    (tokens, events)
}

/// Where devices would ask for their profile.
#[derive(Debug)]
struct Door;

impl Doors for Door {
    fn addresses(&self, _: &AdeTokenRecord) -> Addresses {
        Addresses {
            url: "https://mdm.example/ade/enroll".into(),
            configuration_web_url: "https://mdm.example/ade/web".into(),
            anchors: Vec::new(),
        }
    }
}

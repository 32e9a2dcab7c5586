//! A whole server in this process, over real TLS on a free port, and simulated devices that know the way to it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use axum::http::Method;
use russet::{
    app::{App, Listeners},
    clock::Clock,
    config::Config,
    data_dir::{DEV_API_KEY, DataDir, TLS_CA},
    operator::client::{Answer, Client as OperatorClient, ClientError},
    setup,
};
use russet_sim::{Client, Device, Kind};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

/// A running server with a data directory of its own; both end with it.
pub struct TestServer {
    /// `https://127.0.0.1:port`, or `http://` in proxy mode.
    pub url: String,
    /// The operator API, with the admin key.
    pub operator: OperatorClient,
    /// `host:port` of the operator API.
    pub operator_authority: String,
    /// The admin key.
    pub key: String,
    /// The server's clock.
    pub clock: Clock,
    /// The data directory.
    pub data: DataDir,
    anchor: Vec<u8>,
    folder: Option<TempDir>,
    stop: watch::Sender<bool>,
    reload: watch::Sender<()>,
    running: JoinHandle<()>,
}

impl TestServer {
    /// A development server.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A development server with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at(Clock::system(), change).await
    }

    /// A development server with other settings and a clock of the test's own.
    pub async fn at(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("data"));
        let mut config = development();
        change(&mut config);
        setup::set_up(&data, &config, &clock).await.unwrap();
        Self::run(folder, data, config, clock).await
    }

    async fn run(folder: TempDir, data: DataDir, config: Config, clock: Clock) -> Self {
        let listeners = Listeners::bind(&config).await.unwrap();
        let (address, operator) = (listeners.device_address, listeners.operator_address);
        let app = App::open(
            &data,
            &config,
            clock.clone(),
            address,
            russet::metrics::recorder(),
        )
        .expect("the server opens");
        let (stop, stopped) = watch::channel(false);
        let (reload, reloads) = watch::channel(());
        let key = std::fs::read_to_string(data.path(DEV_API_KEY)).unwrap_or_default();
        let scheme = if config.tls.mode == russet::config::TlsMode::Proxy {
            "http"
        } else {
            "https"
        };
        Self {
            url: format!("{scheme}://{address}"),
            operator: OperatorClient::Remote {
                authority: operator.to_string(),
                key: key.clone(),
            },
            operator_authority: operator.to_string(),
            key,
            clock,
            anchor: std::fs::read(data.path(TLS_CA)).unwrap_or_default(),
            data,
            folder: Some(folder),
            stop,
            reload,
            running: tokio::spawn(app.run(listeners, stopped, reloads)),
        }
    }

    /// Ends the server in good order and starts it again on the same data directory, with other settings.
    pub async fn restart(self, change: impl FnOnce(&mut Config)) -> Self {
        let (data, clock) = (self.data.clone(), self.clock.clone());
        let folder = self.shut_down().await;
        let mut config = development();
        change(&mut config);
        Self::run(folder, data, config, clock).await
    }

    /// Ends the server in good order.
    pub async fn shut_down(mut self) -> TempDir {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), &mut self.running)
            .await
            .expect("it drains")
            .unwrap();
        self.folder.take().unwrap()
    }

    /// Reloads certificates, as SIGHUP does.
    pub fn reload(&self) {
        self.reload.send(()).unwrap();
    }

    /// The enrollment address that is open in development.
    pub fn enroll_url(&self) -> String {
        format!("{}/enroll", self.url)
    }

    /// An HTTP client that trusts this server.
    pub fn client(&self) -> Client {
        if self.anchor.is_empty() {
            Client::plain()
        } else {
            Client::trusting(&self.anchor).unwrap()
        }
    }

    /// A new device.
    pub fn device(&self, kind: Kind) -> Device {
        let mut device = Device::new(kind, self.client()).unwrap();
        device.use_key(shared_key());
        device
    }

    /// A new device that has enrolled.
    pub async fn enrolled(&self, kind: Kind) -> Device {
        let mut device = self.device(kind);
        device
            .enroll(&self.enroll_url())
            .await
            .expect("the device enrolls");
        device
    }

    /// A request to the operator API that must succeed.
    pub async fn ask(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Value {
        self.try_ask(method, path, body)
            .await
            .expect("the operator API answers")
            .body
    }

    /// A request to the operator API.
    pub async fn try_ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, ClientError> {
        self.operator.request(method, path, body.into()).await
    }

    /// Queues a command without further keys; its UUID.
    pub async fn enqueue(&self, id: &str, request_type: &str) -> String {
        let uuid = uuid();
        self.ask(
            Method::PUT,
            &format!("/v1/enqueue/{id}?nopush=1"),
            command(&uuid, request_type),
        )
        .await;
        uuid
    }

    /// One enrollment, as the native API shows it.
    pub async fn enrollment(&self, id: &str) -> Value {
        self.ask(Method::GET, &format!("/v1/enrollments/{id}"), Vec::new())
            .await
    }

    /// The UUIDs of one enrollment's queue, in order.
    pub async fn queue(&self, id: &str) -> Vec<String> {
        let answer = self
            .ask(Method::GET, &format!("/v1/queue/{id}"), Vec::new())
            .await;
        let uuid = |command: &Value| command["command_uuid"].as_str().unwrap().to_owned();
        answer["commands"].as_array().unwrap().iter().map(uuid).collect()
    }

    /// The state of one command for one enrollment.
    pub async fn command_state(&self, uuid: &str, id: &str) -> String {
        let answer = self
            .ask(Method::GET, &format!("/v1/commands/{uuid}"), Vec::new())
            .await;
        let statuses = answer["enrollments"].as_array().unwrap();
        let status = statuses
            .iter()
            .find(|status| status["id"] == id)
            .expect("it was sent there");
        status["state"].as_str().unwrap().to_owned()
    }

    /// Makes an enrollment link.
    pub async fn link(&self, body: Value) -> String {
        let answer = self.ask(Method::POST, "/v1/enroll-links", body.to_string()).await;
        answer["url"].as_str().unwrap().to_owned()
    }

    /// An enrollment link that is bound to a device.
    pub async fn bound_link(&self, device: &Device) -> String {
        self.link(json!({ "serial": device.hardware.serial_number, "udid": device.hardware.udid }))
            .await
    }
}

/// A development configuration on free ports.
pub fn development() -> Config {
    let mut config = Config::default();
    config.dev.enabled = true;
    config.server.device_listen = ([127, 0, 0, 1], 0).into();
    config.server.operator_listen = ([127, 0, 0, 1], 0).into();
    config.enroll.open = true;
    config.scep.legacy_ciphers = true;
    config.tls.anchor = Some(PathBuf::from(TLS_CA));
    config
}

/// A command plist.
pub fn command(uuid: &str, request_type: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict><key>CommandUUID</key>\
         <string>{uuid}</string><key>Command</key><dict><key>RequestType</key><string>{request_type}</string></dict>\
         </dict></plist>"
    )
    .into_bytes()
}

/// A fresh UUID.
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string().to_uppercase()
}

/// RSA keys are dear in a debug build: tests of one process share a few, in turn. Each enrollment still gets a
/// certificate of its own.
pub fn shared_key() -> openssl::pkey::PKey<openssl::pkey::Private> {
    use std::sync::LazyLock;

    type Keys = Vec<openssl::pkey::PKey<openssl::pkey::Private>>;
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        (0..4)
            .map(|_| russet_sim::pki::csr::rsa_key(2048).unwrap())
            .collect()
    });
    static NEXT: AtomicU16 = AtomicU16::new(0);
    KEYS[usize::from(NEXT.fetch_add(1, Ordering::Relaxed)) % KEYS.len()].clone()
}

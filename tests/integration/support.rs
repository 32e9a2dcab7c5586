//! A whole server in this process, over real TLS on a free port, and simulated devices that know the way to it.

pub mod abm_portal;
pub mod certificates;
pub mod messages;
pub mod portal;
pub mod process;
pub mod receiver;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use russet::{
    app::{App, Listeners},
    clock::Clock,
    config::Config,
    data_dir::{DEV_API_KEY, DataDir, TLS_CA},
    operator::client::{Answer, Client as OperatorClient, ClientError},
    protocol::time::Timestamp,
    service::{ade::door::Door, events::Events},
    setup,
    storage::Storage,
};
use russet_sim::{
    Channel, Client, Device, Kind, Request, Response,
    encode::base64,
    pki::identity::Identity,
    profile::{EnrollmentProfile, IdentityPayload, ScepPayload},
    scep::{self, ScepOptions},
};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

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
    /// The server's events.
    pub events: Arc<Events>,
    /// What the server remembers.
    pub store: Arc<dyn Storage>,
    /// Where devices come out of their boxes.
    pub door: Arc<Door>,
    addresses: (SocketAddr, SocketAddr),
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
            events: Arc::clone(app.events()),
            store: Arc::clone(app.store()),
            door: Arc::clone(app.ade()),
            addresses: (address, operator),
            anchor: std::fs::read(data.path(TLS_CA)).unwrap_or_default(),
            data,
            folder: Some(folder),
            stop,
            reload,
            running: tokio::spawn(app.run(listeners, stopped, reloads)),
        }
    }

    /// Ends the server in good order and starts it again where it was, on the same data directory, with other
    /// settings.
    pub async fn restart(self, change: impl FnOnce(&mut Config)) -> Self {
        let (data, clock) = (self.data.clone(), self.clock.clone());
        let mut config = development();
        (config.server.device_listen, config.server.operator_listen) = self.addresses;
        change(&mut config);
        let folder = self.shut_down().await;
        Self::run(folder, data, config, clock).await
    }

    /// Ends the server in good order.
    pub async fn shut_down(mut self) -> TempDir {
        // It may have ended already.
        let _ = self.stop.send(true);
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

    /// Begins to end the server in good order, without waiting for it.
    pub fn begin_to_shut_down(&self) {
        // It may have ended already.
        let _ = self.stop.send(true);
    }

    /// `host:port` of the device listener.
    pub fn authority(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// The CA that devices must trust to reach this server, PEM; empty in proxy mode.
    pub fn anchor(&self) -> &[u8] {
        &self.anchor
    }

    /// A connection to the device listener that is not HTTP yet, within TLS if the listener has it.
    pub async fn wire(&self) -> Wire {
        if self.url.starts_with("http:") {
            return Wire::over(TcpStream::connect(self.authority()).await.unwrap());
        }
        self.wire_with(self.tls_client()).await
    }

    /// The same, with this identity's certificate in TLS.
    pub async fn wire_of(&self, identity: &Identity) -> Wire {
        let certificate = CertificateDer::from(identity.certificate.to_der().unwrap());
        let key = PrivatePkcs8KeyDer::from(identity.key.private_key_to_pkcs8().unwrap());
        let config = self.tls_client_builder();
        let config = config.with_client_auth_cert(vec![certificate], key.into());
        self.wire_with(config.unwrap()).await
    }

    async fn wire_with(&self, config: ClientConfig) -> Wire {
        let stream = TcpStream::connect(self.authority()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Wire::over(connector.connect(name, stream).await.unwrap())
    }

    /// A TLS client that trusts this server and has no certificate.
    pub fn tls_client(&self) -> ClientConfig {
        self.tls_client_builder().with_no_client_auth()
    }

    fn tls_client_builder(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        for anchor in CertificateDer::pem_slice_iter(&self.anchor) {
            roots.add(anchor.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }

    /// The enrollments, as the native API lists them.
    pub async fn enrollments(&self) -> Vec<Value> {
        let answer = self.ask(Method::GET, "/v1/enrollments", Vec::new()).await;
        answer["enrollments"].as_array().unwrap().clone()
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

    /// A device that holds the profile at `url` and an identity, and has not said a word yet.
    pub async fn equipped(&self, kind: Kind, url: &str) -> Device {
        let mut device = self.device(kind);
        let profile = device.fetch_profile(url).await.unwrap();
        let mut saved = device.save().unwrap();
        saved.enrollment_profile = Some(base64(&profile));
        let mut device = Device::restore(saved, self.client()).unwrap();
        device.set_identity(self.identity(&scep_payload(&profile)).await);
        device
    }

    /// A new identity from the profile at `url`, for whomever that was made.
    pub async fn new_identity(&self, url: &str) -> Identity {
        let profile = self.device(Kind::IPhone).fetch_profile(url).await.unwrap();
        self.identity(&scep_payload(&profile)).await
    }

    async fn identity(&self, payload: &ScepPayload) -> Identity {
        let options = ScepOptions::default();
        scep::enrol(&mut self.client(), payload, &shared_key(), &options, None)
            .await
            .expect("the CA issues an identity")
    }

    /// A new identity by RenewalReq, signed with the present one.
    pub async fn renewed_identity(&self, device: &Device) -> russet_sim::Result<Identity> {
        let payload = scep_payload(&device.enrollment().unwrap().raw);
        let options = ScepOptions::default();
        scep::enrol(
            &mut self.client(),
            &payload,
            &shared_key(),
            &options,
            device.identity(),
        )
        .await
    }

    /// The same device once more, with connections of its own: what it was before it got a new identity, or the other
    /// of two that speak at once.
    pub fn twin(&self, device: &Device) -> Device {
        Device::restore(device.save().unwrap(), device.client.fresh()).unwrap()
    }

    /// A request to the device-facing door.
    pub async fn request(
        &self,
        method: Method,
        url: &str,
        accept: &str,
        identity: Option<&Identity>,
    ) -> Response {
        let request = Request::new(method, url).header("accept", accept).unwrap();
        self.client()
            .send(request, identity)
            .await
            .expect("the server answers")
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

    /// The status with which the operator API refuses a request.
    pub async fn refusal(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> u16 {
        match self.try_ask(method, path, body).await {
            Err(ClientError::Refused { status, .. }) => status,
            other => panic!("{path} was not refused: {other:?}"),
        }
    }

    /// Whether an enrollment of this id was ever heard of.
    pub async fn knows(&self, id: &str) -> bool {
        let path = format!("/v1/enrollments/{id}");
        self.try_ask(Method::GET, &path, Vec::new()).await.is_ok()
    }

    /// Queues a command without further keys; its UUID.
    pub async fn enqueue(&self, id: &str, request_type: &str) -> String {
        self.enqueue_with(id, request_type, "").await
    }

    /// Queues a command without further keys, with parameters such as `&priority=3`; its UUID.
    pub async fn enqueue_with(&self, ids: &str, request_type: &str, parameters: &str) -> String {
        let uuid = uuid();
        let path = format!("/v1/enqueue/{ids}?nopush=1{parameters}");
        self.ask(Method::PUT, &path, command(&uuid, request_type)).await;
        uuid
    }

    /// One enrollment, as the native API shows it.
    pub async fn enrollment(&self, id: &str) -> Value {
        self.ask(Method::GET, &format!("/v1/enrollments/{id}"), Vec::new())
            .await
    }

    /// All that the operator API tells of a device, its user `ada` and their queues, but for the latest contact.
    pub async fn everything_about(&self, device: &Device) -> Value {
        let mut told = Vec::new();
        for channel in [Channel::Device, Channel::User("ada".into())] {
            let id = device.enrollment_id(&channel);
            if self.knows(&id).await {
                let mut shown = self.enrollment(&id).await;
                shown["last_seen"] = Value::Null;
                told.push(json!({ "enrollment": shown, "queue": self.queue(&id).await }));
            }
        }
        told.into()
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

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection on which a test can say what no HTTP client would.
pub struct Wire(Box<dyn Stream>);

impl Wire {
    /// Over an open stream.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self(Box::new(stream))
    }

    /// Sends bytes, which must be taken.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_say(bytes).await, "the server has hung up");
    }

    /// Sends bytes; whether they were taken.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = async {
            self.0.write_all(bytes.as_ref()).await?;
            self.0.flush().await
        };
        promptly("sending", sent).await.is_ok()
    }

    /// All that comes before the server hangs up.
    pub async fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        // A connection that is reset has still said what it has said.
        let _ = promptly("the end of the connection", self.0.read_to_end(&mut heard)).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// What comes up to `end`.
    pub async fn hear_until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let byte = promptly(&format!("{end:?}"), self.0.read_u8()).await;
            heard.push(byte.unwrap_or_else(|error| {
                panic!(
                    "{error} after {:?}, before {end:?}",
                    String::from_utf8_lossy(&heard)
                )
            }));
        }
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `future` comes to; it must not take long.
pub async fn promptly<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Waits until `condition` holds; it must before long.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    promptly(what, holds).await;
}

/// Bytes of memory that this process holds.
pub fn resident_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
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

/// The SCEP payload of an enrollment profile.
pub fn scep_payload(profile: &[u8]) -> ScepPayload {
    match EnrollmentProfile::parse(profile).unwrap().identity {
        IdentityPayload::Scep(payload) => payload,
        IdentityPayload::Pkcs12(_) => panic!("the identity does not come by SCEP"),
    }
}

/// A clock that the test moves, some time before the present: what the server issues must be valid for the device,
/// which goes by the machine's clock.
pub fn manual_clock(before_now: Duration) -> Clock {
    let seconds = Clock::system().now().minus(before_now).seconds();
    Clock::manual(Timestamp::from_seconds(seconds))
}

/// The fingerprint of an identity as the operator API shows it.
pub fn fingerprint(identity: &Identity) -> String {
    identity.fingerprint().unwrap().to_lowercase()
}

/// RSA keys are dear in a debug build: the tests of one process share a few, in turn. Each enrollment still gets a
/// certificate of its own.
pub fn shared_key() -> openssl::pkey::PKey<openssl::pkey::Private> {
    static KEYS: [OnceLock<openssl::pkey::PKey<openssl::pkey::Private>>; 4] = [const { OnceLock::new() }; 4];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    KEYS[NEXT.fetch_add(1, Ordering::Relaxed) % KEYS.len()]
        .get_or_init(|| russet_sim::pki::csr::rsa_key(2048).unwrap())
        .clone()
}

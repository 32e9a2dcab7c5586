//! The configuration: one TOML file, `RUSSET_*` environment variables over it, parsed once into types.
//!
//! `RUSSET_SERVER__DEVICE_LISTEN` sets `device_listen` of `[server]`: two underscores between the section and the key.

mod actions;
mod ade;
mod ade_door;
mod apns;
mod auth;
mod hold;
mod outbound;
mod reports;
mod retention;
mod telemetry;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Env, Format as _, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

pub use actions::Actions;
pub use ade::Ade;
pub use ade_door::{BelowMinimumOs, PlatformSso, Release};
pub use apns::Apns;
pub use auth::{Auth, Oidc};
pub use hold::{Hold, HoldTimeout};
pub use outbound::{DeclarativeManagement, Hooks};
pub use reports::Reports;
pub use retention::Retention;
pub use telemetry::Telemetry;

/// The file's name in a data directory.
pub const FILE_NAME: &str = "russet.toml";

const DAY: Duration = Duration::from_secs(86_400);

/// Why a configuration can't be used. Each text names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no configuration file, and so no set-up.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{0}")]
    Unreadable(Box<figment::Error>),
    /// Readable, but it can't be meant.
    #[error("{key}: {problem}")]
    Invalid {
        /// `section.key`.
        key: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// Everything an operator can set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Listeners and limits.
    pub server: Server,
    /// How the device listener is encrypted.
    pub tls: Tls,
    /// Where state is kept.
    pub store: Store,
    /// Device identities.
    pub identity: Identity,
    /// Push certificates.
    pub push: Push,
    /// Certificate issuance.
    pub scep: Scep,
    /// Enrollment profiles.
    pub enroll: Enroll,
    /// Answers to check-ins.
    pub checkin: CheckIn,
    /// What operators have devices do.
    pub actions: Actions,
    /// Automated Device Enrollment.
    pub ade: Ade,
    /// The hold in Setup Assistant.
    pub hold: Hold,
    /// Push.
    pub apns: Apns,
    /// People who sign in.
    pub auth: Auth,
    /// Enrollment status.
    pub reports: Reports,
    /// How long things are kept.
    pub retention: Retention,
    /// Events to other programs.
    pub hooks: Hooks,
    /// Declarative management by another program.
    pub declarative_management: DeclarativeManagement,
    /// Programs that watch this one.
    pub telemetry: Telemetry,
    /// Development mode.
    pub dev: Dev,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The host name under which devices reach this server.
    pub domain: String,
    /// The URL under which devices reach it, when it is not `https://<domain>[:<port of device_listen>]`.
    pub public_url: Option<String>,
    /// Where devices connect.
    pub device_listen: SocketAddr,
    /// Where operators connect: plain HTTP on a loopback address, TLS anywhere else.
    pub operator_listen: SocketAddr,
    /// Proxies whose identity header is believed; nothing else is.
    pub trusted_proxies: Vec<IpAddr>,
    /// Connections over both listeners; more wait in the kernel's queue.
    pub max_connections: usize,
    /// For the TLS handshake, for a request's headers, and for the next request of an idle connection.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// For a request's body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// For requests in flight after SIGTERM.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            domain: "localhost".into(),
            public_url: None,
            device_listen: (Ipv4Addr::UNSPECIFIED, 8443).into(),
            operator_listen: (Ipv4Addr::LOCALHOST, 8444).into(),
            trusted_proxies: Vec::new(),
            max_connections: 20_000,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// How the device listener is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// By this server, with a certificate from files.
    #[default]
    Files,
    /// By a proxy before it; the listener is plain HTTP.
    Proxy,
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Who encrypts.
    pub mode: TlsMode,
    /// PEM, leaf first; relative to the data directory.
    pub certificate: PathBuf,
    /// PEM; relative to the data directory.
    pub key: PathBuf,
    /// PEM of the CA that devices must trust, put into profiles when present; relative to the data directory.
    pub anchor: Option<PathBuf>,
    /// In proxy mode, the header that carries the client certificate: RFC 9440 or URL-escaped PEM.
    pub identity_header: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            mode: TlsMode::Files,
            certificate: "tls.pem".into(),
            key: "tls-key.pem".into(),
            anchor: None,
            identity_header: None,
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Relative to the data directory.
    pub path: PathBuf,
    /// Memory for cached pages, in MiB.
    pub cache_mib: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: "db".into(),
            cache_mib: 8,
        }
    }
}

/// `[identity]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// How far a signature's `signingTime` may lie from the server's clock.
    #[serde(with = "humantime_serde")]
    pub signature_skew: Duration,
    /// Validity of a device's certificate.
    pub identity_days: u32,
    /// So many days before it expires a device renews its certificate by itself; 0: never.
    pub renew_before_days: u32,
    /// How long a challenge can be used.
    #[serde(with = "humantime_serde")]
    pub challenge_ttl: Duration,
    /// PEM of another server's device CA, trusted for enrollments that came in by `/migration`.
    pub migration_ca: Option<PathBuf>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            signature_skew: Duration::from_secs(300),
            identity_days: 365,
            renew_before_days: 60,
            challenge_ttl: Duration::from_secs(900),
            migration_ca: None,
        }
    }
}

/// `[push]`: the MDM vendor's certificate that signs requests for push certificates. Without it they leave unsigned, and
/// a vendor elsewhere has to sign them. PEM files, relative to the data directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// The MDM CSR signing certificate.
    pub vendor_certificate: Option<PathBuf>,
    /// Its issuers: Apple's intermediate, and Apple Root CA.
    pub vendor_chain: Option<PathBuf>,
    /// Its key; for the server's user only.
    pub vendor_key: Option<PathBuf>,
}

/// `[scep]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scep {
    /// Whether single-DES messages are taken; the common Go clients still send them.
    pub legacy_ciphers: bool,
    /// A challenge that never expires, for set-ups that share one profile. A migration aid: it lets anyone who
    /// knows it enroll a new device.
    pub static_challenge: Option<String>,
}

/// `[enroll]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Enroll {
    /// Whether `GET /enroll` hands a profile to anyone.
    pub open: bool,
    /// The profile's PayloadIdentifier; devices that are enrolled can't be given another.
    pub profile_identifier: String,
    /// Shown to the user.
    pub display_name: String,
    /// Shown to the user, and in the subject of identities.
    pub organization: String,
    /// Shown to the user.
    pub description: String,
    /// Shown before installation.
    pub consent_text: Option<String>,
    /// Whether check-ins go to `/checkin` instead of `/mdm`.
    pub split_check_in: bool,
    /// Whether devices sign their requests; always so in proxy mode without an identity header.
    pub sign_message: bool,
    /// Bit mask of Apple's access rights; 8191 is everything.
    pub access_rights: u32,
    /// Whether devices say good-bye when the profile is removed.
    pub check_out_when_removed: bool,
    /// `ServerCapabilities`.
    pub server_capabilities: Vec<String>,
    /// RSA bits of device keys: 2048 or 4096.
    pub key_size: u32,
    /// Whether the profile can't be removed from supervised devices.
    pub removal_disallowed: bool,
    /// Development APNs.
    pub use_development_apns: bool,
    /// Whether a Mac asks its user before it uses the bootstrap token for authentication.
    pub prompt_for_bootstrap_token: bool,
    /// Whether devices accept only `tls.anchor` as the server's CA.
    pub pin_anchors: bool,
    /// Whether pinned certificates must pass a revocation check.
    pub require_revocation_check: bool,
}

impl Default for Enroll {
    fn default() -> Self {
        Self {
            open: false,
            profile_identifier: "org.russet.enrollment".into(),
            display_name: "Device management".into(),
            organization: "Russet".into(),
            description: "Lets your organization manage this device.".into(),
            consent_text: None,
            split_check_in: false,
            sign_message: false,
            access_rights: 8191,
            check_out_when_removed: true,
            server_capabilities: vec![
                "com.apple.mdm.per-user-connections".into(),
                "com.apple.mdm.bootstraptoken".into(),
                "com.apple.mdm.token".into(),
            ],
            key_size: 2048,
            removal_disallowed: false,
            use_development_apns: false,
            prompt_for_bootstrap_token: false,
            pin_anchors: false,
            require_revocation_check: false,
        }
    }
}

impl Enroll {
    /// Whether devices are told to bring their users' channels along, which a Shared iPad needs.
    pub fn has_user_channels(&self) -> bool {
        let capability = "com.apple.mdm.per-user-connections";
        self.server_capabilities.iter().any(|own| own == capability)
    }
}

/// What a Mac's network and mobile accounts are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserAuthenticate {
    /// 410: this server does not manage them.
    #[default]
    Decline,
    /// A zero-length challenge: managed without a password check.
    EmptyChallenge,
}

/// `[checkin]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckIn {
    /// The answer to `UserAuthenticate`.
    pub user_authenticate: UserAuthenticate,
    /// Whether a device that asks may return to service by itself after an erase.
    pub return_to_service: bool,
    /// A Wi-Fi profile (`.mobileconfig`) for it.
    pub return_to_service_wifi: Option<PathBuf>,
}

/// `[dev]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dev {
    /// Development mode: for one's own machine, never for real devices.
    pub enabled: bool,
}

fn invalid<T>(key: &'static str, problem: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Invalid {
        key,
        problem: problem.into(),
    })
}

impl Config {
    /// Reads `data_dir/russet.toml` and the environment, and checks the result.
    pub fn load(data_dir: &Path) -> Result<Self, ConfigError> {
        let config: Self = figment(data_dir)?
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what can be read but not meant.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.server.domain.is_empty() || self.server.domain.contains(['/', ':', ' ']) {
            return invalid("server.domain", "give a bare host name such as mdm.example.com");
        }
        if let Some(url) = &self.server.public_url
            && !(url.starts_with("https://") || self.dev.enabled && url.starts_with("http://"))
        {
            return invalid("server.public_url", "devices only speak to https:// addresses");
        }
        if !(1..=1_000_000).contains(&self.server.max_connections) {
            return invalid("server.max_connections", "1 to 1000000");
        }
        if self.server.header_timeout.is_zero() || self.server.body_timeout.is_zero() {
            let key = if self.server.header_timeout.is_zero() {
                "server.header_timeout"
            } else {
                "server.body_timeout"
            };
            return invalid(key, "more than nothing: no request could arrive in that time");
        }
        if self.tls.mode == TlsMode::Proxy && self.server.trusted_proxies.is_empty() {
            return invalid(
                "server.trusted_proxies",
                "tls.mode = \"proxy\" needs the proxy's address here",
            );
        }
        if self.tls.mode != TlsMode::Proxy && self.tls.identity_header.is_some() {
            return invalid(
                "tls.identity_header",
                "only tls.mode = \"proxy\" reads certificates from a header",
            );
        }
        let vendor = &self.push;
        if vendor.vendor_certificate.is_some() != vendor.vendor_key.is_some() {
            return invalid(
                "push.vendor_key",
                "push.vendor_certificate and push.vendor_key go together",
            );
        }
        if vendor.vendor_chain.is_some() && vendor.vendor_certificate.is_none() {
            return invalid("push.vendor_chain", "belongs to a push.vendor_certificate");
        }
        if let Some((key, problem)) = self.ade.objection() {
            return invalid(key, problem);
        }
        let rights = self.enroll.access_rights;
        if rights == 0
            || rights > 8191
            || (rights & 2 != 0 && rights & 1 == 0)
            || (rights & 128 != 0 && rights & 64 == 0)
        {
            return invalid(
                "enroll.access_rights",
                "1 to 8191, where 2 needs 1 and 128 needs 64",
            );
        }
        if !matches!(self.enroll.key_size, 2048 | 4096) {
            return invalid("enroll.key_size", "2048 or 4096");
        }
        if self.identity.identity_days == 0 || self.identity.identity_days > 3650 {
            return invalid("identity.identity_days", "1 to 3650");
        }
        if self.identity.renew_before_days > 3650 {
            return invalid("identity.renew_before_days", "0 to 3650");
        }
        if self
            .scep
            .static_challenge
            .as_deref()
            .is_some_and(|secret| secret.len() < 16)
        {
            return invalid("scep.static_challenge", "at least 16 characters");
        }
        self.actions.check()?;
        self.ade.check(self.dev.enabled)?;
        self.hold.check()?;
        self.apns.check()?;
        self.auth.check()?;
        self.reports.check()?;
        self.retention.check()?;
        self.hooks.check()?;
        self.declarative_management.check()?;
        Ok(())
    }

    /// Refuses development mode where others can reach it, unless whoever starts it says that they know what they do.
    pub fn check_exposure(&self, known: bool) -> Result<(), ConfigError> {
        let listens = [self.server.device_listen, self.server.operator_listen];
        if self.dev.enabled && !known && !listens.iter().all(|address| address.ip().is_loopback()) {
            return invalid(
                "dev.enabled",
                "development mode listens on loopback addresses only, unless you say --i-know; use \
                 `russet init --domain …` for a real server",
            );
        }
        Ok(())
    }

    /// What works but should not stay so; said at every start and by `doctor`.
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.scep.static_challenge.is_some() {
            warnings.push(
                "scep.static_challenge is set: anyone who knows it can enroll a new device; a migration aid",
            );
        }
        if self.scep.legacy_ciphers && !self.dev.enabled {
            warnings.push("scep.legacy_ciphers is on: single-DES messages are taken");
        }
        if !self.ade.trust_anchors.is_empty() {
            warnings.push(
                "ade.trust_anchors is set: whoever has the key of one of these CAs can enroll as any device; for tests",
            );
        }
        if self.ade.simulated_ca.is_some() {
            warnings.push("ade.simulated_ca is set: simulated devices enroll as if they were Apple's");
        }
        if self.enroll.open && !self.dev.enabled {
            warnings.push("enroll.open is on: anyone who reaches /enroll can enroll a new device");
        }
        if self.identity.migration_ca.is_some() {
            warnings.push("identity.migration_ca is set: remove it once all migrated devices have renewed");
        }
        warnings
    }

    /// The URL under which devices reach the server that listens at `bound`, without a trailing slash.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        if let Some(url) = &self.server.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        if self.dev.enabled {
            let scheme = if self.tls.mode == TlsMode::Proxy {
                "http"
            } else {
                "https"
            };
            return format!("{scheme}://{bound}");
        }
        match (self.tls.mode, bound.port()) {
            (TlsMode::Proxy, _) | (TlsMode::Files, 443) => format!("https://{}", self.server.domain),
            (TlsMode::Files, port) => format!("https://{}:{port}", self.server.domain),
        }
    }

    /// Every setting as `section.key`, its value, and where it comes from (`default`, the file, the environment).
    pub fn origins(data_dir: &Path) -> Result<BTreeMap<String, (serde_json::Value, String)>, ConfigError> {
        let figment = figment(data_dir)?;
        let config: Self = figment
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        let tree = serde_json::to_value(&config).unwrap_or_default();
        let mut origins = BTreeMap::new();
        for (section, keys) in tree.as_object().into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                let path = format!("{section}.{key}");
                let origin = figment.find_metadata(&path).map_or_else(
                    || "default".to_owned(),
                    |metadata| match &metadata.source {
                        Some(source) if source.file_path().is_some() => source.to_string(),
                        _ if metadata.name.contains("environment") => "environment".to_owned(),
                        _ => "default".to_owned(),
                    },
                );
                let has_password = path == "declarative_management.forward_url"
                    && value.as_str().is_some_and(|url| url.contains('@'));
                let shown = if has_password || path == "scep.static_challenge" && !value.is_null() {
                    "(set, not shown)".into()
                } else {
                    value.clone()
                };
                origins.insert(path, (shown, origin));
            }
        }
        Ok(origins)
    }
}

fn figment(data_dir: &Path) -> Result<Figment, ConfigError> {
    let file = data_dir.join(FILE_NAME);
    if !file.exists() {
        return Err(ConfigError::Missing(file));
    }
    // RUSSET_API_KEY and RUSSET_DATA belong to the command line: every setting has a section.
    let defaults = Config::default();
    let sections = serde_json::to_value(&defaults).unwrap_or_default();
    let of_a_section = move |key: &figment::value::UncasedStr| {
        let section = key
            .as_str()
            .split_once("__")
            .map(|(section, _)| section.to_lowercase());
        section.is_some_and(|section| sections.get(section).is_some())
    };
    Ok(Figment::from(Serialized::defaults(defaults))
        .merge(Toml::file_exact(file))
        .merge(Env::prefixed("RUSSET_").filter(of_a_section).split("__")))
}

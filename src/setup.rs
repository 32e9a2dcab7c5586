//! What `russet init` does: keys, certificates and a configuration in a new data directory.

use crate::{
    app::{App, StartError},
    clock::Clock,
    config::{Config, FILE_NAME, TlsMode},
    data_dir::{DEV_API_KEY, DataDir, DataDirError, TLS_CA, TLS_CA_KEY},
    error::Error,
    pki::dev,
    service::{
        access::Scope,
        keys::{Keys, NewKey},
        push_certificates::{PushCertificates, import::Import},
    },
};

/// Why a data directory could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A file is in the way, or can't be written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Pki(String),
    /// The store could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store did not take what belongs in it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Sets up the data directory. The configuration file comes last: where it is, the set-up is complete.
pub async fn set_up(data_dir: &DataDir, config: &Config, clock: &Clock) -> Result<(), SetUpError> {
    let now = clock.now();
    if data_dir.path(FILE_NAME).exists() {
        return Err(DataDirError::Exists(data_dir.path(FILE_NAME)).into());
    }
    data_dir.create()?;
    data_dir.create_keys(&config.enroll.organization, now)?;
    if config.tls.anchor.is_some() {
        let made =
            dev::tls(&[config.server.domain.as_str()], now).map_err(|e| SetUpError::Pki(e.to_string()))?;
        data_dir.write_public(TLS_CA, made.authority_certificate)?;
        data_dir.write_secret(TLS_CA_KEY, made.authority_key)?;
        data_dir.write_public("tls.pem", made.server_certificate)?;
        data_dir.write_secret("tls-key.pem", made.server_key)?;
    }
    if config.dev.enabled {
        development(data_dir, config, clock).await?;
    }
    Ok(data_dir.write_public(FILE_NAME, file(config))?)
}

/// A push certificate of our own making and an admin key: enough to see devices enroll, and nothing Apple would take.
async fn development(data_dir: &DataDir, config: &Config, clock: &Clock) -> Result<(), SetUpError> {
    let now = clock.now();
    let app = App::open(data_dir, config, clock.clone(), config.server.device_listen, None)?;
    let pems = dev::push_certificate(now).map_err(|error| SetUpError::Pki(error.to_string()))?;
    let pem = format!("{}{}", pems.certificate, pems.key);
    let sealer = data_dir.sealer()?;
    let import = Import {
        pem: pem.as_bytes(),
        ..Import::default()
    };
    PushCertificates::new(app.store().clone(), sealer.into(), None)
        .import(import, now)
        .await?;
    let new = NewKey {
        name: "dev".into(),
        scopes: vec![Scope::Admin],
        ..NewKey::default()
    };
    let key = Keys::new(app.store().clone()).create(new, now).await?;
    Ok(data_dir.write_secret(DEV_API_KEY, key.reveal())?)
}

/// A link with which the first administrator begins, if there is no user yet.
pub async fn first_link(
    data_dir: &DataDir,
    config: &Config,
    clock: &Clock,
) -> Result<Option<String>, SetUpError> {
    let app = App::open(data_dir, config, clock.clone(), config.server.device_listen, None)?;
    let link = app.access().setup_links.first(clock.now()).await?;
    let url = config.operator_url(config.server.operator_listen);
    Ok(link.map(|link| format!("{url}{}", link.path())))
}

/// The configuration file: what was decided here, and where to read about the rest.
fn file(config: &Config) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let path = |value: &std::path::Path| text(&value.to_string_lossy());
    let list: Vec<String> = config
        .server
        .trusted_proxies
        .iter()
        .map(|address| text(&address.to_string()))
        .collect();
    let mut file = format!(
        "# Russet. Every setting with its meaning: README.md, \"Configuration\"; `russet config show` lists all values.\n\
         # Each can also be set by an environment variable: RUSSET_SERVER__DEVICE_LISTEN and so on.\n\n\
         [server]\ndomain = {}\ndevice_listen = {}\noperator_listen = {}\ntrusted_proxies = [{}]\n\n[tls]\n",
        text(&config.server.domain),
        text(&config.server.device_listen.to_string()),
        text(&config.server.operator_listen.to_string()),
        list.join(", "),
    );
    match config.tls.mode {
        TlsMode::Files => {
            file += &format!(
                "mode = \"files\"\ncertificate = {}\nkey = {}\n",
                path(&config.tls.certificate),
                path(&config.tls.key)
            );
            if let Some(anchor) = &config.tls.anchor {
                file += &format!("anchor = {}\n", path(anchor));
            }
        }
        TlsMode::Proxy => {
            file += "mode = \"proxy\"\n# identity_header = \"Client-Cert\"   # RFC 9440 or URL-escaped PEM; without it \
                     devices sign their requests\n";
        }
    }
    file += &format!(
        "\n[scep]\nlegacy_ciphers = {}\n\n[enroll]\nopen = {}\norganization = {}\n\n[dev]\nenabled = {}\n",
        config.scep.legacy_ciphers,
        config.enroll.open,
        text(&config.enroll.organization),
        config.dev.enabled,
    );
    if let Some(anchor) = &config.ade.simulated_ca {
        file += &simulated_apple(config, anchor);
    }
    file
}

/// The part of it for a server whose Apple is simulated.
fn simulated_apple(config: &Config, device_ca: &std::path::Path) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let path = |value: &std::path::Path| text(&value.to_string_lossy());
    let file =
        |value: &Option<std::path::PathBuf>| path(value.as_deref().unwrap_or(std::path::Path::new("")));
    let interval = |value| humantime::format_duration(value).to_string();
    format!(
        "\n# Apple's services are simulated: `russet-sim apple`.\n\
         [ade]\nbase_url = {}\nca_file = {}\nsimulated_ca = {}\nmanual_min_interval = {}\nfull_min_interval = {}\n\n\
         [apns]\nendpoint = {}\nca_file = {}\n",
        text(&config.ade.base_url),
        file(&config.ade.ca_file),
        path(device_ca),
        text(&interval(config.ade.manual_min_interval)),
        text(&interval(config.ade.full_min_interval)),
        text(&config.apns.endpoint),
        file(&config.apns.ca_file),
    )
}

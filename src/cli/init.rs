//! `russet init`: a data directory with keys, certificates and a configuration, for development or for a domain.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use serde_json::json;

use super::{
    args::InitArgs,
    output::{CliError, EXIT_FAILED, Output},
};
use crate::{
    app::App,
    clock::Clock,
    config::{Config, FILE_NAME, TlsMode},
    data_dir::{DEV_API_KEY, DEVICE_CA, DataDir, DataDirError, TLS_CA},
    pki::{dev, seal::Sealer},
    protocol::time::Timestamp,
    service::{
        keys::{Keys, Scope},
        push_certificates::PushCertificates,
    },
};

/// Sets up the data directory. The configuration file is written last: where it is, the set-up is complete.
pub(super) async fn run(args: &InitArgs, output: Output, data_dir: &DataDir) -> Result<(), CliError> {
    if data_dir.path(FILE_NAME).exists() {
        return Err(DataDirError::Exists(data_dir.path(FILE_NAME)).into());
    }
    let config = configuration(args);
    config.check()?;
    let now = Clock::system().now();
    data_dir.create()?;
    data_dir.create_keys(&config.enroll.organization, now)?;
    if config.tls.anchor.is_some() {
        let made = dev::tls_pki(&[config.server.domain.as_str()], now).map_err(failed)?;
        data_dir.write_public(TLS_CA, made.ca_pem)?;
        data_dir.write_public("tls.pem", made.certificate_pem)?;
        data_dir.write_secret("tls-key.pem", made.key_pem)?;
    }
    if args.dev {
        development(data_dir, &config, now).await?;
    }
    data_dir.write_public(FILE_NAME, file(&config))?;
    report(args, output, data_dir, &config);
    Ok(())
}

fn configuration(args: &InitArgs) -> Config {
    let mut config = Config::default();
    config.dev.enabled = args.dev;
    if args.dev {
        config.server.device_listen = (Ipv4Addr::LOCALHOST, 8443).into();
        config.enroll.open = true;
        config.enroll.organization = "Russet Development".into();
        config.scep.legacy_ciphers = true;
    }
    if let Some(domain) = &args.domain {
        config.server.domain.clone_from(domain);
    }
    if let Some(address) = args.device_listen {
        config.server.device_listen = address;
    }
    if let Some(address) = args.operator_listen {
        config.server.operator_listen = address;
    }
    if let Some(proxy) = args.behind_proxy {
        config.tls.mode = TlsMode::Proxy;
        config.server.trusted_proxies = vec![proxy];
    } else if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        // The files stay where they are, so that whatever renews them keeps working.
        config.tls.certificate = fs::canonicalize(certificate).unwrap_or_else(|_| certificate.clone());
        config.tls.key = fs::canonicalize(key).unwrap_or_else(|_| key.clone());
    } else {
        config.tls.anchor = Some(TLS_CA.into());
    }
    config
}

/// A push certificate of our own making and an admin key: enough to see devices enroll, and nothing Apple would take.
async fn development(data_dir: &DataDir, config: &Config, now: Timestamp) -> Result<(), CliError> {
    let app = App::open(data_dir, config, Clock::system(), config.server.device_listen, None)?;
    let sealer: Sealer = data_dir.sealer()?;
    let pem = dev::push_certificate(now).map_err(failed)?;
    PushCertificates::new(app.store().clone(), sealer.into()).store(pem.as_bytes(), now).await?;
    let key = Keys::new(app.store().clone()).create("dev", &[Scope::Admin], None, now).await?;
    data_dir.write_secret(DEV_API_KEY, key.reveal())?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::new(EXIT_FAILED, "init_failed", error, "Remove the data directory and try again.")
}

/// The configuration file: what was decided here, and where to read about the rest.
fn file(config: &Config) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let path = |value: &std::path::Path| text(&value.to_string_lossy());
    let list: Vec<String> =
        config.server.trusted_proxies.iter().map(|address| text(&address.to_string())).collect();
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
    file
}

fn report(args: &InitArgs, output: Output, data_dir: &DataDir, config: &Config) {
    let root = data_dir.root().display();
    let url = |address: SocketAddr, scheme: &str| format!("{scheme}://{address}");
    let has_anchor = config.tls.anchor.is_some();
    let facts = json!({
        "data": data_dir.root(),
        "config": data_dir.path(FILE_NAME),
        "device_listen": config.server.device_listen.to_string(),
        "operator_listen": config.server.operator_listen.to_string(),
        "public_url": config.public_url(config.server.device_listen),
        "tls_ca": has_anchor.then(|| data_dir.path(TLS_CA)),
        "device_ca": data_dir.path(DEVICE_CA),
        "api_key_file": args.dev.then(|| data_dir.path(DEV_API_KEY)),
        "dev": args.dev,
    });
    let mut lines = vec![format!("wrote {root}/{FILE_NAME}, and keys that only this user can read")];
    if has_anchor {
        lines.push(format!("  TLS trust anchor   {root}/{TLS_CA}"));
    }
    lines.push(format!("  device CA          {root}/{DEVICE_CA}"));
    if args.dev {
        lines.push(format!("  admin API key      {root}/{DEV_API_KEY}"));
        lines.push(format!("  enroll at          {}/enroll", config.public_url(config.server.device_listen)));
    }
    lines.push(format!("  operator API       {}", url(config.server.operator_listen, "http")));
    lines.push(format!("next: russet serve --data {root}"));
    if !args.dev {
        lines.push(format!("then: russet doctor --data {root}   (it says what is missing, such as the push certificate)"));
    }
    output.say(&lines.join("\n"), &facts);
}

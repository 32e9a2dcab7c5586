//! `russet init`: a data directory with keys, certificates and a configuration, for development or for a domain.

mod simulator;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use serde_json::json;

use super::{
    args::InitArgs,
    output::{CliError, Output},
};
use crate::{
    clock::Clock,
    config::{Config, FILE_NAME, TlsMode},
    data_dir::{DEV_API_KEY, DEVICE_CA, DataDir, DataDirError, TLS_CA},
    net::tls::TlsSource,
    setup,
};

/// Sets up the data directory, and says what is where.
pub(super) async fn run(args: &InitArgs, output: Output, data_dir: &DataDir) -> Result<(), CliError> {
    if data_dir.path(FILE_NAME).exists() {
        return Err(DataDirError::Exists(data_dir.path(FILE_NAME)).into());
    }
    let mut config = configuration(args);
    if let Some(folder) = &args.simulator {
        simulator::use_for_apple(&mut config, folder).await?;
    }
    config.check()?;
    config.check_exposure(args.i_know)?;
    if args.tls_cert.is_some() {
        // Before anything is written: a data directory is set up once.
        TlsSource::load(config.tls.certificate.clone(), config.tls.key.clone(), false)
            .map_err(|error| CliError::usage(error.to_string()))?;
    }
    setup::set_up(data_dir, &config, &Clock::system()).await?;
    // The server makes another link as long as there is no user: without this one, nothing is lost.
    let link = setup::first_link(data_dir, &config, &Clock::system()).await;
    report(args, output, data_dir, (&config, link.ok().flatten()));
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

fn report(
    args: &InitArgs,
    output: Output,
    data_dir: &DataDir,
    (config, setup_url): (&Config, Option<String>),
) {
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
        "setup_url": setup_url,
    });
    let mut lines = vec![format!(
        "wrote {root}/{FILE_NAME}, and keys that only this user can read"
    )];
    if has_anchor {
        lines.push(format!("  TLS trust anchor   {root}/{TLS_CA}"));
    }
    lines.push(format!("  device CA          {root}/{DEVICE_CA}"));
    if args.dev {
        lines.push(format!("  admin API key      {root}/{DEV_API_KEY}"));
        lines.push(format!(
            "  enroll at          {}/enroll",
            config.public_url(config.server.device_listen)
        ));
    }
    lines.push(format!(
        "  operator API       {}",
        url(config.server.operator_listen, "http")
    ));
    if let Some(url) = setup_url {
        lines.push(format!(
            "  administrator      {url}   (once the server runs, within 15 minutes; later `russet user setup-link`)"
        ));
    }
    lines.push(format!("next: russet serve --data {root}"));
    if args.simulator.is_some() {
        lines.push(format!(
            "then: russet ade token pubkey hq --out hq.pem --data {root}   (and on from there: README, \"From nothing to a device\")"
        ));
    }
    if !args.dev {
        lines.push(format!(
            "then: russet doctor --data {root}   (it says what is missing, such as the push certificate)"
        ));
    }
    output.say(&lines.join("\n"), &facts);
}

//! `russet-sim apple`: all of Apple that a server on this machine needs, in one process. The fake Apple Business Manager, the
//! fake push service, and the authority of the devices' built-in identities.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use russet_sim::abm::{self, FakeAbm, Mix};
use russet_sim::apns::{self, FakeApns};
use russet_sim::pki::device_ca::{DEVICE_CA_FILE, DeviceCa};
use serde_json::json;

use super::Failure;
use super::output::Output;

/// Where it says what a server has to know; written last.
const FACTS_FILE: &str = "apple.json";

/// The directory, unless told otherwise.
pub(crate) const DIRECTORY: &str = "sim-apple";

#[derive(Debug, Args)]
pub(crate) struct Apple {
    /// Directory that keeps trust anchors and keys, and apple.json, which tells `russet init --simulator` of them
    #[arg(long = "data", default_value = DIRECTORY, value_name = "DIR")]
    directory: PathBuf,
    /// So many devices belong to the organisation: iPhones, iPads, Macs and Apple TVs
    #[arg(long, default_value_t = 4)]
    devices: usize,
    /// The MDM server at Apple Business Manager that they are assigned to
    #[arg(long, default_value = "hq", value_name = "NAME")]
    server: String,
    /// Where MDM servers reach the device assignment service
    #[arg(long, default_value = super::abm::LISTEN, env = super::abm::LISTEN_VARIABLE, value_name = "ADDRESS")]
    abm_listen: SocketAddr,
    /// Where its portal, its faults and its log are
    #[arg(long, default_value = super::abm::CONTROL, env = super::abm::CONTROL_VARIABLE, value_name = "ADDRESS")]
    abm_control: SocketAddr,
    /// Where pushes come in
    #[arg(long, default_value = super::apns::LISTEN, env = super::apns::LISTEN_VARIABLE, value_name = "ADDRESS")]
    apns_listen: SocketAddr,
    /// Where the push service's faults and counters are, and devices of other processes are woken
    #[arg(long, default_value = super::apns::CONTROL, env = super::apns::CONTROL_VARIABLE, value_name = "ADDRESS")]
    apns_control: SocketAddr,
}

/// Runs until Ctrl-C.
pub(crate) async fn main(options: Apple, json: bool) -> Result<(), Failure> {
    let directory = &options.directory;
    let unusable = |cause: &dyn std::fmt::Display| Failure::File {
        path: directory.display().to_string(),
        cause: cause.to_string(),
        next: "give --data a directory that can be written",
    };
    std::fs::create_dir_all(directory).map_err(|error| unusable(&error))?;
    let facts_file = directory.join(FACTS_FILE);
    // Whoever waits for it waits for this run's.
    let _ = std::fs::remove_file(&facts_file);
    DeviceCa::kept_in(directory).map_err(|problem| unusable(&problem))?;
    let abm = FakeAbm::start(abm::Settings {
        listen: options.abm_listen,
        control: Some(options.abm_control),
        directory: Some(directory.clone()),
        ..abm::Settings::default()
    });
    let abm = abm.await?;
    let portal = abm.portal();
    portal.add_bare_server(&options.server)?;
    portal.stock(&options.server, options.devices, Mix::default())?;
    let apns = FakeApns::start(apns::Settings {
        listen: options.apns_listen,
        control: Some(options.apns_control),
        directory: Some(directory.clone()),
        ..apns::Settings::default()
    });
    let apns = apns.await?;
    let facts = json!({
        "abm": { "endpoint": abm.url(), "control": abm.control(), "anchor": abm::ANCHOR_FILE },
        "apns": { "endpoint": apns.url(), "control": apns.control(), "anchor": apns::ANCHOR_FILE },
        "device_ca": DEVICE_CA_FILE,
    });
    std::fs::write(&facts_file, format!("{facts:#}\n")).map_err(|error| unusable(&error))?;
    let control = |address: Option<SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
    let mut event = facts.clone();
    event["event"] = "ready".into();
    Output { json }.line(
        format!(
            "apple ready: abm {} control {} apns {} control {} data {}, {} devices of {}",
            abm.url(),
            control(abm.control()),
            apns.url(),
            control(apns.control()),
            directory.display(),
            options.devices,
            options.server,
        ),
        event,
    );
    // Not until standard input closes: it is none in the background. Without signals it runs until it is killed.
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}

//! `russet-sim device boot`: devices out of their boxes, one or many at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use russet_sim::abm::{Family, Lookup};
use russet_sim::clock::Stopwatch;
use russet_sim::device::{Login, Outcome};
use russet_sim::pki::device_ca::{DEVICE_CA_FILE, DeviceCa, Signing, Style};
use russet_sim::{BootOptions, Booted, Client, Device, Error, Hardware};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Failure;
use super::advice::after_refusal;
use super::args::{Interrupt, Server, State, seconds};
use super::devices::Tally;
use super::habits::Habits;
use super::output::Output;
use super::store::Store;

/// Between two connections of a held device.
const PAUSE: Duration = Duration::from_millis(500);

/// Which devices boot, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Boot {
    /// The control endpoint of russet-sim abm, which tells devices who they belong to
    #[arg(long, default_value = super::abm::CONTROL, env = super::abm::CONTROL_VARIABLE, value_name = "ADDRESS")]
    pub(crate) abm: SocketAddr,
    /// The MDM server at the fake Apple Business Manager whose first devices boot
    #[arg(long, default_value = "hq", value_name = "NAME")]
    pub(crate) abm_server: String,
    /// Directory that keeps the authority of the devices' built-in identities, device-ca.pem
    #[arg(long, default_value = super::apple::DIRECTORY, value_name = "DIR")]
    pub(crate) device_ca: PathBuf,
    /// What the devices' user enters where a server asks
    #[arg(long, requires = "password")]
    pub(crate) user: Option<String>,
    /// The user's password
    #[arg(long, requires = "user")]
    pub(crate) password: Option<String>,
    /// Update the system when the server requires it, and try again
    #[arg(long)]
    pub(crate) update: bool,
    /// How MachineInfo is signed; by RSA and SHA-1 unless given
    #[arg(long, value_parser = style, value_name = "sha1|sha256|ecdsa")]
    pub(crate) signature: Option<Style>,
    #[command(flatten)]
    pub(crate) habits: Habits,
}

#[derive(Debug, Args)]
pub(crate) struct BootVerb {
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    boot: Boot,
    /// How many devices
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    count: u32,
    /// How many at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    /// Connect held devices for so many seconds until they are configured
    #[arg(long, default_value = "0", value_parser = seconds)]
    wait: Duration,
    /// Keep no files of the devices
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    interrupt: Interrupt,
}

/// What boots of several devices have in common.
#[derive(Clone, Debug)]
pub(crate) struct Factory {
    lookup: Lookup,
    authority: Arc<DeviceCa>,
    boot: Boot,
}

impl Factory {
    pub(crate) fn open(boot: &Boot) -> Result<Self, Failure> {
        let authority = DeviceCa::kept_in(&boot.device_ca).map_err(|problem| Failure::File {
            path: boot.device_ca.display().to_string(),
            cause: problem.to_string(),
            next: "give --device-ca a directory that can be written",
        })?;
        Ok(Self {
            lookup: Lookup::at(boot.abm),
            authority: Arc::new(authority),
            boot: boot.clone(),
        })
    }

    /// The devices that shall boot.
    pub(crate) async fn devices(&self, count: u32, client: &Client) -> Result<Vec<Device>, Failure> {
        let records = super::abm::devices(self.boot.abm, &self.boot.abm_server, count as usize).await?;
        let records = records.as_array().cloned().unwrap_or_default();
        records
            .iter()
            .map(|record| {
                let mut device = Device::with_hardware(hardware(record)?, client.fresh());
                device.behaviour = self.boot.habits.behaviour();
                Ok(device)
            })
            .collect()
    }

    /// Boots one device and says what came of it.
    pub(crate) async fn boot(&self, output: Output, device: &mut Device) -> Result<Booted, Error> {
        let kind = device.hardware.kind;
        let login = self.boot.user.clone().zip(self.boot.password.clone());
        let options = BootOptions {
            signing: self.boot.signature.map(|style| Signing {
                style,
                ..Signing::of(kind)
            }),
            login: login.map(|(user, password)| Login { user, password }),
            updates: self.boot.update,
            now: None,
        };
        let booted = device.boot(&self.lookup, &self.authority, &options).await?;
        output.booted(device, &booted);
        Ok(booted)
    }
}

/// The device that a record of the fake Apple Business Manager describes.
fn hardware(record: &Value) -> Result<Hardware, Failure> {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let family = Family::named(&text("device_family"));
    let family = family.ok_or_else(|| Failure::Request("a device has no known family".into()))?;
    let mut hardware =
        Hardware::random(family.kind()).map_err(|error| Failure::Request(error.to_string()))?;
    hardware.serial_number = text("serial_number");
    hardware.wifi_mac = text("wifi_mac_address").to_lowercase();
    hardware.imei = record["imei"][0].as_str().map(String::from);
    Ok(hardware)
}

/// Runs the verb.
pub(crate) async fn main(options: BootVerb, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    let factory = Factory::open(&options.boot)?;
    let store = match options.forget {
        true => None,
        false => Some(Store::open(&options.state.directory)?),
    };
    let devices = factory.devices(options.count, &options.server.client()?).await?;
    let (room, watch) = (
        Arc::new(Semaphore::new(options.concurrency as usize)),
        Stopwatch::start(),
    );
    let mut boots = JoinSet::new();
    for mut device in devices {
        device.options.present = options.server.present();
        device.options.interruption = options.interrupt.wanted();
        let (factory, room, wait) = (factory.clone(), room.clone(), options.wait);
        boots.spawn(async move {
            // It is never closed.
            let _permit = room.acquire().await;
            let result = boot(&factory, output, &mut device, wait).await;
            (device, result)
        });
    }
    let mut tally = Tally::default();
    while let Some(Ok((device, result))) = boots.join_next().await {
        if let Some(store) = &store {
            store.save(&device)?;
        }
        match result {
            Ok(true) => tally.count(output, &device, Ok(())),
            Ok(false) => tally.refused(),
            Err(error) => tally.count(output, &device, Err(error)),
        }
    }
    let elapsed = watch.elapsed().as_secs_f64();
    let noun = if tally.devices() == 1 { "device" } else { "devices" };
    output.line(
        format!("{} {noun} in {elapsed:.1} s", tally.devices()),
        json!({ "event": "done", "devices": tally.devices(), "seconds": elapsed }),
    );
    tally.result()
}

/// Boots a device, and waits until it is configured. `false`: it was refused.
async fn boot(factory: &Factory, output: Output, device: &mut Device, wait: Duration) -> Result<bool, Error> {
    let booted = factory.boot(output, device).await?;
    if let Outcome::Refused(_) = booted.outcome {
        return Ok(false);
    }
    let watch = Stopwatch::start();
    while device.is_held() && watch.elapsed() < wait {
        tokio::time::sleep(PAUSE).await;
        super::devices::connect_one(output, device).await?;
        if !device.is_held() {
            output.configured(device);
        }
    }
    Ok(true)
}

/// Makes the authority of the devices' built-in identities, and says where it is.
pub(crate) fn make_authority(directory: &std::path::Path, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    let boot = DeviceCa::kept_in(directory).map_err(|problem| Failure::File {
        path: directory.display().to_string(),
        cause: problem.to_string(),
        next: "choose a directory that can be written with --device-ca",
    });
    boot?;
    let file = directory.join(DEVICE_CA_FILE);
    output.line(
        file.display().to_string(),
        json!({ "event": "device_ca", "file": file }),
    );
    Ok(())
}

impl Output {
    fn booted(self, device: &Device, booted: &Booted) {
        let outcome = match &booted.outcome {
            Outcome::Consumer => "not managed".to_owned(),
            Outcome::Enrolled(enrolled) => format!("enrolled in {} ms", enrolled.elapsed.as_millis()),
            Outcome::Held(enrolled) => format!("enrolled in {} ms, held", enrolled.elapsed.as_millis()),
            Outcome::UpdateRequired(update) => format!("must be updated to {}", update.os_version),
            Outcome::PssoRequired(_) => "must be set up for Platform SSO".into(),
            Outcome::Refused(refusal) => {
                format!("refused: {}; next: {}", refusal.reason, after_refusal(refusal))
            }
        };
        let hardware = &device.hardware;
        self.line(
            format!(
                "{:<16}{} {outcome}, {} panes",
                hardware.model_name,
                hardware.serial_number,
                booted.panes.len()
            ),
            json!({
                "event": "booted",
                "kind": hardware.kind,
                "serial": hardware.serial_number,
                "udid": hardware.udid,
                "outcome": outcome,
                "enrolled": booted.is_enrolled(),
                "held": booted.is_held(),
                "panes": booted.panes,
                "messages": booted.messages,
                "updates": booted.updates,
            }),
        );
    }

    fn configured(self, device: &Device) {
        let setup = device.state.setup.as_ref();
        let panes = setup.map(|setup| setup.panes.clone()).unwrap_or_default();
        let hardware = &device.hardware;
        self.line(
            format!(
                "{:<16}{} configured, {} panes",
                hardware.model_name,
                hardware.serial_number,
                panes.len()
            ),
            json!({ "event": "configured", "serial": hardware.serial_number, "panes": panes }),
        );
    }
}

fn style(text: &str) -> Result<Style, String> {
    match text {
        "ecdsa" => Ok(Style::Ecdsa),
        "sha1" => Ok(Style::Sha1),
        "sha256" => Ok(Style::Sha256),
        _ => Err("one of sha1, sha256, ecdsa".into()),
    }
}

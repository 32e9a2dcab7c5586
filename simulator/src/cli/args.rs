//! The arguments.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use russet_sim::{Client, HttpVersion, Interruption, Kind, Present, Stage, Then};

use super::Failure;

/// Simulated Apple devices, and a load generator, for an MDM server.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 a device or request failed, 2 wrong arguments, 3 a file or directory can't be used.\n\n\
        A first try, against a server on this machine:\n  \
        russet-sim run --url https://127.0.0.1:8443/enroll --ca tls-ca.pem --once"
)]
pub(crate) struct Arguments {
    /// Print JSON, one object a line, instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Pretend to be Apple Business Manager: portal, device assignment service, activation
    Abm(Box<super::abm::Abm>),
    /// Pretend to be Apple's push service, and wake simulated devices
    Apns(Box<super::apns::Apns>),
    /// Pretend to be all of Apple that a server needs: abm, apns and the devices' authority in one process
    Apple(super::apple::Apple),
    /// Make, enrol and connect devices that are kept in files
    #[command(subcommand)]
    Device(Box<DeviceVerb>),
    /// Pretend to be an OpenID provider, which signs everyone in
    Idp(super::idp::Idp),
    /// Enrol a mixed set of devices and keep them connecting until standard input closes
    Run(Box<Run>),
    /// Put load on a server on this machine and measure it
    Storm(Box<super::storm::Storm>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceVerb {
    /// Boot devices of the fake Apple Business Manager out of their boxes
    Boot(Box<super::boot::BootVerb>),
    /// Make the authority of the devices' built-in identities, which a server must trust, and print its file
    Authority {
        /// Directory that keeps it
        #[arg(long = "device-ca", default_value = super::apple::DIRECTORY, value_name = "DIR")]
        directory: PathBuf,
    },
    /// Make devices
    Create {
        #[command(flatten)]
        state: State,
        /// The kind of device
        #[arg(long, value_enum)]
        kind: KindArg,
        /// How many
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
    },
    /// Enrol devices with the profile at a URL
    Enroll {
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        profile: ProfileUrl,
        #[command(flatten)]
        interrupt: Interrupt,
    },
    /// Connect devices and handle their commands, on every channel
    Connect {
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        server: Server,
    },
    /// List devices
    List {
        #[command(flatten)]
        state: State,
    },
}

#[derive(Debug, Args)]
pub(crate) struct State {
    /// Directory with one JSON file per device, private keys included
    #[arg(
        long = "state",
        default_value = "sim-state",
        env = "RUSSET_SIM_STATE",
        value_name = "DIR"
    )]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Serial numbers or UDIDs
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All devices
    #[arg(long)]
    pub(crate) all: bool,
}

/// Whether enrollments go through.
#[derive(Clone, Debug, Args)]
pub(crate) struct Interrupt {
    /// Interrupt enrollments after this stage
    #[arg(long, value_enum, value_name = "STAGE")]
    stop_after: Option<StageArg>,
    /// What happens there
    #[arg(long, value_enum, default_value_t = ThenArg::Abandon)]
    then: ThenArg,
}

impl Interrupt {
    pub(crate) fn wanted(&self) -> Option<Interruption> {
        let then = match self.then {
            ThenArg::Abandon => Then::Abandon,
            ThenArg::Cancel => Then::Cancel,
            ThenArg::Fail => Then::Fail,
            ThenArg::Pause => Then::Pause,
        };
        let after = match self.stop_after {
            Some(StageArg::Profile) => Stage::Profile,
            Some(StageArg::Identity) => Stage::Identity,
            Some(StageArg::Authenticate) => Stage::Authenticate,
            Some(StageArg::TokenUpdate) => Stage::TokenUpdate,
            None if then == Then::Fail => Stage::Profile,
            None => return None,
        };
        Some(Interruption { after, then })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StageArg {
    Profile,
    Identity,
    Authenticate,
    TokenUpdate,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ThenArg {
    Abandon,
    Cancel,
    Fail,
    Pause,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileUrl {
    /// Where the enrollment profile is
    #[arg(long, default_value = "https://127.0.0.1:8443/enroll")]
    pub(crate) url: String,
    /// Append the device's udid and serial to the URL, so that its challenge is bound to it
    #[arg(long)]
    pub(crate) bind: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// PEM file of the authorities that the devices trust for TLS
    #[arg(long, value_name = "FILE", env = "RUSSET_SIM_CA")]
    ca: Option<PathBuf>,
    /// Connect to ADDRESS where a URL names HOST, as in mdm.example.com=127.0.0.1:8443
    #[arg(long, value_name = "HOST=ADDRESS", value_parser = resolve)]
    resolve: Vec<(String, SocketAddr)>,
    /// HTTP version to offer
    #[arg(long, value_enum, default_value_t = Http::One)]
    http: Http,
    /// How devices prove who they are
    #[arg(long, value_enum, default_value_t = PresentArg::AsProfile)]
    present: PresentArg,
}

impl Server {
    /// A client for these servers.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let mut client = match &self.ca {
            None => Client::plain(),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|e| Failure::File {
                    path: path.display().to_string(),
                    cause: e.to_string(),
                    next: "give --ca the PEM file of the server's TLS authority",
                })?;
                Client::trusting(&pem)?
            }
        };
        for (host, address) in &self.resolve {
            client = client.resolve(host, *address);
        }
        Ok(client.version(match self.http {
            Http::Either => HttpVersion::Either,
            Http::One => HttpVersion::Http1,
            Http::Two => HttpVersion::Http2,
        }))
    }

    pub(crate) fn present(&self) -> Present {
        match self.present {
            PresentArg::AsProfile => Present::AsProfile,
            PresentArg::Both => Present::Both,
            PresentArg::Neither => Present::Neither,
            PresentArg::Signature => Present::Signature,
            PresentArg::Tls => Present::Tls,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How many devices: iPhones, iPads, Macs and Apple TVs in turn
    #[arg(short = 'n', long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) profile: ProfileUrl,
    /// Seconds between two connections of a device; 5, or never with --apns-wake, unless given
    #[arg(long, value_parser = seconds)]
    pub(crate) interval: Option<Duration>,
    /// Connect devices when they are pushed: the control endpoint of russet-sim apns
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) apns_wake: Option<SocketAddr>,
    /// Stop after enrolling
    #[arg(long)]
    pub(crate) once: bool,
    /// Boot devices of the fake Apple Business Manager instead of enrolling by --url
    #[arg(long)]
    pub(crate) boot: bool,
    #[command(flatten)]
    pub(crate) booting: super::boot::Boot,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindArg {
    Appletv,
    Ipad,
    Iphone,
    Mac,
    Visionpro,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Appletv => Self::AppleTV,
            KindArg::Ipad => Self::IPad,
            KindArg::Iphone => Self::IPhone,
            KindArg::Mac => Self::Mac,
            KindArg::Visionpro => Self::VisionPro,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Http {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
    Either,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresentArg {
    AsProfile,
    Both,
    Neither,
    Signature,
    Tls,
}

fn resolve(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("write HOST=ADDRESS:PORT")?;
    Ok((
        host.into(),
        address.parse().map_err(|e| format!("{address}: {e}"))?,
    ))
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

/// A time with its unit, or seconds without.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Some(number) = text.strip_suffix("ms") {
        return Ok(seconds(number)? / 1000);
    }
    seconds(text.strip_suffix('s').unwrap_or(text))
}

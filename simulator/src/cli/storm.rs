//! `russet-sim storm`: load, with numbers.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use russet_sim::storm::{self, Phase, Scenario, Settings};

use super::Failure;
use super::args::{ProfileUrl, Server, seconds};

#[derive(Debug, Args)]
#[command(
    after_help = "Everything must be on this machine's loopback. A run that had errors ends with exit code 1.\n\n\
        Processor time of the client is kept small: RSA keys are kept in --state, requests and results are signed\n\
        before the clock starts. Devices share --keys keys.\n\n\
        `roundtrip` queues its commands first; with --devices at least --count each device gets one, and every\n\
        conversation ends with an empty body."
)]
pub(crate) struct Storm {
    /// What to measure
    #[arg(value_enum)]
    scenario: ScenarioArg,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    profile: ProfileUrl,
    /// Send the measured requests to this origin, as in http://127.0.0.1:8080, instead of that of --url
    #[arg(long = "server", value_name = "ORIGIN")]
    origin: Option<String>,
    /// Connections at the same time
    #[arg(short, long, default_value_t = 16, value_parser = bounded(2_000))]
    connections: u32,
    /// Enrolled devices that share the load
    #[arg(short, long, default_value_t = 100, value_parser = bounded(20_000))]
    devices: u32,
    /// Operations
    #[arg(short = 'n', long, default_value_t = 1_000, value_parser = bounded(1_000_000))]
    count: u32,
    /// Stop after so many seconds even if operations are left; at most 600
    #[arg(long, value_parser = limited_seconds)]
    seconds: Option<Duration>,
    /// Different RSA keys
    #[arg(long, default_value_t = 64, value_parser = bounded(20_000))]
    keys: u32,
    /// Directory for keys and enrolled devices
    #[arg(
        long = "state",
        default_value = "sim-state",
        env = "RUSSET_SIM_STATE",
        value_name = "DIR"
    )]
    directory: PathBuf,
    /// Process id of the server, for its processor time and memory
    #[arg(long)]
    pid: Option<u32>,
    /// The operator's API, for roundtrip
    #[arg(long, default_value = "http://127.0.0.1:8444", value_name = "ORIGIN")]
    operator: String,
    /// Key of the operator's API
    #[arg(
        long,
        default_value = "",
        env = "RUSSET_SIM_OPERATOR_KEY",
        hide_env_values = true
    )]
    operator_key: String,
    /// Queue InstallProfile with a payload of so many bytes instead of DeviceInformation
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    payload: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScenarioArg {
    /// SCEP, Authenticate and TokenUpdate; profiles are fetched before
    Enroll,
    /// Idle on kept connections, signed beforehand
    Idle,
    /// Idle, command, result on kept connections; commands are queued before
    Roundtrip,
    /// Idle on a new TLS connection with a client certificate each time
    TlsConnect,
}

/// Runs the scenario and prints what came out.
pub(crate) async fn main(options: Storm, json: bool) -> Result<(), Failure> {
    let settings = Settings {
        scenario: match options.scenario {
            ScenarioArg::Enroll => Scenario::Enroll,
            ScenarioArg::Idle => Scenario::Idle,
            ScenarioArg::Roundtrip => Scenario::Roundtrip,
            ScenarioArg::TlsConnect => Scenario::TlsConnect,
        },
        client: options.server.client()?,
        url: options.profile.url,
        bind: options.profile.bind,
        server: options.origin,
        connections: options.connections as usize,
        devices: options.devices as usize,
        count: options.count as usize,
        seconds: options.seconds,
        keys: options.keys as usize,
        directory: options.directory,
        pid: options.pid,
        operator: options.operator,
        operator_key: options.operator_key,
        payload: options.payload as usize,
    };
    let report = storm::run(settings).await?;
    if json {
        println!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        for phase in report.prepared.iter().chain([&report.measured]) {
            print(phase);
        }
    }
    match report.measured.errors {
        0 => Ok(()),
        errors => Err(Failure::Operations(errors, errors + report.measured.operations)),
    }
}

fn print(phase: &Phase) {
    println!(
        "{:<12}{:>8.0}/s  {} in {:.1} s  p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms  {} errors",
        phase.name,
        phase.per_second,
        phase.operations,
        phase.seconds,
        phase.p50_ms,
        phase.p99_ms,
        phase.max_ms,
        phase.errors
    );
    if let Some(p99) = phase.request_p99_ms {
        println!("            a single request: p99 {p99:.2} ms");
    }
    if let Some(server) = &phase.server {
        println!(
            "            server: {:.3} ms CPU each, {:.2} cores, {:.0} MiB resident, {:.0} MiB at most",
            server.cpu_ms_per_operation, server.cores, server.rss_mib, server.peak_mib
        );
    }
    if let Some(error) = &phase.first_error {
        println!("            first error: {error}");
    }
}

fn bounded(most: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

fn limited_seconds(text: &str) -> Result<Duration, String> {
    let duration = seconds(text)?;
    if duration <= Duration::from_secs(600) {
        Ok(duration)
    } else {
        Err("at most 600".into())
    }
}

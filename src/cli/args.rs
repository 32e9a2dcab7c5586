//! Verbs and flags.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    actions::args::{ActionVerb, JobVerb},
    ade::AdeVerb,
    audit::args::AuditVerb,
    ca::CaVerb,
    command::args::CommandVerb,
    hold::HoldVerb,
    hook::args::HookVerb,
    report::ReportVerb,
    user::args::{RoleVerb, UserVerb},
};
use crate::service::access::Scope;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 the command line is wrong; 3 it is there already; \
                          4 the server can't be reached; 5 refused by the server; 6 doctor found a problem.";

/// Russet, an Apple MDM protocol server.
#[derive(Debug, Parser)]
#[command(name = "russet", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// The data directory.
    #[arg(long, global = true, env = "RUSSET_DATA", default_value = "/var/lib/russet")]
    pub data: PathBuf,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Operator API of a server elsewhere, `http://host:port` (default: the data directory's own server).
    #[arg(long, global = true, env = "RUSSET_SERVER_URL")]
    pub server: Option<String>,
    /// File with the API key for --server; RUSSET_API_KEY may hold the key itself.
    #[arg(long, global = true)]
    pub key_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Automated Device Enrollment.
    #[command(after_help = EXIT_CODES)]
    Ade {
        /// What of it.
        #[command(subcommand)]
        verb: AdeVerb,
    },
    /// API keys.
    #[command(after_help = EXIT_CODES)]
    Apikey {
        /// What to do with them.
        #[command(subcommand)]
        verb: ApikeyVerb,
    },
    /// The audit log: who did what to which device.
    #[command(after_help = EXIT_CODES)]
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// The authority that issues the devices' identities.
    #[command(after_help = EXIT_CODES)]
    Ca {
        /// What of it.
        #[command(subcommand)]
        verb: CaVerb,
    },
    /// Commands in the queues of devices, and their results.
    #[command(after_help = EXIT_CODES)]
    Command {
        /// What to do with them.
        #[command(subcommand)]
        verb: CommandVerb,
    },
    /// Writes a shell's completions to standard output.
    Completion {
        /// Which shell's.
        shell: clap_complete::Shell,
    },
    /// The configuration.
    #[command(after_help = EXIT_CODES)]
    Config {
        /// What to do with it.
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Enrollments.
    #[command(after_help = EXIT_CODES)]
    Device {
        /// What to do with them.
        #[command(subcommand)]
        verb: DeviceVerb,
    },
    /// Looks for what is wrong or missing, and says what to do.
    #[command(after_help = EXIT_CODES)]
    Doctor,
    /// Ways to enroll.
    #[command(after_help = EXIT_CODES)]
    Enroll {
        /// Which.
        #[command(subcommand)]
        verb: EnrollVerb,
    },
    /// Devices that are held in Setup Assistant, and what for.
    #[command(after_help = EXIT_CODES)]
    Hold {
        /// What of it.
        #[command(subcommand)]
        verb: HoldVerb,
    },
    /// Endpoints that get events, as NanoMDM's or MicroMDM's webhooks do.
    #[command(after_help = EXIT_CODES)]
    Hook {
        /// What to do with them.
        #[command(subcommand)]
        verb: HookVerb,
    },
    /// Sets up a data directory. Nothing that exists is overwritten.
    #[command(after_help = EXIT_CODES)]
    Init(InitArgs),
    /// Actions for many devices.
    #[command(after_help = EXIT_CODES)]
    Job {
        /// What to do with them.
        #[command(subcommand)]
        verb: JobVerb,
    },
    /// What Prometheus and Grafana need to watch this server.
    Metrics {
        /// What of it.
        #[command(subcommand)]
        verb: MetricsVerb,
    },
    /// Prints the OpenAPI document of the operator's API.
    Openapi {
        /// The part that is as NanoMDM and NanoDEP have it.
        #[arg(long)]
        nano: bool,
    },
    /// Push certificates.
    #[command(after_help = EXIT_CODES)]
    PushCert {
        /// What to do with them.
        #[command(subcommand)]
        verb: PushCertVerb,
    },
    /// Enrollment status, and what expires.
    #[command(after_help = EXIT_CODES)]
    Report {
        /// Which report.
        #[command(subcommand)]
        verb: ReportVerb,
    },
    /// What users can be.
    #[command(after_help = EXIT_CODES)]
    Role {
        /// What of them.
        #[command(subcommand)]
        verb: RoleVerb,
    },
    /// Runs the server until SIGTERM or Ctrl-C; SIGHUP reloads certificates.
    #[command(after_help = EXIT_CODES)]
    Serve {
        /// Development mode may listen where others can reach it: anyone there can enroll, and become an administrator.
        #[arg(long)]
        i_know: bool,
    },
    /// Shows on one screen how the server is doing.
    #[command(after_help = EXIT_CODES)]
    Status,
    /// People who sign in at the operator's door.
    #[command(after_help = EXIT_CODES)]
    User {
        /// What to do with them.
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// Says which version this is.
    Version,
}

/// `russet init`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("form").required(true).args(["dev", "domain"]))]
pub struct InitArgs {
    /// For one's own machine: a development PKI, open enrollment, an admin key in a file.
    #[arg(long)]
    pub dev: bool,
    /// The host name under which devices will reach this server.
    #[arg(long)]
    pub domain: Option<String>,
    /// Where devices connect.
    #[arg(long, value_name = "ADDR")]
    pub device_listen: Option<SocketAddr>,
    /// Where operators connect.
    #[arg(long, value_name = "ADDR")]
    pub operator_listen: Option<SocketAddr>,
    /// TLS certificate (PEM, leaf first). Without one, Russet makes its own CA, which only enrolled devices trust.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "dev")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the TLS certificate (PEM, unencrypted).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Development mode may listen where others can reach it.
    #[arg(long, requires = "dev")]
    pub i_know: bool,
    /// Apple's services are the fakes that `russet-sim apple` runs, which keeps its files in this directory.
    #[arg(long, value_name = "DIR", requires = "dev")]
    pub simulator: Option<PathBuf>,
    /// A proxy at this address terminates TLS; the device listener is plain HTTP.
    #[arg(long, value_name = "IP", conflicts_with_all = ["tls_cert"])]
    pub behind_proxy: Option<std::net::IpAddr>,
}

/// `russet apikey …`
#[derive(Debug, Subcommand)]
pub enum ApikeyVerb {
    /// Makes a key and shows it, this once.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// What it may do; several, separated by commas.
        #[arg(long = "scope", value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// From when on it is refused (RFC 3339).
        #[arg(long)]
        expires: Option<String>,
        /// Confines it to the devices of server tokens with this tag; several, separated by commas.
        #[arg(long = "tag", value_delimiter = ',')]
        tags: Vec<String>,
    },
    /// Lists the keys, without their secrets.
    List,
    /// Removes a key.
    Remove {
        /// Its name.
        name: String,
    },
}

/// `russet config …`
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Reads it and says what is wrong with it.
    Check,
    /// Shows every setting.
    Show {
        /// Also where each value comes from.
        #[arg(long)]
        origin: bool,
    },
}

/// `russet device …`
#[derive(Debug, Subcommand)]
pub enum DeviceVerb {
    /// What devices do.
    #[command(flatten)]
    Action(ActionVerb),
    /// Lets a device that was wiped enroll again with any profile.
    AllowReenroll {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Queues a command, by its RequestType or from a file.
    Cmd {
        /// Enrollment id, or serial number.
        id: String,
        /// A RequestType that needs no further keys, such as SecurityInfo; DeviceInformation asks for the usual ones.
        #[arg(required_unless_present = "file")]
        request_type: Option<String>,
        /// A command plist; a CommandUUID is put in if it has none.
        #[arg(long, conflicts_with = "request_type")]
        file: Option<PathBuf>,
        /// Wait for the answer, at most so many seconds.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
        wait: Option<u64>,
    },
    /// Shows how a device enrolled, and what it was given then.
    Enrollment {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Shows what a device waits for, or waited for, in Setup Assistant.
    Hold {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Lists enrollments.
    List {
        /// Only the device with this serial number.
        #[arg(long)]
        serial: Option<String>,
        /// Only those that are enrolled now.
        #[arg(long)]
        enabled: bool,
    },
    /// Wakes a device.
    Push {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Releases a device that is held in Setup Assistant.
    #[command(visible_alias = "release-hold")]
    Release {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Queues the profile that makes a device renew its identity.
    Renew {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Tries again what could not be installed on a device that is held in Setup Assistant.
    Retry {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Shows one enrollment.
    Show {
        /// Enrollment id, or serial number.
        id: String,
    },
}

/// `russet enroll …`
#[derive(Debug, Subcommand)]
pub enum EnrollVerb {
    /// Makes a one-time link to an enrollment profile.
    Url {
        /// Only for the device with this serial number.
        #[arg(long)]
        serial: Option<String>,
        /// Only for the device with this UDID.
        #[arg(long)]
        udid: Option<String>,
        /// How long it can be used, such as 2h or 7d.
        #[arg(long, default_value = "24h")]
        ttl: String,
    },
}

/// `russet metrics …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum MetricsVerb {
    /// Writes a dashboard for Grafana to standard output.
    Dashboard,
    /// Writes alert rules for Prometheus to standard output.
    Rules,
}

/// `russet push-cert …`
#[derive(Debug, Subcommand)]
pub enum PushCertVerb {
    /// Makes a key, which stays on the server, and the request for a first certificate.
    Csr {
        /// Where to, and in which form.
        #[command(flatten)]
        request: RequestOutput,
    },
    /// Takes the certificate from Apple's portal into service.
    Import {
        /// PEM files: the certificate, and its key if it was not made here. `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The Apple Account it was made with: a reminder for next year's renewal.
        #[arg(long, value_name = "ACCOUNT")]
        apple_id: Option<String>,
        /// Take it even if its topic is another one than devices are enrolled with, and enroll new ones with it.
        #[arg(long)]
        replace_topic: bool,
    },
    /// Makes the request for a renewal, and says step by step what to do with it.
    Renew {
        /// The topic; not needed if there is one certificate only.
        topic: Option<String>,
        /// Where to, and in which form.
        #[command(flatten)]
        request: RequestOutput,
    },
    /// Shows the certificates and how long they are valid.
    Show {
        /// Only this topic.
        topic: Option<String>,
    },
    /// Sends a trial push.
    Test {
        /// The topic; not needed if there is one certificate only.
        topic: Option<String>,
        /// To this enrollment (id, or serial number).
        #[arg(long, value_name = "ID")]
        enrollment: Option<String>,
    },
}

/// Where a request goes.
#[derive(Debug, Args)]
pub struct RequestOutput {
    /// Write it to this file; otherwise to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// `signed` is what Apple's portal takes and needs a vendor certificate (the default if there is one); `pem` and
    /// `der` are the PKCS #10 request alone.
    #[arg(long, value_enum)]
    pub format: Option<RequestFormat>,
}

/// The forms of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RequestFormat {
    /// PKCS #10, binary.
    Der,
    /// PKCS #10, as text.
    Pem,
    /// Signed by the vendor.
    Signed,
}

//! `russet-sim abm`: the fake Apple Business Manager, and its control endpoint from the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use russet_sim::abm::{ANCHOR_FILE, FakeAbm, Family, Mix, Settings};
use russet_sim::{Client, Request};
use serde_json::{Value, json};

use super::Failure;
use super::args::duration;
use super::output::Output;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Abm {
    #[command(subcommand)]
    verb: Option<AbmVerb>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Args)]
struct Serve {
    /// Where MDM servers connect
    #[arg(long, default_value = LISTEN, env = LISTEN_VARIABLE, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where the portal, the faults, the log and the activation look-up are
    #[arg(long, default_value = CONTROL, env = CONTROL_VARIABLE, value_name = "ADDRESS")]
    control: SocketAddr,
    /// Directory that keeps the trust anchor, abm-ca.pem, and its key
    #[arg(long = "data", default_value = "sim-abm", value_name = "DIR")]
    directory: PathBuf,
    /// Plain HTTP instead of TLS
    #[arg(long)]
    plain: bool,
    /// An MDM server to begin with
    #[arg(long, default_value = "hq", value_name = "NAME")]
    server: String,
    /// So many devices are assigned to it: iPhones, iPads, Macs and Apple TVs
    #[arg(long, default_value_t = 0)]
    devices: usize,
    /// How long each page of devices takes, as in 300ms
    #[arg(long, default_value = "0ms", value_parser = duration)]
    page_delay: Duration,
    /// Decides on the serial numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Where it listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:2199";
/// Tells it otherwise.
pub(crate) const LISTEN_VARIABLE: &str = "RUSSET_SIM_ABM_LISTEN";
/// Where the control endpoint is unless told otherwise.
pub(crate) const CONTROL: &str = "127.0.0.1:2200";
/// Tells otherwise, to the fake and to those who ask it.
pub(crate) const CONTROL_VARIABLE: &str = "RUSSET_SIM_ABM_CONTROL";

#[derive(Debug, Subcommand)]
enum AbmVerb {
    /// Upload an MDM server's certificate and download its token
    Token {
        #[command(flatten)]
        at: At,
        /// The MDM server; it is added if there is none of this name
        #[arg(default_value = "hq")]
        server: String,
        /// The PEM certificate; the one uploaded last unless given
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// Where the .p7m file goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// How the file is written, in JSON: der, crlf, folded, des3, bare, raw, wrapped
        #[arg(long, default_value = "{}", value_name = "JSON")]
        form: String,
    },
    /// Buy devices and assign them to an MDM server
    Stock {
        #[command(flatten)]
        at: At,
        /// The MDM server
        server: String,
        /// How many
        count: usize,
        /// Only this family: iPhone, iPad, Mac, AppleTV or Vision
        #[arg(long, value_parser = family)]
        family: Option<Family>,
    },
    /// Release devices from the organisation
    Release {
        #[command(flatten)]
        at: At,
        /// Serial numbers
        #[arg(required = true)]
        serials: Vec<String>,
    },
    /// Accept the terms, or let new ones be unsigned
    Terms {
        #[command(flatten)]
        at: At,
        /// Let new ones be unsigned
        #[arg(long)]
        unsigned: bool,
    },
    /// Print the MDM servers
    Servers {
        #[command(flatten)]
        at: At,
    },
    /// Print devices of an MDM server
    Devices {
        #[command(flatten)]
        at: At,
        /// The MDM server
        server: String,
        /// How many
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// Print the counters
    Stats {
        #[command(flatten)]
        at: At,
    },
    /// Print the last requests
    Requests {
        #[command(flatten)]
        at: At,
        /// How many
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// Put faults in force instead of all others
    #[command(after_help = "For example:\n  \
        russet-sim abm fault '{\"rules\": [{\"effect\": {\"answer\": {\"status\": 429, \"retry_after\": 30}}, \"endpoints\": [\"fetch\"], \"page\": 2, \"next\": 1}]}'\n  \
        russet-sim abm fault '{\"rules\": [{\"effect\": {\"answer\": {\"status\": 400, \"body\": \"EXPIRED_CURSOR\"}}, \"endpoints\": [\"sync\"]}]}'\n  \
        russet-sim abm fault '{\"rules\": [{\"effect\": \"same_cursor\", \"endpoints\": [\"sync\"]}], \"page_delay_ms\": 300}'\n  \
        russet-sim abm fault '{\"throttle\": {\"share\": 0.3, \"retry_after_seconds\": 86400}}'\n  \
        russet-sim abm fault --clear")]
    Fault {
        #[command(flatten)]
        at: At,
        /// The faults in JSON, as the control endpoint takes them
        #[arg(required_unless_present = "clear", conflicts_with = "clear")]
        faults: Option<String>,
        /// End all faults
        #[arg(long)]
        clear: bool,
    },
}

#[derive(Debug, Args)]
struct At {
    /// The control endpoint
    #[arg(long, default_value = CONTROL, env = CONTROL_VARIABLE, value_name = "ADDRESS")]
    control: SocketAddr,
}

/// Runs the verb.
pub(crate) async fn main(options: Abm, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    let Some(verb) = options.verb else {
        return serve(options.serve, output).await;
    };
    match verb {
        AbmVerb::Token {
            at,
            server,
            certificate,
            out,
            form,
        } => token(&at, &server, certificate, out, form).await,
        AbmVerb::Stock {
            at,
            server,
            count,
            family,
        } => {
            let mix = family.map(Mix::only).unwrap_or_default();
            let path = format!("servers/{}/stock", name(&server));
            let body = json!({ "count": count, "mix": mix });
            output.value(&ask(at.control, Method::POST, &path, &body).await?)
        }
        AbmVerb::Release { at, serials } => {
            let body = json!({ "devices": serials });
            output.value(&ask(at.control, Method::POST, "devices/release", &body).await?)
        }
        AbmVerb::Terms { at, unsigned } => {
            let mut organisation = get(at.control, "organisation").await?;
            organisation["terms_signed"] = (!unsigned).into();
            output.value(&ask(at.control, Method::PUT, "organisation", &organisation).await?)
        }
        AbmVerb::Servers { at } => output.value(&get(at.control, "servers").await?),
        AbmVerb::Devices { at, server, count } => output.value(&devices(at.control, &server, count).await?),
        AbmVerb::Stats { at } => output.value(&get(at.control, "stats").await?),
        AbmVerb::Requests { at, count } => {
            output.value(&get(at.control, &format!("requests?count={count}")).await?)
        }
        AbmVerb::Fault { at, faults, .. } => {
            let faults = faults.unwrap_or_else(|| "{}".into());
            let faults: Value = serde_json::from_str(&faults)
                .map_err(|e| Failure::Request(format!("the faults are not JSON: {e}")))?;
            output.value(&ask(at.control, Method::POST, "faults", &faults).await?)
        }
    }
}

async fn serve(options: Serve, output: Output) -> Result<(), Failure> {
    let anchor = options.directory.join(ANCHOR_FILE);
    let settings = Settings {
        listen: options.listen,
        control: Some(options.control),
        tls: !options.plain,
        directory: Some(options.directory),
        page_delay: options.page_delay,
        seed: options.seed,
        ..Settings::default()
    };
    let abm = FakeAbm::start(settings).await?;
    let portal = abm.portal();
    portal.add_bare_server(&options.server)?;
    portal.stock(&options.server, options.devices, Mix::default())?;
    let control = abm.control().map(|address| address.to_string());
    let control = control.unwrap_or_default();
    output.line(
        format!(
            "abm ready: endpoint {} control {control} anchor {}",
            abm.url(),
            anchor.display()
        ),
        json!({
            "event": "ready",
            "endpoint": abm.url(),
            "control": control,
            "anchor": anchor,
            "servers": portal.servers(),
        }),
    );
    // Not until standard input closes: it is none in the background. Without signals it runs until it is killed.
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}

async fn token(
    at: &At,
    server: &str,
    certificate: Option<PathBuf>,
    out: PathBuf,
    form: String,
) -> Result<(), Failure> {
    let path = format!("servers/{}", name(server));
    if send(at.control, Method::GET, &path, Vec::new()).await.is_err() {
        let path = format!("servers?name={}", name(server));
        send(at.control, Method::POST, &path, Vec::new()).await?;
    }
    if let Some(file) = certificate {
        let pem = std::fs::read_to_string(&file).map_err(|e| Failure::File {
            path: file.display().to_string(),
            cause: e.to_string(),
            next: "give --certificate the PEM file that the MDM server made for its token",
        })?;
        ask(at.control, Method::PATCH, &path, &json!({ "certificate": pem })).await?;
    }
    let p7m = send(
        at.control,
        Method::POST,
        &format!("{path}/token"),
        form.into_bytes(),
    )
    .await?;
    std::fs::write(&out, p7m).map_err(|e| Failure::File {
        path: out.display().to_string(),
        cause: e.to_string(),
        next: "give --out a path that can be written",
    })
}

/// Devices of a server, as the newest protocol version shows them.
pub(crate) async fn devices(control: SocketAddr, server: &str, count: usize) -> Result<Value, Failure> {
    get(
        control,
        &format!("servers/{}/devices?count={count}", name(server)),
    )
    .await
}

async fn get(control: SocketAddr, path: &str) -> Result<Value, Failure> {
    ask(control, Method::GET, path, &Value::Null).await
}

async fn ask(control: SocketAddr, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    let answer = send(control, method, path, body.to_string().into_bytes()).await?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

async fn send(control: SocketAddr, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let request = Request::new(method, &format!("http://{control}/{path}")).body(body);
    let answer = Client::plain().send(request, None).await.map_err(|problem| {
        Failure::Request(format!(
            "{problem}\nnext: start it with russet-sim abm, or give the address of its control endpoint"
        ))
    })?;
    if answer.status == 200 {
        return Ok(answer.body.to_vec());
    }
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Err(Failure::Request(
        value["error"].as_str().unwrap_or("refused").into(),
    ))
}

fn name(server: &str) -> String {
    russet_sim::encode::url_escape(server)
}

fn family(text: &str) -> Result<Family, String> {
    Family::named(text).ok_or_else(|| "one of iPhone, iPad, Mac, AppleTV, Vision".into())
}

//! `russet-sim apns`: the fake APNs, and its control endpoint from the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use russet_sim::apns::{ANCHOR_FILE, Answer, Effect, FakeApns, Faults, Rule, Settings};
use russet_sim::{Client, Request};
use serde_json::{Value, json};

use super::Failure;
use super::args::duration;
use super::output::Output;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Apns {
    #[command(subcommand)]
    verb: Option<ApnsVerb>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Args)]
struct Serve {
    /// Where pushes come in
    #[arg(long, default_value = LISTEN, env = LISTEN_VARIABLE, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where faults are set, counters are read and devices of other processes are woken
    #[arg(long, default_value = CONTROL, env = CONTROL_VARIABLE, value_name = "ADDRESS")]
    control: SocketAddr,
    /// Directory that keeps the trust anchor, apns-ca.pem, and its key
    #[arg(long = "data", default_value = "sim-apns", value_name = "DIR")]
    directory: PathBuf,
    /// How long each answer takes, as in 50ms or 1.5s
    #[arg(long, default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// Streams that a connection may have open at once
    #[arg(long, default_value_t = 1000)]
    max_streams: u32,
    /// Refuse tokens that nobody registered
    #[arg(long)]
    strict_tokens: bool,
}

/// Where it listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:2197";
/// Tells it otherwise.
pub(crate) const LISTEN_VARIABLE: &str = "RUSSET_SIM_APNS_LISTEN";
/// Where the control endpoint is unless told otherwise.
pub(crate) const CONTROL: &str = "127.0.0.1:2198";
/// Tells otherwise, to the fake and to those who ask it.
pub(crate) const CONTROL_VARIABLE: &str = "RUSSET_SIM_APNS_CONTROL";

#[derive(Debug, Subcommand)]
enum ApnsVerb {
    /// Print the counters
    Stats {
        #[command(flatten)]
        at: At,
    },
    /// Print the last pushes
    Pushes {
        #[command(flatten)]
        at: At,
        /// How many
        #[arg(long, default_value_t = 20)]
        count: u32,
    },
    /// Put faults in force instead of all others
    Fault(Fault),
}

#[derive(Debug, Args)]
struct At {
    /// The control endpoint
    #[arg(long, default_value = CONTROL, env = CONTROL_VARIABLE, value_name = "ADDRESS")]
    control: SocketAddr,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["faults", "reason", "clear"])]
#[command(after_help = "For example:\n  \
        russet-sim apns fault --reason TooManyRequests --share 0.1 --retry-after 30\n  \
        russet-sim apns fault '{\"outage\": \"refuse\"}'\n  \
        russet-sim apns fault '{\"rules\": [{\"effect\": {\"goaway\": {\"code\": \"ENHANCE_YOUR_CALM\"}}, \"after\": 100}]}'\n  \
        russet-sim apns fault '{\"latency_ms\": 10000, \"max_concurrent_streams\": 1, \"initial_window_size\": 0}'\n  \
        russet-sim apns fault --clear")]
struct Fault {
    #[command(flatten)]
    at: At,
    /// The faults in JSON, as the control endpoint takes them
    faults: Option<String>,
    /// Refuse pushes for this reason
    #[arg(long)]
    reason: Option<String>,
    /// Only this share of the tokens, from 0 to 1
    #[arg(long, requires = "reason")]
    share: Option<f64>,
    /// Only so many pushes
    #[arg(long, requires = "reason")]
    next: Option<u64>,
    /// Only pushes to this token, in hexadecimal
    #[arg(long, requires = "reason")]
    token: Vec<String>,
    /// Seconds of Retry-After
    #[arg(long, requires = "reason")]
    retry_after: Option<u64>,
    /// End all faults
    #[arg(long)]
    clear: bool,
}

/// Runs the verb.
pub(crate) async fn main(options: Apns, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    match options.verb {
        None => serve(options.serve, output).await,
        Some(ApnsVerb::Stats { at }) => output.value(&ask(&at, Method::GET, "stats", &Value::Null).await?),
        Some(ApnsVerb::Pushes { at, count }) => {
            let path = format!("pushes?count={count}");
            output.value(&ask(&at, Method::GET, &path, &Value::Null).await?)
        }
        Some(ApnsVerb::Fault(fault)) => {
            let faults = fault.faults()?;
            output.value(&ask(&fault.at, Method::POST, "faults", &faults).await?)
        }
    }
}

async fn serve(options: Serve, output: Output) -> Result<(), Failure> {
    let anchor = options.directory.join(ANCHOR_FILE);
    let settings = Settings {
        listen: options.listen,
        control: Some(options.control),
        directory: Some(options.directory),
        latency: options.latency,
        max_concurrent_streams: options.max_streams,
        strict_tokens: options.strict_tokens,
        ..Settings::default()
    };
    let apns = FakeApns::start(settings).await?;
    let control = apns.control().map(|address| address.to_string());
    let control = control.unwrap_or_default();
    output.line(
        format!(
            "apns ready: endpoint {} control {control} anchor {}",
            apns.url(),
            anchor.display()
        ),
        json!({ "event": "ready", "endpoint": apns.url(), "control": control, "anchor": anchor }),
    );
    // Not until standard input closes: it is none in the background. Without signals it runs until it is killed.
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}

impl Fault {
    /// What to send.
    fn faults(&self) -> Result<Value, Failure> {
        if let Some(text) = &self.faults {
            return serde_json::from_str(text)
                .map_err(|e| Failure::Request(format!("the faults are not JSON: {e}")));
        }
        let mut faults = Faults::default();
        if let Some(reason) = &self.reason {
            let answer = Answer {
                reason: reason.clone(),
                status: None,
                retry_after: self.retry_after,
                timestamp: None,
            };
            faults.rules.push(Rule {
                tokens: self.token.clone(),
                share: self.share,
                next: self.next,
                ..Rule::all(Effect::Answer(answer))
            });
        }
        Ok(json!(faults))
    }
}

async fn ask(at: &At, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    let url = format!("http://{}/{path}", at.control);
    let request = Request::new(method, &url).body(body.to_string());
    let answer = Client::plain().send(request, None).await.map_err(|problem| {
        Failure::Request(format!(
            "{problem}\nnext: start it with russet-sim apns, or give its address with --control"
        ))
    })?;
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        200 => Ok(value),
        _ => Err(Failure::Request(
            value["error"].as_str().unwrap_or("refused").into(),
        )),
    }
}

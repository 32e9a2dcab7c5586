//! `russet ade sync`.

use std::time::Duration;

use axum::http::Method;
use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        args::Cli,
        output::{self, CliError, EXIT_FAILED, Output},
        remote::{client, items, segment, text},
    },
    error::Code,
    operator::client::{Client, ClientError},
};

/// `russet ade sync`
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// The token; not needed if there is one only, or a default.
    pub token: Option<String>,
    /// Read all devices, and find those that Apple has no more; at most once in seven days.
    #[arg(long)]
    pub full: bool,
    /// Wait for the end, and show how far it is.
    #[arg(long)]
    pub follow: bool,
}

/// How often progress is shown.
const BEAT: Duration = Duration::from_secs(1);

/// Begins a sync; follows it if asked to, or if it would end with this process.
pub(super) async fn run(cli: &Cli, output: Output, args: &SyncArgs) -> Result<(), CliError> {
    let client = client(cli).await?;
    let begun = begin(&client, args).await?;
    let token = text(&begun["token"]);
    if !args.follow && !matches!(client, Client::Within(_)) {
        let kind = text(&begun["running"]["kind"]);
        output.say(
            &format!("{kind} sync of {token} has begun; `russet ade status` tells how far it is"),
            &begun,
        );
        return Ok(());
    }
    let id = begun["running"]["id"].clone();
    let mut shown = String::new();
    loop {
        let status = status(&client, Some(&token)).await?;
        let status = items(&status["syncs"]).next().cloned().unwrap_or_default();
        let busy = status["running"]["id"] == id || status["assigning"] == true;
        let line = progress(&status);
        if !output.json && line != shown {
            output::aside(&line);
            shown = line;
        }
        if !busy {
            return ended(output, &token, &status);
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Begins a sync. Whoever follows it waits for one that runs already: what has changed since that began is not in it.
async fn begin(client: &Client, args: &SyncArgs) -> Result<Value, CliError> {
    let body = json!({ "token": args.token, "full": args.full }).to_string();
    let running = Code::AdeSyncRunning.as_str();
    let mut told = false;
    loop {
        let begun = client
            .request(Method::POST, "/v1/ade/sync", body.clone().into())
            .await;
        match begun {
            Err(ClientError::Refused { body, .. }) if args.follow && body["code"] == running => {
                if !told {
                    output::aside("waiting for the sync that runs already");
                    told = true;
                }
                tokio::time::sleep(BEAT).await;
            }
            begun => return Ok(begun?.body),
        }
    }
}

/// `russet ade status`
pub(super) async fn show(cli: &Cli, output: Output, token: Option<&str>) -> Result<(), CliError> {
    let answer = status(&client(cli).await?, token).await?;
    let rows: Vec<Vec<String>> = items(&answer["syncs"])
        .map(|sync| {
            let state = match sync["running"].is_null() {
                true => text(&sync["last"]["result"]),
                false => progress(sync),
            };
            vec![
                text(&sync["token"]),
                state,
                text(&sync["devices"]),
                text(&sync["last_fetch_at"]),
                text(&sync["next_at"]),
                text(&sync["last"]["code"]),
            ]
        })
        .collect();
    let headings = ["TOKEN", "SYNC", "DEVICES", "LAST FETCH", "NEXT", "PROBLEM"];
    output.table(&headings, &rows, &answer);
    for warning in items(&answer["syncs"]).filter_map(|sync| sync["warning"].as_str()) {
        output::aside(format_args!("warning: {warning}"));
    }
    Ok(())
}

async fn status(client: &Client, token: Option<&str>) -> Result<Value, CliError> {
    let path = match token {
        Some(token) => format!("/v1/ade/sync?token={}", segment(token)),
        None => "/v1/ade/sync".into(),
    };
    Ok(client.request(Method::GET, &path, Vec::new()).await?.body)
}

fn progress(status: &Value) -> String {
    let run = &status["running"];
    if run.is_null() {
        return "assigning profiles".into();
    }
    let devices = text(&run["devices"]);
    match status["eta_seconds"].as_u64() {
        Some(eta) => format!("{devices} devices, about {eta} s left"),
        None => format!("{devices} devices"),
    }
}

fn ended(output: Output, token: &str, status: &Value) -> Result<(), CliError> {
    let last = &status["last"];
    if let Some(code) = last["code"].as_str() {
        let step = "`russet ade token show` tells how the token stands; it is tried again by itself.";
        return Err(CliError::new(EXIT_FAILED, code, text(&last["message"]), step));
    }
    let mut said = format!(
        "{token} is in sync: {} devices; Apple has sent {} records",
        text(&status["devices"]),
        text(&last["devices"])
    );
    if let Some(at) = status["manual_advised_at"].as_str() {
        said.push_str(&format!("; another sync is of use from {at}"));
    }
    output.say(&said, status);
    Ok(())
}

//! `russet ade device …` and `russet ade why`.

use std::io::{BufRead as _, Write as _};

use axum::http::Method;
use clap::{ArgGroup, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{
        args::Cli,
        output::{self, CliError, EXIT_FAILED, EXIT_REFUSED, Output},
        remote::{client, items, segment, text},
    },
    operator::client::Client,
};

/// `russet ade device …`
#[derive(Debug, Subcommand)]
pub enum AdeDeviceVerb {
    /// Gives devices a profile.
    #[command(group(ArgGroup::new("which").required(true).args(["profile", "default"])))]
    Assign {
        /// The devices' serial numbers.
        #[arg(required = true)]
        serials: Vec<String>,
        /// The profile's name.
        #[arg(long)]
        profile: Option<String>,
        /// The token's default again.
        #[arg(long)]
        default: bool,
        /// Their token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Forgets a device here; Apple is not told.
    Delete {
        /// Its serial number.
        serial: String,
    },
    /// Gives devices up for good: they leave the organisation.
    Disown {
        /// The devices' serial numbers.
        #[arg(required = true)]
        serials: Vec<String>,
        /// Their token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Lists devices.
    List {
        /// Only of this token.
        #[arg(long)]
        token: Option<String>,
        /// Only those whose serial number begins so.
        #[arg(long)]
        serial: Option<String>,
        /// Only those with this profile, by its name or Apple's identifier.
        #[arg(long)]
        profile: Option<String>,
        /// Only those whose profile is empty, assigned, pushed or removed.
        #[arg(long)]
        status: Option<String>,
        /// Only those that Apple has no more.
        #[arg(long)]
        removed: bool,
        /// Only those that have their profile and are not enrolled.
        #[arg(long)]
        awaiting: bool,
    },
    /// Shows one device.
    Show {
        /// Its serial number.
        serial: String,
    },
}

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &AdeDeviceVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        AdeDeviceVerb::Assign {
            token,
            profile,
            default: _,
            serials,
        } => assign(&client, output, token.as_deref(), profile.as_deref(), serials).await,
        AdeDeviceVerb::Delete { serial } => {
            let answer = client
                .request(Method::DELETE, &path(serial), Vec::new())
                .await?
                .body;
            output.say(
                &format!("{serial} is forgotten; if Apple still has it, the next full sync brings it back"),
                &answer,
            );
            Ok(())
        }
        AdeDeviceVerb::Disown { token, serials, yes } => {
            if !yes && !confirmed(serials.len())? {
                return Err(CliError::new(
                    EXIT_FAILED,
                    "not_confirmed",
                    "nothing was done",
                    "Type `disown` where it asks, or give --yes.",
                ));
            }
            let body = json!({ "token": token, "serials": serials, "confirm": true });
            let answer = client
                .request(Method::POST, "/v1/ade/disownments", body.to_string().into())
                .await?
                .body;
            let rows: Vec<Vec<String>> = entries(&answer["devices"])
                .map(|(serial, status)| vec![serial.clone(), text(status)])
                .collect();
            output.table(&["SERIAL", "RESULT"], &rows, &answer);
            let refused = entries(&answer["devices"]).filter(|(_, status)| *status != "SUCCESS");
            all_done(refused.count(), rows.len())
        }
        AdeDeviceVerb::List {
            token,
            serial,
            profile,
            status,
            removed,
            awaiting,
        } => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let [removed, awaiting] = [removed, awaiting].map(|flag| flag.then(|| "true".to_owned()));
            for (name, value) in [
                ("token", token),
                ("serial", serial),
                ("profile", profile),
                ("profile_status", status),
                ("removed", &removed),
                ("awaiting", &awaiting),
            ] {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
            list(&client, output, query.finish()).await
        }
        AdeDeviceVerb::Show { serial } => {
            let answer = client.request(Method::GET, &path(serial), Vec::new()).await?.body;
            let lines: Vec<String> = items(&answer["devices"]).map(shown).collect();
            output.say(&lines.join("\n\n"), &answer);
            Ok(())
        }
    }
}

/// `russet ade why`
pub(super) async fn why(cli: &Cli, output: Output, serial: &str) -> Result<(), CliError> {
    let path = format!("/v1/ade/why/{}", segment(serial));
    let answer = client(cli)
        .await?
        .request(Method::GET, &path, Vec::new())
        .await?
        .body;
    let mut said = format!(
        "{}\n  next: {}",
        text(&answer["explanation"]),
        text(&answer["step"])
    );
    for line in items(&answer["evidence"]) {
        said.push_str(&format!("\n  - {}", text(line)));
    }
    output.say(&said, &answer);
    Ok(())
}

/// `russet ade refusals`
pub(super) async fn refusals(
    cli: &Cli,
    output: Output,
    serial: Option<&str>,
    limit: u16,
) -> Result<(), CliError> {
    let mut query = form_urlencoded::Serializer::new(format!("limit={limit}"));
    query.extend_pairs(serial.map(|serial| ("serial", serial)));
    let path = format!("/v1/ade/refusals?{}", query.finish());
    let answer = client(cli)
        .await?
        .request(Method::GET, &path, Vec::new())
        .await?
        .body;
    let columns = ["at", "serial", "code", "message", "step"];
    let rows: Vec<Vec<String>> = items(&answer["refusals"])
        .map(|one| columns.map(|column| text(&one[column])).to_vec())
        .collect();
    output.table(&["AT", "SERIAL", "CODE", "WHY", "WHAT TO DO"], &rows, &answer);
    Ok(())
}

/// Gives devices a profile, or without one the token's default again.
pub(super) async fn assign(
    client: &Client,
    output: Output,
    token: Option<&str>,
    profile: Option<&str>,
    serials: &[String],
) -> Result<(), CliError> {
    let body = json!({ "token": token, "profile": profile, "serials": serials });
    let answer = client
        .request(Method::POST, "/v1/ade/assignments", body.to_string().into())
        .await?
        .body;
    let rows: Vec<Vec<String>> = entries(&answer["devices"])
        .map(|(serial, outcome)| {
            vec![
                serial.clone(),
                text(&outcome["state"]),
                text(&outcome["retry_at"]),
            ]
        })
        .collect();
    output.table(&["SERIAL", "RESULT", "AGAIN AT"], &rows, &answer);
    // Whatever else Apple says is kept, and tried again.
    let refused = entries(&answer["devices"]).filter(|(_, outcome)| outcome["state"] == "unknown_device");
    all_done(refused.count(), rows.len())
}

/// Fails if some of the devices were refused; the answer has said which.
fn all_done(refused: usize, all: usize) -> Result<(), CliError> {
    let step = "`russet ade why SERIAL` explains each.";
    match refused {
        0 => Ok(()),
        refused if refused == all => {
            let message = "it was refused for all of the devices";
            Err(CliError::new(EXIT_REFUSED, "all_refused", message, step))
        }
        refused => {
            let message = format!("it was refused for {refused} of {all} devices");
            Err(CliError::new(EXIT_FAILED, "not_for_all", message, step))
        }
    }
}

async fn list(client: &Client, output: Output, query: String) -> Result<(), CliError> {
    let mut devices = Vec::new();
    let mut fetches = serde_json::Map::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/ade/devices?limit=1000&{query}{cursor}");
        let mut answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        if let Value::Array(page) = answer["devices"].take() {
            devices.extend(page);
        }
        for fetch in items(&answer["last_fetch"]) {
            fetches.insert(text(&fetch["token"]), fetch["at"].clone());
        }
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => break,
        }
    }
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|device| {
            let profile = match device["state"].as_str() {
                Some("removed_from_abm") => "Removed from ABM".into(),
                _ => match device["profile_state_cause"].as_str() {
                    Some(cause) => format!("{}: {cause}", text(&device["profile_state"])),
                    None => text(&device["profile_state"]),
                },
            };
            vec![
                text(&device["serial"]),
                text(&device["token"]),
                text(&device["device_family"]),
                text(&device["model"]),
                text(&device["profile_state_since"]),
                profile,
                text(&device["hint"]),
            ]
        })
        .collect();
    if !output.json {
        for (token, at) in &fetches {
            output::line(format_args!("Last fetch, {token}: {}", text(at)));
        }
    }
    let headings = ["SERIAL", "TOKEN", "FAMILY", "MODEL", "SINCE", "PROFILE", "HINT"];
    output.table(
        &headings,
        &rows,
        &json!({ "devices": devices, "last_fetch": fetches }),
    );
    Ok(())
}

fn shown(device: &Value) -> String {
    let known = entries(device).filter(|(_, value)| !value.is_null());
    let lines: Vec<String> = known
        .map(|(name, value)| format!("{name}: {}", text(value)))
        .collect();
    lines.join("\n")
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether the person at the terminal means it.
fn confirmed(devices: usize) -> Result<bool, CliError> {
    eprint!(
        "Disowning can't be undone: {devices} devices leave the organisation for good. Type `disown` to go on: "
    );
    let failed = |error: std::io::Error| CliError::new(EXIT_FAILED, "no_terminal", error, "Give --yes.");
    std::io::stderr().flush().map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim() == "disown")
}

fn path(serial: &str) -> String {
    format!("/v1/ade/devices/{}", segment(serial))
}

//! `russet ca …`: the authority that issues the devices' identities.

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    args::Cli,
    output::{CliError, Output},
    remote::{client, items, resolve, segment, text},
};
use crate::operator::client::Client;

/// `russet ca …`
#[derive(Debug, Subcommand)]
pub enum CaVerb {
    /// Lists the certificates that it has issued, renewals included.
    Issued {
        /// Only those that speak, or spoke, for this enrollment (id, or serial number).
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Shows it.
    Show {
        /// Its certificate instead.
        #[arg(long)]
        pem: bool,
    },
}

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &CaVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        CaVerb::Issued { device } => {
            let device = match device {
                Some(id) => Some(resolve(&client, id).await?),
                None => None,
            };
            issued(&client, output, device.as_deref()).await
        }
        CaVerb::Show { pem } => {
            let answer = client.request(Method::GET, "/v1/ca", Vec::new()).await?.body;
            if *pem {
                output.say(text(&answer["certificate"]).trim_end(), &answer);
                return Ok(());
            }
            let fact = |name: &str, key: &str| format!("{name:13} {}", text(&answer[key]));
            let lines = [
                fact("subject", "subject"),
                fact("valid from", "not_before"),
                fact("valid until", "not_after"),
                fact("serial number", "serial_number"),
                fact("SHA-256", "fingerprint"),
            ];
            output.say(&lines.join("\n"), &answer);
            Ok(())
        }
    }
}

async fn issued(client: &Client, output: Output, device: Option<&str>) -> Result<(), CliError> {
    let mut all: Vec<Value> = Vec::new();
    let mut rest = device.map_or(String::new(), |id| format!("&enrollment={}", segment(id)));
    let query = rest.clone();
    loop {
        let path = format!("/v1/ca/issued?limit=1000{rest}");
        let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        all.extend(items(&answer["certificates"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => rest = format!("{query}&cursor={}", segment(next)),
            None => break,
        }
    }
    let row = |one: &Value| {
        [
            "serial_number",
            "state",
            "enrollment_id",
            "not_before",
            "not_after",
        ]
        .map(|key| text(&one[key]))
        .to_vec()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let headings = [
        "SERIAL NUMBER",
        "STATE",
        "ENROLLMENT",
        "VALID FROM",
        "VALID UNTIL",
    ];
    output.table(&headings, &rows, &json!({ "certificates": all }));
    Ok(())
}

//! `russet push-cert …`: from the request to the certificate in service, and its renewal each year.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    args::{Cli, PushCertVerb, RequestFormat, RequestOutput},
    files,
    output::{self, CliError, EXIT_FAILED, Output},
    remote::{client, items, resolve, segment, text},
};
use crate::{operator::client::Client, pki::pem};

const PATH: &str = "/v1/push-certificates";

/// Runs one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &PushCertVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        PushCertVerb::Csr { request } => hand_out(&client, output, None, request).await,
        PushCertVerb::Import {
            files,
            apple_id,
            replace_topic,
        } => {
            let body = json!({ "pem": read(files)?, "apple_id": apple_id, "replace_topic": replace_topic });
            let answer = client
                .request(Method::POST, PATH, body.to_string().into())
                .await?
                .body;
            for warning in items(&answer["warnings"]).filter_map(Value::as_str) {
                output::aside(format_args!("warning: {warning}"));
            }
            output.say(&described(&answer), &answer);
            Ok(())
        }
        PushCertVerb::Renew { topic, request } => {
            let topic = one(&client, topic.as_deref()).await?;
            hand_out(&client, output, Some(&topic), request).await
        }
        PushCertVerb::Show { topic } => show(&client, output, topic.as_deref()).await,
        PushCertVerb::Test { topic, enrollment } => {
            let topic = one(&client, topic.as_deref()).await?;
            let enrollment = match enrollment {
                None => None,
                Some(id) => Some(resolve(&client, id).await?),
            };
            let path = format!("{PATH}/{}/test", segment(&topic));
            let body = json!({ "enrollment": enrollment }).to_string();
            let answer = client.request(Method::POST, &path, body.into()).await?.body;
            output.say(&text(&answer["push_result"]), &answer);
            Ok(())
        }
    }
}

async fn list(client: &Client) -> Result<Value, CliError> {
    Ok(client.request(Method::GET, PATH, Vec::new()).await?.body)
}

/// The topic that is meant: the one that was named, or the only one.
async fn one(client: &Client, named: Option<&str>) -> Result<String, CliError> {
    if let Some(topic) = named {
        return Ok(topic.to_owned());
    }
    let all = list(client).await?;
    let topics: Vec<String> = items(&all["push_certificates"])
        .map(|one| text(&one["topic"]))
        .collect();
    match topics.as_slice() {
        [topic] => Ok(topic.clone()),
        [] => Err(CliError::new(
            EXIT_FAILED,
            "no_push_certificate",
            "there is no push certificate",
            "Ask for a first one: `russet push-cert csr`.",
        )),
        _ => Err(CliError::usage(format!(
            "there are several push certificates, so name the topic: {}",
            topics.join(", ")
        ))),
    }
}

async fn show(client: &Client, output: Output, topic: Option<&str>) -> Result<(), CliError> {
    let all = list(client).await?;
    let topics: Vec<String> = match topic {
        Some(topic) => vec![topic.to_owned()],
        None => items(&all["push_certificates"])
            .map(|one| text(&one["topic"]))
            .collect(),
    };
    let mut shown = Vec::new();
    for topic in topics {
        let path = format!("{PATH}/{}", segment(&topic));
        shown.push(client.request(Method::GET, &path, Vec::new()).await?.body);
    }
    let mut parts: Vec<String> = shown.iter().map(described).collect();
    if parts.is_empty() {
        parts.push("no push certificate: `russet push-cert csr` asks for one".into());
    }
    if topic.is_none() {
        let waiting = |request: &Value| {
            let whose = match request["topic"].as_str() {
                Some(topic) => format!("a renewal of {topic}"),
                None => "a new certificate".into(),
            };
            format!(
                "A request for {whose} waits since {}.",
                text(&request["created_at"])
            )
        };
        parts.extend(items(&all["pending_requests"]).map(waiting));
    }
    let json = json!({ "push_certificates": shown, "pending_requests": all["pending_requests"] });
    output.say(&parts.join("\n\n"), &json);
    Ok(())
}

/// The seven facts that an operator needs (P3), and who depends on them.
fn described(one: &Value) -> String {
    let not_noted = |value: &Value| {
        value
            .as_str()
            .unwrap_or("not noted (import with --apple-id)")
            .to_owned()
    };
    let mut lines = vec![
        ("Subject ID (topic)", text(&one["topic"])),
        ("Status", text(&one["status"])),
        ("Days until expiration", text(&one["days_until_expiration"])),
        ("Expiration", text(&one["not_after"])),
        ("Last updated", text(&one["last_updated"])),
        ("Apple ID", not_noted(&one["apple_id"])),
        ("Serial number", text(&one["serial_number"])),
    ];
    if matches!(one["level"].as_str(), Some("expired" | "grace_over")) {
        lines.push(("Renewable until", text(&one["grace_ends"])));
    }
    if one["enrolled_devices"].is_number() {
        lines.push(("Enrolled devices", text(&one["enrolled_devices"])));
    }
    let new = if one["new_enrollments"] == true {
        "yes"
    } else {
        "no"
    };
    lines.push(("For new enrollments", new.into()));
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(name, value)| format!("{name:23}{value}"))
        .collect();
    lines.join("\n")
}

/// Asks for a request, writes it where it is wanted, and says what to do with it.
async fn hand_out(
    client: &Client,
    output: Output,
    topic: Option<&str>,
    wanted: &RequestOutput,
) -> Result<(), CliError> {
    let path = format!("{PATH}/csr");
    let body = json!({ "topic": topic }).to_string();
    let answer = client.request(Method::POST, &path, body.into()).await?.body;
    let request = encoded(&answer, wanted.format)?;
    if let Some(file) = &wanted.out {
        fs::write(file, &request).map_err(|error| failed(file, &error))?;
    }
    if output.json {
        output.say("", &answer);
        return Ok(());
    }
    let steps: Vec<String> = items(&answer["steps"])
        .filter_map(Value::as_str)
        .enumerate()
        .map(|(at, step)| format!("{}. {step}", at + 1))
        .collect();
    match &wanted.out {
        Some(file) => {
            let steps = steps.join("\n");
            output.say(
                &format!("The request is in {}.\n{steps}", file.display()),
                &answer,
            );
        }
        None => {
            output::write(&request);
            output::aside(steps.join("\n"));
        }
    }
    Ok(())
}

/// The request in this form; the usual one is what Apple's portal takes, if there is a vendor to sign it.
fn encoded(answer: &Value, format: Option<RequestFormat>) -> Result<Vec<u8>, CliError> {
    let csr = text(&answer["csr"]);
    let line = |text: &str| format!("{text}\n").into_bytes();
    match (format, answer["signed_request"].as_str()) {
        (None | Some(RequestFormat::Signed), Some(signed)) => Ok(line(signed)),
        (None | Some(RequestFormat::Pem), _) => Ok(csr.into_bytes()),
        (Some(RequestFormat::Der), _) => {
            let block = pem::blocks(&csr)
                .ok()
                .and_then(|blocks| blocks.into_iter().next());
            block.map(|block| block.der).ok_or_else(|| {
                CliError::new(
                    EXIT_FAILED,
                    "bad_answer",
                    "the server's answer holds no request",
                    "Ask for --format pem.",
                )
            })
        }
        (Some(RequestFormat::Signed), None) => Err(CliError::new(
            EXIT_FAILED,
            "no_vendor",
            "no vendor certificate is configured, so the request can't be signed here",
            "Set push.vendor_certificate, push.vendor_key and push.vendor_chain, or have a vendor sign the PEM.",
        )),
    }
}

/// The files' contents, one after the other; `-` is standard input.
fn read(files: &[PathBuf]) -> Result<String, CliError> {
    let mut all = String::new();
    for file in files {
        all.push_str(&String::from_utf8_lossy(&files::bytes(file)?));
        all.push('\n');
    }
    Ok(all)
}

fn failed(file: &Path, error: &io::Error) -> CliError {
    let message = format!("{}: {error}", file.display());
    CliError::new(EXIT_FAILED, "not_written", message, "Choose another --out.")
}

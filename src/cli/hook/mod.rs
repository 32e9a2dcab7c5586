//! `russet hook …`.

pub(super) mod args;

use std::path::PathBuf;

use axum::http::Method;
use serde_json::{Value, json};

use args::{HookChange, HookVerb};

use super::{
    args::Cli,
    files,
    output::{CliError, EXIT_FAILED, Output},
    remote::{client, items, lines, segment, text},
};
use crate::operator::client::Client;

/// The statuses of mdm.Connect but for Idle.
const NOT_IDLE: [&str; 4] = ["Acknowledged", "CommandFormatError", "Error", "NotNow"];

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &HookVerb) -> Result<(), CliError> {
    // Before anything else: a secret that can't be read must not leave a hook without one.
    let secret = |file: &Option<PathBuf>| file.as_deref().map(files::first_line).transpose();
    match verb {
        HookVerb::Add {
            name,
            url,
            format,
            topics,
            statuses,
            no_idle,
            secret_file,
            generate_secret,
            allow_any_address,
        } => {
            let statuses = if *no_idle {
                NOT_IDLE.to_vec()
            } else {
                statuses.iter().map(String::as_str).collect()
            };
            let body = json!({
                "name": name,
                "url": url,
                "format": format.as_str(),
                "topics": topics,
                "statuses": statuses,
                "secret": secret(secret_file)?,
                "generate_secret": generate_secret,
                "allow_any_address": allow_any_address,
            });
            let answer = ask(&client(cli).await?, Method::POST, "/v1/hooks", &body).await?;
            let said = match answer["secret"].as_str() {
                Some(secret) => {
                    format!("{name} gets events from now on; its secret, shown this once:\n{secret}")
                }
                None => format!("{name} gets events from now on; `russet hook test {name}` tries it"),
            };
            output.say(&said, &answer);
        }
        HookVerb::Change { name, change } => {
            let body = changed(change)?;
            let answer = ask(&client(cli).await?, Method::PATCH, &path(name, ""), &body).await?;
            output.say(&lines(&answer, 0), &answer);
        }
        HookVerb::Deadletters { name, clear } => {
            let client = client(cli).await?;
            if *clear {
                let answer = ask(&client, Method::DELETE, &path(name, "/deadletters"), &Value::Null).await?;
                output.say(
                    &format!("{} dead letters forgotten", answer["forgotten"]),
                    &answer,
                );
            } else {
                dead_letters(&client, output, name).await?;
            }
        }
        HookVerb::Disable { name } => enable(cli, output, name, false).await?,
        HookVerb::Enable { name } => enable(cli, output, name, true).await?,
        HookVerb::List => list(&client(cli).await?, output).await?,
        HookVerb::Remove { name } => {
            ask(&client(cli).await?, Method::DELETE, &path(name, ""), &Value::Null).await?;
            output.say(&format!("{name} removed"), &json!({ "removed": name }));
        }
        HookVerb::Replay { name, event_ids } => {
            let ids = (!event_ids.is_empty()).then_some(event_ids);
            let body = json!({ "event_ids": ids });
            let answer = ask(&client(cli).await?, Method::POST, &path(name, "/replay"), &body).await?;
            output.say(
                &format!("{} events are in the queue again", answer["replayed"]),
                &answer,
            );
            let unknown: Vec<String> = items(&answer["unknown"]).map(text).collect();
            if !unknown.is_empty() {
                let step = "`russet hook deadletters` lists them.";
                let message = format!("no dead letter has the id {}", unknown.join(", "));
                return Err(CliError::new(EXIT_FAILED, "dead_letter_unknown", message, step));
            }
        }
        HookVerb::Show { name } => {
            let answer = ask(&client(cli).await?, Method::GET, &path(name, ""), &Value::Null).await?;
            output.say(&lines(&answer, 0), &answer);
        }
        HookVerb::Test { name } => {
            let answer = ask(
                &client(cli).await?,
                Method::POST,
                &path(name, "/test"),
                &Value::Null,
            )
            .await?;
            if answer["delivered"] != true {
                let step = "Look at the receiver; the URL is what `russet hook list` shows.";
                return Err(CliError::new(
                    EXIT_FAILED,
                    "hook_failed",
                    text(&answer["problem"]),
                    step,
                ));
            }
            output.say(
                &format!("{name} has taken the event {}", text(&answer["event_id"])),
                &answer,
            );
        }
    }
    Ok(())
}

/// What the flags say; what is null stays.
fn changed(change: &HookChange) -> Result<Value, CliError> {
    let secret = change.secret_file.as_deref().map(files::first_line).transpose()?;
    let statuses = match &change.statuses {
        Some(statuses) => Some(statuses.iter().map(String::as_str).collect()),
        None if change.no_idle => Some(NOT_IDLE.to_vec()),
        None => change.all_statuses.then(Vec::new),
    };
    Ok(json!({
        "url": change.url,
        "topics": change.topics,
        "statuses": statuses,
        "secret": secret.or_else(|| change.no_secret.then(String::new)),
    }))
}

async fn enable(cli: &Cli, output: Output, name: &str, enabled: bool) -> Result<(), CliError> {
    let body = json!({ "enabled": enabled });
    let answer = ask(&client(cli).await?, Method::PATCH, &path(name, ""), &body).await?;
    let said = if enabled {
        format!("{name} gets events from now on")
    } else {
        format!("{name} gets no events until it is enabled; what happens meanwhile is not kept for it")
    };
    output.say(&said, &answer);
    Ok(())
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let answer = ask(client, Method::GET, "/v1/hooks", &Value::Null).await?;
    let rows: Vec<Vec<String>> = items(&answer["hooks"])
        .map(|hook| {
            let state = match (&hook["enabled"], &hook["failing_since"]) {
                (Value::Bool(false), _) => "disabled",
                (_, Value::Null) => "ok",
                _ => "failing",
            };
            vec![
                text(&hook["name"]),
                state.to_owned(),
                text(&hook["format"]),
                text(&hook["waiting"]),
                text(&hook["dead_letters"]),
                text(&hook["dropped"]),
                items(&hook["topics"]).map(text).collect::<Vec<_>>().join(","),
                text(&hook["url"]),
            ]
        })
        .collect();
    let headings = [
        "NAME", "STATE", "FORMAT", "WAITING", "DEAD", "DROPPED", "TOPICS", "URL",
    ];
    output.table(&headings, &rows, &answer);
    Ok(())
}

async fn dead_letters(client: &Client, output: Output, name: &str) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", "1000");
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let path = path(name, &format!("/deadletters?{}", query.finish()));
        let answer = ask(client, Method::GET, &path, &Value::Null).await?;
        all.extend(items(&answer["dead_letters"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|letter| {
            let columns = [
                "event_id",
                "topic",
                "enrollment",
                "created_at",
                "given_up_at",
                "reason",
            ];
            columns.iter().map(|column| text(&letter[*column])).collect()
        })
        .collect();
    let headings = ["EVENT", "TOPIC", "ENROLLMENT", "HAPPENED", "GIVEN UP", "REASON"];
    output.table(&headings, &rows, &json!({ "dead_letters": all }));
    Ok(())
}

async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into(),
    };
    Ok(client.request(method, path, body).await?.body)
}

fn path(name: &str, rest: &str) -> String {
    format!("/v1/hooks/{}{rest}", segment(name))
}

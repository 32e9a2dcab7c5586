//! `russet command …`.

pub(super) mod args;

use axum::http::Method;
use serde_json::{Value, json};

use args::CommandVerb;

use super::{
    args::Cli,
    output::{self, CliError, EXIT_FAILED, Output},
    remote::{client, command, items, lines, resolve, segment, text},
};
use crate::operator::client::Client;

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &CommandVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        CommandVerb::Cancel { uuid, device } => cancel(&client, output, uuid, device.as_deref()).await,
        CommandVerb::Queue { id } => queue(&client, output, id).await,
        CommandVerb::Result { uuid, device } => result(&client, output, uuid, device.as_deref()).await,
        CommandVerb::Retry { uuid, device } => {
            let ids = match device {
                None => None,
                Some(device) => Some(vec![resolve(&client, device).await?]),
            };
            let path = format!("/v1/commands/{}/retry", segment(uuid));
            let body = json!({ "ids": ids }).to_string().into();
            let answer = client.request(Method::POST, &path, body).await?.body;
            told(output, &answer)
        }
        CommandVerb::Send {
            request_type,
            file,
            priority,
            not_before,
            expires,
            no_push,
            ids,
        } => {
            let mut known = Vec::new();
            for id in ids {
                known.push(segment(&resolve(&client, id).await?));
            }
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("priority", &priority.to_string());
            query.extend_pairs(not_before.iter().map(|time| ("not_before", time)));
            query.extend_pairs(expires.iter().map(|time| ("expires", time)));
            query.extend_pairs(no_push.then_some(("nopush", "1")));
            let path = format!("/v1/enqueue/{}?{}", known.join(","), query.finish());
            let command = command(request_type.as_deref(), file.as_deref())?;
            let answer = client.request(Method::PUT, &path, command).await?.body;
            told(output, &answer)
        }
    }
}

/// What became of an enqueue; fails if it did not go well for everybody.
fn told(output: Output, answer: &Value) -> Result<(), CliError> {
    let said = format!(
        "queued {} as {}",
        text(&answer["request_type"]),
        text(&answer["command_uuid"])
    );
    output.say(&said, answer);
    let mut failed = Vec::new();
    for (id, status) in answer["status"].as_object().into_iter().flatten() {
        for warning in items(&status["warnings"]).filter_map(Value::as_str) {
            output::aside(format_args!("warning: {id}: {warning}"));
        }
        failed.extend(status["command_error"].as_str().map(|why| format!("{id}: {why}")));
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(CliError::new(
            EXIT_FAILED,
            "not_for_all",
            failed.join("; "),
            "The others have it; `russet command result` tells where it stands.",
        )),
    }
}

async fn queue(client: &Client, output: Output, id: &str) -> Result<(), CliError> {
    let id = resolve(client, id).await?;
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let path = format!("/v1/queue/{}?{}", segment(&id), query.finish());
        let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        all.extend(items(&answer["commands"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let columns = ["command_uuid", "request_type", "state", "priority", "enqueued_at"];
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|row| columns.iter().map(|column| text(&row[*column])).collect())
        .collect();
    let headings = ["COMMAND", "TYPE", "STATE", "PRIORITY", "ENQUEUED"];
    output.table(&headings, &rows, &json!({ "commands": all }));
    Ok(())
}

/// A command with all its targets.
async fn whole(client: &Client, uuid: &str) -> Result<Value, CliError> {
    let mut whole: Option<Value> = None;
    let mut cursor = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::from("limit=1000&"));
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let path = format!("/v1/commands/{}?{}", segment(uuid), query.finish());
        let mut answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        let next = answer["next_cursor"].as_str().map(str::to_owned);
        match &mut whole {
            None => whole = Some(answer),
            Some(whole) => {
                if let (Some(all), Some(more)) = (
                    whole["enrollments"].as_array_mut(),
                    answer["enrollments"].as_array_mut(),
                ) {
                    all.append(more);
                }
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let mut whole = whole.unwrap_or_default();
    if let Some(fields) = whole.as_object_mut() {
        fields.remove("next_cursor");
    }
    Ok(whole)
}

async fn result(client: &Client, output: Output, uuid: &str, device: Option<&str>) -> Result<(), CliError> {
    let mut answer = whole(client, uuid).await?;
    if let Some(device) = device {
        let id = resolve(client, device).await?;
        if let Some(all) = answer["enrollments"].as_array_mut() {
            all.retain(|one| one["id"] == id.as_str());
        }
    }
    let targets: Vec<&Value> = items(&answer["enrollments"]).collect();
    if let ([one], false) = (&targets[..], output.json) {
        let state = format!("{} since {}", text(&one["state"]), text(&one["at"]));
        let mut said = format!(
            "{} for {}: {state}",
            text(&answer["request_type"]),
            text(&one["id"])
        );
        if !one["result"].is_null() {
            said = format!("{said}\n{}", lines(&one["result"], 0));
        }
        output.say(&said, &answer);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = targets
        .iter()
        .map(|one| vec![text(&one["id"]), text(&one["state"]), text(&one["at"])])
        .collect();
    output.table(&["ENROLLMENT", "STATE", "SINCE"], &rows, &answer);
    Ok(())
}

async fn cancel(client: &Client, output: Output, uuid: &str, device: Option<&str>) -> Result<(), CliError> {
    let ids = match device {
        Some(device) => vec![resolve(client, device).await?],
        None => {
            let command = whole(client, uuid).await?;
            let open = |one: &&Value| matches!(one["state"].as_str(), Some("queued" | "not_now"));
            items(&command["enrollments"])
                .filter(open)
                .map(|one| text(&one["id"]))
                .collect()
        }
    };
    for id in &ids {
        let path = format!("/v1/commands/{}/enrollments/{}", segment(uuid), segment(id));
        client.request(Method::DELETE, &path, Vec::new()).await?;
    }
    output.say(
        &format!("taken back from {} of those that had not finished it", ids.len()),
        &json!({ "cancelled": ids }),
    );
    Ok(())
}

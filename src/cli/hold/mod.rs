//! `russet hold …`.

mod args;
mod settings;

use axum::http::Method;
use serde_json::{Value, json};

pub(super) use args::HoldVerb;
use args::{HoldProfileArgs, HoldProfileVerb};

use super::{
    args::Cli,
    output::{self, CliError, Output},
    remote::{client, items, segment, text},
};
use crate::operator::client::Client;

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &HoldVerb) -> Result<(), CliError> {
    match verb {
        HoldVerb::List => list(&client(cli).await?, output).await,
        HoldVerb::Profile { verb } => profile(cli, output, verb).await,
    }
}

async fn profile(cli: &Cli, output: Output, verb: &HoldProfileVerb) -> Result<(), CliError> {
    match verb {
        HoldProfileVerb::Create { name, settings } => {
            let mut body = settings::body(settings)?;
            body.insert("name".into(), name.as_str().into());
            let phase = settings::phase(settings, Vec::new())?;
            if let Some(phase) = phase {
                body.insert("device_phase".into(), phase);
            }
            let client = client(cli).await?;
            let answer = ask(&client, Method::POST, "/v1/hold-profiles", &body.into()).await?;
            let said = format!("{name} created, with priority {}", text(&answer["priority"]));
            output.say(&said, &answer);
        }
        HoldProfileVerb::Delete { name } => {
            ask(&client(cli).await?, Method::DELETE, &path(name), &Value::Null).await?;
            output.say(&format!("{name} deleted"), &json!({ "deleted": name }));
        }
        HoldProfileVerb::Edit {
            name,
            settings,
            remove_item,
        } => edit(&client(cli).await?, output, name, settings, remove_item).await?,
        HoldProfileVerb::List => {
            let answer = ask(
                &client(cli).await?,
                Method::GET,
                "/v1/hold-profiles",
                &Value::Null,
            )
            .await?;
            table(output, &answer);
        }
        HoldProfileVerb::Reorder { names } => {
            let body = json!({ "names": names });
            let client = client(cli).await?;
            let answer = ask(&client, Method::POST, "/v1/hold-profiles/reorder", &body).await?;
            table(output, &answer);
        }
        HoldProfileVerb::Show { name } => {
            let answer = ask(&client(cli).await?, Method::GET, &path(name), &Value::Null).await?;
            let shown = serde_json::to_string_pretty(&answer).unwrap_or_default();
            output.say(&shown, &answer);
        }
    }
    Ok(())
}

async fn edit(
    client: &Client,
    output: Output,
    name: &str,
    settings: &HoldProfileArgs,
    removed: &[String],
) -> Result<(), CliError> {
    let present = ask(client, Method::GET, &path(name), &Value::Null).await?;
    let mut body = settings::body(settings)?;
    // What was looked at is what is changed.
    body.entry("revision")
        .or_insert_with(|| present["revision"].clone());
    let kept = items(&present["device_phase"]["items"]);
    let kept = kept.filter(|item| !removed.iter().any(|name| item["name"] == name.as_str()));
    let kept: Vec<Value> = kept.cloned().collect();
    let has_removed = !removed.is_empty();
    let phase = settings::phase(settings, kept.clone())?;
    match phase {
        Some(phase) => drop(body.insert("device_phase".into(), phase)),
        None if has_removed => drop(body.insert("device_phase".into(), json!({ "items": kept }))),
        None => {}
    }
    let answer = ask(client, Method::PATCH, &path(name), &body.into()).await?;
    let said = format!(
        "{name} changed; it counts for devices that are held from now on (revision {})",
        text(&answer["revision"])
    );
    output.say(&said, &answer);
    Ok(())
}

fn table(output: Output, answer: &Value) {
    let row = |profile: &Value| {
        let assigned = &profile["assigned_to"];
        let values: Vec<_> = items(&assigned["values"]).map(text).collect();
        let of = |kind: &'static str| {
            let items = items(&profile["device_phase"]["items"]);
            items.filter(|item| item["type"] == kind).count().to_string()
        };
        vec![
            text(&profile["priority"]),
            text(&profile["name"]),
            text(&profile["status"]),
            format!("{} {}", text(&assigned["kind"]), values.join(","))
                .trim_end()
                .to_owned(),
            of("app"),
            of("profile"),
            text(&profile["device_phase"]["blocking"]),
            format!(
                "{} min, then {}",
                text(&profile["timeout_minutes"]),
                text(&profile["on_timeout"])
            ),
        ]
    };
    let rows: Vec<_> = items(&answer["hold_profiles"]).map(row).collect();
    let headings = [
        "PRIORITY",
        "NAME",
        "STATUS",
        "FOR",
        "APPS",
        "PROFILES",
        "WAITS FOR",
        "TIMEOUT",
    ];
    output.table(&headings, &rows, answer);
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::from("limit=500&"));
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let path = format!("/v1/holds?{}", query.finish());
        let answer = ask(client, Method::GET, &path, &Value::Null).await?;
        all.extend(items(&answer["holds"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let columns = [
        "enrollment_id",
        "serial",
        "hold_profile",
        "stage",
        "progress",
        "percent",
        "waiting",
        "failed",
        "begun_at",
        "deadline",
    ];
    let row = |hold: &Value| columns.iter().map(|column| text(&hold[*column])).collect();
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let headings = [
        "ENROLLMENT",
        "SERIAL",
        "HOLD PROFILE",
        "STAGE",
        "PROGRESS",
        "%",
        "WAITS FOR",
        "FAILED",
        "SINCE",
        "DEADLINE",
    ];
    output.table(&headings, &rows, &json!({ "holds": all }));
    Ok(())
}

/// `russet device hold`
pub(super) fn say_hold(output: Output, hold: &Value) {
    let row = |item: &Value| {
        let errors = items(&item["errors"]).map(|error| {
            let (domain, code) = (text(&error["domain"]), text(&error["code"]));
            format!("{domain} {code}: {}", text(&error["text"]))
        });
        vec![
            text(&item["name"]),
            text(&item["type"]),
            text(&item["state"]),
            if item["blocking"] == true { "yes" } else { "no" }.to_owned(),
            text(&item["attempt"]),
            text(&item["app_state"]),
            errors.collect::<Vec<_>>().join("; "),
        ]
    };
    let rows: Vec<_> = items(&hold["items"]).map(row).collect();
    if !output.json {
        for (title, key) in [
            ("stage", "stage"),
            ("progress", "progress"),
            ("hold profile", "hold_profile"),
            ("since", "begun_at"),
            ("deadline", "deadline"),
            ("timed out", "timed_out_at"),
            ("ended", "ended_at"),
        ] {
            if !hold[key].is_null() {
                output::line(format_args!("{title}: {}", text(&hold[key])));
            }
        }
    }
    let headings = ["NAME", "TYPE", "STATE", "BLOCKING", "TRIES", "APP STATE", "ERROR"];
    output.table(&headings, &rows, hold);
}

async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into(),
    };
    Ok(client.request(method, path, body).await?.body)
}

fn path(name: &str) -> String {
    format!("/v1/hold-profiles/{}", segment(name))
}

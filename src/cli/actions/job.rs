//! `russet job`: actions for many devices, and how far they are.

use std::time::Duration;

use axum::http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::args::JobVerb;
use crate::{
    cli::{
        args::Cli,
        output::{CliError, EXIT_REFUSED, Output},
        remote::{client, items, segment, text},
    },
    operator::client::Client,
};

/// How often a job is looked at while somebody waits for it.
const LOOK: Duration = Duration::from_millis(300);

/// Runs one verb.
pub(in crate::cli) async fn run(cli: &Cli, output: Output, verb: &JobVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        JobVerb::Cancel { id } => {
            let path = format!("/v1/jobs/{}/cancel", segment(id));
            let job = client.request(Method::POST, &path, Vec::new()).await?.body;
            output.say(&format!("{id} cancelled; {}", summary(&job)), &job);
            Ok(())
        }
        JobVerb::List => list(&client, output).await,
        JobVerb::Show { id, follow: true } => follow(&client, output, id).await,
        JobVerb::Show { id, .. } => show(&client, output, &look(&client, id).await?).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut path = "/v1/jobs?limit=500".to_owned();
    loop {
        let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        all.extend(items(&answer["jobs"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/jobs?limit=500&cursor={}", segment(cursor)),
            None => break,
        }
    }
    let keys = [
        "id",
        "action",
        "state",
        "total",
        "done",
        "refused",
        "by",
        "created_at",
    ];
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|job| keys.map(|key| text(&job[key])).to_vec())
        .collect();
    let headings = [
        "ID", "ACTION", "STATE", "TOTAL", "DONE", "REFUSED", "BY", "CREATED",
    ];
    output.table(&headings, &rows, &json!({ "jobs": all }));
    Ok(())
}

/// Waits until a job has ended, with a bar where somebody watches; then shows it.
pub(super) async fn follow(client: &Client, output: Output, id: &str) -> Result<(), CliError> {
    let bar = if output.json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    let job = loop {
        let job = look(client, id).await?;
        let figure = |key: &str| job[key].as_u64().unwrap_or(0);
        bar.set_length(figure("total"));
        bar.set_position(figure("done") + figure("refused"));
        bar.set_message(match job["waits_until"].as_str() {
            Some(until) => format!("waits until {until}"),
            None => format!("{} refused", figure("refused")),
        });
        if job["state"] != "running" {
            break job;
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    show(client, output, &job).await
}

async fn look(client: &Client, id: &str) -> Result<Value, CliError> {
    let path = format!("/v1/jobs/{}?limit=1000", segment(id));
    Ok(client.request(Method::GET, &path, Vec::new()).await?.body)
}

/// The job; fails if it was refused by all of its targets.
async fn show(client: &Client, output: Output, job: &Value) -> Result<(), CliError> {
    let mut job = job.clone();
    let id = text(&job["id"]);
    while let Some(cursor) = job["next_cursor"].as_str().map(segment) {
        let path = format!("/v1/jobs/{}?limit=1000&cursor={cursor}", segment(&id));
        let mut more = client.request(Method::GET, &path, Vec::new()).await?.body;
        if let (Some(all), Some(more)) = (job["refusals"].as_array_mut(), more["refusals"].as_array_mut()) {
            all.append(more);
        }
        job["next_cursor"] = more["next_cursor"].take();
    }
    let mut lines = vec![format!("job {id}: {}", summary(&job))];
    let refusals = items(&job["refusals"]);
    lines.extend(refusals.map(|one| {
        let (id, reason, code) = (text(&one["id"]), text(&one["reason"]), text(&one["code"]));
        format!("{id}  {reason} [{code}]")
    }));
    output.say(&lines.join("\n"), &job);
    if job["state"] == "finished" && job["refused"] == job["total"] {
        let step = "The reasons stand above; nothing was queued.";
        let message = "the job was refused for all of its devices";
        return Err(CliError::new(EXIT_REFUSED, "all_refused", message, step));
    }
    Ok(())
}

fn summary(job: &Value) -> String {
    format!(
        "{} {}: {} of {} done, {} refused",
        text(&job["action"]),
        text(&job["state"]),
        text(&job["done"]),
        text(&job["total"]),
        text(&job["refused"])
    )
}

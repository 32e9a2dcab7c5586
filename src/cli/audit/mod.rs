//! `russet audit …`.

pub(super) mod args;

use std::{collections::VecDeque, time::Duration};

use axum::http::Method;
use serde_json::Value;

use args::{AuditFormat, AuditVerb};

use super::{
    args::Cli,
    output::{self, CliError, EXIT_PROBLEM, Output},
    remote::{client, items, resolve, text},
};
use crate::operator::client::Client;

/// So many entries are asked for at once.
const PAGE: &str = "1000";

/// How often `tail -f` looks for more.
const EVERY: Duration = Duration::from_secs(1);

/// The columns of the CSV form, and of the lines for people.
const COLUMNS: [&str; 16] = [
    "number",
    "at",
    "operator",
    "kind",
    "scope",
    "address",
    "request",
    "operation",
    "outcome",
    "of",
    "targets",
    "targets_count",
    "targets_hash",
    "details",
    "previous",
    "hash",
];

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &AuditVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        AuditVerb::Export { format, since } => export(&client, *format, since.as_deref()).await,
        AuditVerb::Head => {
            let head = ask(&client, "/v1/audit/head").await?;
            output.say(&text(&head["head"]), &head);
            Ok(())
        }
        AuditVerb::Tail {
            follow,
            device,
            operator,
            target,
            lines,
        } => {
            let mut filter = Vec::new();
            filter.extend(operator.iter().map(|name| ("operator", name.clone())));
            filter.extend(target.iter().map(|target| ("target", target.clone())));
            if let Some(device) = device {
                filter.push(("device", resolve(&client, device).await?));
            }
            tail(&client, output, &filter, *lines, *follow).await
        }
        AuditVerb::Verify { head } => verify(&client, output, head.as_deref()).await,
    }
}

async fn ask(client: &Client, path: &str) -> Result<Value, CliError> {
    Ok(client.request(Method::GET, path, Vec::new()).await?.body)
}

/// One page of entries.
async fn page(
    client: &Client,
    filter: &[(&str, String)],
    order: &str,
    cursor: Option<&str>,
) -> Result<Value, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", PAGE).append_pair("order", order);
    query.extend_pairs(filter);
    query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    ask(client, &format!("/v1/audit?{}", query.finish())).await
}

async fn tail(
    client: &Client,
    output: Output,
    filter: &[(&str, String)],
    lines: usize,
    follow: bool,
) -> Result<(), CliError> {
    // What is entered while the latest are looked for is shown as new.
    let head = text(&ask(client, "/v1/audit/head").await?["number"]);
    let (mut latest, mut cursor) = (VecDeque::new(), None);
    while latest.len() < lines {
        let answer = page(client, filter, "newest", cursor.as_deref()).await?;
        for entry in items(&answer["entries"]).take(lines - latest.len()) {
            latest.push_front(entry.clone());
        }
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    if !latest.iter().all(|entry| show(output, entry)) {
        return Ok(());
    }
    let newest = latest.back().map(|entry| text(&entry["number"]));
    let mut after = newest
        .filter(|newest| number(newest) > number(&head))
        .unwrap_or(head);
    if !follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(EVERY).await;
        let mut next = Some(after.clone());
        while let Some(cursor) = next {
            let answer = page(client, filter, "oldest", Some(&cursor)).await?;
            for entry in items(&answer["entries"]) {
                if !show(output, entry) {
                    return Ok(());
                }
                after = text(&entry["number"]);
            }
            next = answer["next_cursor"].as_str().map(str::to_owned);
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Shows an entry; whether anybody still reads.
fn show(output: Output, entry: &Value) -> bool {
    if output.json {
        return output::document(entry);
    }
    let targets: Vec<String> = items(&entry["targets"]).map(text).collect();
    let more = match &entry["targets_count"] {
        Value::Null => String::new(),
        count => format!(" … ({count} in all)"),
    };
    let outcome = match &entry["of"] {
        Value::Null => text(&entry["outcome"]),
        of => format!("{} (of {of})", text(&entry["outcome"])),
    };
    output::line(format_args!(
        "{}  {}  {}  {}  {outcome}  {}{more}  {}",
        entry["number"],
        text(&entry["at"]),
        text(&entry["operator"]),
        text(&entry["operation"]),
        targets.join(","),
        details(entry),
    ))
}

fn details(entry: &Value) -> String {
    let fields = entry["details"].as_object().into_iter().flatten();
    let fields: Vec<String> = fields
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    fields.join(" ")
}

async fn export(client: &Client, format: AuditFormat, since: Option<&str>) -> Result<(), CliError> {
    let filter: Vec<_> = since
        .map(|since| ("since", since.to_owned()))
        .into_iter()
        .collect();
    let mut lines = match format {
        AuditFormat::Csv => COLUMNS.join(",") + "\n",
        AuditFormat::Jsonl => String::new(),
    };
    let mut cursor = None;
    loop {
        let answer = page(client, &filter, "oldest", cursor.as_deref()).await?;
        for entry in items(&answer["entries"]) {
            lines += &match format {
                AuditFormat::Csv => csv(entry),
                AuditFormat::Jsonl => entry.to_string(),
            };
            lines.push('\n');
        }
        // A log is large, and a reader such as `head` may have had enough.
        match (output::write(lines.as_bytes()), answer["next_cursor"].as_str()) {
            (true, Some(next)) => cursor = Some(next.to_owned()),
            _ => return Ok(()),
        }
        lines.clear();
    }
}

fn csv(entry: &Value) -> String {
    let cell = |column: &&str| {
        let text = match (*column, &entry[*column]) {
            (_, Value::Null) => String::new(),
            ("details", _) => details(entry),
            ("targets", targets) => items(targets).map(text).collect::<Vec<_>>().join(" "),
            (_, value) => text(value),
        };
        quoted(&text)
    };
    COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",")
}

/// A cell that no spreadsheet takes for a formula.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = format!("{}{}", if formula { "'" } else { "" }, text.replace('"', "\"\""));
    if text.contains(['"', ',', '\n', '\r', '\'']) {
        format!("\"{text}\"")
    } else {
        text
    }
}

async fn verify(client: &Client, output: Output, head: Option<&str>) -> Result<(), CliError> {
    let mut after = 0;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", &after.to_string());
        query.extend_pairs(head.filter(|_| after == 0).map(|head| ("head", head)));
        let answer = ask(client, &format!("/v1/audit/verify?{}", query.finish())).await?;
        let broken = &answer["broken"];
        if !broken.is_null() {
            let message = format!("audit entry {} {}", broken["number"], text(&broken["problem"]));
            let step =
                "Somebody has changed the store. Keep it as it is, and compare it with an earlier export.";
            return Err(CliError::new(EXIT_PROBLEM, "audit_broken", message, step));
        }
        match answer["next_after"].as_u64() {
            Some(next) => after = next,
            None => {
                let (number, head) = (&answer["reached"]["number"], text(&answer["head"]["head"]));
                output.say(
                    &format!("all {number} entries are as they were written; head {head}"),
                    &answer,
                );
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_x7_no_cell_is_a_formula() {
        for text in ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(quoted(text).starts_with("\"'"), "{text}");
        }
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("enrollment:A"), "enrollment:A");
    }
}

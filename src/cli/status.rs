//! `russet status`: one screen.

use axum::http::Method;
use serde_json::Value;

use super::{
    args::Cli,
    output::{CliError, Output},
    remote::{client, items, text},
};
use crate::operator::client::Client;

/// Asks the server, and shows what it says.
pub(super) async fn run(cli: &Cli, output: Output) -> Result<(), CliError> {
    let client = client(cli).await?;
    let runs = !matches!(client, Client::Within(_));
    let mut answer = client.request(Method::GET, "/v1/status", Vec::new()).await?.body;
    answer["running"] = runs.into();
    output.say(&screen(&answer, runs), &answer);
    Ok(())
}

fn screen(status: &Value, runs: bool) -> String {
    let server = if runs { "running" } else { "not running" };
    let mut lines = vec![
        line("server", format!("russet {}, {server}", text(&status["version"]))),
        line(
            "store",
            format!(
                "{} MiB on disk",
                status["store"]["bytes"].as_u64().unwrap_or(0) >> 20
            ),
        ),
        line(
            "devices",
            format!(
                "{} enrolled, {} enrollments in all",
                status["enrollments"]["enrolled"], status["enrollments"]["all"]
            ),
        ),
        line("queue", queue(&status["queue"])),
        line("pushes", pushes(&status["pushes"], runs)),
    ];
    let mut list = |name: &str, none: &str, rows: Vec<String>| {
        let rows = if rows.is_empty() {
            vec![none.to_owned()]
        } else {
            rows
        };
        for (number, row) in rows.into_iter().enumerate() {
            lines.push(line(if number == 0 { name } else { "" }, row));
        }
    };
    let certificates = items(&status["push_certificates"]).map(|one| expiring(&one["topic"], one));
    list(
        "push certificate",
        "none: `russet push-cert csr` begins",
        certificates.collect(),
    );
    let tokens = items(&status["ade_tokens"]).map(|one| {
        let fetched = match &one["last_fetch_at"] {
            Value::Null => "never synced".to_owned(),
            at => format!("synced {}", text(at)),
        };
        format!(
            "{} ({}), {fetched}",
            expiring(&one["name"], one),
            text(&one["status"])
        )
    });
    list(
        "server tokens",
        "none: `russet ade token pubkey` begins",
        tokens.collect(),
    );
    let hooks = items(&status["hooks"]).map(|one| {
        let state = match (&one["enabled"], &one["failing_since"]) {
            (Value::Bool(false), _) => "disabled".to_owned(),
            (_, Value::Null) => "takes events".to_owned(),
            (_, since) => format!("takes none since {}", text(since)),
        };
        format!(
            "{}: {state}, {} waiting, {} dead letters",
            text(&one["name"]),
            one["waiting"],
            one["dead_letters"]
        )
    });
    list("hooks", "none", hooks.collect());
    let certificates = items(&status["certificates"]).map(|one| expiring(&one["kind"], one));
    list("certificates", "none", certificates.collect());
    let audit = &status["audit"];
    list(
        "audit log",
        "",
        vec![format!(
            "{} entries, head {}",
            audit["entries"],
            text(&audit["head"])
        )],
    );
    lines.join("\n")
}

fn line(name: &str, said: impl std::fmt::Display) -> String {
    format!("{name:17} {said}")
}

fn queue(queue: &Value) -> String {
    match &queue["oldest_at"] {
        Value::Null => "empty".to_owned(),
        at => format!(
            "{} commands wait, the oldest since {}",
            queue["commands"],
            text(at)
        ),
    }
}

fn pushes(pushes: &Value, runs: bool) -> String {
    match (&pushes["configured"], &pushes["apns_down_since"]) {
        (Value::Bool(false), _) => "no push service is configured".to_owned(),
        _ if !runs => "nothing leaves while the server does not run".to_owned(),
        (_, Value::Null) => format!("{} enrollments to be woken", pushes["pending"]),
        (_, since) => format!("APNs is down since {}", text(since)),
    }
}

fn expiring(name: &Value, one: &Value) -> String {
    match &one["days_left"] {
        Value::Null => text(name),
        days if days.as_i64().is_some_and(|days| days < 0) => {
            format!("{} EXPIRED at {}", text(name), text(&one["expires_at"]))
        }
        days => format!("{} expires in {days} days", text(name)),
    }
}

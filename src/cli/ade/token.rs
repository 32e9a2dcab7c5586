//! `russet ade token …`: from the key to the token in service, and its renewal each year.

use std::{fs, path::Path};

use axum::http::Method;
use serde_json::{Value, json};

use super::args::{DefaultProfiles, TokenVerb};
use crate::{
    cli::{
        args::Cli,
        files,
        output::{self, CliError, EXIT_FAILED, Output},
        remote::{client, items, segment, text},
    },
    operator::client::Client,
};

const PATH: &str = "/v1/ade/tokens";

/// Runs one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &TokenVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        TokenVerb::Change { name, change } => {
            let no_tags = change.no_scope_tags.then(Vec::new);
            let body = json!({
                "apple_id": change.apple_id,
                "base_url": change.base_url,
                "is_default": change.default,
                "scope_tags": change.scope_tags.clone().or(no_tags),
            });
            let answer = client
                .request(Method::PATCH, &path(name, ""), body.to_string().into())
                .await?
                .body;
            output.say(&described(&answer), &answer);
            Ok(())
        }
        TokenVerb::Delete { name } => {
            client
                .request(Method::DELETE, &path(name, ""), Vec::new())
                .await?;
            output.say(&format!("{name} deleted"), &json!({ "deleted": name }));
            Ok(())
        }
        TokenVerb::Import {
            name,
            file,
            apple_id,
            force,
        } => {
            let file = files::bytes(file)?;
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("force", if *force { "true" } else { "false" });
            query.extend_pairs(apple_id.as_deref().map(|account| ("apple_id", account)));
            let path = path(name, &format!("/token?{}", query.finish()));
            let answer = client.request(Method::PUT, &path, file).await?.body;
            for warning in items(&answer["warnings"]).filter_map(Value::as_str) {
                output::aside(format_args!("warning: {warning}"));
            }
            output.say(&described(&answer), &answer);
            Ok(())
        }
        TokenVerb::List => list(&client, output).await,
        TokenVerb::Pubkey {
            name,
            apple_id,
            scope_tags,
            out,
        } => {
            let body = json!({ "name": name, "apple_id": apple_id, "scope_tags": scope_tags }).to_string();
            let answer = client.request(Method::POST, PATH, body.into()).await?.body;
            hand_out(output, &answer, out.as_deref())
        }
        TokenVerb::Renew { name, out } => {
            let answer = client
                .request(Method::POST, &path(name, "/renew"), Vec::new())
                .await?
                .body;
            hand_out(output, &answer, out.as_deref())
        }
        TokenVerb::SetDefault { name, profiles } => {
            set_default(&client, name, profiles).await?;
            let answer = client
                .request(Method::GET, &path(name, ""), Vec::new())
                .await?
                .body;
            output.say(&described(&answer), &answer);
            Ok(())
        }
        TokenVerb::Show { name } => {
            let answer = client
                .request(Method::GET, &path(name, ""), Vec::new())
                .await?
                .body;
            output.say(&described(&answer), &answer);
            Ok(())
        }
    }
}

fn path(name: &str, rest: &str) -> String {
    format!("{PATH}/{}{rest}", segment(name))
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let answer = client.request(Method::GET, PATH, Vec::new()).await?.body;
    let rows: Vec<Vec<String>> = items(&answer["ade_tokens"])
        .map(|token| {
            vec![
                text(&token["name"]),
                text(&token["status"]),
                text(&token["expires_at"]),
                text(&token["days_until_expiration"]),
                text(&token["account"]["server_name"]),
                text(&token["sync"]["status"]),
                if token["is_default"] == true { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    let headings = [
        "NAME",
        "STATUS",
        "EXPIRES",
        "DAYS",
        "MDM SERVER",
        "SYNC",
        "DEFAULT",
    ];
    output.table(&headings, &rows, &answer);
    Ok(())
}

/// What an operator needs of a token (T8).
fn described(token: &Value) -> String {
    let mut lines = vec![
        ("Name", text(&token["name"])),
        ("Status", text(&token["status"])),
        ("Expiration", text(&token["expires_at"])),
        ("Days until expiration", text(&token["days_until_expiration"])),
        ("Apple ID", text(&token["apple_id"])),
        ("MDM server", text(&token["account"]["server_name"])),
        ("Organization", text(&token["account"]["org_name"])),
        ("Sync", text(&token["sync"]["status"])),
        ("Last fetch", text(&token["sync"]["last_fetch_at"])),
    ];
    for (title, key) in [
        ("Devices", "devices"),
        ("Enrolled", "enrolled"),
        ("Ready to enroll", "ready_to_enroll"),
        ("Missing profile", "missing_profile"),
        ("Removed from ABM", "removed_from_abm"),
    ] {
        lines.push((title, text(&token["devices"][key])));
    }
    let defaults = token["defaults"].as_object();
    for (platform, profile) in defaults.into_iter().flatten() {
        lines.push(("Default profile", format!("{platform}: {}", text(profile))));
    }
    let is_default = if token["is_default"] == true { "yes" } else { "no" };
    lines.push(("Default token", is_default.to_owned()));
    let tags: Vec<String> = items(&token["scope_tags"]).map(text).collect();
    if !tags.is_empty() {
        lines.push(("Scope tags", tags.join(", ")));
    }
    if !token["base_url"].is_null() {
        lines.push(("Apple's service", text(&token["base_url"])));
    }
    if token["renewal_waits"] == true {
        lines.push(("Renewal", "a key waits for its token".to_owned()));
    }
    let trouble = &token["trouble"];
    if !trouble.is_null() {
        lines.push((
            "Trouble",
            format!("{} ({})", text(&trouble["message"]), text(&trouble["detail"])),
        ));
        lines.push(("Next step", text(&trouble["step"])));
    }
    for advice in items(&token["advice"]).filter_map(Value::as_str) {
        lines.push(("Advice", advice.to_owned()));
    }
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(name, value)| format!("{name:23}{value}"))
        .collect();
    lines.join("\n")
}

/// Writes a certificate where it is wanted, and says what to do with it.
fn hand_out(output: Output, answer: &Value, out: Option<&Path>) -> Result<(), CliError> {
    let certificate = text(&answer["certificate"]);
    if let Some(file) = out {
        fs::write(file, &certificate).map_err(|error| {
            let message = format!("{}: {error}", file.display());
            CliError::new(EXIT_FAILED, "not_written", message, "Choose another --out.")
        })?;
    }
    if output.json {
        output.say("", answer);
        return Ok(());
    }
    let steps: Vec<String> = items(&answer["steps"])
        .filter_map(Value::as_str)
        .enumerate()
        .map(|(at, step)| format!("{}. {step}", at + 1))
        .collect();
    match out {
        Some(file) => {
            let steps = steps.join("\n");
            output.say(
                &format!("The certificate is in {}.\n{steps}", file.display()),
                answer,
            );
        }
        None => {
            output::write(certificate.as_bytes());
            output::aside(steps.join("\n"));
        }
    }
    Ok(())
}

/// Makes the profiles that are named the defaults of their platforms; without any, the token the default one.
async fn set_default(client: &Client, name: &str, profiles: &DefaultProfiles) -> Result<(), CliError> {
    let named = [
        ("ios", &profiles.ios),
        ("macos", &profiles.macos),
        ("tvos", &profiles.tvos),
        ("visionos", &profiles.visionos),
    ];
    if named.iter().all(|(_, profile)| profile.is_none()) {
        let body = json!({ "is_default": true }).to_string();
        client
            .request(Method::PATCH, &path(name, ""), body.into())
            .await?;
        return Ok(());
    }
    let token = client
        .request(Method::GET, &path(name, ""), Vec::new())
        .await?
        .body;
    for (platform, profile) in named {
        let place = |profile: &str| path(name, &format!("/profiles/{}", segment(profile)));
        match (profile.as_deref(), token["defaults"][platform].as_str()) {
            (Some(""), Some(former)) => {
                let path = format!("{}/default", place(former));
                client.request(Method::DELETE, &path, Vec::new()).await?;
            }
            (None | Some(""), _) => {}
            (Some(profile), _) => {
                let shown = client
                    .request(Method::GET, &place(profile), Vec::new())
                    .await?
                    .body;
                if shown["platform"] != platform {
                    let is = text(&shown["platform"]);
                    return Err(CliError::usage(format!(
                        "{profile:?} is a profile for {is}, not for {platform}"
                    )));
                }
                let path = format!("{}/default", place(profile));
                client.request(Method::PUT, &path, Vec::new()).await?;
            }
        }
    }
    Ok(())
}

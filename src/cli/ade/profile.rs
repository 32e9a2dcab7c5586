//! `russet ade profile …`.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    device,
    profile_args::{ProfileVerb, SettingsArgs, Token},
};
use crate::{
    cli::{
        args::Cli,
        output::{self, CliError, Output},
        remote::{client, items, segment, text},
    },
    operator::client::Client,
    protocol::ade,
};

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &ProfileVerb) -> Result<(), CliError> {
    match verb {
        ProfileVerb::Assign { name, serials, token } => {
            let client = client(cli).await?;
            device::assign(&client, output, token.as_deref(), Some(name), serials).await?;
        }
        ProfileVerb::Create {
            name,
            token,
            settings,
            preset,
            default,
        } => {
            let body = new_profile(name, settings, preset.as_deref(), false)?;
            let client = client(cli).await?;
            let mut answer = ask(&client, Method::POST, &path(token, "", ""), &body).await?;
            warn(&answer);
            let mut said = match answer["uuid"].as_str() {
                Some(uuid) => format!("{name} created; Apple knows it as {uuid}"),
                None => format!("{name} created; Apple gets it when a device needs it"),
            };
            if *default {
                answer = ask(&client, Method::PUT, &path(token, name, "/default"), &Value::Null).await?;
                said = format!("{said}\n{}", is_default(name, &answer));
            }
            output.say(&said, &answer);
        }
        ProfileVerb::Default { name, token, unset } => {
            let method = if *unset { Method::DELETE } else { Method::PUT };
            let client = client(cli).await?;
            let answer = ask(&client, method, &path(token, name, "/default"), &Value::Null).await?;
            let said = if *unset {
                format!("{name} is not the default any more; devices that have it keep it")
            } else {
                is_default(name, &answer)
            };
            output.say(&said, &answer);
        }
        ProfileVerb::Delete { name, token, force } => {
            let query = if *force { "?force=true" } else { "" };
            let client = client(cli).await?;
            ask(&client, Method::DELETE, &path(token, name, query), &Value::Null).await?;
            output.say(&format!("{name} deleted"), &json!({ "deleted": name }));
        }
        ProfileVerb::Edit {
            name,
            token,
            settings,
            replace,
            dry_run,
        } => edit(cli, output, (name, token), settings, *replace, *dry_run).await?,
        ProfileVerb::Import {
            uuid,
            token,
            platform,
            name,
        } => {
            let body = json!({ "uuid": uuid, "platform": platform, "name": name });
            let client = client(cli).await?;
            let path = format!("/v1/ade/tokens/{}/import-profile", segment(&token.token));
            let answer = ask(&client, Method::POST, &path, &body).await?;
            for lost in items(&answer["not_imported"]) {
                output::aside(format_args!("not imported: {}", finding(lost)));
            }
            warn(&answer);
            output.say(&format!("{} imported", text(&answer["name"])), &answer);
        }
        ProfileVerb::List { token } => list(&client(cli).await?, output, token).await?,
        ProfileVerb::Panes { platform } => panes(&client(cli).await?, output, platform.as_deref()).await?,
        ProfileVerb::Presets => {
            let answer = ask(&client(cli).await?, Method::GET, "/v1/ade/presets", &Value::Null).await?;
            let row = |preset: &Value| ["name", "purpose"].map(|key| text(&preset[key])).to_vec();
            let rows: Vec<_> = items(&answer["presets"]).map(row).collect();
            output.table(&["NAME", "FOR"], &rows, &answer);
        }
        ProfileVerb::Show { name, token } => {
            let client = client(cli).await?;
            let answer = ask(&client, Method::GET, &path(token, name, ""), &Value::Null).await?;
            warn(&answer);
            output.say(&pretty(&answer), &answer);
        }
        ProfileVerb::Unassign { serials, token } => {
            let client = client(cli).await?;
            device::assign(&client, output, token.as_deref(), None, serials).await?;
        }
        ProfileVerb::Validate {
            name,
            token,
            settings,
            preset,
        } => {
            let body = new_profile(name, settings, preset.as_deref(), true)?;
            let answer = ask(&client(cli).await?, Method::POST, &path(token, "", ""), &body).await?;
            warn(&answer);
            output.say(
                &format!("can be used; Apple gets\n{}", pretty(&answer["apple_profile"])),
                &answer,
            );
        }
    }
    Ok(())
}

fn is_default(name: &str, answer: &Value) -> String {
    format!(
        "{name} is the default for {} devices without a profile",
        text(&answer["platform"])
    )
}

fn new_profile(
    name: &str,
    settings: &SettingsArgs,
    preset: Option<&str>,
    validate_only: bool,
) -> Result<Value, CliError> {
    let base = match preset {
        None => json!({}),
        Some(name) => {
            let preset = ade::preset(name);
            let unknown = || {
                CliError::usage(format!(
                    "--preset {name}: `russet ade profile presets` lists them"
                ))
            };
            preset.ok_or_else(unknown)?.settings
        }
    };
    Ok(json!({
        "name": name,
        "description": settings.description.clone().unwrap_or_default(),
        "settings": settings.over(base)?,
        "validate_only": validate_only,
    }))
}

async fn edit(
    cli: &Cli,
    output: Output,
    (name, token): (&str, &Token),
    settings: &SettingsArgs,
    replace: bool,
    dry_run: bool,
) -> Result<(), CliError> {
    let client = client(cli).await?;
    let path = path(token, name, "");
    // Panes are added to those that there are.
    let present = ask(&client, Method::GET, &path, &Value::Null).await?;
    let base = match &present["settings"]["panes"] {
        panes if panes.is_object() && !replace => json!({ "panes": panes }),
        _ => json!({}),
    };
    let method = if replace { Method::PUT } else { Method::PATCH };
    let body = json!({
        "description": settings.description,
        "settings": settings.over(base)?,
        "validate_only": dry_run,
    });
    let answer = ask(&client, method, &path, &body).await?;
    warn(&answer);
    let said = match (answer["changed"] == true, dry_run) {
        (false, _) => format!("{name} is so already"),
        (true, true) => format!(
            "{name} can be changed so; {} devices use it, {} of them would need a reset",
            answer["affected_devices"], answer["devices_to_reset"]
        ),
        (true, false) => format!(
            "{name} changed; {} devices use it, {} of them need a reset",
            answer["affected_devices"], answer["devices_to_reset"]
        ),
    };
    output.say(&said, &answer);
    Ok(())
}

async fn list(client: &Client, output: Output, token: &Token) -> Result<(), CliError> {
    let answer = ask(client, Method::GET, &path(token, "", ""), &Value::Null).await?;
    let row = |profile: &Value| {
        let default = if profile["default"] == true { "default" } else { "" };
        vec![
            text(&profile["name"]),
            text(&profile["platform"]),
            default.to_owned(),
            text(&profile["revision"]),
            items(&profile["warnings"]).count().to_string(),
            text(&profile["uuid"]),
            text(&profile["description"]),
        ]
    };
    let rows: Vec<_> = items(&answer["profiles"]).map(row).collect();
    let headings = [
        "NAME",
        "PLATFORM",
        "DEFAULT",
        "REVISION",
        "WARNINGS",
        "UUID",
        "DESCRIPTION",
    ];
    output.table(&headings, &rows, &answer);
    Ok(())
}

async fn panes(client: &Client, output: Output, platform: Option<&str>) -> Result<(), CliError> {
    let query = platform.map(|platform| format!("?platform={}", segment(platform)));
    let path = format!("/v1/ade/panes{}", query.unwrap_or_default());
    let answer = ask(client, Method::GET, &path, &Value::Null).await?;
    let span = |span: &Value| match (span["since"].as_str(), span["until"].as_str()) {
        (None, _) => "-".to_owned(),
        (Some(since), None) => since.to_owned(),
        (Some(since), Some(until)) => format!("{since} to below {until}"),
    };
    let row = |pane: &Value| {
        let mut row = vec![text(&pane["key"])];
        row.extend(ade::AdePlatform::ALL.map(|platform| span(&pane["platforms"][platform.as_str()])));
        let names: Vec<_> = items(&pane["labels"]).map(text).collect();
        row.push([vec![text(&pane["title"])], names].concat().join("; "));
        row
    };
    let rows: Vec<_> = items(&answer["panes"]).map(row).collect();
    output.table(
        &["KEY", "IOS", "MACOS", "TVOS", "VISIONOS", "ALSO CALLED"],
        &rows,
        &answer,
    );
    Ok(())
}

/// What may not be meant, and what is not applied, beside the answer.
fn warn(answer: &Value) {
    for warning in items(&answer["warnings"]).chain(items(&answer["not_applied"])) {
        output::aside(format_args!("warning: {}", finding(warning)));
    }
    if let Some(problem) = answer["apple_problem"]["message"].as_str() {
        output::aside(format_args!("warning: not defined at Apple yet: {problem}"));
    }
}

fn finding(finding: &Value) -> String {
    let fields: Vec<_> = items(&finding["fields"]).map(text).collect();
    format!("{}: {}", fields.join(", "), text(&finding["text"]))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into(),
    };
    Ok(client.request(method, path, body).await?.body)
}

fn path(token: &Token, name: &str, rest: &str) -> String {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!("/{}", segment(name))
    };
    format!("/v1/ade/tokens/{}/profiles{name}{rest}", segment(&token.token))
}

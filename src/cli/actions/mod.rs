//! `russet device lock` and its like: one device by its action, several by a job.

pub(super) mod args;
pub(super) mod job;

use std::path::Path;

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use self::args::{ActionVerb, LostModeVerb, Subjects};
use super::{
    files,
    output::{self, CliError, Output},
    remote::{enrollment_path, items, resolve, segment, text, wait_for},
};
use crate::{error::Code, operator::client::Client};

/// Runs one verb.
pub(super) async fn run(client: &Client, output: Output, verb: &ActionVerb) -> Result<(), CliError> {
    if let ActionVerb::Reveal { id, secret } = verb {
        return reveal(client, output, id, secret.as_str()).await;
    }
    let Some((subjects, verb, parameters)) = asked(verb)? else {
        return Ok(());
    };
    match subjects.ids.as_slice() {
        [id] => one(client, output, subjects, id, verb, parameters).await,
        _ => many(client, output, subjects, verb, parameters).await,
    }
}

/// Whom a verb concerns, its name in the API, and its parameters.
fn asked(verb: &ActionVerb) -> Result<Option<(&Subjects, &'static str, Value)>, CliError> {
    let plain = |subjects, verb| Ok(Some((subjects, verb, json!({}))));
    let (subjects, verb, parameters) = match verb {
        ActionVerb::BypassCode(subjects) => return plain(subjects, "bypass-code"),
        ActionVerb::ClearPasscode(subjects) => return plain(subjects, "clear-passcode"),
        ActionVerb::ListProfiles(subjects) => return plain(subjects, "list-profiles"),
        ActionVerb::Locate(subjects) => return plain(subjects, "locate"),
        ActionVerb::LogOut(subjects) => return plain(subjects, "log-out"),
        ActionVerb::Refresh(subjects) => return plain(subjects, "refresh"),
        ActionVerb::Shutdown(subjects) => return plain(subjects, "shutdown"),
        ActionVerb::Reveal { .. } => return Ok(None),
        ActionVerb::Delete { subjects, force } => (subjects, "delete", json!({ "force": force })),
        ActionVerb::InstallApp {
            subjects,
            manifest_url,
            store_id,
            bundle_id,
            licensed,
            prevent_backup,
            take_over,
        } => {
            let parameters = json!({
                "manifest_url": manifest_url, "store_id": store_id, "bundle_id": bundle_id, "licensed": licensed,
                "prevent_backup": prevent_backup, "take_over": take_over,
            });
            (subjects, "install-app", parameters)
        }
        ActionVerb::InstallProfile { subjects, file } => {
            let parameters = json!({ "mobileconfig": STANDARD.encode(files::bytes(file)?) });
            (subjects, "install-profile", parameters)
        }
        ActionVerb::Lock {
            subjects,
            message,
            phone_number,
            pin_file,
        } => {
            let parameters =
                json!({ "message": message, "phone_number": phone_number, "pin": pin(pin_file.as_deref())? });
            (subjects, "lock", parameters)
        }
        ActionVerb::LostMode { verb } => match verb {
            LostModeVerb::Off(subjects) => return plain(subjects, "lost-mode-off"),
            LostModeVerb::Sound(subjects) => return plain(subjects, "play-sound"),
            LostModeVerb::On {
                subjects,
                message,
                phone_number,
                footnote,
            } => {
                let parameters =
                    json!({ "message": message, "phone_number": phone_number, "footnote": footnote });
                (subjects, "lost-mode-on", parameters)
            }
        },
        ActionVerb::RemoveProfile { subjects, identifier } => {
            (subjects, "remove-profile", json!({ "identifier": identifier }))
        }
        ActionVerb::Rename { subjects, name } => (subjects, "rename", json!({ "name": name })),
        ActionVerb::Restart {
            subjects,
            notify_user,
            rebuild_kernel_cache,
        } => {
            let parameters =
                json!({ "notify_user": notify_user, "rebuild_kernel_cache": rebuild_kernel_cache });
            (subjects, "restart", parameters)
        }
        ActionVerb::Retire {
            subjects,
            profile_identifier,
        } => (
            subjects,
            "retire",
            json!({ "profile_identifier": profile_identifier }),
        ),
        ActionVerb::Wipe {
            subjects,
            pin_file,
            return_to_service,
            wifi_profile,
            disallow_proximity_setup,
            preserve_data_plan,
            obliteration_behavior,
        } => {
            let wifi = wifi_profile.as_deref().map(files::bytes).transpose()?;
            let wifi = wifi.map(|profile| STANDARD.encode(profile));
            let parameters = json!({
                "pin": pin(pin_file.as_deref())?,
                "return_to_service": return_to_service.then(|| json!({ "wifi_profile": wifi })),
                "disallow_proximity_setup": disallow_proximity_setup,
                "preserve_data_plan": preserve_data_plan,
                "obliteration_behavior": obliteration_behavior,
            });
            (subjects, "wipe", parameters)
        }
    };
    Ok(Some((subjects, verb, parameters)))
}

/// A PIN is read from a file: whatever stands on a command line, others can see.
fn pin(file: Option<&Path>) -> Result<Option<String>, CliError> {
    let pin = file.map(files::bytes).transpose()?;
    Ok(pin.map(|pin| String::from_utf8_lossy(&pin).trim().to_owned()))
}

async fn one(
    client: &Client,
    output: Output,
    subjects: &Subjects,
    id: &str,
    verb: &str,
    parameters: Value,
) -> Result<(), CliError> {
    let id = resolve(client, id).await?;
    let path = enrollment_path(&id, &format!("/actions/{verb}"));
    let answer = client
        .request(Method::POST, &path, parameters.to_string().into())
        .await?
        .body;
    let commands: Vec<(String, String)> = items(&answer["commands"])
        .map(|command| (text(&command["request_type"]), text(&command["command_uuid"])))
        .collect();
    let said = match commands.as_slice() {
        [] => format!("{id}: done"),
        queued => {
            let queued = queued
                .iter()
                .map(|(kind, uuid)| format!("queued {kind} as {uuid}"));
            queued.collect::<Vec<_>>().join("\n")
        }
    };
    match (subjects.wait, commands.last()) {
        (Some(seconds), Some((_, uuid))) => wait_for(client, output, uuid, &id, seconds).await?,
        _ => output.say(&said, &answer),
    }
    if answer["pin_kept"] == true {
        output::aside(format_args!(
            "its PIN is kept: `russet device reveal {id} pin` shows it"
        ));
    }
    if let Some(why) = answer["push_error"].as_str() {
        output::aside(format_args!("warning: the push did not go through: {why}"));
    }
    for warning in items(&answer["warnings"]).filter_map(Value::as_str) {
        output::aside(format_args!("warning: {warning}"));
    }
    Ok(())
}

async fn many(
    client: &Client,
    output: Output,
    subjects: &Subjects,
    verb: &str,
    parameters: Value,
) -> Result<(), CliError> {
    let targets = targets(client, subjects).await?;
    let mut body = json!({ "action": verb, "parameters": parameters, "targets": targets });
    if let Some(count) = subjects.confirm_count {
        body["confirm_count"] = count.into();
    }
    let job = client
        .request(Method::POST, "/v1/jobs", body.to_string().into())
        .await?
        .body;
    if subjects.detach || matches!(client, Client::Within(_)) {
        let said = format!("job {} for {} devices", text(&job["id"]), text(&job["total"]));
        output.say(&said, &job);
        return Ok(());
    }
    job::follow(client, output, &text(&job["id"])).await
}

async fn targets(client: &Client, subjects: &Subjects) -> Result<Map<String, Value>, CliError> {
    let named = |field: &str, value: Value| Map::from_iter([(field.to_owned(), value)]);
    if let Some(platform) = &subjects.all_matching {
        let matching = match platform.as_str() {
            "any" => json!({}),
            platform => json!({ "platform": platform }),
        };
        return Ok(named("matching", matching));
    }
    if let Some(path) = &subjects.targets_file {
        let lines = files::text(path)?;
        let lines: Vec<&str> = lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        return Ok(named(
            if subjects.by_serial { "serials" } else { "ids" },
            json!(lines),
        ));
    }
    let mut ids = Vec::with_capacity(subjects.ids.len());
    for id in &subjects.ids {
        ids.push(resolve(client, id).await?);
    }
    Ok(named("ids", json!(ids)))
}

async fn reveal(client: &Client, output: Output, id: &str, secret: &str) -> Result<(), CliError> {
    let id = match resolve(client, id).await {
        // A PIN outlives the record of the device that it locks.
        Err(error) if error.code == Code::EnrollmentUnknown.as_str() => id.to_owned(),
        known => known?,
    };
    let path = enrollment_path(&id, &format!("/reveal/{}", segment(secret)));
    let answer = client.request(Method::POST, &path, Vec::new()).await?.body;
    let rows: Vec<Vec<String>> = items(&answer["values"])
        .map(|one| vec![text(&one["value"]), text(&one["at"]), text(&one["command_uuid"])])
        .collect();
    output.table(&["VALUE", "KEPT", "COMMAND"], &rows, &answer);
    Ok(())
}

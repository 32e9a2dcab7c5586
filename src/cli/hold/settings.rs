//! A hold profile's JSON, from flags and files.

use std::path::Path;

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::args::{HoldProfileArgs, OnTimeout};
use crate::cli::{files, output::CliError};

/// What the flags say, laid over the file; without the phases' items.
pub(super) fn body(args: &HoldProfileArgs) -> Result<Map<String, Value>, CliError> {
    let mut body = match &args.file {
        None => Map::new(),
        Some(file) => read(file)?,
    };
    let on_timeout = args.on_timeout.map(|on_timeout| match on_timeout {
        OnTimeout::Keep => "keep",
        OnTimeout::Release => "release",
    });
    let status = args
        .active
        .map(|active| if active { "active" } else { "inactive" });
    let flags = [
        ("description", json!(args.description)),
        ("priority", json!(args.priority)),
        ("status", json!(status)),
        ("timeout_minutes", json!(args.timeout)),
        ("on_timeout", json!(on_timeout)),
        ("release_on_failure", json!(args.release_on_failure)),
        ("show_error", json!(args.show_error)),
        ("allow_retry", json!(args.allow_retry)),
        ("allow_reset", json!(args.allow_reset)),
        ("message", json!(args.message)),
    ];
    for (key, value) in flags.into_iter().filter(|(_, value)| !value.is_null()) {
        body.insert(key.into(), value);
    }
    if !args.groups.is_empty() {
        body.insert("assigned_to".into(), audience(&args.groups)?);
    }
    Ok(body)
}

/// The device phase: the items that are kept, with those of the flags. `None`: the flags say nothing about it.
pub(super) fn phase(args: &HoldProfileArgs, mut items: Vec<Value>) -> Result<Option<Value>, CliError> {
    let mut given = Vec::new();
    for text in &args.profiles {
        given.push(profile(text)?);
    }
    for text in &args.apps {
        given.push(app(text, args.licensed));
    }
    let blocking = match (args.wait_for.is_empty(), args.wait_for_all) {
        (true, false) => None,
        (true, true) => Some(json!({ "blocking": "all" })),
        (false, _) => Some(json!({ "blocking": "selected", "blocking_items": args.wait_for })),
    };
    if given.is_empty() && blocking.is_none() {
        return Ok(None);
    }
    let mut phase = blocking.unwrap_or_else(|| json!({}));
    if !given.is_empty() {
        items.retain(|item| !given.iter().any(|given| given["name"] == item["name"]));
        items.extend(given);
        phase["items"] = items.into();
    }
    Ok(Some(phase))
}

fn read(file: &Path) -> Result<Map<String, Value>, CliError> {
    let wrong = |error: serde_json::Error| CliError::usage(format!("{}: {error}", file.display()));
    serde_json::from_str(&files::text(file)?).map_err(wrong)
}

fn audience(groups: &[String]) -> Result<Value, CliError> {
    if groups.iter().any(|group| group == "all") {
        return match groups.len() {
            1 => Ok(json!({ "kind": "all_devices" })),
            _ => Err(CliError::usage("--for all stands alone")),
        };
    }
    let mut kind = None;
    let mut values = Vec::new();
    for group in groups {
        let (own, value) = group.split_once(':').unwrap_or_default();
        let own = match own {
            "platform" => "platforms",
            "profile" => "ade_profiles",
            "serial" => "serials",
            "token" => "ade_tokens",
            "user" => "users",
            _ => {
                let text = format!(
                    "--for {group}: give all, or token:, profile:, platform:, serial: or user: with a name"
                );
                return Err(CliError::usage(text));
            }
        };
        if *kind.get_or_insert(own) != own {
            return Err(CliError::usage("--for takes groups of one kind"));
        }
        values.push(value);
    }
    Ok(json!({ "kind": kind, "values": values }))
}

/// A name before the first `=`, unless what stands there could be part of an address or a path.
fn named(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, rest)) if !name.is_empty() && !name.contains('/') => (Some(name), rest),
        _ => (None, text),
    }
}

fn profile(text: &str) -> Result<Value, CliError> {
    let (name, file) = named(text);
    let content = files::bytes(Path::new(file))?;
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy());
    let name = name.map_or_else(|| stem.unwrap_or_default().into_owned(), str::to_owned);
    Ok(json!({ "name": name, "type": "profile", "content": STANDARD.encode(content) }))
}

fn app(text: &str, licensed: bool) -> Value {
    let (name, what) = named(text);
    let name = |usual: &str| name.unwrap_or(usual).to_owned();
    if let Ok(store_id) = what.parse::<u64>() {
        return json!({ "name": name(what), "type": "app", "store_id": store_id, "licensed": licensed });
    }
    if !what.contains("://") {
        return json!({ "name": name(what), "type": "app", "bundle_id": what, "licensed": licensed });
    }
    let (url, bundle_id) = match what.rsplit_once(',') {
        Some((url, bundle_id)) => (url, Some(bundle_id)),
        None => (what, None),
    };
    // A name holds no slash.
    let host = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest.split('/').next().unwrap_or_default());
    let usual = bundle_id.unwrap_or(host);
    json!({
        "name": name(usual),
        "type": "app",
        "manifest_url": url,
        "bundle_id": bundle_id,
        "licensed": licensed,
    })
}

//! Verbs that speak to the operator API: of the data directory's own server if it runs, of its store if not, or of a
//! server elsewhere.

use std::time::Duration;

use axum::http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    actions,
    args::{Cli, DeviceVerb, EnrollVerb},
    files, hold,
    output::{self, CliError, EXIT_FAILED, EXIT_REFUSED, Output},
    report,
    wait::until,
};
use crate::{
    app::App,
    clock::Clock,
    config::Config,
    data_dir::DataDir,
    error::Code,
    operator::client::{Client, SOCKET},
    service::access::Scope,
};

/// A server that has the store's lock has its local socket after so long.
const STARTING: Duration = Duration::from_secs(10);

/// What DeviceInformation asks for unless a file says otherwise: Apple requires a list.
const DEVICE_INFORMATION: [&str; 11] = [
    "AvailableDeviceCapacity",
    "BatteryLevel",
    "BuildVersion",
    "DeviceCapacity",
    "DeviceName",
    "IsSupervised",
    "ModelName",
    "OSVersion",
    "ProductName",
    "SerialNumber",
    "UDID",
];

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The way to the operator API.
pub(super) async fn client(cli: &Cli) -> Result<Client, CliError> {
    if let Some(server) = &cli.server {
        let authority = server.strip_prefix("http://").ok_or_else(|| {
            CliError::usage("--server takes http://host:port; reach a TLS listener through a tunnel, or run this on the server")
        })?;
        return Ok(Client::Remote {
            authority: authority.trim_end_matches('/').to_owned(),
            key: key(cli)?,
        });
    }
    let data_dir = DataDir::new(&cli.data);
    let socket = data_dir.path(SOCKET);
    if tokio::net::UnixStream::connect(&socket).await.is_ok() {
        return Ok(Client::Local(socket));
    }
    let config = Config::load(data_dir.root())?;
    let listen = config.server.device_listen;
    match App::open(&data_dir, &config, Clock::system(), listen, None) {
        Ok(app) => Ok(Client::Within(Box::new(app.operator_router()))),
        // It is being started: its socket comes after the store's lock.
        Err(error) if error.is_in_use() => {
            let answers = async || tokio::net::UnixStream::connect(&socket).await.ok();
            match until(STARTING, answers).await {
                Some(_) => Ok(Client::Local(socket)),
                None => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn key(cli: &Cli) -> Result<String, CliError> {
    match (&cli.key_file, std::env::var("RUSSET_API_KEY")) {
        (Some(path), _) => Ok(files::text(path)?.trim().to_owned()),
        (None, Ok(key)) => Ok(key),
        (None, Err(_)) => Err(CliError::usage(
            "--server needs an API key: --key-file FILE, or RUSSET_API_KEY",
        )),
    }
}

/// `russet apikey create`
pub(super) async fn apikey_create(
    cli: &Cli,
    output: Output,
    name: &str,
    scopes: &[Scope],
    expires: Option<&str>,
    tags: &[String],
) -> Result<(), CliError> {
    let tags = Some(tags).filter(|tags| !tags.is_empty());
    let body = json!({ "name": name, "scopes": scopes, "expires_at": expires, "tags": tags });
    let answer = client(cli)
        .await?
        .request(Method::POST, "/v1/apikeys", body.to_string().into())
        .await?
        .body;
    output.say(answer["key"].as_str().unwrap_or_default(), &answer);
    Ok(())
}

/// `russet apikey list`
pub(super) async fn apikey_list(cli: &Cli, output: Output) -> Result<(), CliError> {
    let answer = client(cli)
        .await?
        .request(Method::GET, "/v1/apikeys", Vec::new())
        .await?
        .body;
    let rows: Vec<Vec<String>> = items(&answer["api_keys"])
        .map(|key| {
            let list = |field: &str| {
                let texts: Vec<_> = items(&key[field]).map(text).collect();
                texts.join(",")
            };
            vec![
                text(&key["name"]),
                list("scopes"),
                list("tags"),
                text(&key["created_at"]),
                text(&key["expires_at"]),
                text(&key["used_at"]),
            ]
        })
        .collect();
    output.table(
        &["NAME", "SCOPES", "TAGS", "CREATED", "EXPIRES", "LAST USED"],
        &rows,
        &answer,
    );
    Ok(())
}

/// `russet apikey remove`
pub(super) async fn apikey_remove(cli: &Cli, output: Output, name: &str) -> Result<(), CliError> {
    client(cli)
        .await?
        .request(
            Method::DELETE,
            &format!("/v1/apikeys/{}", segment(name)),
            Vec::new(),
        )
        .await?;
    output.say(&format!("{name} removed"), &json!({ "removed": name }));
    Ok(())
}

/// `russet enroll …`
pub(super) async fn enroll(cli: &Cli, output: Output, verb: &EnrollVerb) -> Result<(), CliError> {
    let EnrollVerb::Url { serial, udid, ttl } = verb;
    let ttl = humantime::parse_duration(ttl).map_err(|error| CliError::usage(format!("--ttl: {error}")))?;
    let body = json!({ "serial": serial, "udid": udid, "ttl_seconds": ttl.as_secs() });
    let answer = client(cli)
        .await?
        .request(Method::POST, "/v1/enroll-links", body.to_string().into())
        .await?
        .body;
    output.say(answer["url"].as_str().unwrap_or_default(), &answer);
    Ok(())
}

/// `russet device …`
pub(super) async fn device(cli: &Cli, output: Output, verb: &DeviceVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        DeviceVerb::Action(verb) => actions::run(&client, output, verb).await?,
        DeviceVerb::AllowReenroll { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::POST, &enrollment_path(&id, "/allow-reenroll"), Vec::new())
                .await?;
            output.say(&format!("{id} may enroll again with any profile"), &answer.body);
        }
        DeviceVerb::Cmd {
            id,
            request_type,
            file,
            wait,
        } => {
            let id = resolve(&client, id).await?;
            let command = command(request_type.as_deref(), file.as_deref())?;
            let answer = client
                .request(Method::PUT, &format!("/v1/enqueue/{}", segment(&id)), command)
                .await?
                .body;
            let uuid = text(&answer["command_uuid"]);
            match wait {
                None => output.say(
                    &format!("queued {} as {uuid}", text(&answer["request_type"])),
                    &answer,
                ),
                Some(seconds) => wait_for(&client, output, &uuid, &id, *seconds).await?,
            }
            for warning in items(&answer["status"][id.as_str()]["warnings"]).filter_map(Value::as_str) {
                output::aside(format_args!("warning: {warning}"));
            }
        }
        DeviceVerb::Enrollment { id } => report::enrollment(&client, output, id).await?,
        DeviceVerb::Hold { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::GET, &enrollment_path(&id, "/hold"), Vec::new())
                .await?;
            hold::say_hold(output, &answer.body);
        }
        DeviceVerb::List { serial, enabled } => list(&client, output, serial.as_deref(), *enabled).await?,
        DeviceVerb::Push { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::PUT, &format!("/v1/push/{}", segment(&id)), Vec::new())
                .await?
                .body;
            output.say(&text(&answer["status"][id.as_str()]["push_result"]), &answer);
        }
        DeviceVerb::Release { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::POST, &enrollment_path(&id, "/release"), Vec::new())
                .await?
                .body;
            let uuid = text(&answer["command_uuid"]);
            output.say(&format!("queued DeviceConfigured as {uuid}"), &answer);
        }
        DeviceVerb::Renew { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::POST, &enrollment_path(&id, "/renew-identity"), Vec::new())
                .await?
                .body;
            output.say(
                &format!("queued the renewal as {}", text(&answer["command_uuid"])),
                &answer,
            );
        }
        DeviceVerb::Retry { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::POST, &enrollment_path(&id, "/hold/retry"), Vec::new())
                .await?;
            hold::say_hold(output, &answer.body);
        }
        DeviceVerb::Show { id } => {
            let id = resolve(&client, id).await?;
            let answer = client
                .request(Method::GET, &enrollment_path(&id, ""), Vec::new())
                .await?
                .body;
            output.say(&lines(&answer, 0), &answer);
        }
    }
    Ok(())
}

async fn list(client: &Client, output: Output, serial: Option<&str>, enabled: bool) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::from("limit=500&"));
        query.extend_pairs(serial.map(|serial| ("serial", serial)));
        query.extend_pairs(enabled.then_some(("enabled", "true")));
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let path = format!("/v1/enrollments?{}", query.finish());
        let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
        all.extend(items(&answer["enrollments"]).cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let device = &one["device"];
            let product = text(&device["product_name"]).replace('-', "");
            let product = if product.is_empty() {
                text(&device["model"])
            } else {
                product
            };
            vec![
                text(&one["id"]),
                text(&one["type"]),
                text(&one["state"]),
                text(&device["serial"]),
                product,
                text(&device["os_version"]),
                text(&one["last_seen"]),
            ]
        })
        .collect();
    let headings = ["ID", "TYPE", "STATE", "SERIAL", "PRODUCT", "OS", "LAST SEEN"];
    output.table(&headings, &rows, &json!({ "enrollments": all }));
    Ok(())
}

/// Takes an enrollment id as it is; one that nobody has is looked up as a serial number.
pub(super) async fn resolve(client: &Client, id: &str) -> Result<String, CliError> {
    // What follows asks for everybody where nobody is named.
    if id.trim().is_empty() {
        return Err(CliError::usage("an empty id names no device"));
    }
    let known = client
        .request(Method::GET, &enrollment_path(id, ""), Vec::new())
        .await;
    let error = match known {
        Ok(_) => return Ok(id.to_owned()),
        Err(error) => CliError::from(error),
    };
    if error.code != Code::EnrollmentUnknown.as_str() {
        return Err(error);
    }
    let path = format!("/v1/enrollments?serial={}", segment(id));
    let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
    let mut devices = items(&answer["enrollments"]).filter(|one| !text(&one["id"]).contains(':'));
    match (devices.next(), devices.next()) {
        (None, _) => Err(error),
        (Some(one), None) => Ok(text(&one["id"])),
        (Some(_), Some(_)) => {
            let step = "Name it by its id: `russet device list --serial …`.";
            Err(CliError::new(
                EXIT_FAILED,
                "ambiguous",
                "several enrollments have this serial number",
                step,
            ))
        }
    }
}

pub(super) fn command(
    request_type: Option<&str>,
    file: Option<&std::path::Path>,
) -> Result<Vec<u8>, CliError> {
    let uuid = uuid::Uuid::new_v4().to_string().to_uppercase();
    if let Some(path) = file {
        let command = files::bytes(path)?;
        let Ok(plist::Value::Dictionary(mut dictionary)) =
            plist::Value::from_reader(std::io::Cursor::new(&command))
        else {
            return Err(CliError::usage(format!(
                "{} is not a plist with a dictionary",
                path.display()
            )));
        };
        if dictionary.contains_key("CommandUUID") {
            return Ok(command);
        }
        dictionary.insert("CommandUUID".into(), uuid.into());
        return xml(&dictionary);
    }
    let mut body = plist::Dictionary::from_iter([("RequestType", request_type.unwrap_or_default())]);
    if request_type == Some("DeviceInformation") {
        let queries = DEVICE_INFORMATION.iter().map(|query| plist::Value::from(*query));
        body.insert("Queries".into(), queries.collect::<Vec<_>>().into());
    }
    let mut dictionary = plist::Dictionary::new();
    dictionary.insert("Command".into(), body.into());
    dictionary.insert("CommandUUID".into(), uuid.into());
    xml(&dictionary)
}

fn xml(dictionary: &plist::Dictionary) -> Result<Vec<u8>, CliError> {
    crate::protocol::plist::to_xml(dictionary).map_err(CliError::usage)
}

pub(super) async fn wait_for(
    client: &Client,
    output: Output,
    uuid: &str,
    id: &str,
    seconds: u64,
) -> Result<(), CliError> {
    let path = format!("/v1/commands/{}", segment(uuid));
    let finished = async {
        loop {
            let answer = client.request(Method::GET, &path, Vec::new()).await?.body;
            let status = items(&answer["enrollments"])
                .find(|one| one["id"] == id)
                .cloned()
                .unwrap_or_default();
            if !matches!(status["state"].as_str(), Some("queued" | "not_now")) {
                return Ok::<Value, CliError>(status);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(seconds), finished).await {
        Ok(status) => {
            let status = status?;
            output.say(
                &format!("{}\n{}", text(&status["state"]), lines(&status["result"], 0)),
                &status,
            );
            match status["state"].as_str() {
                Some("acknowledged") => Ok(()),
                _ => Err(CliError::new(
                    EXIT_REFUSED,
                    "command_failed",
                    "the device did not carry it out",
                    &format!("`russet command result {uuid}` shows what it said."),
                )),
            }
        }
        Err(_) => {
            let step = format!("It stays queued: `russet command result {uuid}` looks again.");
            Err(CliError::new(
                EXIT_FAILED,
                "no_answer_yet",
                format!("no answer within {seconds} s"),
                &step,
            ))
        }
    }
}

pub(super) fn enrollment_path(id: &str, rest: &str) -> String {
    format!("/v1/enrollments/{}{rest}", segment(id))
}

pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON as indented lines, for people.
pub(super) fn lines(value: &Value, indent: usize) -> String {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value {
                Value::Object(_) | Value::Array(_) => format!("{pad}{key}:\n{}", lines(value, indent + 1)),
                other => format!("{pad}{key}: {}", text(other)),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Array(items) => items
            .iter()
            .map(|item| lines(item, indent))
            .collect::<Vec<_>>()
            .join(&format!("\n{pad}-\n")),
        other => format!("{pad}{}", text(other)),
    }
}

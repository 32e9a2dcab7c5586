//! Command lines that make no sense, and readers that have had enough.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use russet_sim::Kind;
use serde_json::Value;

use super::{DONE, FAILED, Place, Said, USAGE, russet, say};
use crate::support::promptly;

async fn run(arguments: &[&str]) -> Said {
    let mut command = russet();
    command.args(arguments);
    say(command).await
}

#[tokio::test]
async fn a_wrong_command_line_has_a_code_a_cause_and_a_step() {
    for (arguments, cause, step) in [
        (
            &["dance"][..],
            "unrecognized subcommand 'dance'",
            "`russet --help`",
        ),
        (&["--surprise"], "'--surprise'", "`russet --help`"),
        (
            &["device", "list", "--bogus"],
            "'--bogus'",
            "`russet device list --help`",
        ),
        (
            &["apikey", "create", "--scope", "read"],
            "required arguments were not provided: --name",
            "`russet apikey create --help`",
        ),
        // Not only what clap finds.
        (
            &["enroll", "url", "--ttl", "long"],
            "--ttl",
            "`russet enroll url --help`",
        ),
    ] {
        let said = run(arguments).await.ended(USAGE);
        let lines: Vec<&str> = said.err.lines().collect();
        let [what, code, next] = lines[..] else {
            panic!("{arguments:?}: {said:?}")
        };
        assert!(
            what.starts_with("error: ") && what.contains(cause),
            "{arguments:?}: {said:?}"
        );
        assert_eq!(code, "  code: usage", "{arguments:?}");
        assert_eq!(next, format!("  next: See {step}."), "{arguments:?}");
        assert!(said.out.is_empty(), "{said:?}");

        let said = run(&[arguments, &["--json"]].concat()).await.ended(USAGE);
        let error: Value = serde_json::from_str(&said.err).unwrap_or_else(|_| panic!("{said:?}"));
        let error = &error["error"];
        assert_eq!(error["code"], "usage", "{arguments:?}");
        assert!(
            error["message"].as_str().unwrap().contains(cause),
            "{arguments:?}: {error}"
        );
        assert_eq!(error["step"], format!("See {step}."), "{arguments:?}");
    }
    // The one form or the other.
    let said = run(&["--json", "report", "overview", "--csv"]).await.ended(USAGE);
    assert!(
        said.out.is_empty() && said.err.contains("--csv and --json"),
        "{said:?}"
    );
    // Where a program forgets the verb it does not get a page for people either.
    let said = run(&["--json", "device"]).await.ended(USAGE);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["step"], "See `russet device --help`.");
}

#[tokio::test]
async fn an_empty_name_is_not_the_only_device() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mac = server.enrolled(&place, Kind::Mac).await;
    for verb in [
        &["device", "restart", ""][..],
        &["device", "wipe", " "],
        &["device", "shutdown", ""],
        &["device", "cmd", "", "RestartDevice"],
        &["device", "push", ""],
        &["device", "renew", ""],
        &["device", "show", ""],
        &["device", "reveal", "", "pin"],
        &["device", "lost-mode", "off", ""],
        &["device", "retire", &mac.hardware.udid, ""],
        &["command", "queue", ""],
        &["command", "send", "--type", "RestartDevice", ""],
        &["command", "cancel", "X", "--device", ""],
        &["audit", "tail", "--device", ""],
        &["ca", "issued", "--device", ""],
        &["push-cert", "test", "--enrollment", ""],
        &["enroll", "url", "--serial", ""],
        &["ade", "why", ""],
        &["ade", "device", "show", ""],
        &["ade", "token", "show", ""],
        &["ade", "account", "add", ""],
        &["job", "show", ""],
        &["user", "show", ""],
        &["hook", "test", ""],
    ] {
        let said = place.run(verb).await.ended(USAGE);
        assert!(
            said.err.contains("is empty") && said.err.contains("--help`."),
            "{verb:?}: {said:?}"
        );
    }
    let queue = ["--json", "command", "queue", &mac.hardware.udid];
    let queue = place.run(&queue).await.ended(DONE).json();
    assert_eq!(queue["commands"], serde_json::json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_named_with_what_to_do() {
    let place = Place::development().await;
    let folder = place.data();
    let folder = folder.to_str().unwrap();
    for arguments in [
        &["push-cert", "import", "nowhere.pem"][..],
        &["ade", "token", "import", "hq", "nowhere.pem"],
        &["ade", "trust", "add", "nowhere.pem"],
        &["ade", "account", "add", "ada", "--password-file", "nowhere.pem"],
        &["ade", "profile", "create", "x", "--file", "nowhere.pem"],
        &["hold", "profile", "create", "x", "--profile", "wifi=nowhere.pem"],
        &[
            "hook",
            "add",
            "x",
            "http://localhost/",
            "--secret-file",
            "nowhere.pem",
        ],
        &["device", "restart", "--targets-file", "nowhere.pem"],
        &["user", "password", "ada", "--password-file", "nowhere.pem"],
        &[
            "--server",
            "http://localhost:1",
            "--key-file",
            "nowhere.pem",
            "status",
        ],
    ] {
        let said = place.run(arguments).await.ended(USAGE);
        assert!(
            said.err
                .contains("the file nowhere.pem can't be read: No such file"),
            "{arguments:?}: {said:?}"
        );
        assert!(
            said.err.contains("code: file_unreadable") && said.err.contains("next: Give the path"),
            "{arguments:?}: {said:?}"
        );
    }
    let said = place.run(&["ade", "trust", "add", folder]).await.ended(USAGE);
    assert!(said.err.contains("not a directory"), "{said:?}");
}

/// The run's end when nobody reads what it says.
async fn unread(mut command: Command) -> Said {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // As `head` does that has seen its line, only sooner.
    drop(child.stdout.take());
    let run = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    promptly("the command", run).await.unwrap().into()
}

#[tokio::test]
async fn a_reader_that_has_had_enough_is_no_failure() {
    let place = Place::development().await;
    let key = ["apikey", "create", "--name", "noted", "--scope", "read"];
    place.run(&key).await.ended(DONE);
    for arguments in [
        &["completion", "bash"][..],
        &["metrics", "rules"],
        &["metrics", "dashboard"],
        &["openapi"],
        &["--json", "openapi"],
        &["--help"],
        &["device", "--help"],
        &["version"],
        &["config", "show"],
        &["device", "list"],
        &["audit", "export"],
        &["audit", "tail", "--follow"],
        &["report", "overview"],
        &["report", "expiry", "--csv"],
        &["push-cert", "csr"],
        &["ade", "token", "pubkey", "hq"],
    ] {
        let said = unread(place.command(arguments)).await;
        assert_eq!(said.code, DONE, "{arguments:?}: {said:?}");
        assert!(!said.err.contains("panicked"), "{arguments:?}: {said:?}");
    }
    // Nor where what stands beside the answer goes the same way.
    let mut command = place.command(&["ade", "token", "pubkey", "hq"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(DONE));
    // A full disk is one.
    let mut command = place.command(&["openapi"]);
    command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(FAILED), "{said}");
    assert!(said.contains("code: not_written"), "{said}");
}

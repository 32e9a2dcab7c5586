//! `russet command`, `russet status`, and what is printed without a server.

use russet_sim::Kind;
use serde_json::Value;

use super::{DONE, FAILED, Place, REFUSED, russet, say};
use crate::support::{eventually, receiver::Receiver};

#[tokio::test]
async fn commands_are_sent_listed_answered_cancelled_and_sent_again() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut phone = server.enrolled(&place, Kind::IPhone).await;
    let mac = server.enrolled(&place, Kind::Mac).await;
    let (phone_id, mac_id) = (phone.hardware.udid.clone(), mac.hardware.udid.clone());
    let serial = &mac.hardware.serial_number;

    let send = [
        "--json",
        "command",
        "send",
        "--type",
        "DeviceInformation",
        "--no-push",
        &phone_id,
        serial,
    ];
    let sent = place.run(&send).await.ended(DONE).json();
    let uuid = sent["command_uuid"].as_str().unwrap();
    let queue = place.run(&["command", "queue", &mac_id]).await.ended(DONE).out;
    assert!(
        queue.starts_with("COMMAND") && queue.contains(uuid) && queue.contains("queued"),
        "{queue}"
    );

    phone.connect().await.unwrap();
    let result = place.run(&["command", "result", uuid]).await.ended(DONE).out;
    assert_eq!(result.lines().count(), 3, "{result}");
    assert!(
        result.contains("acknowledged") && result.contains("queued"),
        "{result}"
    );
    let one = place
        .run(&["command", "result", uuid, "--device", &phone_id])
        .await
        .ended(DONE)
        .out;
    assert!(
        one.starts_with("DeviceInformation for ") && one.contains("QueryResponses:"),
        "{one}"
    );

    // It has failed for nobody yet; then it is taken back from whoever has not answered.
    let none = place.run(&["command", "retry", uuid]).await.ended(REFUSED);
    assert!(none.err.contains("failed for nobody"), "{none:?}");
    let cancelled = place
        .run(&["--json", "command", "cancel", uuid])
        .await
        .ended(DONE)
        .json();
    assert_eq!(cancelled["cancelled"], serde_json::json!([mac_id]));
    let again = place
        .run(&["--json", "command", "retry", uuid])
        .await
        .ended(DONE)
        .json();
    let anew = again["command_uuid"].as_str().unwrap();
    assert_ne!(anew, uuid);
    let command = place
        .run(&["--json", "command", "result", anew])
        .await
        .ended(DONE)
        .json();
    assert_eq!(command["request_type"], "DeviceInformation");
    assert_eq!(command["enrollments"].as_array().unwrap().len(), 1);
    assert_eq!(command["enrollments"][0]["id"], mac_id.as_str());
    let twice = ["command", "retry", uuid, "--device", &phone_id];
    place.run(&twice).await.ended(DONE);
    // What can't be queued for one is told, and the rest has it.
    let mut gone = server.enrolled(&place, Kind::IPhone).await;
    gone.check_out().await.unwrap();
    let some = [
        "command",
        "send",
        "--type",
        "SecurityInfo",
        "--no-push",
        &phone_id,
        &gone.hardware.udid,
    ];
    let some = place.run(&some).await.ended(FAILED);
    assert!(some.err.contains("code: not_for_all"), "{some:?}");
    server.stop().await;
}

#[tokio::test]
async fn the_status_fits_on_one_screen_with_and_without_a_server() {
    let place = Place::development().await;
    let status = place.run(&["status"]).await.ended(DONE).out;
    assert!(status.contains("not running"), "{status}");
    let server = place.serve().await;
    server.enrolled(&place, Kind::IPhone).await;
    let status = place.run(&["status"]).await.ended(DONE).out;
    for said in [
        ", running",
        "1 enrolled",
        "queue             empty",
        "device_ca expires in",
        "entries, head ",
    ] {
        assert!(status.contains(said), "{said:?} is missing:\n{status}");
    }
    assert!(status.lines().count() <= 24, "{status}");
    let json = place.run(&["--json", "status"]).await.ended(DONE).json();
    assert_eq!(
        (&json["running"], &json["enrollments"]["enrolled"]),
        (&true.into(), &1.into())
    );
    server.stop().await;
}

/// The list of `--help`, and below each of its groups.
async fn verbs(group: &[&str]) -> Vec<String> {
    let mut command = russet();
    command.args(group).arg("--help");
    let help = say(command).await.ended(DONE).out;
    let list = help.split_once("Commands:\n").unwrap().1;
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    // A description that is broken into lines goes on further to the right.
    let named = lines.filter(|line| !line.starts_with("   "));
    let first = named.filter_map(|line| line.split_whitespace().next());
    first.filter(|verb| *verb != "help").map(str::to_owned).collect()
}

#[tokio::test]
async fn every_verb_stands_in_the_readme() {
    let readme = include_str!("../../../README.md");
    let table = readme.split_once("## The command line\n").unwrap().1;
    let table = table.split_once("\n## ").unwrap().0;
    let words: Vec<&str> = table
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .collect();
    let all = verbs(&[]).await;
    assert!(all.len() > 20, "{all:?}");
    for verb in &all {
        assert!(words.contains(&verb.as_str()), "{verb} is missing in the table");
    }
    for group in [
        "ade",
        "audit",
        "ca",
        "command",
        "hold",
        "hook",
        "job",
        "metrics",
        "push-cert",
        "report",
    ] {
        for verb in verbs(&[group]).await {
            assert!(
                words.contains(&verb.as_str()),
                "{group} {verb} is missing in the table"
            );
        }
    }
}

#[tokio::test]
async fn completions_rules_and_dashboard_are_printed_without_a_data_directory() {
    for (arguments, expected) in [
        (["completion", "bash"], "complete -F _russet"),
        (["completion", "zsh"], "#compdef russet"),
        (["completion", "fish"], "complete -c russet"),
        (["metrics", "rules"], "- alert: RussetDown"),
        (["metrics", "dashboard"], "\"title\": \"Russet\""),
    ] {
        let mut command = russet();
        command.args(arguments);
        let said = say(command).await.ended(DONE);
        assert!(said.out.contains(expected), "{arguments:?}");
    }
    let mut dashboard = russet();
    dashboard.args(["metrics", "dashboard"]);
    serde_json::from_str::<Value>(&say(dashboard).await.out).unwrap();
}

#[tokio::test]
async fn a_collector_gets_a_span_for_each_request_without_path_query_or_key() {
    let place = Place::development().await;
    let collector = Receiver::start().await;
    let file = place.path("russet.toml");
    let endpoint = format!("\n[telemetry]\notlp_endpoint = \"{}\"\n", collector.url(""));
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &endpoint).unwrap();
    let server = place.serve().await;
    let phone = server.enrolled(&place, Kind::IPhone).await;
    let udid = &phone.hardware.udid;
    place.run(&["device", "show", udid]).await.ended(DONE);
    let spans = || -> Vec<Value> {
        let batches = collector.received();
        let of = |batch: &Value| {
            batch["resourceSpans"][0]["scopeSpans"][0]["spans"]
                .as_array()
                .unwrap()
                .clone()
        };
        batches.iter().flat_map(|received| of(&received.json())).collect()
    };
    let has = |name: &str| spans().iter().any(|span| span["name"] == name);
    eventually("the spans", async || {
        has("PUT /mdm") && has("GET /v1/enrollments/{id}")
    })
    .await;
    let key = std::fs::read_to_string(place.path("dev-api-key")).unwrap_or_default();
    for received in collector.received() {
        assert_eq!(received.header("content-type"), "application/json");
        assert!(!received.text().contains(udid.as_str()));
        assert!(key.is_empty() || !received.text().contains(key.trim()));
    }
    server.stop().await;
}

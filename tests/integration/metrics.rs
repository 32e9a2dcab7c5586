//! The figures, and what an operator's monitoring makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Method;
use russet::metrics::{ALERTS, DASHBOARD, FIGURES, Kind};
use russet_sim::Kind as Hardware;
use serde_json::Value;

use crate::support::{TestServer, command, eventually, manual_clock, uuid};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Words that begin with `russet_`.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("russet_"))
        .map(str::to_owned)
        .collect()
}

/// The names of the series that a figure shows as.
fn series(name: &str, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Counter | Kind::Gauge => vec![name.to_owned()],
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .map(|end| format!("{name}{end}"))
            .to_vec(),
    }
}

fn all_series() -> BTreeSet<String> {
    FIGURES
        .iter()
        .flat_map(|figure| series(figure.name, figure.kind))
        .collect()
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

/// What the code records.
fn recorded() -> BTreeMap<String, &'static str> {
    let mut text = String::new();
    sources(&root().join("src"), &mut text);
    let mut recorded = BTreeMap::new();
    for kind in ["counter!", "gauge!", "histogram!"] {
        for part in text.split(kind).skip(1) {
            let name = part.trim_start_matches(['(', ' ', '\n']).strip_prefix('"');
            if let Some(name) = name.and_then(|name| name.split('"').next())
                && name.starts_with("russet_")
            {
                recorded.insert(name.to_owned(), kind);
            }
        }
    }
    recorded
}

async fn shown(server: &TestServer) -> String {
    let answer = server.ask(Method::GET, "/metrics", Vec::new()).await;
    answer.as_str().unwrap().to_owned()
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("{series} is not there:\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_figure_that_the_code_records_is_described_and_the_other_way_round() {
    let recorded = recorded();
    let described: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.name).collect();
    for (name, kind) in &recorded {
        assert!(
            described.contains(name.as_str()),
            "{name} is missing in src/metrics/names.rs"
        );
        let figure = FIGURES.iter().find(|figure| figure.name == name).unwrap();
        let word = match figure.kind {
            Kind::Counter => "counter!",
            Kind::Gauge => "gauge!",
            Kind::Histogram => "histogram!",
        };
        assert_eq!(*kind, word, "{name}");
    }
    for name in described {
        // That one is written as text: its values leave it again.
        let known = recorded.contains_key(name) || name == "russet_identity_days_left";
        assert!(known, "{name} is described, and recorded nowhere");
    }
    assert!(FIGURES.is_sorted_by_key(|figure| figure.name));
}

#[test]
fn every_figure_that_rules_and_dashboard_name_is_exported() {
    let known = all_series();
    for (what, text) in [("alerts.yml", ALERTS), ("dashboard.json", DASHBOARD)] {
        let named = names_in(text);
        assert!(named.len() > 10);
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{what} names {unknown:?}");
    }
    serde_json::from_str::<Value>(DASHBOARD).unwrap();
}

#[test]
fn every_figure_that_the_readme_names_is_exported() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut known = all_series();
    known.extend(FIGURES.iter().map(|figure| figure.name.to_owned()));
    // A key of the events that hooks get.
    known.insert("russet_event".to_owned());
    let unknown: Vec<String> = names_in(&readme).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_alert_has_a_runbook_and_a_test_that_it_fires() {
    let tests = fs::read_to_string(root().join("src/metrics/alerts_test.yml")).unwrap();
    let alerts: Vec<&str> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 12);
    assert_eq!(ALERTS.matches("          runbook: ").count(), alerts.len());
    for alert in alerts {
        assert!(
            tests.contains(&format!("- name: \"{alert} fires\"")),
            "{alert} has no test"
        );
        assert!(
            tests.contains(&format!("- name: \"{alert} is silent\"")),
            "{alert} has no test"
        );
    }
}

/// Debian's package `prometheus` has it.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(root().join("src/metrics"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
#[cfg_attr(not(promtool), ignore = "promtool is not installed")]
fn promtool_takes_the_rules_and_each_fires_where_it_should() {
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let (good, said) = promtool(&arguments, "");
        assert!(good, "{said}");
    }
}

#[tokio::test]
#[cfg_attr(not(promtool), ignore = "promtool is not installed")]
async fn promtool_takes_what_a_server_shows() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Hardware::IPhone).await;
    server.enqueue(&device.hardware.udid, "DeviceInformation").await;
    device.connect().await.unwrap();
    let (_, said) = promtool(&["check", "metrics"], &shown(&server).await);
    // Days are what people ask for, and what `le` is then counted in.
    let objections = said.lines().filter(|line| {
        let days = ["russet_expiry_days", "russet_identity_days_left"]
            .iter()
            .any(|name| line.starts_with(name));
        !(line.is_empty() || days && line.contains("use base unit"))
    });
    assert_eq!(objections.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[tokio::test]
async fn the_figures_follow_what_devices_and_operators_do() {
    let clock = manual_clock(Duration::from_secs(3600));
    let server = TestServer::at(clock.clone(), |_| {}).await;
    let before = shown(&server).await;
    let queued = r#"russet_commands_total{type="EraseDevice",status="queued"}"#;
    let count = |text: &str, series: &str| {
        text.lines()
            .find(|line| line.starts_with(series))
            .map_or(0.0, |_| value(text, series))
    };
    let udid = server.enrolled(Hardware::Mac).await.hardware.udid;
    let wipe = uuid();
    let path = format!("/v1/enqueue/{udid}?nopush=1");
    server
        .ask(Method::PUT, &path, command(&wipe, "EraseDevice"))
        .await;
    server
        .ask(Method::PUT, &path, command(&uuid(), "NotApples"))
        .await;
    clock.advance(Duration::from_secs(90));
    let after = shown(&server).await;
    assert!(count(&after, queued) >= count(&before, queued) + 1.0);
    assert!(value(&after, r#"russet_commands_total{type="other",status="queued"}"#) >= 1.0);
    assert!(!after.contains("NotApples"), "a label of a caller's choice");
    assert!(
        value(
            &after,
            r#"russet_checkins_total{type="TokenUpdate",result="ok",code="200"}"#
        ) >= 1.0
    );
    assert_eq!(value(&after, "russet_queue_depth "), 2.0);
    assert_eq!(value(&after, "russet_queue_oldest_seconds "), 90.0);
    assert_eq!(value(&after, r#"russet_identity_days_left_bucket{le="30"}"#), 0.0);
    assert_eq!(value(&after, "russet_identity_days_left_count"), 1.0);
    assert!(value(&after, r#"russet_expiry_days{kind="device_ca"}"#) > 1000.0);
    assert!(value(&after, r#"russet_expiry_days{kind="tls"}"#) > 1.0);
    assert!(value(&after, "russet_store_commit_seconds_count") > 1.0);
    assert!(value(&after, "russet_audit_entries ") >= 2.0);
    let cancelled = r#"russet_commands_total{type="EraseDevice",status="cancelled"}"#;
    server
        .ask(Method::DELETE, &format!("/v1/queue/{udid}"), Vec::new())
        .await;
    let cleared = shown(&server).await;
    assert_eq!(value(&cleared, "russet_queue_oldest_seconds "), 0.0);
    assert!(count(&cleared, cancelled) >= count(&after, cancelled) + 1.0);

    // What expires counts under its type too, when it is next looked for.
    let expired = r#"russet_commands_total{type="ProfileList",status="expired"}"#;
    let soon = clock.now().plus(Duration::from_secs(60)).to_rfc3339();
    let path = format!("/v1/enqueue/{udid}?nopush=1&expires={soon}");
    server
        .ask(Method::PUT, &path, command(&uuid(), "ProfileList"))
        .await;
    clock.advance(Duration::from_secs(61));
    let server = server.restart(|_| {}).await;
    eventually("the expiry", async || {
        count(&shown(&server).await, expired) >= count(&cleared, expired) + 1.0
    })
    .await;
    assert!(!shown(&server).await.contains(r#"type="unknown""#));
}

/// The figures that operators' documentation has always named.
#[test]
fn the_figures_that_were_promised_are_there() {
    let promised = [
        "russet_ade_devices",
        "russet_ade_last_sync_timestamp",
        "russet_checkins_total",
        "russet_commands_total",
        "russet_connects_total",
        "russet_devices",
        "russet_enrollment_seconds_bucket",
        "russet_enrollments_total",
        "russet_expiry_days",
        "russet_hook_deadletters",
        "russet_identity_days_left_bucket",
        "russet_panics_total",
        "russet_push_lag_seconds_bucket",
        "russet_push_total",
        "russet_queue_depth",
        "russet_queue_oldest_seconds",
        "russet_request_seconds_bucket",
        "russet_scep_total",
        "russet_store_bytes",
        "russet_store_commit_seconds_bucket",
    ];
    let known = all_series();
    let missing: Vec<_> = promised.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

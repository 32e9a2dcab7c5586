//! Measures how a large fleet comes over from Apple, with its profiles, on the release binary: `make bench`, or
//! `cargo bench --bench ade_sync` after `cargo build --release --workspace --bins`.
//!
//! `RUSSET_BENCH_DEVICES` sets how many devices there are (200,000), `RUSSET_BENCH_PAGE_MS` how long Apple takes for a page
//! (300).

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod process;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use axum::http::Method;
use process::{binary, clock_ticks_and_rss, start};
use russet::operator::client::Client as Operator;
use russet_sim::abm::{Endpoint, FakeAbm, Family, Mix, Settings};
use serde_json::{Value, json};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

async fn ask(operator: &Operator, method: Method, path: &str, body: Value) -> Value {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into()
    };
    operator
        .request(method, path, body)
        .await
        .expect("it answers")
        .body
}

async fn idle(operator: &Operator) -> Value {
    loop {
        let sync = ask(operator, Method::GET, "/v1/ade/sync?token=hq", Value::Null).await["syncs"][0].take();
        if sync["running"].is_null() && sync["assigning"] == false && !sync["last"].is_null() {
            return sync;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::main]
async fn main() {
    let devices = usize::try_from(number("RUSSET_BENCH_DEVICES", 200_000)).unwrap();
    let page_delay = Duration::from_millis(number("RUSSET_BENCH_PAGE_MS", 300));
    let abm = FakeAbm::start(Settings {
        page_delay,
        log_capacity: 100,
        ..Settings::default()
    })
    .await
    .unwrap();
    let portal = abm.portal();
    portal.add_bare_server("hq").unwrap();
    let serials = portal.stock("hq", devices, Mix::only(Family::IPhone)).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let free = [
        "--device-listen",
        "127.0.0.1:0",
        "--operator-listen",
        "127.0.0.1:0",
    ];
    let done = Command::new(binary("russet"))
        .args(["init", "--dev"])
        .args(free)
        .arg("--data")
        .arg(&data)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
    std::fs::write(data.join("abm.pem"), abm.anchor()).unwrap();
    let (server, _) = start(
        Command::new(binary("russet"))
            .args(["serve", "--json", "--data"])
            .arg(&data)
            .env("RUSSET_ADE__BASE_URL", abm.url())
            .env("RUSSET_ADE__CA_FILE", "abm.pem")
            .env("RUSSET_ADE__DELTA_EVERY", "1m"),
    );
    let operator = Operator::Local(data.join("operator.sock"));
    ask(&operator, Method::POST, "/v1/ade/tokens", json!({ "name": "hq" })).await;
    let profile = json!({ "name": "phones", "preset": "one-to-one" });
    ask(&operator, Method::POST, "/v1/ade/tokens/hq/profiles", profile).await;
    ask(
        &operator,
        Method::PUT,
        "/v1/ade/tokens/hq/profiles/phones/default",
        Value::Null,
    )
    .await;

    let began = tokio::time::Instant::now();
    let (cpu_before, _) = clock_ticks_and_rss(&server);
    let credentials = serde_json::to_value(portal.new_token("hq").unwrap()).unwrap();
    ask(&operator, Method::PUT, "/v1/tokens/hq", credentials).await;
    let mut most: f64 = 0.0;
    while portal.count_with_profile("hq", None).unwrap() > 0 {
        most = most.max(clock_ticks_and_rss(&server).1);
        assert!(began.elapsed() < Duration::from_secs(3600), "it does not end");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    idle(&operator).await;
    let (cpu, resident) = clock_ticks_and_rss(&server);
    println!(
        "{devices} devices with their profile: {:.1} s, {:.1} s of CPU, {:.0} MiB resident at most; {} pages, {} assignments",
        began.elapsed().as_secs_f64(),
        cpu - cpu_before,
        most.max(resident),
        abm.stats().pages,
        abm.stats().of(Endpoint::Assign),
    );

    for serial in &serials[..100.min(serials.len())] {
        portal.set_asset_tag(serial, "changed").unwrap();
    }
    // What the assignments have changed comes with the first.
    for name in ["the delta of the assignments", "a delta of nothing"] {
        let (began, pages) = (tokio::time::Instant::now(), abm.stats().pages);
        let (before, _) = clock_ticks_and_rss(&server);
        let since = ask(&operator, Method::GET, "/v1/ade/sync?token=hq", Value::Null).await;
        let since = since["syncs"][0]["last"]["id"].clone();
        if name == "a delta of nothing" {
            // The clock's own: an operator has to wait for fifteen minutes.
            while idle(&operator).await["last"]["id"] == since {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        } else {
            ask(&operator, Method::POST, "/v1/ade/sync", json!({ "token": "hq" })).await;
            idle(&operator).await;
        }
        let (after, _) = clock_ticks_and_rss(&server);
        println!(
            "{name}: {:.1} s with the wait for it, {:.2} s of CPU, {} pages",
            began.elapsed().as_secs_f64(),
            after - before,
            abm.stats().pages - pages,
        );
    }
}

//! F18: ends at any moment.

use russet_sim::abm::{Endpoint, Faults, Mix};

use super::*;

/// How many times the server ends while it syncs and assigns.
const ROUNDS: u64 = 200;

#[tokio::test]
async fn f18_after_200_crashes_no_device_is_missing_and_none_was_assigned_twice() {
    let mut kit = Kit::with(Settings {
        log_capacity: 100_000,
        ..Settings::default()
    })
    .await;
    let profile = kit.default_profile().await;
    kit.abm
        .set_faults(Faults {
            latency_ms: Some(1),
            ..Faults::default()
        })
        .unwrap();
    for round in 0..ROUNDS {
        kit.abm.portal().stock("hq", 20, Mix::default()).unwrap();
        kit.advance(12 * HOUR);
        kit.run();
        // Somewhere between its first request and its last, a little later each time.
        let requests = kit.abm.stats().requests + round % 9;
        let _ = kit
            .abm
            .until(Duration::from_millis(300), |stats| stats.requests >= requests)
            .await;
        kit = kit.crash().await;
    }
    kit.advance(12 * HOUR);
    kit.run();
    let all = 20 * ROUNDS as usize;
    kit.until("all devices have their profile", async || {
        let with = kit.abm.portal().count_with_profile("hq", Some(&profile)).unwrap();
        kit.engine.stir();
        (with == all && kit.serials().await.len() == all).then_some(())
    })
    .await;
    kit.agrees().await;
    let mut assigned = std::collections::HashMap::new();
    for call in kit.abm.requests_to(Endpoint::Assign) {
        let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
        for serial in body["devices"].as_array().unwrap() {
            *assigned.entry(serial.as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    let twice: Vec<_> = assigned.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "asked for more than once: {twice:?}");
}

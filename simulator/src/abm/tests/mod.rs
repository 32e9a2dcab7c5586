//! The fake Apple Business Manager against a small client of its own.

pub(crate) mod client;
mod control;
mod devices;
mod faults;
mod headers;
mod profiles;
mod scale;
mod session;
mod token;

use std::time::Duration;

use serde_json::Value;

use super::*;
use client::Dep;

/// A wait that only a failing test reaches the end of.
const DEADLINE: Duration = Duration::from_secs(20);
/// 2027-01-15T08:00:00Z
const NOW: u64 = 1_800_000_000;

/// A fake with one server, `hq`, whose clock stands still.
async fn fake() -> FakeAbm {
    fake_with(Settings::default()).await
}

async fn fake_with(settings: Settings) -> FakeAbm {
    let settings = Settings {
        tls: false,
        clock: Clock::stopped_at(NOW),
        ..settings
    };
    let abm = FakeAbm::start(settings).await.unwrap();
    abm.portal().add_bare_server("hq").unwrap();
    abm
}

/// The fake, its devices and a client in a session.
async fn stocked(count: usize) -> (FakeAbm, Vec<String>, Dep) {
    let abm = fake().await;
    let serials = abm.portal().stock("hq", count, Mix::default()).unwrap();
    let dep = Dep::of(&abm, "hq");
    (abm, serials, dep)
}

/// The serial numbers of records, in their order.
fn serials(records: &[Value]) -> Vec<String> {
    let serials = records
        .iter()
        .map(|record| record["serial_number"].as_str().unwrap().into());
    serials.collect()
}

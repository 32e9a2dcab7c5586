//! The fake APNs against a bare HTTP/2 client.

mod answers;
mod client;
mod control;
mod delivery;
mod devices;
mod faults;

use std::time::Duration;

use super::{FakeApns, Faults, Rule, Settings};
use client::{Client, Push};

const TOPIC: &str = "com.apple.mgmt.External.1";
const TOKEN: &[u8] = &[7; 32];
/// A wait that only a failing test reaches the end of.
const DEADLINE: Duration = Duration::from_secs(20);

async fn fake() -> FakeApns {
    FakeApns::start(Settings::default()).await.unwrap()
}

async fn faulty(rule: Rule) -> FakeApns {
    let apns = fake().await;
    apns.set_faults(Faults::rules([rule])).await.unwrap();
    apns
}

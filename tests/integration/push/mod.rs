//! Push through the door: commands wake simulated devices over a fake APNs, whatever that does.

mod faults;
mod process;
mod topics;
mod waking;

use std::{ops::AsyncFnMut, time::Duration};

use axum::http::Method;
use russet::{clock::Clock, config::Config, operator::client::ClientError};
use russet_sim::{
    Channel, Device, Kind,
    apns::{FakeApns, Settings},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TestServer, command, eventually, uuid};

/// A server, and the APNs that it pushes to.
struct World {
    server: TestServer,
    apns: FakeApns,
    anchor: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::at(Clock::system()).await
    }

    async fn at(clock: Clock) -> Self {
        let apns = FakeApns::start(Settings::default()).await.unwrap();
        let anchor = tempfile::tempdir().unwrap();
        let server = TestServer::at(clock, towards(&apns, &anchor)).await;
        Self { server, apns, anchor }
    }

    /// Ends the server, lets something happen, and starts it again.
    async fn restart(self, meanwhile: impl AsyncFnOnce(&FakeApns)) -> Self {
        let Self { server, apns, anchor } = self;
        let change = towards(&apns, &anchor);
        // The fake APNs is at its old address, and so will the server be.
        meanwhile(&apns).await;
        Self {
            server: server.restart(change).await,
            apns,
            anchor,
        }
    }

    /// A device that has enrolled, and nobody answers for.
    async fn sleeper(&self) -> Sleeper {
        Sleeper::of(self.server.enrolled(Kind::IPhone).await)
    }

    async fn sleepers(&self, count: usize) -> Vec<Sleeper> {
        let mut sleepers = Vec::new();
        for _ in 0..count {
            sleepers.push(self.sleeper().await);
        }
        sleepers
    }

    /// Queues a command that wakes its targets, with parameters such as `?priority=3`; its UUID.
    async fn enqueue_with(&self, ids: &str, parameters: &str) -> String {
        let uuid = uuid();
        let path = format!("/v1/enqueue/{ids}{parameters}");
        let asked = self
            .server
            .try_ask(Method::PUT, &path, command(&uuid, "SecurityInfo"));
        // A push that fails makes it a failure for NanoMDM's clients; the command is queued all the same.
        if let Err(ClientError::Refused { body, .. }) = asked.await {
            assert_eq!(body["command_uuid"], uuid, "{body}");
        }
        uuid
    }

    async fn enqueue(&self, ids: &str) -> String {
        self.enqueue_with(ids, "").await
    }

    async fn status(&self) -> Value {
        self.server.ask(Method::GET, "/v1/pushes", Vec::new()).await
    }

    /// How many pushes to this device APNs has taken.
    fn accepted(&self, sleeper: &Sleeper) -> u64 {
        self.apns.accepted(&sleeper.token)
    }

    async fn until_accepted(&self, sleeper: &Sleeper, pushes: u64) {
        eventually("a push is accepted", async || self.accepted(sleeper) >= pushes).await;
    }

    /// Waits until the server has heard what APNs says of its pushes: only then may its clock move.
    async fn landed(&self) {
        eventually("no push is in flight", async || {
            self.status().await["in_flight"] == 0
        })
        .await;
    }

    /// Moves the clock on, second by second as far as the server can tell, until the condition holds.
    async fn within(&self, time: Duration, step: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
        let mut passed = Duration::ZERO;
        while passed < time {
            self.server.clock.advance(step);
            passed += step;
            // The server looks at its clock ten times a second.
            for _ in 0..15 {
                if condition().await {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        false
    }
}

/// A device that is asleep: pushes to it are counted, nothing else happens.
struct Sleeper {
    device: Device,
    id: String,
    token: Vec<u8>,
}

impl Sleeper {
    fn of(device: Device) -> Self {
        let (_, push) = device.pushes().next().unwrap();
        Self {
            id: device.enrollment_id(&Channel::Device),
            token: push.token.clone(),
            device,
        }
    }
}

fn towards(apns: &FakeApns, anchor: &TempDir) -> impl FnOnce(&mut Config) + use<> {
    let path = anchor.path().join("apns-ca.pem");
    std::fs::write(&path, apns.anchor()).unwrap();
    let endpoint = apns.url();
    move |config| {
        config.apns.endpoint = endpoint;
        config.apns.ca_file = Some(path);
    }
}

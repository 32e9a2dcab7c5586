//! F1: kill -9 in the middle of an enrollment storm, on the real binary, again and again on one data directory.
//! Whatever was acknowledged before the kill must be there after it.
//!
//! `RUSSET_KILL_ROUNDS` sets the number of rounds; `make test-long` runs 200.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::Method;
use russet::operator::client::Client as Operator;
use russet_sim::{Client, Device, Kind};
use tokio::task::JoinSet;

use super::support::{
    command,
    process::{Process, set_up},
    shared_key, uuid,
};

/// What has been acknowledged. The checker reads it after each restart.
#[derive(Clone, Default)]
struct Ledger {
    /// Enrollment ids whose TokenUpdate got its 200.
    enrolled: Vec<String>,
    /// Commands whose enqueueing got its 200: UUID, and for whom.
    queued: HashMap<String, String>,
    /// Commands whose result got its 200.
    answered: Vec<String>,
}

impl Ledger {
    fn len(&self) -> usize {
        self.enrolled.len() + self.queued.len() + self.answered.len()
    }
}

/// Enrolls devices one after another, gives each a command and has it answered, until the server is gone.
async fn storm(url: String, client: Client, operator: Operator, ledger: Arc<Mutex<Ledger>>) -> Vec<Device> {
    let mut devices = Vec::new();
    for kind in [Kind::IPhone, Kind::Mac, Kind::IPad, Kind::AppleTV]
        .into_iter()
        .cycle()
    {
        let mut device = Device::new(kind, client.fresh()).unwrap();
        device.use_key(shared_key());
        if device.enroll(&format!("{url}/enroll")).await.is_err() {
            break;
        }
        let id = device.enrollment_id(&russet_sim::Channel::Device);
        ledger.lock().unwrap().enrolled.push(id.clone());
        let uuid = uuid();
        let path = format!("/v1/enqueue/{id}?nopush=1");
        if operator
            .request(Method::PUT, &path, command(&uuid, "SecurityInfo"))
            .await
            .is_err()
        {
            break;
        }
        ledger.lock().unwrap().queued.insert(uuid, id);
        let connected = device.connect().await;
        if connected.is_err() {
            break;
        }
        let answered = device
            .handled()
            .iter()
            .map(|handled| handled.command_uuid.clone());
        ledger.lock().unwrap().answered.extend(answered);
        devices.push(device);
    }
    devices
}

async fn check(server: &Process, ledger: &Ledger) {
    for id in &ledger.enrolled {
        let path = format!("/v1/enrollments/{id}");
        let row = server
            .operator
            .request(Method::GET, &path, Vec::new())
            .await
            .expect("an acknowledged enrollment is there")
            .body;
        assert_eq!(row["state"], "enrolled", "{id} was acknowledged: {row}");
    }
    for (uuid, id) in &ledger.queued {
        let path = format!("/v1/commands/{uuid}");
        let row = server
            .operator
            .request(Method::GET, &path, Vec::new())
            .await
            .expect("an acknowledged command is there")
            .body;
        let state = row["enrollments"][0]["state"].as_str().unwrap().to_owned();
        assert_eq!(row["enrollments"][0]["id"], **id);
        if ledger.answered.contains(uuid) {
            assert_eq!(state, "acknowledged", "the result of {uuid} was acknowledged");
        } else {
            assert!(
                matches!(state.as_str(), "queued" | "acknowledged"),
                "{uuid}: {state}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_kill_9_in_an_enrollment_storm_loses_nothing_that_was_acknowledged() {
    let rounds: usize = std::env::var("RUSSET_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let folder = tempfile::tempdir().unwrap();
    // Devices keep the address of their profile, so the port must outlive the process.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let data = set_up(folder.path(), port);

    let mut survivors: Vec<Device> = Vec::new();
    let mut total = 0;
    for round in 0..rounds {
        let server = Process::start(&data, &[], None);
        for device in &mut survivors {
            device
                .connect()
                .await
                .expect("a device of an earlier round is still known");
        }
        survivors.clear();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let mut workers = JoinSet::new();
        for _ in 0..6 {
            let url = server.device_url.clone();
            workers.spawn(storm(
                url,
                server.client(),
                server.operator.clone(),
                Arc::clone(&ledger),
            ));
        }
        // Somewhere in the middle of something: after a different number of acknowledgements each round.
        let target = 8 + usize::from(uuid::Uuid::new_v4().as_bytes()[0] % 40);
        let reached = async {
            while ledger.lock().unwrap().len() < target {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .expect("the storm makes progress");
        server.kill();
        while let Some(devices) = workers.join_next().await {
            survivors.extend(devices.unwrap().into_iter().take(1));
        }

        let server = Process::start(&data, &[], None);
        let acknowledged = ledger.lock().unwrap().clone();
        check(&server, &acknowledged).await;
        total += acknowledged.len();
        eprintln!(
            "round {round}: {} acknowledgements, none lost",
            acknowledged.len()
        );
        server.kill();
    }
    assert!(total > rounds * 8);
}

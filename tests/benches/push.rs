//! Measures push on the release binaries: `make bench`, or `cargo bench --bench push` after
//! `cargo build --release --workspace --bins`.
//!
//! The store is filled directly, for real enrollments are measured elsewhere. `RUSSET_BENCH_FLEET` sets how many
//! enrollments there are (100,000), `RUSSET_BENCH_WAKES` how many times a device is woken (200).

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod process;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::http::Method;
use russet::{
    clock::Clock,
    data_dir::DEV_API_KEY,
    operator::client::Client as Operator,
    protocol::ids::{EnrollmentId, EnrollmentKind},
    storage::{
        AdminStore as _, Change, EnrollmentRecord, EnrollmentState, EnrollmentStore as _, PushInfo, Ruling,
        sled::{SledOptions, SledStorage},
    },
};
use serde_json::{Value, json};

use process::{Process, binary, clock_ticks_and_rss, start};

struct Bench {
    folder: tempfile::TempDir,
    apns: Process,
    endpoint: String,
    control: Operator,
    control_address: String,
}

impl Bench {
    fn new(latency: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let done = Command::new(binary("russet"))
            .args([
                "init",
                "--dev",
                "--device-listen",
                "127.0.0.1:0",
                "--operator-listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        let (apns, ready) = start(
            Command::new(binary("russet-sim"))
                .args([
                    "apns",
                    "--listen",
                    "127.0.0.1:0",
                    "--control",
                    "127.0.0.1:0",
                    "--json",
                ])
                .args(["--latency", latency, "--max-streams", "1000", "--data"])
                .arg(folder.path()),
        );
        let control = ready["control"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://")
            .to_owned();
        Self {
            apns,
            endpoint: ready["endpoint"].as_str().unwrap().to_owned(),
            control: Operator::Remote {
                authority: control.clone(),
                key: String::new(),
            },
            control_address: control,
            folder,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts enrollments into the store; their ids.
    async fn fill(&self, fleet: usize) -> Vec<String> {
        let store = Arc::new(SledStorage::open(&self.data().join("db"), SledOptions::default()).unwrap());
        let topic = store.push_certificates().await.unwrap().remove(0).topic;
        let now = Clock::system().now();
        let ids: Vec<_> = (0..fleet).map(|number| format!("{number:08}-BENCH")).collect();
        for some in ids.chunks(512) {
            let mut writes = tokio::task::JoinSet::new();
            for id in some {
                let (store, topic, id) = (Arc::clone(&store), topic.clone(), EnrollmentId::new(id.clone()));
                writes.spawn(async move {
                    let token: Vec<u8> = id.as_str().bytes().cycle().take(32).collect();
                    let rule = Box::new({
                        let id = id.clone();
                        move |_: &_| Ruling::Write(Box::new(Change::of(record(&id, &topic, &token, now))))
                    });
                    store.check_in(&id, None, rule).await.unwrap();
                });
            }
            while writes.join_next().await.is_some() {}
        }
        store.close();
        ids
    }

    fn serve(&self) -> (Process, Operator, String) {
        let (server, ready) = start(
            Command::new(binary("russet"))
                .args(["serve", "--json", "--data"])
                .arg(self.data())
                .env("RUSSET_APNS__ENDPOINT", &self.endpoint)
                .env("RUSSET_APNS__CA_FILE", self.folder.path().join("apns-ca.pem"))
                .env("RUSSET_LOG", "error"),
        );
        let operator = Operator::Remote {
            authority: ready["operator"]
                .as_str()
                .unwrap()
                .trim_start_matches("http://")
                .to_owned(),
            key: std::fs::read_to_string(self.data().join(DEV_API_KEY)).unwrap(),
        };
        (server, operator, ready["device"].as_str().unwrap().to_owned())
    }

    async fn accepted(&self) -> u64 {
        let answer = self
            .control
            .request(Method::GET, "/stats", Vec::new())
            .await
            .unwrap();
        answer.body["accepted"].as_u64().unwrap()
    }

    async fn faults(&self, faults: Value) {
        let body = faults.to_string().into_bytes();
        self.control.request(Method::POST, "/faults", body).await.unwrap();
    }
}

fn record(
    id: &EnrollmentId,
    topic: &russet::protocol::ids::Topic,
    token: &[u8],
    now: russet::protocol::time::Timestamp,
) -> EnrollmentRecord {
    EnrollmentRecord {
        id: id.clone(),
        kind: EnrollmentKind::Device,
        state: EnrollmentState::Enrolled,
        device: Default::default(),
        user: None,
        identity: None,
        pending: None,
        push: Some(PushInfo {
            topic: topic.clone(),
            token: token.to_vec(),
            magic: uuid(),
            received_at: Some(now),
            refused: None,
        }),
        unlock_token: None,
        bootstrap_token: None,
        awaiting_configuration: false,
        token_update_tally: 1,
        allow_reenroll: false,
        migrated: false,
        url_params: Default::default(),
        ade_settings: None,
        ade: None,
        release: None,
        user_approved: None,
        enrolled_at: Some(now),
        updated_at: now,
    }
}

async fn enqueue(operator: &Operator, ids: &[String]) {
    for some in ids.chunks(1000) {
        let path = format!("/v1/enqueue/{}", some.join(","));
        let asked = operator.request(Method::PUT, &path, security_info(&uuid()));
        asked.await.unwrap();
    }
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string().to_uppercase()
}

fn security_info(uuid: &str) -> Vec<u8> {
    format!(
        "<plist><dict><key>CommandUUID</key><string>{uuid}</string><key>Command</key>\
         <dict><key>RequestType</key><string>SecurityInfo</string></dict></dict></plist>"
    )
    .into_bytes()
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

async fn a_push_to_a_whole_fleet() {
    let bench = Bench::new("50ms");
    let ids = bench.fill(number("RUSSET_BENCH_FLEET", 100_000)).await;
    let (server, operator, _) = bench.serve();
    let (_, before) = clock_ticks_and_rss(&server);
    bench.faults(json!({ "outage": "refuse" })).await;
    enqueue(&operator, &ids).await;
    let (cpu, pending) = clock_ticks_and_rss(&server);
    println!(
        "{} pushes pending: {pending:.0} MiB resident, {:.0} MiB more than without",
        ids.len(),
        pending - before
    );
    let since = Clock::system().now();
    bench
        .control
        .request(Method::DELETE, "/faults", Vec::new())
        .await
        .unwrap();
    let (mut last, mut best, mut first) = (0, 0.0_f64, None);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let accepted = bench.accepted().await;
        if accepted > 0 && first.is_none() {
            first = Some(Clock::system().now());
        }
        best = best.max((accepted - last) as f64 / 0.5);
        last = accepted;
        if accepted >= ids.len() as u64 {
            break;
        }
        assert!(
            Clock::system().now().since(since) < Duration::from_secs(600),
            "{accepted} only"
        );
    }
    let now = Clock::system().now();
    let took = now.since(first.unwrap()).as_secs_f64();
    let (cpu_after, most) = clock_ticks_and_rss(&server);
    println!(
        "all taken {:.0} s after APNs is back, {took:.1} s after the first: {:.0}/s on average, {best:.0}/s at best; \
         {:.3} ms of server CPU each, {most:.0} MiB resident",
        now.since(since).as_secs_f64(),
        ids.len() as f64 / took,
        (cpu_after - cpu) * 1e3 / ids.len() as f64,
    );
    drop(bench.apns);
}

async fn from_enqueue_to_acknowledgement() {
    let bench = Bench::new("0ms");
    let (_server, operator, device) = bench.serve();
    let devices = 10;
    let run = Command::new(binary("russet-sim"))
        .args([
            "run",
            "--url",
            &format!("{device}/enroll"),
            "--count",
            &devices.to_string(),
            "--apns-wake",
        ])
        .arg(&bench.control_address)
        .arg("--ca")
        .arg(bench.data().join("tls-ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _run = Process(run);
    let ids = loop {
        let path = "/v1/enrollments?enabled=true";
        let all = operator
            .request(Method::GET, path, Vec::new())
            .await
            .unwrap()
            .body;
        let rows = all["enrollments"].as_array().unwrap();
        let ids: Vec<_> = rows
            .iter()
            .filter(|row| row["type"] == "Device")
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        if ids.len() >= devices {
            break ids;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut latencies = Vec::new();
    for round in 0..number("RUSSET_BENCH_WAKES", 200) {
        let id = &ids[round % ids.len()];
        let uuid = uuid();
        let begun = tokio::time::Instant::now();
        let path = format!("/v1/enqueue/{id}");
        operator
            .request(Method::PUT, &path, security_info(&uuid))
            .await
            .unwrap();
        let path = format!("/v1/commands/{uuid}");
        while operator
            .request(Method::GET, &path, Vec::new())
            .await
            .unwrap()
            .body["enrollments"][0]["state"]
            != "acknowledged"
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "not acknowledged");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        latencies.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    println!(
        "from enqueue to acknowledgement, {} times: median {:.1} ms, p99 {:.1} ms",
        latencies.len(),
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100]
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        from_enqueue_to_acknowledgement().await;
        a_push_to_a_whole_fleet().await;
    });
}

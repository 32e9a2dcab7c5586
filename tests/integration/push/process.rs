//! The real binary: killed with pushes undelivered (F13), and talkative.
//!
//! `RUSSET_UNDELIVERED` sets how many pushes are waiting when it is killed; `make test-long` takes 10,000.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet::{data_dir::DEV_API_KEY, operator::client::Client as Operator};
use russet_sim::{
    Channel, Client, Device, Kind,
    apns::{FakeApns, Faults, Outage, Settings},
    encode::lower_hex,
};

use crate::support::{command, eventually, shared_key, uuid};

struct Server {
    data: PathBuf,
    device_url: String,
    operator: Operator,
    child: Child,
}

impl Server {
    fn start(data: &Path, apns: &FakeApns, log: &str) -> Self {
        let anchor = data.with_extension("apns-ca.pem");
        std::fs::write(&anchor, apns.anchor()).unwrap();
        let output = File::options()
            .create(true)
            .append(true)
            .open(data.with_extension("log"));
        let ready = data.with_extension("ready");
        let child = Command::new(env!("CARGO_BIN_EXE_russet"))
            .args(["serve", "--json", "--data"])
            .arg(data)
            .env("RUSSET_APNS__ENDPOINT", apns.url())
            .env("RUSSET_APNS__CA_FILE", &anchor)
            .env("RUSSET_LOG", log)
            .stdout(File::create(&ready).unwrap())
            .stderr(output.unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            data: data.to_owned(),
            device_url: String::new(),
            operator: Operator::Within(Box::default()),
            child,
        };
        let line = server.ready_line(&ready);
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        server.device_url = ready["device"].as_str().unwrap().to_owned();
        server.operator = Operator::Remote {
            authority: ready["operator"]
                .as_str()
                .unwrap()
                .trim_start_matches("http://")
                .to_owned(),
            key: std::fs::read_to_string(data.join(DEV_API_KEY)).unwrap(),
        };
        server
    }

    fn ready_line(&mut self, ready: &Path) -> String {
        for _ in 0..3000 {
            let line = std::fs::read_to_string(ready).unwrap();
            if line.ends_with('\n') {
                return line;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no ready line")
    }

    async fn enrolled(&self) -> Device {
        let anchor = std::fs::read(self.data.join("tls-ca.pem")).unwrap();
        let mut device = Device::new(Kind::IPhone, Client::trusting(&anchor).unwrap()).unwrap();
        device.use_key(shared_key());
        device
            .enroll(&format!("{}/enroll", self.device_url))
            .await
            .unwrap();
        device
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_up(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let done = Command::new(env!("CARGO_BIN_EXE_russet"))
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
    data
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_after_kill_9_every_device_with_a_push_undelivered_is_woken() {
    let wanted: usize = std::env::var("RUSSET_UNDELIVERED").map_or(100, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = set_up(folder.path());
    let apns = FakeApns::start(Settings::default()).await.unwrap();
    let server = Server::start(&data, &apns, "error");
    // A few devices with many user channels each: what counts is the number of tokens.
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    while tokens.len() < wanted {
        let mut mac = Device::new(Kind::Mac, server.enrolled().await.client.fresh()).unwrap();
        mac.use_key(shared_key());
        mac.enroll(&format!("{}/enroll", server.device_url))
            .await
            .unwrap();
        for user in 0..99.min(wanted - tokens.len()) {
            let channel = mac.add_user(&format!("user{user}"), "A User");
            mac.user_token_update(&channel).await.unwrap();
        }
        for (channel, push) in mac.pushes() {
            ids.push(mac.enrollment_id(&channel));
            tokens.push(push.token.clone());
        }
    }
    let down = Faults {
        outage: Some(Outage::Refuse),
        ..Faults::default()
    };
    apns.set_faults(down).await.unwrap();
    for some in ids.chunks(50) {
        let path = format!("/v1/enqueue/{}", some.join(",").replace(':', "%3A"));
        let command = command(&uuid(), "DeviceInformation");
        // The answer waits for APNs; what is asked for is durable long before it.
        let asked = server.operator.request(Method::PUT, &path, command);
        asked.await.unwrap();
    }
    drop(server);
    apns.clear_faults().await.unwrap();
    let _server = Server::start(&data, &apns, "error");
    eventually("every device is woken", async || {
        tokens.iter().all(|token| apns.accepted(token) > 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_push_magic_token_or_key_is_logged_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let data = set_up(folder.path());
    let apns = FakeApns::start(Settings::default()).await.unwrap();
    let server = Server::start(&data, &apns, "trace");
    let mut device = server.enrolled().await;
    let courier = apns.courier();
    device.listen(&courier);
    let id = device.enrollment_id(&Channel::Device);
    let path = format!("/v1/enqueue/{id}");
    let asked = server
        .operator
        .request(Method::PUT, &path, command(&uuid(), "SecurityInfo"));
    asked.await.unwrap();
    device.connect_when_woken(&courier).await.unwrap();
    let key = std::fs::read_to_string(data.join(DEV_API_KEY)).unwrap();
    drop(server);
    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(
        log.contains("TRACE") && log.contains(&id),
        "the log is read as it should be"
    );
    let (_, push) = device.pushes().next().unwrap();
    let secrets = [
        push.magic.clone(),
        lower_hex(&push.token),
        lower_hex(&push.token).to_uppercase(),
        STANDARD.encode(&push.token),
        format!("{:?}", push.token).trim_matches(['[', ']']).to_owned(),
        key.trim().to_owned(),
        "PRIVATE KEY".to_owned(),
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{}", line.unwrap_or_default());
    }
}

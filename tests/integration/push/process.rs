//! The real binary: killed with pushes undelivered (F13), and talkative.
//!
//! `RUSSET_UNDELIVERED` sets how many pushes are waiting when it is killed; `make test-long` takes 10,000.

use std::path::Path;

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russet::data_dir::DEV_API_KEY;
use russet_sim::{
    Channel, Device, Kind,
    apns::{FakeApns, Faults, Outage, Settings},
    encode::lower_hex,
};

use crate::support::{
    command, eventually,
    process::{Process, set_up},
    shared_key, uuid,
};

/// Starts the server towards this APNs.
fn serve(data: &Path, apns: &FakeApns, level: &str) -> Process {
    let anchor = data.with_extension("apns-ca.pem");
    std::fs::write(&anchor, apns.anchor()).unwrap();
    let environment = [
        ("RUSSET_APNS__ENDPOINT", apns.url()),
        ("RUSSET_APNS__CA_FILE", anchor.display().to_string()),
        ("RUSSET_LOG", level.to_owned()),
    ];
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Process::start(data, &environment, Some(&data.with_extension("log")))
}

async fn enrolled(server: &Process, kind: Kind) -> Device {
    let mut device = Device::new(kind, server.client()).unwrap();
    device.use_key(shared_key());
    device
        .enroll(&format!("{}/enroll", server.device_url))
        .await
        .unwrap();
    device
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_after_kill_9_every_device_with_a_push_undelivered_is_woken() {
    let wanted: usize = std::env::var("RUSSET_UNDELIVERED").map_or(100, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = set_up(folder.path(), 0);
    let apns = FakeApns::start(Settings::default()).await.unwrap();
    let server = serve(&data, &apns, "error");
    // A few devices with many user channels each: what counts is the number of tokens.
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    while tokens.len() < wanted {
        let mut mac = enrolled(&server, Kind::Mac).await;
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
    for some in ids.chunks(200) {
        let path = format!("/v1/enqueue/{}", some.join(",").replace(':', "%3A"));
        let command = command(&uuid(), "DeviceInformation");
        // The answer waits for APNs if the targets are few; what is asked for is durable before it in any case.
        let asked = server.operator.request(Method::PUT, &path, command);
        asked.await.unwrap();
    }
    drop(server);
    apns.clear_faults().await.unwrap();
    let _server = serve(&data, &apns, "error");
    eventually("every device is woken", async || {
        tokens.iter().all(|token| apns.accepted(token) > 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_push_magic_token_or_key_is_logged_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let data = set_up(folder.path(), 0);
    let apns = FakeApns::start(Settings::default()).await.unwrap();
    let server = serve(&data, &apns, "trace");
    let mut device = enrolled(&server, Kind::IPhone).await;
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

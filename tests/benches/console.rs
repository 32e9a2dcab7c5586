//! Measures the console's pages over a large fleet: `make bench`, or `cargo bench --bench console`. Fails if the overview
//! or a search takes longer than it may.
//!
//! `RUSSET_BENCH_DEVICES` sets how many devices there are (100,000), `RUSSET_BENCH_VISITS` how often each page is asked for
//! (200).

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
};
use russet::{
    app::App,
    clock::Clock,
    config::{Config, TlsMode},
    data_dir::DataDir,
    net::serve::Peer,
    protocol::{
        ids::{EnrollmentId, EnrollmentKind, SerialNumber, Udid},
        time::Timestamp,
    },
    setup,
    storage::{Change, DeviceFacts, EnrollmentRecord, EnrollmentState, Ruling, Storage},
};
use tower::ServiceExt as _;

/// How long the 95th of a hundred may take.
const OVERVIEW: Duration = Duration::from_millis(300);
const SEARCH: Duration = Duration::from_millis(200);

/// So many are stored side by side.
const SIDE_BY_SIDE: usize = 256;

const MODELS: [(&str, &str); 4] = [
    ("iPhone17,2", "iPhone"),
    ("iPad14,1", "iPad"),
    ("Mac16,1", "MacBook Pro"),
    ("AppleTV14,1", "Apple TV"),
];
const NAMES: [&str; 8] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken",
];

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn udid(number: usize) -> String {
    format!(
        "{:08X}-{:016X}",
        0x8120 + number % 7,
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    )
}

fn serial(number: usize) -> String {
    format!("C{:09}", number.wrapping_mul(7_919) % 1_000_000_000)
}

fn device(number: usize, now: Timestamp) -> EnrollmentRecord {
    let (product, model) = MODELS[number % MODELS.len()];
    let name = NAMES[number % NAMES.len()];
    EnrollmentRecord {
        id: EnrollmentId::new(udid(number)),
        kind: EnrollmentKind::Device,
        state: EnrollmentState::Enrolled,
        device: DeviceFacts {
            udid: Some(Udid::new(udid(number))),
            serial: Some(SerialNumber::new(serial(number))),
            product_name: Some(product.into()),
            model_name: Some(model.into()),
            device_name: Some(format!("{name}’s {model} {number}")),
            os_version: Some("18.1".into()),
            ..DeviceFacts::default()
        },
        user: None,
        identity: None,
        pending: None,
        push: None,
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

async fn fill(store: &Arc<dyn Storage>, devices: usize, now: Timestamp) {
    let mut begun = 0;
    while begun < devices {
        let end = devices.min(begun + SIDE_BY_SIDE);
        let tasks: Vec<_> = (begun..end)
            .map(|number| {
                let store = Arc::clone(store);
                let record = device(number, now);
                tokio::spawn(async move {
                    let id = record.id.clone();
                    let rule = move |_: &_| Ruling::Write(Box::new(Change::of(record.clone())));
                    store.check_in(&id, None, Box::new(rule)).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        begun = end;
    }
}

/// How long a page takes; it must come.
async fn visit(router: &Router, path: &str) -> Duration {
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer {
        address: None,
        certificate: None,
    });
    let began = tokio::time::Instant::now();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    to_bytes(response.into_body(), usize::MAX).await.unwrap();
    began.elapsed()
}

/// The time within which 95 of a hundred came.
async fn measured(router: &Router, name: &str, paths: impl Iterator<Item = String>) -> Duration {
    let mut times = Vec::new();
    for path in paths {
        times.push(visit(router, &path).await);
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{name:<28} p50 {:7.2} ms   p95 {:7.2} ms   most {:7.2} ms",
        millis(at(50)),
        millis(at(95)),
        millis(at(100))
    );
    at(95)
}

#[tokio::main]
async fn main() {
    let devices = number("RUSSET_BENCH_DEVICES", 100_000);
    let visits = number("RUSSET_BENCH_VISITS", 200);
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("data"));
    let mut config = Config::default();
    config.dev.enabled = true;
    // Nobody connects.
    config.tls.mode = TlsMode::Proxy;
    let clock = Clock::system();
    setup::set_up(&data, &config, &clock).await.unwrap();
    let address = ([127, 0, 0, 1], 8443).into();
    let app = App::open(&data, &config, clock.clone(), address, None).expect("the server opens");
    let began = tokio::time::Instant::now();
    fill(app.store(), devices, clock.now()).await;
    println!(
        "{devices} devices stored in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let router = app.operator_router();
    let some = |at: usize| at.wrapping_mul(104_729) % devices;

    let overview = measured(&router, "overview", (0..visits).map(|_| "/".to_owned())).await;
    let list = measured(&router, "devices", (0..visits).map(|_| "/devices".to_owned())).await;
    let searches = [
        ("search: serial number", 0),
        ("search: its beginning", 1),
        ("search: UDID", 2),
        ("search: a common name", 3),
        ("search: name and number", 4),
        ("search: nothing found", 5),
        ("search: rare and filtered", 6),
    ];
    let mut slowest = list;
    for (name, kind) in searches {
        let paths = (0..visits).map(|at| {
            let number = some(at);
            match kind {
                0 => format!("/devices?q={}", serial(number)),
                1 => format!("/devices?q={}", &serial(number)[..4]),
                2 => format!("/devices?q={}", udid(number)),
                3 => format!("/devices?q={}", NAMES[at % NAMES.len()]),
                4 => format!("/devices?q={}+{number}", NAMES[number % NAMES.len()]),
                5 => format!("/devices?q=nobody{number}"),
                _ => "/devices?q=ada&platform=macOS&state=checked-out".to_owned(),
            }
        });
        slowest = slowest.max(measured(&router, name, paths).await);
    }
    let detail = (0..visits).map(|at| format!("/devices/{}", udid(some(at))));
    measured(&router, "one device", detail).await;
    measured(&router, "commands", (0..visits).map(|_| "/commands".to_owned())).await;
    assert!(overview <= OVERVIEW, "the overview took {overview:?}");
    assert!(slowest <= SEARCH, "a search took {slowest:?}");
}

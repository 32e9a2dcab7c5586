//! The same through the operator's doors: a whole server, its API and its command line.

use axum::http::Method;
use russet::operator::client::ClientError;
use russet_sim::{
    BootOptions, Kind,
    abm::{Endpoint, Faults, Mix, Rule},
    pki::device_ca::DeviceCa,
};
use serde_json::Value;

use super::*;
use crate::support::TestServer;

/// A server whose Apple is the fake.
struct Connected {
    server: TestServer,
    abm: FakeAbm,
    /// Vouches for the devices.
    factory: DeviceCa,
    _folder: TempDir,
}

impl Connected {
    async fn start() -> Self {
        Self::start_at(START).await
    }

    async fn start_at(seconds: u64) -> Self {
        let abm = FakeAbm::start(Settings {
            clock: abm::Clock::stopped_at(seconds),
            control: None,
            ..Settings::default()
        })
        .await
        .unwrap();
        abm.portal().add_bare_server("hq").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("abm.pem");
        std::fs::write(&ca_file, abm.anchor()).unwrap();
        let factory = DeviceCa::new().unwrap();
        let anchor = folder.path().join("factory.pem");
        std::fs::write(&anchor, factory.pem().unwrap()).unwrap();
        let url = abm.url();
        let clock = Clock::manual(Timestamp::from_seconds(seconds as i64));
        let server = TestServer::at(clock, move |config| {
            config.ade.base_url = url;
            config.ade.ca_file = Some(ca_file);
            config.ade.trust_anchors = vec![anchor];
        })
        .await;
        Self {
            server,
            abm,
            factory,
            _folder: folder,
        }
    }

    async fn load_token(&self) {
        let credentials = self.abm.portal().new_token("hq").unwrap();
        let body = serde_json::to_vec(&credentials).unwrap();
        self.server.ask(Method::PUT, "/v1/tokens/hq", body).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.server.ask(Method::GET, path, Vec::new()).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.server.ask(Method::POST, path, body.to_string()).await
    }

    fn advance(&self, by: Duration) {
        self.server.clock.advance(by);
        self.abm.clock().advance(by);
    }

    async fn why(&self, serial: &str) -> Value {
        self.get(&format!("/v1/ade/why/{serial}")).await
    }

    /// Waits until a sync has ended that began after `devices` were in the portal.
    async fn synced(&self, devices: usize) -> Value {
        let wait = async {
            loop {
                let sync = self.get("/v1/ade/sync?token=hq").await["syncs"][0].take();
                let done = sync["running"].is_null() && sync["assigning"] == false && !sync["last"].is_null();
                if done && sync["devices"] == devices {
                    return sync;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the sync ends")
    }
}

#[tokio::test]
async fn e18_e19_e20_a_token_that_is_loaded_brings_its_devices_and_they_get_their_profiles() {
    let connected = Connected::start().await;
    let serials = connected
        .abm
        .portal()
        .stock("hq", 30, Mix::only(abm::Family::IPhone))
        .unwrap();
    connected.load_token().await;
    connected.synced(30).await;
    let devices = connected.get("/v1/ade/devices?token=hq&limit=7").await;
    assert_eq!(devices["devices"].as_array().unwrap().len(), 7);
    assert!(devices["next_cursor"].is_string());

    let why = connected.why(&serials[0]).await;
    assert_eq!(why["finding"], "no_profile", "{why}");
    let profile = json!({ "name": "phones", "preset": "one-to-one" });
    connected.post("/v1/ade/tokens/hq/profiles", profile).await;
    let answer = connected
        .post(
            "/v1/ade/assignments",
            json!({ "profile": "phones", "serials": [&serials[0], "NOSUCHDEVICE"] }),
        )
        .await;
    assert_eq!(answer["devices"][&serials[0]]["state"], "assigned", "{answer}");
    assert_eq!(answer["devices"]["NOSUCHDEVICE"]["state"], "unknown_device");
    let why = connected.why(&serials[0]).await;
    assert_eq!(why["finding"], "ready_to_enroll", "{why}");

    for (path, body, field) in [
        ("/v1/ade/assignments", json!({ "serials": [""] }), "serials"),
        ("/v1/ade/assignments", json!({ "serials": ["A\u{0}"] }), "serials"),
        (
            "/v1/ade/assignments",
            json!({ "serials": ["A".repeat(65)] }),
            "serials",
        ),
        (
            "/v1/ade/activation-locks",
            json!({ "serial": &serials[0], "lost_message": "x".repeat(1_001) }),
            "lost_message",
        ),
    ] {
        let refused = connected
            .server
            .try_ask(Method::POST, path, body.to_string())
            .await;
        let Err(ClientError::Refused { status, body, .. }) = refused else {
            panic!("{path}: {refused:?}");
        };
        assert_eq!((status, &body["fields"][0]["fields"][0]), (422, &json!(field)));
    }

    let path = "/v1/ade/tokens/hq/profiles/phones/default";
    connected.server.ask(Method::PUT, path, Vec::new()).await;
    let portal = connected.abm.portal();
    let wait = async {
        while portal.count_with_profile("hq", None).unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("all have the default");
    // Apple has the last assignment before its answer is here.
    connected.synced(30).await;
    let named = connected
        .get("/v1/ade/devices?enrollmentProfileName=phones&limit=100")
        .await;
    assert_eq!(named["devices"].as_array().unwrap().len(), 30);
    let asked = connected.abm.requests_to(Endpoint::Assign).len();
    assert!(asked <= 3, "{asked} calls");
}

#[tokio::test]
async fn t12_a_token_of_another_apple_id_leaves_enrolled_devices_alone() {
    // Devices have no clock but the machine's.
    let present = Clock::system().now().millis() / 1000;
    let connected = Connected::start_at(present as u64).await;
    let serial = connected
        .abm
        .portal()
        .stock("hq", 1, Mix::only(abm::Family::IPhone))
        .unwrap()
        .remove(0);
    connected.load_token().await;
    connected.synced(1).await;
    let profile = json!({ "name": "phones", "preset": "kiosk" });
    connected.post("/v1/ade/tokens/hq/profiles", profile).await;
    let assignment = json!({ "profile": "phones", "serials": [&serial] });
    connected.post("/v1/ade/assignments", assignment).await;

    let mut device = connected.server.device(Kind::IPhone);
    device.hardware.serial_number = serial.clone();
    let options = BootOptions::default();
    let booted = device
        .boot(&connected.abm.lookup(), &connected.factory, &options)
        .await
        .unwrap();
    assert!(booted.is_enrolled(), "{booted:?}");
    assert_eq!(connected.why(&serial).await["finding"], "enrolled");

    connected.load_token().await;
    let note = json!({ "apple_id": "successor@example.com" }).to_string();
    let path = "/v1/ade/tokens/hq";
    let token = connected.server.ask(Method::PATCH, path, note).await;
    assert_eq!(token["apple_id"], "successor@example.com");
    device.connect().await.unwrap();
    assert!(connected.server.knows(&device.hardware.udid).await);
    assert_eq!(connected.why(&serial).await["finding"], "enrolled");
}

#[tokio::test]
async fn y1_y3_what_is_too_soon_says_when_it_is_not() {
    let connected = Connected::start().await;
    connected.load_token().await;
    connected.synced(0).await;
    let begun = connected.post("/v1/ade/sync", json!({ "token": "hq" })).await;
    assert_eq!(begun["running"]["manual"], true);
    connected.synced(0).await;
    for (body, code) in [
        (json!({ "token": "hq" }), "ade_sync_too_soon"),
        (json!({ "token": "hq", "full": true }), "ade_full_sync_too_soon"),
    ] {
        let refused = connected
            .server
            .try_ask(Method::POST, "/v1/ade/sync", body.to_string())
            .await;
        let refused = format!("{refused:?}");
        assert!(refused.contains("429") && refused.contains(code), "{refused}");
    }
}

#[tokio::test]
async fn why_tells_each_case_apart() {
    let connected = Connected::start().await;
    let why = connected.why("X").await;
    assert_eq!(why["finding"], "no_token", "{why}");
    let portal = connected.abm.portal();
    let serials = portal.stock("hq", 4, Mix::only(abm::Family::IPad)).unwrap();
    connected.load_token().await;
    connected.synced(4).await;
    assert_eq!(connected.why("X").await["finding"], "not_ours");

    let late = portal.stock("hq", 1, Mix::default()).unwrap();
    assert_eq!(connected.why(&late[0]).await["finding"], "not_synced_yet");

    portal.release(&serials[..1]).unwrap();
    connected.advance(HOUR);
    connected.synced(4).await;
    assert_eq!(connected.why(&serials[0]).await["finding"], "released");

    let profile = json!({ "name": "pads", "preset": "one-to-one" });
    connected.post("/v1/ade/tokens/hq/profiles", profile).await;
    let fault = Faults::default().device(&serials[1], abm::DeviceStatus::Failed);
    connected.abm.set_faults(fault).unwrap();
    let body = json!({ "profile": "pads", "serials": [&serials[1], &serials[2]] });
    connected.post("/v1/ade/assignments", body).await;
    assert_eq!(connected.why(&serials[1]).await["finding"], "assignment_failed");
    assert_eq!(connected.why(&serials[2]).await["finding"], "ready_to_enroll");

    connected
        .abm
        .set_faults(Faults::rules([Rule::terms_not_signed()]))
        .unwrap();
    let why = connected.why(&serials[2]).await;
    assert_eq!(why["finding"], "unanswered", "{why}");
    assert!(
        why["step"].as_str().unwrap().contains("business.apple.com"),
        "{why}"
    );
}

#[tokio::test]
async fn disowning_needs_a_confirmation_and_marks_the_device() {
    let connected = Connected::start().await;
    let portal = connected.abm.portal();
    let serials = portal.stock("hq", 2, Mix::default()).unwrap();
    portal.allow_disown("hq", true).unwrap();
    connected.load_token().await;
    connected.synced(2).await;
    let body = json!({ "serials": [&serials[0]] });
    let refused = connected
        .server
        .try_ask(Method::POST, "/v1/ade/disownments", body.to_string())
        .await;
    let refused = format!("{refused:?}");
    assert!(
        refused.contains("422") && refused.contains("confirm"),
        "{refused}"
    );
    assert_eq!(connected.abm.stats().of(Endpoint::Disown), 0);
    let body = json!({ "serials": [&serials[0]], "confirm": true });
    let done = connected.post("/v1/ade/disownments", body).await;
    assert_eq!(done["devices"][&serials[0]], "SUCCESS");
    let device = connected.get(&format!("/v1/ade/devices/{}", serials[0])).await;
    assert_eq!(device["devices"][0]["state"], "removed_from_abm");
    let path = format!("/v1/ade/devices/{}", serials[0]);
    connected.server.ask(Method::DELETE, &path, Vec::new()).await;
    let gone = connected.server.try_ask(Method::GET, &path, Vec::new()).await;
    assert!(format!("{gone:?}").contains("ade_device_unknown"), "{gone:?}");
}

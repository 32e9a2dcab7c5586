//! Simulated devices boot out of their boxes: activation tells them our address, and they do the rest by themselves.

use std::time::Duration;

use axum::http::Method;
use russet::service::ade::profiles::Doors as _;
use russet_sim::{
    BootOptions, Booted, Device, Kind,
    abm::Lookup,
    device::{Login, Outcome},
    pki::device_ca::{DeviceCa, Signing, Style},
};
use serde_json::{Value, json};

use super::Estate;
use crate::support::receiver::{Reaction, Receiver};

/// A server that trusts a factory, and what Apple tells of it at activation.
struct Stage {
    estate: Estate,
    factory: DeviceCa,
    apple: Receiver,
}

impl Stage {
    async fn set(change: impl FnOnce(&mut russet::config::Config)) -> Self {
        let factory = DeviceCa::new().unwrap();
        let file = tempfile::tempdir().unwrap().keep().join("factory.pem");
        std::fs::write(&file, factory.pem().unwrap()).unwrap();
        let estate = Estate::with(|config| {
            config.ade.trust_anchors = vec![file];
            change(config);
        })
        .await;
        let apple = Receiver::start().await;
        let stage = Self {
            estate,
            factory,
            apple,
        };
        stage.tell(json!({}));
        stage
    }

    /// Apple tells this from now on, besides our addresses.
    fn tell(&self, keys: Value) {
        let addresses = self.estate.server.door.addresses(&self.estate.token);
        let mut profile = json!({
            "profile_name": "p",
            "profile_uuid": "U",
            "url": addresses.url,
            "is_supervised": true,
        });
        if keys["web"] == json!(true) {
            profile["configuration_web_url"] = addresses.configuration_web_url.into();
        }
        profile["await_device_configured"] = keys["await"].as_bool().unwrap_or(false).into();
        let answer = json!({ "managed": {
            "profile": profile,
            "organisation": "Example",
            "server_uuid": "S",
            "added_by_hand": null,
        } });
        let answer = answer.to_string().into_bytes();
        self.apple.react(move |_| Reaction::Body(answer.clone(), None));
    }

    async fn device(&self, kind: Kind, settings: Option<Value>) -> Device {
        self.estate.device(kind, settings).await.device
    }

    async fn boot(&self, device: &mut Device, options: &BootOptions) -> Booted {
        let lookup = Lookup::at(self.apple.address);
        let booted = device.boot(&lookup, &self.factory, options).await;
        booted.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

#[tokio::test]
async fn every_kind_of_device_boots_however_it_signs() {
    let stage = Stage::set(|_| {}).await;
    for kind in Kind::ALL {
        for style in [Style::Sha1, Style::Sha256, Style::Ecdsa] {
            let mut device = stage.device(kind, None).await;
            let signing = Signing {
                style,
                ..Signing::of(kind)
            };
            let options = BootOptions {
                signing: Some(signing),
                ..BootOptions::default()
            };
            let booted = stage.boot(&mut device, &options).await;
            assert!(booted.is_enrolled(), "{kind:?} {style:?}: {booted:?}");
        }
    }
}

#[tokio::test]
async fn k_a1_a_device_that_signs_for_itself_or_tampers_is_refused() {
    let stage = Stage::set(|_| {}).await;
    for (self_signed, tampered) in [(true, false), (false, true)] {
        let mut device = stage.device(Kind::IPhone, None).await;
        let signing = Signing {
            self_signed,
            tampered,
            ..Signing::of(Kind::IPhone)
        };
        let options = BootOptions {
            signing: Some(signing),
            ..BootOptions::default()
        };
        let booted = stage.boot(&mut device, &options).await;
        let Outcome::Refused(refusal) = booted.outcome else {
            panic!("{:?}", booted.outcome)
        };
        assert_eq!(refusal.status, 403);
    }
}

/// E11: it boots, is held, and lets its user go on once the server has sent `DeviceConfigured`.
#[tokio::test]
async fn e11_a_device_that_awaits_is_held_and_released() {
    let stage = Stage::set(|_| {}).await;
    stage.tell(json!({ "await": true }));
    let mut device = stage.device(Kind::IPad, None).await;
    let booted = stage.boot(&mut device, &BootOptions::default()).await;
    assert!(booted.is_held(), "{booted:?}");
    device.connect().await.unwrap();
    assert!(!device.state.awaiting_configuration);
    let shown = stage.estate.enrollment(&device).await;
    assert_eq!(shown["awaiting_configuration"], false);
}

/// E3: the user logs in in the web view; without an account the device stays outside.
#[tokio::test]
async fn e3_the_user_of_a_device_logs_in_in_the_web_view() {
    let stage = Stage::set(|_| {}).await;
    stage.tell(json!({ "web": true }));
    let account = json!({ "name": "ada", "password": "correct horse" });
    let server = &stage.estate.server;
    server
        .ask(Method::POST, "/v1/ade/accounts", account.to_string())
        .await;
    let settings = json!({ "platform": "ios", "affinity": "with", "await_configuration": false });
    for (password, enrolled) in [("wrong", false), ("correct horse", true)] {
        let mut device = stage.device(Kind::IPhone, Some(settings.clone())).await;
        let login = Login {
            user: "ada".into(),
            password: password.into(),
        };
        let options = BootOptions {
            login: Some(login),
            ..BootOptions::default()
        };
        let booted = stage.boot(&mut device, &options).await;
        assert_eq!(booted.is_enrolled(), enrolled, "{password}: {booted:?}");
    }
}

#[tokio::test]
async fn a_device_that_is_too_old_updates_and_enrolls() {
    let stage = Stage::set(|config| {
        config.ade.minimum_os.insert("ios".into(), "18.3".into());
    })
    .await;
    let mut device = stage.device(Kind::IPhone, None).await;
    let options = BootOptions {
        updates: true,
        ..BootOptions::default()
    };
    let booted = stage.boot(&mut device, &options).await;
    assert_eq!(booted.updates, ["18.3"]);
    assert!(booted.is_enrolled(), "{booted:?}");
}

/// M13, M14: erased by hand, and renewed without.
#[tokio::test]
async fn m14_a_mac_renews_and_m13_comes_back_after_it_was_erased() {
    let stage = Stage::set(|_| {}).await;
    let options = BootOptions::default();
    let mut mac = stage.device(Kind::Mac, None).await;
    stage.boot(&mut mac, &options).await;
    let first = stage.estate.enrollment(&mac).await;
    stage.estate.server.clock.advance(Duration::from_secs(3600));
    let lookup = Lookup::at(stage.apple.address);
    let renewed = mac.renew_ade(&lookup, &stage.factory, &options).await.unwrap();
    assert!(renewed.is_enrolled(), "{renewed:?}");
    let second = stage.estate.enrollment(&mac).await;
    assert_ne!(first["identity"], second["identity"]);

    mac.wipe();
    stage.estate.server.clock.advance(Duration::from_secs(3600));
    assert!(stage.boot(&mut mac, &options).await.is_enrolled());
    let path = format!("/v1/enrollments?serial={}", mac.hardware.serial_number);
    let listed = stage.estate.server.ask(Method::GET, &path, Vec::new()).await;
    let devices = listed["enrollments"].as_array().unwrap().iter();
    assert_eq!(devices.filter(|one| one["type"] == "Device").count(), 1);
}

/// M15: a device that another server manages refuses our profile by itself.
#[tokio::test]
async fn m15_a_device_of_another_server_refuses_the_profile() {
    let stage = Stage::set(|_| {}).await;
    let mut mac = stage.device(Kind::Mac, None).await;
    mac.install_foreign_mdm("org.example.other");
    let lookup = Lookup::at(stage.apple.address);
    let refused = mac
        .renew_ade(&lookup, &stage.factory, &BootOptions::default())
        .await
        .unwrap_err();
    assert!(format!("{refused:?}").contains("does not match the old payload"));
    assert!(!stage.estate.server.knows(&mac.hardware.udid).await);
    mac.remove_foreign_mdm();
    let renewed = mac
        .renew_ade(&lookup, &stage.factory, &BootOptions::default())
        .await;
    assert!(renewed.unwrap().is_enrolled());
}

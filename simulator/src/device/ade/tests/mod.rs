//! Devices out of their boxes against a fake Apple Business Manager and a server that follows a script.

mod fetch;
mod leave;
mod setup;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::abm::{Clock, FakeAbm, Settings};
use crate::device::Device;
use crate::pki::device_ca::DeviceCa;
use crate::script::{Page, Script};
use crate::{Client, Kind};

/// What a boot needs.
struct Scene {
    abm: FakeAbm,
    script: Arc<Script>,
    factory: DeviceCa,
    profile: Value,
}

impl Scene {
    async fn new() -> Self {
        let settings = Settings {
            tls: false,
            clock: Clock::stopped_at(1_800_000_000),
            ..Settings::default()
        };
        let abm = FakeAbm::start(settings).await.unwrap();
        abm.portal().add_bare_server("hq").unwrap();
        let script = Script::start().await;
        let url = format!("http://{}/ade", script.address);
        Self {
            profile: json!({ "profile_name": "p", "url": url }),
            factory: DeviceCa::new().unwrap(),
            abm,
            script,
        }
    }

    /// A scene whose profile has these keys too.
    async fn with(keys: Value) -> Self {
        let mut scene = Self::new().await;
        scene.set(keys);
        scene
    }

    fn set(&mut self, keys: Value) {
        for (key, value) in keys.as_object().unwrap() {
            self.profile[key] = value.clone();
        }
    }

    fn page(&self, page: Page) {
        self.script.pages.lock().unwrap().push_back(page);
    }

    /// A device without a profile.
    fn unassigned(&self, kind: Kind) -> Device {
        let client = Client::plain().resolve("mdm.example:9", self.script.address);
        let device = Device::new(kind, client).unwrap();
        let serial = &device.hardware.serial_number;
        self.abm.portal().add_device(serial, kind.into());
        self.abm.portal().assign("hq", &[serial]).unwrap();
        device
    }

    /// A device with the profile.
    async fn device(&self, kind: Kind) -> Device {
        let device = self.unassigned(kind);
        self.assign(&device).await;
        device
    }

    /// Gives the device the profile as it is now.
    async fn assign(&self, device: &Device) {
        let mut dep = crate::abm::testing::Dep::of(&self.abm, "hq");
        let mut profile = self.profile.clone();
        profile["devices"] = json!([device.hardware.serial_number]);
        let answer = dep.post("/profile", profile).await.json();
        assert_eq!(answer["devices"][&device.hardware.serial_number], "SUCCESS");
    }

    async fn boot(&self, device: &mut Device) -> crate::Result<Booted> {
        self.boot_with(device, &BootOptions::default()).await
    }

    async fn boot_with(&self, device: &mut Device, options: &BootOptions) -> crate::Result<Booted> {
        device.boot(&self.abm.lookup(), &self.factory, options).await
    }

    fn login() -> BootOptions {
        BootOptions {
            login: Some(Login {
                user: "ada@example.com".into(),
                password: "p&ss wörd".into(),
            }),
            ..BootOptions::default()
        }
    }
}

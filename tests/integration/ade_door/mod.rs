//! The door of Automated Device Enrollment: devices out of their boxes, and those that say they are.

mod attacks;
mod boot;
mod enroll;
mod hold;
mod login;
mod rules;
mod trust;

use std::{path::PathBuf, sync::OnceLock, time::Duration};

use axum::http::Method;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    x509::{X509, X509NameBuilder, extension::BasicConstraints},
};
use russet::{
    config::Config,
    protocol::ids::SerialNumber,
    service::ade::profiles::Doors as _,
    storage::{
        AdeChanged, AdeDeviceChange, AdeDeviceFacts, AdeDeviceRecord, AdeProfileRecord, AdeTokenAdded,
        AdeTokenRecord, RowRuling,
    },
};
use russet_sim::{Device, Kind, Request, Response, pki::identity::Identity, plists};
use serde_json::{Value, json};

use crate::support::{TestServer, certificates::Leaf, manual_clock};

/// A CA that signs devices' built-in identities.
pub(super) fn device_authority(common_name: &str) -> Identity {
    let key = russet_sim::pki::csr::rsa_key(2048).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common_name).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    // Over, as Apple's is.
    builder
        .set_not_before(&Asn1Time::from_unix(1_000_000_000).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(1_100_000_000).unwrap())
        .unwrap();
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(constraints).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Identity {
        key,
        certificate: builder.build(),
    }
}

/// The CA that servers of these tests trust, and its file.
fn trusted() -> &'static (Identity, PathBuf) {
    static TRUSTED: OnceLock<(Identity, PathBuf)> = OnceLock::new();
    TRUSTED.get_or_init(|| {
        let authority = device_authority("Test Device CA");
        let folder = tempfile::tempdir().unwrap().keep();
        let file = folder.join("test-device-ca.pem");
        std::fs::write(&file, authority.certificate.to_pem().unwrap()).unwrap();
        (authority, file)
    })
}

/// A server with a server token, and Apple's word about its devices.
pub(super) struct Estate {
    pub(super) server: TestServer,
    pub(super) token: AdeTokenRecord,
}

impl Estate {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::at(manual_clock(Duration::from_secs(3 * 86_400)), |config| {
            config.ade.trust_anchors = vec![trusted().1.clone()];
            change(config);
        })
        .await;
        let token = token(&server, "hq").await;
        Self { server, token }
    }

    pub(super) async fn restart(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { server, token } = self;
        let server = server
            .restart(|config| {
                config.ade.trust_anchors = vec![trusted().1.clone()];
                change(config);
            })
            .await;
        Self { server, token }
    }

    /// The address that profiles of the token name.
    pub(super) fn url(&self) -> String {
        self.server.door.addresses(&self.token).url
    }

    /// A device that is assigned to the token, with a profile of these settings if there are any.
    pub(super) async fn device(&self, kind: Kind, settings: Option<Value>) -> Boxed {
        let device = self.server.device(kind);
        let uuid = match settings {
            None => None,
            Some(settings) => Some(self.profile(settings).await),
        };
        self.assign(&self.token, &device, uuid).await;
        Boxed::new(device)
    }

    /// A profile that Apple has; its identifier.
    async fn profile(&self, settings: Value) -> String {
        let uuid = crate::support::uuid();
        let now = self.server.clock.now();
        let record = AdeProfileRecord {
            token: self.token.number,
            name: uuid.clone(),
            description: String::new(),
            settings,
            revision: 1,
            uuid: Some(uuid.clone()),
            former_uuids: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        let rule = Box::new(move |_: Option<&_>, _| RowRuling::Put(record.clone()));
        let store = &self.server.store;
        let stored = store.edit_ade_profile(self.token.number, &uuid, rule).await;
        assert!(stored.unwrap().is_some());
        uuid
    }

    /// Assigns a device to a token.
    pub(super) async fn assign(&self, token: &AdeTokenRecord, device: &Device, profile: Option<String>) {
        let now = self.server.clock.now();
        self.change(token, device, move |serial, number| AdeDeviceRecord {
            token: number,
            serial: serial.clone(),
            facts: AdeDeviceFacts {
                profile_uuid: profile.clone(),
                ..AdeDeviceFacts::default()
            },
            op_date: None,
            generation: 1,
            removed_at: None,
            chosen_profile: None,
            assignment: None,
            due: None,
            first_seen_at: now,
            updated_at: now,
        })
        .await;
    }

    /// Releases a device from the token.
    pub(super) async fn release(&self, device: &Device) {
        let serial = SerialNumber::new(device.hardware.serial_number.clone());
        let found = self.server.store.ade_device(&serial).await.unwrap();
        let record = AdeDeviceRecord {
            removed_at: Some(self.server.clock.now()),
            ..found[0].clone()
        };
        self.change(&self.token, device, move |_, _| record.clone()).await;
    }

    async fn change(
        &self,
        token: &AdeTokenRecord,
        device: &Device,
        record: impl Fn(&SerialNumber, u64) -> AdeDeviceRecord + Send + Sync + 'static,
    ) {
        let number = token.number;
        let change = AdeDeviceChange {
            sync: None,
            serials: vec![SerialNumber::new(device.hardware.serial_number.clone())],
            rule: Box::new(move |serial, _| RowRuling::Put(record(serial, number))),
        };
        let changed = self.server.store.change_ade_devices(number, change).await;
        assert_eq!(changed.unwrap(), AdeChanged::Done(1));
    }

    /// What the operator API tells of a device's latest refusal.
    pub(super) async fn refusal(&self, device: &Device) -> Value {
        let path = format!("/v1/ade/refusals?serial={}", device.hardware.serial_number);
        let answer = self.server.ask(Method::GET, &path, Vec::new()).await;
        answer["refusals"][0].clone()
    }

    /// A device's enrollment, as the operator API shows it.
    pub(super) async fn enrollment(&self, device: &Device) -> Value {
        self.server.enrollment(&device.hardware.udid).await
    }
}

/// A server token.
pub(super) async fn token(server: &TestServer, name: &str) -> AdeTokenRecord {
    let now = server.clock.now();
    let record: AdeTokenRecord = serde_json::from_value(json!({
        "number": 0,
        "name": name,
        "created_at": now,
        "updated_at": now,
    }))
    .unwrap();
    let added = server.store.add_ade_token(record, 10).await.unwrap();
    assert!(matches!(added, AdeTokenAdded::Added(_)), "{added:?}");
    server.store.ade_token(name).await.unwrap().unwrap()
}

/// A device in its box, with the identity that its maker gave it.
pub(super) struct Boxed {
    pub(super) device: Device,
    pub(super) built_in: Identity,
}

impl Boxed {
    pub(super) fn new(mut device: Device) -> Self {
        device.options.awaiting_configuration = false;
        Self {
            device,
            built_in: Leaf::SOUND.issued_by(&trusted().0),
        }
    }

    /// What it sends, with other keys.
    pub(super) fn message_with(&self, change: impl FnOnce(&mut plists::Dictionary)) -> Vec<u8> {
        let mut info = self.device.machine_info();
        change(&mut info);
        self.built_in
            .signed_data(&plists::encode(&info).unwrap())
            .unwrap()
    }

    /// What it sends.
    pub(super) fn message(&self) -> Vec<u8> {
        self.message_with(|_| {})
    }

    /// Asks for its profile and enrolls with it.
    pub(super) async fn boot(&mut self, url: &str) -> russet_sim::Result<()> {
        let profile = self.fetch(url).await;
        self.device.enroll_with(&profile).await.map(drop)
    }

    /// Its profile.
    pub(super) async fn fetch(&self, url: &str) -> Vec<u8> {
        let request = Request::new(Method::POST, url).body(self.message());
        let answer = self.device.client.fresh().send(request, None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.media_type(), "application/x-apple-aspen-config");
        answer.body.to_vec()
    }
}

/// Posts a message to the door.
pub(super) async fn post(server: &TestServer, url: &str, message: impl Into<Vec<u8>>) -> Response {
    let request = Request::new(Method::POST, url).body(message.into());
    let request = request
        .header("content-type", "application/pkcs7-signature")
        .unwrap();
    server.client().send(request, None).await.unwrap()
}

/// The failure's name in a refusal's text.
pub(super) fn code(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    text.split(": ").next().unwrap_or_default().to_owned()
}

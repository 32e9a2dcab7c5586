//! A store, an Apple that says what it is told to, and what is needed around them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    apple::dep::{
        DepAccess, DepAssigned, DepDefined, DepDevice, DepFailure, DepForward, DepForwarded, DepPage,
        DepStatuses, DeviceAssignment,
    },
    outbound::{Outbound, OutboundAnswer, OutboundFailure, OutboundRequest},
    pki::{certificate::Certificate, cipher::ContentCipher, cms::encrypt, pem, seal::Sealer},
    protocol::time::Timestamp,
    service::{
        ade::tokens::{
            AdeTokens,
            import::{Import, Imported},
            pending::{NewToken, TokenCertificate},
        },
        events::Events,
    },
    storage::{
        AdeTokenRecord, HookRecord, Storage,
        sled::{SledOptions, SledStorage},
    },
};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Answers `GET /account`, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Apple {
    answers: Mutex<VecDeque<Result<DepDevice, DepFailure>>>,
    /// The consumer keys that it was asked with.
    pub(super) asked: Mutex<Vec<String>>,
}

impl Apple {
    /// The next question is answered so; when nothing is left, Apple is away.
    pub(super) fn will_say(&self, answer: Result<Value, DepFailure>) {
        let answer = answer.map(|value| value.as_object().unwrap().clone());
        self.answers.lock().unwrap().push_back(answer);
    }

    pub(super) fn will_confirm(&self, server_uuid: &str) {
        self.will_say(Ok(json!({
            "server_name": "HQ",
            "server_uuid": server_uuid,
            "facilitator_id": "admin@example.org",
            "org_name": "Example",
            "urls": [{ "uri": "/profile/devices", "http_method": ["POST"], "limit": { "default": 1000, "maximum": 1000 } }],
        })));
    }
}

fn away<T>() -> Result<T, DepFailure> {
    Err(DepFailure::Unavailable("nobody is there".into(), None))
}

#[async_trait]
impl DeviceAssignment for Apple {
    async fn account(&self, access: &DepAccess) -> Result<DepDevice, DepFailure> {
        self.asked
            .lock()
            .unwrap()
            .push(access.credentials.consumer_key.clone());
        self.answers.lock().unwrap().pop_front().unwrap_or_else(away)
    }

    async fn fetch(&self, _: &DepAccess, _: Option<&str>, _: u32) -> Result<DepPage, DepFailure> {
        away()
    }

    async fn sync(&self, _: &DepAccess, _: &str, _: u32) -> Result<DepPage, DepFailure> {
        away()
    }

    async fn devices(&self, _: &DepAccess, _: &[String]) -> Result<BTreeMap<String, DepDevice>, DepFailure> {
        away()
    }

    async fn disown(&self, _: &DepAccess, _: &[String]) -> Result<DepStatuses, DepFailure> {
        away()
    }

    async fn define_profile(&self, _: &DepAccess, _: &Value) -> Result<DepDefined, DepFailure> {
        away()
    }

    async fn profile(&self, _: &DepAccess, _: &str) -> Result<Value, DepFailure> {
        away()
    }

    async fn assign(&self, _: &DepAccess, _: &str, _: &[String]) -> Result<DepAssigned, DepFailure> {
        away()
    }

    async fn unassign(&self, _: &DepAccess, _: &[String]) -> Result<DepStatuses, DepFailure> {
        away()
    }

    async fn activation_lock(&self, _: &DepAccess, _: &Value) -> Result<String, DepFailure> {
        away()
    }

    async fn replacement(&self, _: &DepAccess, _: &str) -> Result<DepDevice, DepFailure> {
        away()
    }

    async fn beta_tokens(&self, _: &DepAccess) -> Result<Value, DepFailure> {
        away()
    }

    async fn set_service_discovery(&self, _: &DepAccess, _: &str) -> Result<(), DepFailure> {
        away()
    }

    async fn service_discovery(&self, _: &DepAccess) -> Result<Value, DepFailure> {
        away()
    }

    async fn remove_service_discovery(&self, _: &DepAccess) -> Result<(), DepFailure> {
        away()
    }

    async fn forward(&self, _: &DepAccess, _: DepForward) -> Result<DepForwarded, DepFailure> {
        away()
    }
}

/// Nothing is delivered here: what waits for the hook is looked at.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Outbound for Nowhere {
    async fn send(&self, _: OutboundRequest) -> Result<OutboundAnswer, OutboundFailure> {
        panic!("nothing is sent")
    }
}

/// All of it.
pub(super) struct Bench {
    pub(super) tokens: AdeTokens,
    pub(super) store: Arc<dyn Storage>,
    pub(super) apple: Arc<Apple>,
    hook: u64,
    _folder: TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Storage> =
            Arc::new(SledStorage::open(folder.path(), SledOptions::default()).unwrap());
        let sealer = Arc::new(Sealer::new(&[7; 32]).unwrap());
        let events = Events::new(
            Arc::clone(&store),
            Arc::clone(&sealer),
            Arc::new(Nowhere),
            crate::config::Hooks::default(),
        );
        let hook = HookRecord {
            number: 0,
            name: "all".into(),
            url: "http://127.0.0.1:9/".into(),
            format: Default::default(),
            topics: vec!["russet.*".into()],
            statuses: Vec::new(),
            secret: None,
            credentials: None,
            allow_any_address: false,
            enabled: true,
            created_at: NOW,
        };
        let hook = store.add_hook(hook).await.unwrap().unwrap().number;
        events.load().await.unwrap();
        let apple = Arc::new(Apple::default());
        let connected: Arc<dyn DeviceAssignment> = Arc::clone(&apple) as _;
        Self {
            tokens: AdeTokens::new(Arc::clone(&store), sealer, Some(connected), Arc::new(events)),
            store,
            apple,
            hook,
            _folder: folder,
        }
    }

    /// Has a key pair made.
    pub(super) async fn begin(&self, name: &str) -> TokenCertificate {
        let new = NewToken {
            name: name.into(),
            ..NewToken::default()
        };
        self.tokens.certificate(new, NOW).await.unwrap()
    }

    /// A token that Apple has confirmed.
    pub(super) async fn active(&self, name: &str) -> AdeTokenRecord {
        let certificate = self.begin(name).await;
        self.apple.will_confirm(&format!("UUID-{name}"));
        let file = p7m(&certificate.pem, &format!("CK_{name}"), "2027-12-01T00:00:00Z");
        self.import(name, &file).await.unwrap().record
    }

    pub(super) async fn import(&self, name: &str, file: &[u8]) -> crate::error::Result<Imported> {
        self.tokens.import(name, file, Import::default(), NOW).await
    }

    pub(super) async fn record(&self, name: &str) -> AdeTokenRecord {
        self.store.ade_token(name).await.unwrap().unwrap()
    }

    /// Topics and bodies of the events so far.
    pub(super) async fn events(&self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        for queued in self.store.events(self.hook, 0, 1_000).await.unwrap() {
            let event = self.store.event(self.hook, queued.sequence).await.unwrap();
            let (record, payload) = event.unwrap();
            events.push((record.topic, serde_json::from_slice(&payload).unwrap()));
        }
        events
    }
}

/// What the portal gives for a certificate.
pub(super) fn p7m(certificate: &str, consumer_key: &str, expiry: &str) -> Vec<u8> {
    let der = pem::blocks(certificate).unwrap().remove(0).der;
    let text = format!(
        "-----BEGIN MESSAGE-----\n{}\n-----END MESSAGE-----\n",
        credentials(consumer_key, expiry)
    );
    let certificate = Certificate::parse(&der).unwrap();
    encrypt(text.as_bytes(), &certificate, ContentCipher::Aes128Cbc).unwrap()
}

/// What is in it.
pub(super) fn credentials(consumer_key: &str, expiry: &str) -> Value {
    json!({
        "consumer_key": consumer_key,
        "consumer_secret": "CS_secret",
        "access_token": "AT_secret",
        "access_secret": "AS_secret",
        "access_token_expiry": expiry,
    })
}

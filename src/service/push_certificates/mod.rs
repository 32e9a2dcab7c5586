//! The MDM push certificates: which topics this server can push to, which one new enrollments get, and how each is
//! requested ([`request`]), imported ([`import`]) and watched until it has to be renewed ([`mod@standing`]).
//!
//! Several topics live side by side. A certificate is exchanged while the server runs: whoever pushes takes
//! [`PushCertificates::identities`] anew each time [`PushCertificates::changes`] moves.

pub mod import;
pub mod request;
pub mod standing;

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{
    error::{Code, Error, Result},
    pki::{
        certificate::Certificate,
        pem,
        push_request::Vendor,
        seal::{SealError, Sealer},
    },
    protocol::{ids::Topic, time::Timestamp},
    storage::{PushCertificateRecord, Storage, StoreResult},
};
use standing::{ExpiryNotice, Level, Standing, standing};

/// What a stored certificate's key is sealed for.
const PUSH_KEY: &str = "push-key";

/// The vendor's certificate, or why it can't be used.
pub type VendorOrProblem = std::result::Result<Vendor, String>;

/// Requests, stores, shows and hands out push certificates. Clones share everything.
#[derive(Clone, Debug)]
pub struct PushCertificates {
    store: Arc<dyn Storage>,
    sealer: Arc<Sealer>,
    vendor: Option<Arc<VendorOrProblem>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Counts stored certificates.
    changes: watch::Sender<u64>,
    /// One import at a time: each looks at what is stored before it stores.
    importing: tokio::sync::Mutex<()>,
    /// For each topic the days that were left at its latest notice.
    noticed: Mutex<HashMap<Topic, i64>>,
}

/// What may be shown of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCertificateFacts {
    /// Its topic, which is its subject's UID.
    pub topic: Topic,
    /// Its serial number in lower-case hexadecimal; empty if the stored certificate can't be read.
    pub serial: String,
    /// End of validity.
    pub not_after: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The Apple Account it was made with, if the operator noted it.
    pub apple_id: Option<String>,
    /// Whether new enrollments get this topic.
    pub leads: bool,
}

/// What a connection to APNs needs to authenticate with. The key does not show in `Debug`.
#[derive(Clone)]
pub struct PushIdentityMaterial {
    /// The topic that it may push to.
    pub topic: Topic,
    /// The certificate, then whatever was stored with it, as DER.
    pub chain: Vec<Vec<u8>>,
    /// The private key as PKCS #8. Secret.
    pub key_pkcs8: Vec<u8>,
    /// End of validity.
    pub not_after: Timestamp,
    /// When it was stored: a later one is a replacement.
    pub stored_at: Timestamp,
    /// How it stands at the time that was asked about. APNs refuses one that has expired.
    pub standing: Standing,
}

impl fmt::Debug for PushIdentityMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushIdentityMaterial")
            .field("topic", &self.topic)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The certificate whose topic new enrollments get.
pub fn leading(records: &[PushCertificateRecord]) -> Option<&PushCertificateRecord> {
    records.iter().min_by_key(|record| Reverse(leads_since(record)))
}

fn leads_since(record: &PushCertificateRecord) -> Timestamp {
    record.leads_since.unwrap_or(record.stored_at)
}

impl PushCertificates {
    /// Puts the parts together. Without a vendor, requests leave this server unsigned.
    pub fn new(store: Arc<dyn Storage>, sealer: Arc<Sealer>, vendor: Option<VendorOrProblem>) -> Self {
        Self {
            store,
            sealer,
            vendor: vendor.map(Arc::new),
            shared: Arc::new(Shared {
                changes: watch::Sender::new(0),
                importing: tokio::sync::Mutex::new(()),
                noticed: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// Moves each time a certificate has been stored, by this process.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The certificate of one topic.
    pub async fn facts(&self, topic: &Topic) -> Result<PushCertificateFacts> {
        let all = self.list().await?;
        all.into_iter()
            .find(|facts| facts.topic == *topic)
            .ok_or_else(|| unknown(topic))
    }

    /// All of them, the latest stored first.
    pub async fn list(&self) -> StoreResult<Vec<PushCertificateFacts>> {
        let records = self.store.push_certificates().await?;
        let leading = leading(&records).map(|record| record.topic.clone());
        let facts = |record| facts_of(record, leading.as_ref());
        Ok(records.iter().map(facts).collect())
    }

    /// How many devices are enrolled with a topic. Looks at every enrollment.
    pub async fn enrolled_devices(&self, topic: &Topic) -> StoreResult<u64> {
        let devices = self.store.devices_by_topic().await?;
        Ok(devices.get(topic).copied().unwrap_or_default())
    }

    /// What to authenticate to APNs with, for every topic; the latest stored first. One whose key does not open is left
    /// out and logged: it must not stop the others.
    pub async fn identities(&self, now: Timestamp) -> StoreResult<Vec<PushIdentityMaterial>> {
        let records = self.store.push_certificates().await?;
        let mut identities = Vec::with_capacity(records.len());
        for record in records {
            let (Some(chain), Ok(key_pkcs8)) = (chain(&record), self.open(PUSH_KEY, record.key.as_bytes()))
            else {
                tracing::error!(topic = %record.topic, "the stored push certificate or its key can't be opened: import it again");
                continue;
            };
            identities.push(PushIdentityMaterial {
                topic: record.topic,
                chain,
                key_pkcs8,
                not_after: record.not_after,
                stored_at: record.stored_at,
                standing: standing(record.not_after, now),
            });
        }
        Ok(identities)
    }

    /// What has to be said of certificates that expire soon or have expired: once a day for each topic. Days are counted
    /// from the certificate's end, so that the first notice comes 30 days before it, and another when it has come. Which
    /// topics have had theirs is forgotten when the process ends.
    pub async fn notices(&self, now: Timestamp) -> StoreResult<Vec<ExpiryNotice>> {
        let records = self.store.push_certificates().await?;
        let mut noticed = self.shared.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notices = Vec::new();
        for record in records {
            let standing = standing(record.not_after, now);
            let days_left = standing.days_left;
            if standing.level != Level::Ok
                && noticed.insert(record.topic.clone(), days_left) != Some(days_left)
            {
                notices.push(ExpiryNotice {
                    topic: record.topic,
                    not_after: record.not_after,
                    standing,
                    apple_id: record.apple_id,
                });
            }
        }
        Ok(notices)
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> std::result::Result<Vec<u8>, SealError> {
        self.sealer.open(purpose, sealed)
    }
}

fn unknown(topic: &Topic) -> Error {
    Error::with(Code::PushCertificateUnknown, topic)
}

fn facts_of(record: &PushCertificateRecord, leading: Option<&Topic>) -> PushCertificateFacts {
    let leaf = chain(record).and_then(|chain| chain.into_iter().next());
    let serial = leaf
        .as_deref()
        .and_then(|der| Some(Certificate::parse(der).ok()?.serial_hex()));
    PushCertificateFacts {
        topic: record.topic.clone(),
        serial: serial.unwrap_or_default(),
        not_after: record.not_after,
        stored_at: record.stored_at,
        apple_id: record.apple_id.clone(),
        leads: leading == Some(&record.topic),
    }
}

/// The stored certificates as DER, leaf first.
fn chain(record: &PushCertificateRecord) -> Option<Vec<Vec<u8>>> {
    let blocks = pem::blocks(&record.certificate_pem).ok()?;
    Some(blocks.into_iter().map(|block| block.der).collect())
}

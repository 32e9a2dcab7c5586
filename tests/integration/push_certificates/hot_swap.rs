//! What whoever pushes is told: which identities there are, and when they have changed.

use std::{sync::Arc, time::Duration};

use openssl::x509::X509;
use russet::{
    pki::seal::Sealer,
    protocol::{ids::Topic, time::Timestamp},
    service::push_certificates::{
        PushCertificates,
        import::Import,
        standing::{ExpiryNotice, Level},
    },
    storage::{
        Storage,
        sled::{SledOptions, SledStorage},
    },
};
use tempfile::TempDir;

use crate::support::portal::{PushLeaf, new_topic};

const DAY: Duration = Duration::from_secs(86_400);

struct Fixture {
    store: Arc<dyn Storage>,
    certificates: PushCertificates,
    now: Timestamp,
    _folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Storage> =
            Arc::new(SledStorage::open(folder.path(), SledOptions::default()).unwrap());
        Self {
            certificates: PushCertificates::new(Arc::clone(&store), sealer(7), None),
            store,
            now: Timestamp::from_seconds(1_795_300_000),
            _folder: folder,
        }
    }

    /// Imports a certificate of this topic; itself as DER.
    async fn import(&self, topic: &str, now: Timestamp) -> Vec<u8> {
        let (certificate, key) = PushLeaf::new(topic, now).with_key();
        let pem = certificate.clone() + &key;
        let import = Import {
            pem: pem.as_bytes(),
            ..Import::default()
        };
        self.certificates.import(import, now).await.unwrap();
        X509::from_pem(certificate.as_bytes()).unwrap().to_der().unwrap()
    }
}

fn sealer(key: u8) -> Arc<Sealer> {
    Arc::new(Sealer::new(&[key; 32]).unwrap())
}

#[tokio::test]
async fn p10_a_stored_certificate_is_announced_at_once_with_all_that_a_connection_needs() {
    let fixture = Fixture::new();
    let (topic, now) = (new_topic(), fixture.now);
    let mut changes = fixture.certificates.changes();
    let first = fixture.import(&topic, now).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert!(!changes.has_changed().unwrap());
    // A clone is another handle on the same.
    let handle = fixture.certificates.clone();
    let identities = handle.identities(now).await.unwrap();
    assert_eq!((identities.len(), &identities[0].chain), (1, &vec![first]));

    let later = now.plus(DAY);
    let second = fixture.import(&topic, later).await;
    changes.changed().await.unwrap();
    let identities = handle.identities(later).await.unwrap();
    let [identity] = identities.as_slice() else {
        panic!("{identities:?}");
    };
    assert_eq!(identity.chain, [second]);
    assert_eq!(
        (identity.topic.as_str(), identity.stored_at),
        (topic.as_str(), later)
    );
    assert_eq!(identity.not_after, later.plus(365 * DAY));
    assert_eq!(identity.standing.level, Level::Ok);
    let key = openssl::pkey::PKey::private_key_from_der(&identity.key_pkcs8).unwrap();
    let certificate = X509::from_der(&identity.chain[0]).unwrap();
    assert!(certificate.public_key().unwrap().public_eq(&key));
    let shown = format!("{identity:?}");
    assert!(shown.contains(&topic) && !shown.contains("pkcs8"), "{shown}");
}

#[tokio::test]
async fn a_refused_certificate_is_not_announced() {
    let fixture = Fixture::new();
    let mut leaf = PushLeaf::new(new_topic(), fixture.now);
    leaf.not_after = fixture.now.minus(DAY);
    let (certificate, key) = leaf.with_key();
    let pem = (certificate + &key).into_bytes();
    let import = Import {
        pem: &pem,
        ..Import::default()
    };
    let changes = fixture.certificates.changes();
    assert!(fixture.certificates.import(import, fixture.now).await.is_err());
    assert!(!changes.has_changed().unwrap());
    assert!(
        fixture
            .certificates
            .identities(fixture.now)
            .await
            .unwrap()
            .is_empty()
    );
}

/// A key that does not open is its own topic's trouble.
#[tokio::test]
async fn an_identity_that_does_not_open_leaves_the_others_in_service() {
    let fixture = Fixture::new();
    let (whole, broken) = (new_topic(), new_topic());
    fixture.import(&whole, fixture.now).await;
    fixture.import(&broken, fixture.now.plus(DAY)).await;
    let foreign = PushCertificates::new(Arc::clone(&fixture.store), sealer(8), None);
    assert!(foreign.identities(fixture.now).await.unwrap().is_empty());
    let mut record = fixture
        .store
        .push_certificate(&Topic::new(&broken))
        .await
        .unwrap()
        .unwrap();
    record.key = russet::storage::Sealed::new(vec![0; 40]);
    fixture.store.put_push_certificate(record).await.unwrap();
    let left = fixture.certificates.identities(fixture.now).await.unwrap();
    assert_eq!((left.len(), left[0].topic.as_str()), (1, whole.as_str()));
}

#[tokio::test]
async fn p5_f15_each_topic_is_spoken_of_once_a_day_from_thirty_days_before_its_end() {
    let fixture = Fixture::new();
    let (first, second) = (new_topic(), new_topic());
    fixture.import(&first, fixture.now).await;
    fixture.import(&second, fixture.now.plus(10 * DAY)).await;
    let said = async |days: u32, hours: u64| {
        let now = fixture
            .now
            .plus(days * DAY)
            .plus(Duration::from_secs(hours * 3600));
        fixture.certificates.notices(now).await.unwrap()
    };
    let topics = |notices: &[ExpiryNotice]| {
        let topics = notices.iter().map(|notice| notice.topic.to_string());
        topics.collect::<Vec<_>>()
    };
    assert!(said(334, 0).await.is_empty());
    let notices = said(335, 0).await;
    assert_eq!(topics(&notices), [first.as_str()]);
    assert_eq!(
        (notices[0].standing.level, notices[0].standing.days_left),
        (Level::Warning, 30)
    );
    assert!(
        notices[0].to_string().contains("expires in 30 days"),
        "{}",
        notices[0]
    );
    for hours in [0, 1, 12, 23] {
        assert!(said(335, hours).await.is_empty(), "said already");
    }
    assert_eq!(said(336, 0).await.len(), 1);
    assert_eq!(topics(&said(365, 0).await), [second.clone(), first.clone()]);
    let notices = said(367, 0).await;
    let expired = notices
        .iter()
        .find(|notice| notice.topic.as_str() == first)
        .unwrap();
    assert_eq!(expired.standing.level, Level::Expired);
    assert!(expired.to_string().contains("nothing can be pushed"), "{expired}");

    // Renewed, it is spoken of no more.
    fixture.import(&first, fixture.now.plus(367 * DAY)).await;
    assert_eq!(topics(&said(368, 0).await), [second]);
}

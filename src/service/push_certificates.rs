//! The MDM push certificates: which topics this server can push to, and which one new enrollments get.

use std::sync::Arc;

use crate::{
    error::{Code, Error, Result},
    pki::{pem, push_cert::PushCertificate, seal::Sealer},
    protocol::{ids::Topic, time::Timestamp},
    storage::{PushCertificateRecord, Sealed, Storage},
};

const PUSH_KEY: &str = "push-key";

/// Stores and shows push certificates.
#[derive(Clone, Debug)]
pub struct PushCertificates {
    store: Arc<dyn Storage>,
    sealer: Arc<Sealer>,
}

/// What may be shown of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCertificateFacts {
    /// Its topic.
    pub topic: Topic,
    /// End of validity.
    pub not_after: Timestamp,
}

impl PushCertificates {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, sealer: Arc<Sealer>) -> Self {
        Self { store, sealer }
    }

    /// Stores a certificate with its key: PEM, in any order. New enrollments get its topic.
    pub async fn store(&self, upload: &[u8], now: Timestamp) -> Result<PushCertificateFacts> {
        let text = std::str::from_utf8(upload)
            .map_err(|_| Error::with(Code::BadCertificateFile, "it is not text"))?;
        let certificate =
            PushCertificate::parse(text).map_err(|error| Error::with(Code::BadCertificateFile, error))?;
        let key = self
            .sealer
            .seal(PUSH_KEY, &certificate.key_pkcs8)
            .map_err(Error::internal)?;
        let facts = PushCertificateFacts {
            topic: certificate.topic.clone(),
            not_after: certificate.not_after,
        };
        self.store
            .put_push_certificate(PushCertificateRecord {
                topic: certificate.topic,
                certificate_pem: certificate
                    .chain
                    .iter()
                    .map(|der| pem::encode("CERTIFICATE", der))
                    .collect(),
                key: Sealed::new(key),
                not_after: certificate.not_after,
                stored_at: now,
            })
            .await?;
        tracing::info!(topic = %facts.topic, not_after = %facts.not_after, "push certificate stored");
        Ok(facts)
    }

    /// The certificate of one topic.
    pub async fn facts(&self, topic: &Topic) -> Result<PushCertificateFacts> {
        let record = self.store.push_certificate(topic).await?;
        let record = record.ok_or_else(|| Error::with(Code::PushCertificateUnknown, topic))?;
        Ok(PushCertificateFacts {
            topic: record.topic,
            not_after: record.not_after,
        })
    }

    /// All of them, the latest stored first.
    pub async fn list(&self) -> Result<Vec<PushCertificateFacts>> {
        let records = self.store.push_certificates().await?;
        let facts = |record: PushCertificateRecord| PushCertificateFacts {
            topic: record.topic,
            not_after: record.not_after,
        };
        Ok(records.into_iter().map(facts).collect())
    }
}

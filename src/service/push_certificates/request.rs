//! Asking Apple for a certificate: a key that never leaves this server, the request for it, and what to do with it.
//!
//! For each topic one key waits, and one for a first certificate: asking again gives the same request again, so that
//! nothing is lost by an operator who comes back, on whatever day, to whichever of the copies.

use super::{PushCertificateFacts, PushCertificates, unknown};
use crate::{
    error::{Code, Error, Result},
    pki::{ca::fingerprint, keys::SigningKey, pem, push_request::signing_request},
    protocol::{ids::Topic, time::Timestamp},
    storage::{PendingPushKeyRecord, Sealed, SecretHash, StoreResult},
};

/// What a key is sealed for while it waits.
pub(super) const PENDING_PUSH_KEY: &str = "pending-push-key";

/// A request, and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// The topic to be renewed; `None` for a first certificate.
    pub topic: Option<Topic>,
    /// When its key was made.
    pub created_at: Timestamp,
    /// PKCS #10, as PEM.
    pub csr: String,
    /// The push certificate request that Apple's portal takes, where a vendor certificate is configured.
    pub signed: Option<String>,
    /// What to do now, step by step.
    pub steps: Vec<String>,
}

impl PushCertificates {
    /// The request for a first certificate, or for the renewal of a topic's.
    pub async fn request(&self, topic: Option<&Topic>, now: Timestamp) -> Result<SigningRequest> {
        let present = self.list().await?;
        let former = match topic {
            None => None,
            Some(topic) => {
                let former = present.iter().find(|facts| facts.topic == *topic);
                Some(former.ok_or_else(|| unknown(topic))?)
            }
        };
        let pending = self.pending_key(topic, now).await?;
        let key = self
            .open(PENDING_PUSH_KEY, pending.key.as_bytes())
            .map_err(Error::internal)?;
        let key = SigningKey::from_der(&key).map_err(Error::internal)?;
        let csr = signing_request(&key).map_err(Error::internal)?;
        let signed = match self.vendor.as_deref() {
            None => None,
            Some(Err(problem)) => return Err(Error::with(Code::PushVendorUnusable, problem)),
            Some(Ok(vendor)) => {
                let signed = vendor.sign(&csr, now);
                Some(signed.map_err(|error| Error::with(Code::PushVendorUnusable, error))?)
            }
        };
        Ok(SigningRequest {
            steps: steps(former, present.is_empty(), signed.is_some()),
            topic: topic.cloned(),
            created_at: pending.created_at,
            csr: pem::encode("CERTIFICATE REQUEST", &csr),
            signed,
        })
    }

    /// The requests that wait for their certificates.
    pub async fn pending(&self) -> StoreResult<Vec<PendingPushKeyRecord>> {
        self.store.pending_push_keys().await
    }

    /// The key that waits for this topic; if none does, a new one from now on.
    async fn pending_key(&self, topic: Option<&Topic>, now: Timestamp) -> Result<PendingPushKeyRecord> {
        let pending = self.pending().await?;
        if let Some(waiting) = pending.into_iter().find(|record| record.topic.as_ref() == topic) {
            return Ok(waiting);
        }
        // Finding two primes takes long enough to keep other requests waiting.
        let made = tokio::task::spawn_blocking(|| {
            let key = SigningKey::generate_rsa()?;
            Ok::<_, crate::pki::keys::KeyError>((key.to_pkcs8()?, key.public_key()?))
        });
        let (pkcs8, public) = made.await.map_err(Error::internal)?.map_err(Error::internal)?;
        let sealed = self
            .sealer
            .seal(PENDING_PUSH_KEY, &pkcs8)
            .map_err(Error::internal)?;
        let key = PendingPushKeyRecord {
            topic: topic.cloned(),
            key_hash: SecretHash(fingerprint(public.spki())),
            key: Sealed::new(sealed),
            created_at: now,
        };
        Ok(self.store.add_pending_push_key(key).await?)
    }
}

/// What the operator does with a request.
fn steps(former: Option<&PushCertificateFacts>, first: bool, signed: bool) -> Vec<String> {
    let mut steps = Vec::new();
    if former.is_none() && !first {
        steps.push(
            "There is a push certificate already. To renew it, use `russet push-cert renew` instead: this request leads \
             to another topic, with which no enrolled device can be reached."
                .to_owned(),
        );
    }
    if !signed {
        steps.push(
            "Have the request signed by an MDM vendor: Apple's portal takes signed requests only. With a vendor \
             certificate of your own, set push.vendor_certificate, push.vendor_key and push.vendor_chain, and ask \
             again."
                .to_owned(),
        );
    }
    match former {
        None => {
            steps.push(
                "Sign in at https://identity.apple.com/pushcert with an Apple Account that belongs to your \
                 organization, not to a person who may leave: only this account can renew the certificate."
                    .to_owned(),
            );
            steps.push(
                "Choose \"Create a Certificate\", upload the request and download the .pem.".to_owned(),
            );
            steps.push("Import it: russet push-cert import FILE.pem --apple-id ACCOUNT".to_owned());
        }
        Some(former) => {
            let account = match &former.apple_id {
                Some(account) => format!("the Apple Account {account}"),
                None => {
                    "the Apple Account that the certificate was made with (it was not noted here)".to_owned()
                }
            };
            steps.push(format!(
                "Sign in at https://identity.apple.com/pushcert with {account}."
            ));
            steps.push(format!(
                "Choose \"Renew\", never \"Create\", beside the certificate with serial number {}, which expires on {} \
                 and whose subject has the UID {}: a new certificate has another topic, and every device would have to \
                 enroll again.",
                former.serial, former.not_after, former.topic
            ));
            steps.push("Upload the request and download the .pem.".to_owned());
            steps.push("Import it: russet push-cert import FILE.pem. It is in service at once.".to_owned());
        }
    }
    steps
}

//! Which certificate may speak for which enrollment, on every message but `Authenticate`.

use std::sync::Arc;

use crate::{
    error::{Code, Error, Result},
    pki::identity::{self, ClientCertificate},
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::admission::{self, Standing},
    storage::{CertificateRecord, EnrollmentRecord, MadeFor, Refusal, Ruling, Storage},
};

/// Judges certificates by what is stored.
#[derive(Clone, Debug)]
pub struct Identities {
    store: Arc<dyn Storage>,
}

/// What the message is, as far as identities matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `TokenUpdate`, which may complete an enrollment or a renewal that is pending.
    TokenUpdate,
    /// Anything else.
    Any,
}

impl Identities {
    /// Judges by this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store }
    }

    /// Refuses a certificate that none of our CAs issued for client authentication, or that is out of its validity.
    pub fn trusted(certificate: &ClientCertificate, now: Timestamp) -> Result<()> {
        let problem = match certificate.standing(now) {
            identity::Standing::Trusted => return Ok(()),
            identity::Standing::Expired => "it has expired",
            identity::Standing::Foreign => "it was not issued by this server's device CA",
            identity::Standing::NotYetValid => "it is not valid yet",
            identity::Standing::WrongUsage => "it is not for client authentication",
        };
        Err(Error::with(Code::CertificateNotTrusted, problem))
    }

    /// Refuses a certificate that does not speak for the device channel `device`; returns the channel if it does.
    pub async fn speaks_for(
        &self,
        certificate: &ClientCertificate,
        device: &EnrollmentId,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<EnrollmentRecord> {
        Self::trusted(certificate, now)?;
        let (record, known) = self.store.standing(device, &certificate.fingerprint).await?;
        let record =
            record.ok_or_else(|| Error::with(Code::NotEnrolled, "no Authenticate was seen from it"))?;
        match admission::standing(certificate.fingerprint, known.as_ref(), &record) {
            Standing::Speaks => Ok(record),
            Standing::Pending if purpose == Purpose::TokenUpdate => Ok(record),
            Standing::Pending => Err(Error::with(Code::NotEnrolled, "its TokenUpdate has not come yet")),
            Standing::Adoptable => self.adopt(certificate, device).await,
            Standing::Stranger => Err(Error::new(Code::CertificateNotBound)),
        }
    }

    async fn adopt(
        &self,
        certificate: &ClientCertificate,
        device: &EnrollmentId,
    ) -> Result<EnrollmentRecord> {
        let record = CertificateRecord {
            fingerprint: certificate.fingerprint,
            serial: certificate.serial(),
            subject: certificate.subject(),
            made_for: MadeFor::Anyone,
            enrollment: None,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            revoked_at: None,
        };
        let rule = Box::new(move |situation: &_| admission::adopt(&record, situation));
        match self
            .store
            .check_in(device, Some(certificate.fingerprint), rule)
            .await?
        {
            Ruling::Refuse(refusal) => Err(refused(refusal)),
            Ruling::Keep | Ruling::Write(_) => {
                tracing::info!(enrollment = %device, identity = %certificate.fingerprint, "identity adopted");
                let row = self.store.enrollment(device).await?;
                row.map(|row| row.record)
                    .ok_or_else(|| Error::new(Code::NotEnrolled))
            }
        }
    }
}

/// The words for a refusal.
pub fn refused(refusal: Refusal) -> Error {
    Error::new(match refusal {
        Refusal::Alive => Code::EnrollmentAlive,
        Refusal::BoundElsewhere | Refusal::MadeForAnother => Code::CertificateOfAnother,
        Refusal::NotBound => Code::CertificateNotBound,
        Refusal::NotEnrolled => Code::NotEnrolled,
    })
}
